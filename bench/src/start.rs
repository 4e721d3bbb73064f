//! From nothing to the first command answered, beside a bare bubblewrap; then many sandboxes open at once.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use researchgym_core::isolation::Runtime;
use researchgym_core::task::Resources;
use researchgym_engine::sandbox::{Capture, Sandbox, SandboxSpec, WorkingFolder};

use crate::Outcome;
use crate::floor;
use crate::options::Options;
use crate::place::Place;
use crate::process;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

const FIRST_COMMAND_TIME: Duration = Duration::from_secs(60);

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let starts = options.number("starts", 200)?;
    let at_a_time = options.number("at-a-time", 4)?.max(1);
    let place = Place::new()?;
    one_after_the_other(&place, starts, report).await?;
    for count in options.numbers("open", &[200, 1000])? {
        open_at_once(&place, count, at_a_time, report).await?;
    }
    Ok(())
}

async fn one_after_the_other(place: &Place, starts: usize, report: &Report) -> Outcome<()> {
    talk(&format!("{starts} starts, one after the other, in turn with bare bubblewrap"));
    let (mut ours, mut bare, mut stops) = (Samples::default(), Samples::default(), Samples::default());
    // The first start also looks at the machine and makes the user's namespace.
    let began = Instant::now();
    let first = start(place, "first").await?;
    report.write(Figure::duration(
        "the first sandbox of a process, to its first command",
        Unit::Milliseconds,
        began.elapsed(),
    ));
    first.stop().await;
    for number in 0..starts {
        bare.push(floor::timed(&mut bare_bubblewrap())?);
        let began = Instant::now();
        let sandbox = start(place, &format!("single-{number}")).await?;
        ours.push(began.elapsed());
        let began = Instant::now();
        sandbox.stop().await;
        stops.push(began.elapsed());
    }
    report.write(
        Figure::samples("sandbox start to first command answered", Unit::Milliseconds, &ours)
            .beside_duration("bare bwrap --unshare-all bash -c true, p50", Unit::Milliseconds, bare.median()),
    );
    report.write(Figure::samples("bare bwrap --unshare-all bash -c true", Unit::Milliseconds, &bare));
    report.write(Figure::samples("sandbox stop", Unit::Milliseconds, &stops));
    Ok(())
}

async fn open_at_once(place: &Place, count: usize, at_a_time: usize, report: &Report) -> Outcome<()> {
    talk(&format!("{count} sandboxes open at once, started {at_a_time} at a time"));
    let name = |what: &str| format!("{what}, {count} open");
    let others: HashSet<u32> = process::descendants().iter().map(|process| process.pid).collect();
    let available = process::available_memory_kib();
    let began = Instant::now();
    let started: Vec<Outcome<(Duration, Sandbox)>> = stream::iter(0..count)
        .map(async |number| {
            let began = Instant::now();
            let sandbox = start(place, &format!("open-{count}-{number}")).await?;
            Ok((began.elapsed(), sandbox))
        })
        .buffer_unordered(at_a_time)
        .collect()
        .await;
    let all = began.elapsed();
    let problem = started.iter().find_map(|one| one.as_ref().err().map(ToString::to_string));
    let (each, sandboxes): (Vec<Duration>, Vec<Sandbox>) = started.into_iter().filter_map(Result::ok).unzip();
    if let Some(problem) = problem {
        talk(&format!("only {} of {count} could be started: {problem}", sandboxes.len()));
    }
    let open = sandboxes.len().max(1) as f64;
    report.write(Figure::duration(&name("start of all"), Unit::Seconds, all).with("open", sandboxes.len()));
    report.write(Figure::samples(&name("start of each"), Unit::Milliseconds, &each.into_iter().collect()));
    let given = available.saturating_sub(process::available_memory_kib()) as f64 / open;
    let processes = process::descendants();
    let shares = process::proportional_memory_kib(&processes, &others);
    let parts: BTreeMap<String, u64> =
        shares.iter().map(|(name, sum)| (name.clone(), (*sum as f64 / open).round() as u64)).collect();
    let sum = shares.values().sum::<u64>() as f64 / open;
    report.write(
        Figure::number(&name("memory of each: PSS of its processes"), "KiB", sum)
            .with("parts", serde_json::json!(parts)),
    );
    report.write(Figure::number(&name("memory of each: change of MemAvailable"), "KiB", given));
    let of_it = processes.len().saturating_sub(others.len()) as f64 / open;
    report.write(Figure::number(&name("processes of each"), "processes", of_it));
    let began = Instant::now();
    join_all(sandboxes.into_iter().map(Sandbox::stop)).await;
    report.write(Figure::duration(&name("stop of all"), Unit::Seconds, began.elapsed()));
    Ok(())
}

/// A sandbox like an agent's, which has answered its first command.
async fn start(place: &Place, name: &str) -> Outcome<Sandbox> {
    let workspace = place.scratch(&format!("workspaces/{name}"))?;
    let blobs = place.scratch("blobs")?;
    let path = "/researchgym/bin:/usr/local/bin:/usr/bin:/bin";
    let environment = [("HOME", "/tmp"), ("LANG", "C.UTF-8"), ("PATH", path)];
    let spec = SandboxSpec {
        runtime: Runtime::Local,
        image: None,
        name: name.to_owned(),
        working_folder: WorkingFolder::Writable { source: workspace },
        read_only: Vec::new(),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        resources: Resources::default(),
        gpus: None,
        session: true,
        gateway: None,
        proxy: None,
    };
    let sandbox = Sandbox::start(&place.sandboxes, spec, Vec::new()).await?;
    let mut capture = Capture::new(&blobs);
    let outcome = sandbox.exec("true", FIRST_COMMAND_TIME, &mut capture).await?;
    match outcome.exit_code {
        Some(0) => Ok(sandbox),
        _ => Err(format!("the first command ended as {outcome:?}").into()),
    }
}

fn bare_bubblewrap() -> Command {
    let mut command = Command::new("bwrap");
    command.args([
        "--unshare-all",
        "--die-with-parent",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
    ]);
    command.args(["bash", "-c", "true"]);
    command
}
