//! One step: a command in the persistent shell, through session, guest and event log, beside a bare piped bash.
//!
//! Both take turns in blocks, so that whatever else the machine does falls on both. CPU time is split into ours (this
//! process and the guest) and bash's own, which the bare bash needs too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use researchgym_core::observation::{ExecEnding, Observation};
use researchgym_engine::session::Session;

use crate::Outcome;
use crate::floor::BareShell;
use crate::options::Options;
use crate::place::{self, Place};
use crate::process::{self, Process};
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

/// Steps of one side before the other has its turn.
const BLOCK: usize = 250;
/// What is said of the rivals: milliseconds of wall time for such a step on such a machine.
const RIVALS: [(&str, f64); 4] =
    [("mini-swe-agent", 6.0), ("Inspect", 13.0), ("SWE-ReX", 111.0), ("MLGym", 519.0)];

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let steps = options.number("steps", 10_000)?;
    let place = Place::new()?;
    let task = place::task("blotto")?;
    let runner = place.runner(&task, None, Arc::new(|_, _| {})).await?;
    let (mut ready, _) = place.ready(&runner, &task).await?;
    for (command, steps) in [("true", steps), ("/bin/true", steps / 10)] {
        talk(&format!("{steps} steps of `{command}`"));
        let measured = Measured::take(ready.session(), command, steps).await?;
        measured.write(report, command);
    }
    for (rival, milliseconds) in RIVALS {
        report.write(Figure::number(
            &format!("one step of {rival}, as measured elsewhere"),
            "ms",
            milliseconds,
        ));
    }
    place.end(&runner, ready).await;
    Ok(())
}

/// Both sides.
#[derive(Default)]
struct Measured {
    ours: Side,
    bare: Side,
    guest_cpu: Duration,
    /// Our own CPU time in each block, as it is for one step.
    own_cpu: Samples,
}

/// One side: every step's wall time, and CPU time in all.
#[derive(Default)]
struct Side {
    wall: Samples,
    host_cpu: Duration,
    shell_cpu: Duration,
}

impl Measured {
    async fn take(session: &mut Session, command: &str, steps: usize) -> Outcome<Measured> {
        let mut bare = BareShell::start()?;
        let mut measured = Measured::default();
        for _ in 0..20 {
            bare.run(command)?;
            step(session, command).await?;
        }
        while measured.ours.wall.len() < steps {
            let block = BLOCK.min(steps - measured.ours.wall.len());
            let before = Cpu::now(bare.pid());
            for _ in 0..block {
                measured.ours.wall.push(step(session, command).await?);
            }
            let between = Cpu::now(bare.pid());
            for _ in 0..block {
                measured.bare.wall.push(bare.run(command)?);
            }
            let after = Cpu::now(bare.pid());
            let host_cpu = between.host_before.saturating_sub(before.host_after);
            let guest_cpu = between.guest.saturating_sub(before.guest);
            measured.own_cpu.push((host_cpu + guest_cpu) / u32::try_from(block)?);
            measured.ours.host_cpu += host_cpu;
            measured.ours.shell_cpu += between.shell.saturating_sub(before.shell);
            measured.guest_cpu += guest_cpu;
            measured.bare.host_cpu += after.host_before.saturating_sub(between.host_after);
            measured.bare.shell_cpu += after.bare_shell.saturating_sub(between.bare_shell);
        }
        Ok(measured)
    }

    fn write(&self, report: &Report, command: &str) {
        use Unit::Microseconds as Us;
        let Measured { ours, bare, guest_cpu, own_cpu } = self;
        let steps = u32::try_from(ours.wall.len()).unwrap_or(u32::MAX).max(1);
        let name = |what: &str| format!("{what}, `{command}`");
        let floor = "bare piped bash";
        report.write(Figure::samples(&name("a step"), Us, &ours.wall).beside_duration(
            &format!("{floor}, p50"),
            Us,
            bare.wall.median(),
        ));
        report.write(Figure::samples(&name(floor), Us, &bare.wall));
        let over = ours.wall.median().saturating_sub(bare.wall.median());
        report.write(Figure::duration(&name("a step over the bare bash, of medians"), Us, over).aim(500.0));
        let over = ours.wall.mean().saturating_sub(bare.wall.mean());
        report.write(Figure::duration(&name("a step over the bare bash, of means"), Us, over).aim(500.0));
        let own = (ours.host_cpu + *guest_cpu) / steps;
        report.write(
            Figure::duration(&name("CPU of our own in a step"), Us, own)
                .beside_duration(&format!("CPU of whoever drives the {floor}"), Us, bare.host_cpu / steps)
                .with("host", Us.of(ours.host_cpu / steps))
                .with("guest", Us.of(*guest_cpu / steps))
                .aim(300.0),
        );
        report.write(
            Figure::duration(&name("CPU of bash and what it started, in a step"), Us, ours.shell_cpu / steps)
                .beside_duration(floor, Us, bare.shell_cpu / steps),
        );
        let (first, last, part) = ends(&ours.wall);
        for (what, of) in [("mean", Samples::mean as fn(&Samples) -> Duration), ("median", Samples::median)] {
            report.write(
                Figure::duration(&name(&format!("{what} of the last {part} steps")), Us, of(&last))
                    .beside_duration(&format!("{what} of the first {part}"), Us, of(&first)),
            );
        }
        let (first, last, _) = ends(own_cpu);
        report.write(
            Figure::duration(
                &name(&format!("CPU of our own in each of the last {part} steps")),
                Us,
                last.mean(),
            )
            .beside_duration(&format!("in each of the first {part}"), Us, first.mean()),
        );
    }
}

/// The first and the last tenth, and how many are in each.
fn ends(samples: &Samples) -> (Samples, Samples, usize) {
    let part = (samples.len() / 10).max(1);
    (samples.part(0..part), samples.part(samples.len() - part..samples.len()), part)
}

/// One step, which must end well.
async fn step(session: &mut Session, command: &str) -> Outcome<Duration> {
    let began = Instant::now();
    let observation =
        session.step(place::exec(command)).await.map_err(|stop| format!("the run stopped: {stop:?}"))?;
    let took = began.elapsed();
    match observation {
        Observation::Exec { exit_code: Some(0), ending: ExecEnding::Exited, .. } => Ok(took),
        other => Err(format!("`{command}` ended as {other:?}").into()),
    }
}

/// CPU time of everyone so far. Looking takes time too: ours is read before and after the look.
struct Cpu {
    host_before: Duration,
    guest: Duration,
    shell: Duration,
    bare_shell: Duration,
    host_after: Duration,
}

impl Cpu {
    fn now(bare: u32) -> Cpu {
        let host_before = process::own_cpu();
        let processes = process::descendants();
        let all = |process: &Process| process.cpu + process.children_cpu;
        let sum = |wanted: &dyn Fn(&Process) -> bool| -> Duration {
            processes.iter().filter(|process| wanted(process)).map(all).sum()
        };
        Cpu {
            host_before,
            guest: sum(&|process| process.name != "bash"),
            shell: sum(&|process| process.name == "bash" && process.pid != bare),
            bare_shell: sum(&|process| process.pid == bare),
            host_after: process::own_cpu(),
        }
    }
}
