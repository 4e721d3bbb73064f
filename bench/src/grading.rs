//! What grading costs over the computation itself: validations through a session, beside one plain Python process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use researchgym_core::action::Action;
use researchgym_core::observation::Observation;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::runner::Runner;
use researchgym_engine::session::Session;

use crate::Outcome;
use crate::floor;
use crate::options::Options;
use crate::place::{self, Place};
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

const TASKS: &str = "battle-of-sexes,prisoners-dilemma,blotto,three-sat,house-price";

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let repeats = options.number("repeats", 5)?.max(1);
    let data_dir = options.text("data-dir").map(PathBuf::from).or_else(data_beside_the_repository);
    let place = Place::new()?;
    for name in options.text("tasks").unwrap_or(TASKS).split(',') {
        let task = place::task(name)?;
        talk(&format!("{name}: {repeats} gradings"));
        match place.runner(&task, data_dir.as_deref(), Arc::new(|_, _| {})).await {
            Ok(runner) => one(&place, &runner, &task, repeats, report).await?,
            Err(missing) => {
                talk(&format!("{name} is SKIPPED: {missing}"));
                report.write(
                    Figure::number(&format!("{name}: skipped"), "gradings", 0.0)
                        .with("why", missing.to_string()),
                );
            }
        }
    }
    Ok(())
}

/// The Ames data, where the tests look for it too.
fn data_beside_the_repository() -> Option<PathBuf> {
    let given = std::env::var_os("RESEARCHGYM_TEST_DATA").map(PathBuf::from);
    Some(given.unwrap_or_else(|| place::repository().join("../shared/data"))).filter(|folder| folder.is_dir())
}

async fn one(
    place: &Place,
    runner: &Runner,
    task: &LoadedTask,
    repeats: usize,
    report: &Report,
) -> Outcome<()> {
    let (mut ready, folder) = place.ready(runner, task).await?;
    let name = &task.task.id;
    let session = ready.session();
    make_baseline(session, task).await?;
    let mut plain = plain_process(runner, task, &folder.join("workspace/input"));
    let (mut ours, mut beside) = (Samples::default(), Samples::default());
    for _ in 0..repeats {
        beside.push(floor::timed(&mut plain)?);
        let began = Instant::now();
        let graded = act(session, Action::Validate).await?;
        ours.push(began.elapsed());
        match graded {
            Observation::Graded { score, .. } if score.invalid.is_none() => {}
            other => return Err(format!("{name}: the baseline is not graded but {other:?}").into()),
        }
    }
    report.write(Figure::samples(&format!("grading of {name}"), Unit::Seconds, &ours).beside_duration(
        "one plain Python process, p50",
        Unit::Seconds,
        beside.median(),
    ));
    report.write(Figure::samples(&format!("{name} in one plain Python process"), Unit::Seconds, &beside));
    place.end(runner, ready).await;
    Ok(())
}

/// Where the starter is no submission yet, the baseline's own program makes one.
async fn make_baseline(session: &mut Session, task: &LoadedTask) -> Outcome<()> {
    let folder = task.task.solutions.as_ref().and_then(|solutions| solutions.baseline.as_ref());
    let Some(script) =
        folder.map(|folder| task.path(folder).join("run.sh")).filter(|script| script.is_file())
    else {
        return Ok(());
    };
    let command = std::fs::read_to_string(script)?;
    match act(session, place::exec(&command)).await? {
        Observation::Exec { exit_code: Some(0), .. } => Ok(()),
        other => Err(format!("the baseline of {} ended as {other:?}", task.task.id).into()),
    }
}

async fn act(session: &mut Session, action: Action) -> Outcome<Observation> {
    session.step(action).await.map_err(|stop| format!("the run stopped: {stop:?}").into())
}

/// The same computation without players, protocol and sandboxes.
fn plain_process(runner: &Runner, task: &LoadedTask, workspace: &Path) -> Command {
    let folder = &task.folder;
    let plain = place::repository().join("bench/plain");
    let parameter = |name: &str| serde_json::to_string(&task.task.parameters.get(name)).unwrap_or_default();
    let mut command = Command::new("/usr/bin/python3");
    command.env("PYTHONPATH", &runner.workbench.library).env("PYTHONDONTWRITEBYTECODE", "1");
    match task.task.id.as_str() {
        "three-sat" => command
            .arg(plain.join("three_sat.py"))
            .arg(folder)
            .arg(parameter("instances"))
            .arg(parameter("variables")),
        "house-price" => {
            let hidden = runner.workbench.materials.hidden.iter().map(|(_, path)| path);
            command
                .arg(plain.join("house_price.py"))
                .arg(folder)
                .args(hidden)
                .arg(workspace.join("submission.csv"))
        }
        _ => command
            .arg(plain.join("game.py"))
            .arg(folder)
            .arg(parameter("rounds"))
            .arg(parameter("simulations")),
    };
    command
}
