//! What a candidate of a search needs beside its evaluation, with and without a model; and from end to end with
//! evaluations that are kept apart. Beside it OpenEvolve on the same program with the same replies, and as a floor the
//! same log lines appended by themselves.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use researchgym_core::digest::Digest;
use researchgym_core::failure::Failure;
use researchgym_core::search::Operator;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::search::{Evaluation, Evaluator, Fake, Job};

use crate::Outcome;
use crate::openevolve::{Judged, OpenEvolve, Slope};
use crate::options::Options;
use crate::place::{self, Place};
use crate::provider;
use crate::report::{Figure, Report, Unit, talk};
use crate::searching::{self, Hands, Ran, Wanted};

/// The task; the same program is OpenEvolve's.
const TASK: &str = "function-minimisation";
const PROGRAM: &str = "solve.py";
/// CPU of our own in a candidate without its evaluation, in microseconds.
const AIM_CPU_US: f64 = 160.0;
/// What makes the task's program one that takes next to no time: what its evaluation takes then is what keeping it apart does,
/// and grading it.
const NO_TIME: (&str, &str) = ("SAMPLES = 1000\n", "SAMPLES = 1\n");
/// What makes the points of the task's program depend on the line that a reply adds. So scores differ, and whoever keeps
/// candidates by them has that to do.
const MARKED: (&str, &str) = (
    "    stream = random.Random(seed)\n",
    "    marks = sum(number for name, number in globals().items() if name.startswith(\"MARK_\"))\n    stream = \
     random.Random(1000 * marks + seed)\n",
);
/// How many candidates OpenEvolve makes, and with an isolated evaluation we do: what one takes there grows with how many there
/// are.
const RIVALS: usize = 500;
/// A cold evaluation takes so many times as long that there are so many fewer.
const COLD: usize = 10;
/// Spare replies, for candidates that are made anew.
const SPARE: usize = 64;

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let candidates = options.number("candidates", 2000)?;
    let isolated = options.number("isolated", RIVALS)?;
    let slots = options.numbers("slots", &[1, 4])?;
    let policies =
        options.texts("policies").unwrap_or_else(|| vec!["islands", "best-first", "mcts", "hill-climb"]);
    let task = place::task(TASK)?;
    for slots in &slots {
        let slots = u32::try_from(*slots)?;
        if candidates > 0 {
            for policy in &policies {
                for operator in [Operator::Improve, Operator::Tune] {
                    let wanted = Wanted { slots, ..instant(policy, operator, candidates)? };
                    one(&task, &wanted, operator, report).await?;
                }
            }
        }
        if isolated > 0 {
            whole(&task, slots, isolated, report).await?;
        }
    }
    let Some(python) = options.text("openevolve") else {
        talk(
            "OpenEvolve is skipped: --openevolve PYTHON names a Python that has it (pip install openevolve)",
        );
        return Ok(());
    };
    let place = Place::new()?;
    let replies = replies(candidates.max(isolated));
    let programs = (marked(&task)?, no_time(&task)?);
    let rival = OpenEvolve::prepare(python, &place.scratch("openevolve")?, &replies, programs)?;
    talk(&format!("OpenEvolve {} {}", rival.version, rival.interpreter));
    for slots in slots {
        let workers = u32::try_from(slots)?;
        if candidates > 0 {
            let slope = rival.slope(candidates.min(RIVALS), workers, Judged::Instantly)?;
            told(&rival, &slope, "instant evaluation", workers, report);
        }
        if isolated > 0 {
            for (judged, evaluation) in [
                (Judged::OfNoTime, "evaluation in its own process of a program that takes no time"),
                (Judged::InFull, "evaluation in its own process"),
            ] {
                let slope = rival.slope(isolated, workers, judged)?;
                told(&rival, &slope, evaluation, workers, report);
            }
        }
    }
    Ok(())
}

/// Only equal candidates are refused, as OpenEvolve would: the replies differ by a line.
fn instant(policy: &str, operator: Operator, candidates: usize) -> Outcome<Wanted> {
    Ok(Wanted { similarity: 1.0, ..Wanted::new(policy, &[operator], candidates as u64)? })
}

/// Replies that each add a line of their own.
fn replies(candidates: usize) -> Vec<String> {
    let reply = |number: usize| {
        format!(
            "File: solve.py\n<<<<<<< SEARCH\nTRIALS = 10\n=======\nTRIALS = 10\nMARK_{number} = {number}\n>>>>>>> \
             REPLACE\n"
        )
    };
    (0..candidates + SPARE).map(reply).collect()
}

/// A judgement that depends on the content alone, and takes no time.
fn judge(job: &Job) -> Result<Evaluation, Failure> {
    let parts: Vec<&[u8]> = job.files.values().map(Vec::as_slice).collect();
    let hash =
        Digest::of_parts(&parts).as_bytes()[..7].iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte));
    Ok(Fake::scored("score", hash as f64 / (1_u64 << 56) as f64))
}

/// An evaluator that takes no time.
pub(crate) fn at_once() -> Arc<dyn Evaluator> {
    Arc::new(Fake::new(judge))
}

/// One search with everything instant.
async fn one(task: &LoadedTask, wanted: &Wanted, operator: Operator, report: &Report) -> Outcome<()> {
    let place = Place::new()?;
    let door = match operator.needs_model() {
        true => Some(provider::saying(&place.scratch("model")?, &replies(wanted.candidates as usize))?),
        false => None,
    };
    let hands = Hands { door, evaluator: Some(at_once()), ..Hands::default() };
    let ran = searching::run(&place, task, wanted, hands).await?;
    let name = format!("{}, {operator}, {} at once", wanted.policy.name(), wanted.slots);
    let Some(span) = ran.span else {
        talk(&format!("{name}: the policy ended early, after {} nodes", ran.tree.nodes().len()));
        return Ok(());
    };
    let (floor, lines, bytes) = floor(&ran, &place.scratch("floor")?)?;
    let nodes = ran.tree.nodes().len() as u32;
    let rate = f64::from(span.candidates) / span.wall.as_secs_f64();
    report.write(
        Figure::duration(
            &format!("CPU of a candidate: {name}"),
            Unit::Microseconds,
            span.own_cpu / span.candidates,
        )
        .with("wall_us", Unit::Microseconds.of(span.wall / span.candidates))
        .with("candidates_per_s", rate.round())
        .with("measured", ran.tree.measured())
        .with("log_lines", f64::from(lines) / f64::from(nodes))
        .with("log_bytes", (bytes / u64::from(nodes)) as f64)
        .beside_duration("the same lines appended", Unit::Microseconds, floor / nodes)
        .aim(AIM_CPU_US),
    );
    Ok(())
}

/// CPU time is what appending takes here: one write a line, and nothing is waited for.
fn floor(ran: &Ran, folder: &Path) -> Outcome<(Duration, u32, u64)> {
    let log = fs::read(ran.folder.join("events.jsonl"))?;
    let mut file = OpenOptions::new().append(true).create(true).open(folder.join("floor.jsonl"))?;
    let began = Instant::now();
    let mut lines = 0;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        file.write_all(line)?;
        lines += 1;
    }
    Ok((began.elapsed(), lines, log.len() as u64))
}

/// From end to end with a model's candidates and evaluations on this machine, kept apart: of a program that takes no time, as
/// the task has it, and cold.
async fn whole(task: &LoadedTask, slots: u32, candidates: usize, report: &Report) -> Outcome<()> {
    let place = Place::new()?;
    let no_time = with_program(task, &no_time(task)?, &place.scratch("no-time")?.join(&task.task.id))?;
    let task = with_program(task, &marked(task)?, &place.scratch("marked")?.join(&task.task.id))?;
    let cold = without_warmth(&task);
    let kinds = [
        ("of a program that takes no time", &no_time, candidates),
        ("of the task's program", &task, candidates),
        ("cold", &cold, candidates.div_ceil(COLD)),
    ];
    for (kind, task, candidates) in kinds {
        let place = Place::new()?;
        // As `run` has it: no more are evaluated at once than there are processors.
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let evaluation_slots = Some(slots.min(cores));
        let wanted = Wanted { slots, evaluation_slots, ..instant("islands", Operator::Improve, candidates)? };
        let door = Some(provider::saying(&place.scratch("model")?, &replies(candidates))?);
        let ran = searching::run(&place, task, &wanted, Hands { door, ..Hands::default() }).await?;
        let name =
            format!("a candidate with its isolated evaluation, {kind}: islands, improve, {slots} at once");
        let Some(span) = ran.span else { return Err(format!("{name}: it ended early").into()) };
        let count = ran.tree.nodes().len() as u32;
        report.write(
            Figure::duration(&name, Unit::Milliseconds, span.wall / span.candidates)
                .with("candidates_per_s", f64::from(span.candidates) / span.wall.as_secs_f64())
                .with("cpu_ms_of_all_processes", Unit::Milliseconds.of(ran.cpu / count))
                .with("measured", ran.tree.measured()),
        );
    }
    Ok(())
}

/// The task with every evaluation from nothing.
fn without_warmth(task: &LoadedTask) -> LoadedTask {
    let mut cold = task.clone();
    if let Some(search) = &mut cold.task.search {
        search.warm = None;
    }
    cold
}

/// The task's program, with points that depend on its marks.
fn marked(task: &LoadedTask) -> Outcome<String> {
    let file = task.folder.join(&task.task.workspace.starter).join(PROGRAM);
    changed(&fs::read_to_string(file)?, MARKED)
}

/// The same, searching next to nothing.
fn no_time(task: &LoadedTask) -> Outcome<String> {
    changed(&marked(task)?, NO_TIME)
}

fn changed(program: &str, (from, to): (&str, &str)) -> Outcome<String> {
    match program.contains(from) {
        true => Ok(program.replace(from, to)),
        false => Err(format!("the program of {TASK} has no line `{}`", from.trim()).into()),
    }
}

/// The task in another folder, with another program to begin with.
fn with_program(task: &LoadedTask, program: &str, folder: &Path) -> Outcome<LoadedTask> {
    copy(&task.folder, folder)?;
    fs::write(folder.join(&task.task.workspace.starter).join(PROGRAM), program)?;
    Ok(LoadedTask::open(folder)?)
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

fn told(rival: &OpenEvolve, slope: &Slope, evaluation: &str, workers: u32, report: &Report) {
    let name = format!("OpenEvolve {}, a candidate, {evaluation}, {workers} workers", rival.version);
    report.write(
        Figure::duration(&name, Unit::Milliseconds, slope.wall)
            .with("cpu_ms_of_all_processes", Unit::Milliseconds.of(slope.cpu))
            .with("candidates_per_s", 1.0 / slope.wall.as_secs_f64().max(1e-9)),
    );
}
