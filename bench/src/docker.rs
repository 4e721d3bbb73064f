//! Containers: a step through the guest beside `docker exec`, and a start to the first command beside `docker run`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::task::Resources;
use researchgym_engine::sandbox::{Capture, Sandbox, SandboxSpec, WorkingFolder};

use crate::Outcome;
use crate::floor;
use crate::options::Options;
use crate::place::Place;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

const COMMAND_TIME: Duration = Duration::from_secs(60);

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let name = options.text("image").ok_or("--image must name an image with bash")?;
    let place = Place::new()?;
    let image = place.sandboxes.images().find(name, &|_| {}).await?;
    starts(&place, &image, options.number("starts", 20)?, report).await?;
    steps(&place, &image, options.number("steps", 500)?, report).await
}

async fn starts(place: &Place, image: &Image, starts: usize, report: &Report) -> Outcome<()> {
    talk(&format!("{starts} starts, in turn with `docker run` and with the local runtime"));
    let [mut ours, mut stops, mut bare, mut local] = [(); 4].map(|()| Samples::default());
    start(place, Some(image), "first").await?.stop().await;
    for number in 0..starts {
        let mut run = docker(&["run", "--rm", "--network", "none", &image.id, "bash", "-c", "true"]);
        bare.push(floor::timed(&mut run)?);
        let began = Instant::now();
        let sandbox = start(place, Some(image), &format!("container-{number}")).await?;
        ours.push(began.elapsed());
        let began = Instant::now();
        sandbox.stop().await;
        stops.push(began.elapsed());
        let began = Instant::now();
        let sandbox = start(place, None, &format!("local-{number}")).await?;
        local.push(began.elapsed());
        sandbox.stop().await;
    }
    let run = ("docker run --rm bash -c true, to its end, p50", Unit::Milliseconds, bare.median());
    report.write(
        Figure::samples("container start to first command answered", Unit::Milliseconds, &ours)
            .beside_duration(run.0, run.1, run.2),
    );
    report.write(Figure::samples("container stop, until it is removed", Unit::Milliseconds, &stops));
    report.write(Figure::samples("docker run --rm bash -c true, to its end", Unit::Milliseconds, &bare));
    report.write(Figure::samples("local start to first command answered", Unit::Milliseconds, &local));
    Ok(())
}

async fn steps(place: &Place, image: &Image, steps: usize, report: &Report) -> Outcome<()> {
    talk(&format!("{steps} steps, in turn with `docker exec` (a tenth as many)"));
    let sandbox = start(place, Some(image), "steps").await?;
    let label = "label=researchgym.run=steps";
    let found = docker(&["ps", "--quiet", "--filter", label]).stdout(Stdio::piped()).output()?;
    let container = String::from_utf8(found.stdout)?.trim().to_owned();
    for (what, command) in [("builtin true", "true"), ("/bin/true", "/bin/true")] {
        let [mut ours, mut exec] = [(); 2].map(|()| Samples::default());
        for number in 0..steps {
            if number % 10 == 0 {
                exec.push(floor::timed(&mut docker(&["exec", &container, "bash", "-c", command]))?);
            }
            let mut capture = Capture::new(&place.scratch("blobs")?);
            let began = Instant::now();
            let outcome = sandbox.exec(command, COMMAND_TIME, &mut capture).await?;
            ours.push(began.elapsed());
            if outcome.exit_code != Some(0) {
                return Err(format!("a step ended as {outcome:?}").into());
            }
        }
        report.write(
            Figure::samples(&format!("step through the guest, {what}"), Unit::Milliseconds, &ours)
                .beside_duration("docker exec, p50", Unit::Milliseconds, exec.median()),
        );
        report.write(Figure::samples(&format!("docker exec, {what}"), Unit::Milliseconds, &exec));
    }
    sandbox.stop().await;
    Ok(())
}

/// A sandbox like an agent's, which has answered its first command; without an image in the local runtime.
async fn start(place: &Place, image: Option<&Image>, name: &str) -> Outcome<Sandbox> {
    let environment =
        [("HOME", "/tmp"), ("LANG", "C.UTF-8"), ("PATH", "/researchgym/bin:/usr/local/bin:/usr/bin:/bin")];
    let spec = SandboxSpec {
        runtime: if image.is_some() { Runtime::Docker } else { Runtime::Local },
        image: image.cloned(),
        name: name.to_owned(),
        working_folder: WorkingFolder::Writable { source: place.scratch(&format!("workspaces/{name}"))? },
        read_only: Vec::new(),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        resources: Resources::default(),
        gpus: None,
        session: true,
        gateway: None,
        proxy: None,
    };
    let sandbox = Sandbox::start(&place.sandboxes, spec, Vec::new()).await?;
    let mut capture = Capture::new(&place.scratch("blobs")?);
    match sandbox.exec("true", COMMAND_TIME, &mut capture).await?.exit_code {
        Some(0) => Ok(sandbox),
        code => Err(format!("the first command ended with {code:?}").into()),
    }
}

fn docker(words: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(words);
    command
}
