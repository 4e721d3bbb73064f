//! Many runs at once, each thinking between its steps: how much longer than the thinking alone do they take?
//!
//! All runs are brought up first and then driven together. After their last step they wait until all are through and
//! are cancelled, so that no grading falls between the steps of another run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use researchgym_core::event::{Event, Line};
use researchgym_core::script::ScriptStep;
use researchgym_core::state::RunState;
use researchgym_engine::agent::Surroundings;
use researchgym_engine::runner::ReadyRun;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::options::Options;
use crate::place::{self, Place};
use crate::process;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

/// Longer than any measurement takes.
const UNTIL_CANCELLED: Duration = Duration::from_secs(86_400);

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let runs = options.number("runs", 256)?;
    let steps = options.number("steps", 20)?;
    let think = Duration::from_millis(options.number("think-ms", 200)? as u64);
    let at_a_time = options.number("at-a-time", 8)?.max(1);
    let place = Place::new()?;
    let task = place::task("blotto")?;
    let watch = Arc::new(Watch::default());
    let observer = watch.clone();
    let runner = place.runner(&task, None, Arc::new(move |line, state| observer.see(line, state))).await?;
    let mut script: Vec<ScriptStep> =
        (0..steps).flat_map(|_| [ScriptStep::Sleep(think), ScriptStep::Act(place::exec("true"))]).collect();
    script.push(ScriptStep::Sleep(UNTIL_CANCELLED));

    talk(&format!("bringing up {runs} runs, {at_a_time} at a time"));
    let began = Instant::now();
    let permits = Arc::new(Semaphore::new(at_a_time));
    let mut prepared = JoinSet::new();
    for _ in 0..runs {
        let permit = permits.clone().acquire_owned().await?;
        let open = place.open(&runner, &task, &script)?;
        let runner = runner.clone();
        prepared.spawn(async move {
            let ready = runner.prepare(open).await;
            drop(permit);
            ready
        });
    }
    let prepared = prepared.join_all().await;
    let bringing_up = began.elapsed();
    let problem = prepared.iter().find_map(|one| one.as_ref().err().map(|result| place::failed(result)));
    let ready: Vec<ReadyRun> = prepared.into_iter().filter_map(Result::ok).collect();
    if let Some(problem) = problem {
        talk(&format!("only {} of {runs} runs could be brought up: {problem}", ready.len()));
    }
    let count = ready.len();
    let name = |what: &str| format!("{what}, {count} runs");
    report.write(Figure::duration(&name("bringing up"), Unit::Seconds, bringing_up));
    report.write(Figure::number(
        &name("peak memory of the parent once they are up"),
        "KiB",
        process::peak_memory_kib() as f64,
    ));

    talk(&format!("{count} runs of {steps} steps with {think:?} of thinking each"));
    let cpu_before = (process::tree_cpu(), process::own_cpu());
    let began = Instant::now();
    let mut driven = JoinSet::new();
    for ready in ready {
        let runner = runner.clone();
        driven.spawn(async move { runner.drive(ready, &mut Surroundings::default()).await });
    }
    watch.wait_for(count * steps).await;
    let wall = watch.last().unwrap_or(began).duration_since(began);
    let own_cpu = process::own_cpu().saturating_sub(cpu_before.1);
    let cpu = process::tree_cpu().saturating_sub(cpu_before.0);
    let ideal = think * u32::try_from(steps)?;
    let ratio = wall.as_secs_f64() / ideal.as_secs_f64();
    report.write(
        Figure::duration(&name("from the first thought of any to the last step of all"), Unit::Seconds, wall)
            .beside_duration("the thinking alone", Unit::Seconds, ideal),
    );
    report.write(Figure::number(&name("wall over thinking"), "times", ratio).aim(1.15));
    report.write(Figure::samples(
        &name("a step, from its event to its outcome's"),
        Unit::Milliseconds,
        &watch.samples(),
    ));
    report.write(Figure::duration(&name("CPU of all processes meanwhile"), Unit::Seconds, cpu));
    report.write(Figure::duration(&name("CPU of the parent meanwhile"), Unit::Seconds, own_cpu));
    report.write(Figure::number(
        &name("peak memory of the parent"),
        "KiB",
        process::peak_memory_kib() as f64,
    ));

    let began = Instant::now();
    place.cancel();
    while let Some(result) = driven.join_next().await {
        let result = result?;
        if result.steps != steps as u64 {
            return Err(format!("run {} has done {} of {steps} steps", result.run_id, result.steps).into());
        }
    }
    report.write(Figure::duration(&name("ending, without grading"), Unit::Seconds, began.elapsed()));
    Ok(())
}

/// Sees all events of all runs.
#[derive(Default)]
struct Watch {
    observed: AtomicUsize,
    all: AtomicUsize,
    steps: Mutex<Steps>,
    through: Notify,
}

#[derive(Default)]
struct Steps {
    begun: HashMap<String, Instant>,
    took: Samples,
    last: Option<Instant>,
}

impl Watch {
    fn see(&self, line: &Line, state: &RunState) {
        match &line.event {
            Event::Acted { .. } => {
                self.steps().begun.insert(state.started.run_id.clone(), Instant::now());
            }
            Event::Observed { .. } => {
                let now = Instant::now();
                let mut steps = self.steps();
                if let Some(begun) = steps.begun.remove(&state.started.run_id) {
                    steps.took.push(now.duration_since(begun));
                }
                steps.last = Some(now);
                drop(steps);
                let observed = self.observed.fetch_add(1, Ordering::SeqCst) + 1;
                if observed == self.all.load(Ordering::SeqCst) {
                    self.through.notify_one();
                }
            }
            _ => {}
        }
    }

    fn steps(&self) -> std::sync::MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_for(&self, all: usize) {
        self.all.store(all, Ordering::SeqCst);
        if self.observed.load(Ordering::SeqCst) < all {
            self.through.notified().await;
        }
    }

    fn last(&self) -> Option<Instant> {
        self.steps().last
    }

    fn samples(&self) -> Samples {
        self.steps().took.clone()
    }
}
