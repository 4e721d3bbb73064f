//! A search of 100,000 nodes: how long each policy thinks, what the log is, how much memory it takes, and how long
//! it takes to go on with.
//!
//! Policies are measured on trees that they have grown themselves in a simulation, with fates at random; a decision is CPU
//! time of its thread, for its wall time also tells who else was on the machine (reading that clock twice is up to a
//! microsecond of it). The log is that of a search of this process with an instant evaluator; a process of its own reads
//! it, another goes on with it until the policy has answered its first question.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use researchgym_core::event::{Event, Line};
use researchgym_core::search::event::Gate;
use researchgym_core::search::policy::PolicySpec;
use researchgym_core::search::simulation::{Fate, Simulation};
use researchgym_core::search::{Operator, Plan, Repertoire, Stream, operators_with_model};
use researchgym_core::state::RunState;
use researchgym_engine::agent::Surroundings;
use researchgym_engine::runner::Reopened;
use researchgym_engine::session::{Change, LimitChanges};
use researchgym_engine::store::{LogReader, RunFolder};
use serde_json::{Value, json};

use crate::Outcome;
use crate::options::Options;
use crate::place::{self, Place};
use crate::process;
use crate::report::{Figure, Report, Unit, say, talk};
use crate::sample::Samples;
use crate::search::at_once;
use crate::searching::{self, Hands, Wanted};

/// A decision, in microseconds.
const AIM_DECISION_US: f64 = 1000.0;
/// Decisions that are timed.
const DECISIONS: usize = 1000;
/// Slots.
const FREE: usize = 4;
/// Candidates that a search makes after it was resumed.
const MORE: u64 = 8;

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let nodes = options.number("nodes", 100_000)?;
    let names = PolicySpec::NAMES.map(|(name, _)| name);
    for name in options.texts("policies").unwrap_or_else(|| names.to_vec()) {
        decisions(name, nodes, report)?;
    }
    if options.is_on("resume", true)? {
        resuming(nodes, report).await?;
    }
    Ok(())
}

/// Grows a tree and times the policy at its end.
fn decisions(name: &str, nodes: usize, report: &Report) -> Outcome<()> {
    talk(&format!("{name}: a tree of {nodes} nodes"));
    let task = place::task("function-minimisation")?;
    let spec = endless(searching::policy(name)?)?;
    let mut operators = operators_with_model().0;
    operators.insert(Operator::Tune, 1.0);
    let metric = task.task.primary().name;
    let begun =
        Simulation::begin(&task.task, &spec, Repertoire(operators), 1, None, Fate::scored(&metric, 0.0))?;
    let mut search = begun.ok_or("an external policy has no simulation")?;
    let mut random = Stream::new(1, "bench", 0);
    let (mut times, mut walls, mut own) = (Samples::default(), Samples::default(), 0);
    let began = Instant::now();
    let timed_from = nodes.saturating_sub(DECISIONS * 2);
    while search.tree.nodes().len() < nodes {
        let free = FREE - search.waiting().len();
        let before = search.tree.nodes().len();
        let (wall, cpu) = (Instant::now(), process::thread_cpu());
        let answer = search.answer(free);
        if before >= timed_from {
            times.push(process::thread_cpu().saturating_sub(cpu));
            walls.push(wall.elapsed());
        }
        let is_silent = answer.plans.is_empty();
        own += answer.plans.len();
        search.take(answer.plans, free, answer.note)?;
        if is_silent && search.waiting().is_empty() {
            // It has nothing more to try: the tree grows without it, by children of the best.
            let best = search.tree.best().unwrap_or(0);
            search.add(vec![Plan::new(Operator::Tune, vec![best])])?;
        }
        let settled = random.pick(search.waiting()).copied();
        if let Some(node) = settled {
            let fate = match random.below(10) {
                0 => Fate::failed(),
                1 => Fate::Dropped(Gate::Duplicate),
                _ => Fate::scored(&metric, random.normal()),
            };
            search.finish(node, fate)?;
        }
    }
    let grown = began.elapsed() / u32::try_from(nodes)?;
    report.write(
        Figure::samples(&format!("a decision at {nodes} nodes: {name}"), Unit::Microseconds, &times)
            .with("wall_p50_us", Unit::Microseconds.of(walls.median()))
            .with("wall_p99_us", Unit::Microseconds.of(walls.quantile(0.99)))
            .with("planned_by_it", own)
            .with("growing_a_node_us", Unit::Microseconds.of(grown))
            .aim(AIM_DECISION_US),
    );
    Ok(())
}

/// Without the ends that its published constants set.
fn endless(spec: PolicySpec) -> Outcome<PolicySpec> {
    let settings: &[(&str, &str)] = match spec.name() {
        "stages" => &[("iterations", "[20, 12, 1000000, 18]")],
        "epochs" => &[("epochs", "100000")],
        _ => &[],
    };
    let settings: Vec<_> =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Ok(spec.with(&settings)?)
}

/// A log of so many nodes: its size, the memory of its tree, the time until it goes on.
async fn resuming(nodes: usize, report: &Report) -> Outcome<()> {
    let place = Place::new()?;
    let task = place::task("function-minimisation")?;
    talk(&format!("a search of {nodes} candidates"));
    let wanted = Wanted { slots: FREE as u32, ..Wanted::new("islands", &[Operator::Tune], nodes as u64)? };
    let ran =
        searching::run(&place, &task, &wanted, Hands { evaluator: Some(at_once()), ..Hands::default() })
            .await?;
    let count = ran.tree.nodes().len();
    let bytes = fs::metadata(ran.folder.join("events.jsonl"))?.len();
    let name = |what: &str| format!("{what}, {count} nodes");
    if let Some(span) = ran.span {
        report.write(Figure::duration(
            &name("CPU of a candidate over the whole search"),
            Unit::Microseconds,
            span.own_cpu / span.candidates,
        ));
    }
    report.write(Figure::number(&name("log of a node"), "bytes", bytes as f64 / count as f64));
    drop(ran.tree);
    for what in ["read", "fold", "resume"] {
        let found = again_in_a_process(&ran.folder, what)?;
        let number = |key: &str| found.get(key).and_then(Value::as_f64).unwrap_or_default();
        let title = match what {
            "read" => "reading all lines of the log",
            "fold" => "reading and folding the log",
            _ => "resuming, until the policy's first answer",
        };
        report.write(
            Figure::duration(&name(title), Unit::Seconds, Duration::from_secs_f64(number("wall_s")))
                .with("cpu_s", number("cpu_s"))
                .with("peak_mib", number("peak_mib"))
                .with("bytes_of_a_node", number("peak_mib") * 1024.0 * 1024.0 / count as f64),
        );
    }
    Ok(())
}

fn again_in_a_process(folder: &Path, what: &str) -> Outcome<Value> {
    let child = Command::new(std::env::current_exe()?)
        .args(["search-again", "--folder", &folder.display().to_string(), "--what", what])
        .stderr(Stdio::inherit())
        .output()?;
    if !child.status.success() {
        return Err(format!("{what}: ended with {}", child.status).into());
    }
    let said = String::from_utf8(child.stdout)?;
    Ok(serde_json::from_str(said.lines().last().unwrap_or_default())?)
}

/// What a process of its own does with the log of a search: it reads it, folds it too, or goes on with it.
pub(crate) async fn again(options: &Options) -> Outcome<()> {
    let folder = RunFolder::open(Path::new(options.text("folder").ok_or("--folder is needed")?))?;
    let began = Instant::now();
    let cpu = process::own_cpu();
    let state = move || {
        json!({
            "wall_s": began.elapsed().as_secs_f64(),
            "cpu_s": process::own_cpu().saturating_sub(cpu).as_secs_f64(),
            "peak_mib": process::peak_memory_kib() as f64 / 1024.0,
        })
    };
    match options.text("what") {
        Some("resume") => {
            let found = go_on(folder, state).await?;
            say(&found.to_string());
        }
        Some("fold") => {
            let mut lines = LogReader::open(&folder)?;
            let mut folded = RunState::start(&lines.next().ok_or("the log is empty")??)?;
            for line in lines {
                folded.apply(&line?)?;
            }
            let nodes = folded.search.as_ref().map_or(0, |tree| tree.nodes().len());
            talk(&format!("{nodes} nodes"));
            say(&state().to_string());
        }
        _ => {
            let mut lines = 0;
            for line in LogReader::open(&folder)? {
                line?;
                lines += 1;
            }
            talk(&format!("{lines} lines"));
            say(&state().to_string());
        }
    }
    Ok(())
}

/// Goes on with it; how things stood when the policy had answered.
async fn go_on(folder: RunFolder, state: impl Fn() -> Value + Send + Sync + 'static) -> Outcome<Value> {
    let place = Place::new()?;
    let task = place::task("function-minimisation")?;
    let found: Arc<Mutex<Option<Value>>> = Arc::default();
    let (seen, stop) = (found.clone(), place.stop());
    let see = move |line: &Line, _: &RunState| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_none() && matches!(line.event, Event::Planned(_)) {
            *seen = Some(state());
            // The rest is not measured.
            stop.send_replace(true);
        }
    };
    let runner = place.runner(&task, None, Arc::new(see)).await?;
    let changes = LimitChanges { steps: Some(Change::Add(MORE)), ..LimitChanges::default() };
    let Reopened::GoesOn(open) = runner.reopen(folder, &changes)? else {
        return Err("the search is over and cannot go on".into());
    };
    let mut around = Surroundings { evaluator: Some(at_once()), ..Surroundings::default() };
    let result = runner.run(*open, &mut around).await;
    if let Some(error) = result.error {
        return Err(format!("the resumed search: {}", error.message).into());
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    found.ok_or_else(|| "the resumed search planned nothing".into())
}
