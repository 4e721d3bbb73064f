//! Searches in this process, driven as `researchgym run .. search` drives them: asked for, watched, and told about.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use researchgym_core::event::{Event, Line};
use researchgym_core::executor::Executor;
use researchgym_core::search::policy::PolicySpec;
use researchgym_core::search::{Novelty, Operator, Repertoire, SearchSpec, Tree, default_spec};
use researchgym_core::spec::AgentSpec;
use researchgym_core::state::RunState;
use researchgym_engine::agent::Surroundings;
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::executor::Cluster;
use researchgym_engine::model::Door;
use researchgym_engine::runner::Runner;
use researchgym_engine::search::Evaluator;

use crate::Outcome;
use crate::place::{self, Place};
use crate::process;

/// What a search is to be.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) policy: PolicySpec,
    pub(crate) operators: Repertoire,
    pub(crate) slots: u32,
    /// How many candidates are evaluated at once, if not all.
    pub(crate) evaluation_slots: Option<u32>,
    /// How many candidates are made at most, beside the baseline.
    pub(crate) candidates: u64,
    pub(crate) target: Option<f64>,
    pub(crate) variant: String,
    pub(crate) seed: u64,
    /// Similarity above which a candidate is refused; 1: equal ones alone.
    pub(crate) similarity: f64,
}

impl Wanted {
    /// With one operator, or several of equal weight, and nothing else out of the ordinary.
    pub(crate) fn new(policy: &str, operators: &[Operator], candidates: u64) -> Outcome<Wanted> {
        Ok(Wanted {
            policy: self::policy(policy)?,
            operators: Repertoire(operators.iter().map(|operator| (*operator, 1.0)).collect()),
            slots: 1,
            evaluation_slots: None,
            candidates,
            target: None,
            variant: "default".to_owned(),
            seed: 1,
            similarity: Novelty::default().similarity,
        })
    }

    fn spec(&self) -> SearchSpec {
        SearchSpec {
            policy: self.policy.clone(),
            operators: self.operators.clone(),
            parallel: self.slots,
            evaluation_slots: self.evaluation_slots,
            target: self.target,
            novelty: Novelty { similarity: self.similarity, ..Novelty::default() },
            ..default_spec()
        }
    }
}

/// The policy of that name.
pub(crate) fn policy(name: &str) -> Outcome<PolicySpec> {
    let names = PolicySpec::NAMES.map(|(name, _)| name).join(", ");
    PolicySpec::named(name).ok_or_else(|| format!("there is no policy `{name}`; known are {names}").into())
}

/// Who makes and who judges candidates.
#[derive(Clone, Default)]
pub(crate) struct Hands {
    pub(crate) door: Option<Arc<Door>>,
    /// `None`: this machine, in sandboxes.
    pub(crate) evaluator: Option<Arc<dyn Evaluator>>,
    /// Where evaluations are jobs.
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
}

/// A search that is over.
pub(crate) struct Ran {
    pub(crate) folder: PathBuf,
    pub(crate) tree: Tree,
    /// From the first share of the candidates that is left out to the last one: how many, and what they took.
    pub(crate) span: Option<Span>,
    /// The best value whenever it changed, with the gradings until then.
    pub(crate) moments: Vec<(u64, f64)>,
    /// All of it, the ending included.
    pub(crate) wall: Duration,
    /// CPU time of this process and of all that it started.
    pub(crate) cpu: Duration,
}

/// What a number of settled candidates took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) candidates: u32,
    pub(crate) wall: Duration,
    /// CPU time of this process.
    pub(crate) own_cpu: Duration,
}

/// Runs a search to its end.
pub(crate) async fn run(place: &Place, task: &LoadedTask, wanted: &Wanted, hands: Hands) -> Outcome<Ran> {
    // What is instant is not worth its final grading.
    let stop = hands.evaluator.is_some().then(|| place.stop());
    let watch = Arc::new(Mutex::new(Watch { stop, ..Watch::of(wanted.candidates) }));
    let observer = watch.clone();
    let see = move |line: &Line, state: &RunState| {
        observer.lock().unwrap_or_else(PoisonError::into_inner).see(line, state);
    };
    let runner = place.runner(task, None, Arc::new(see)).await?;
    let runner = Runner { door: hands.door, ..runner };
    let agent = AgentSpec::Search(Box::new(wanted.spec()));
    let mut spec = place::spec(&runner, task, agent);
    spec.seed = wanted.seed;
    spec.variant.clone_from(&wanted.variant);
    spec.limits.steps = Some(wanted.candidates);
    if hands.cluster.is_some() {
        spec.executor = Executor::Slurm(Box::default());
    }
    let open = place.open_spec(&runner, task, spec)?;
    let folder = open.path();
    let (began, cpu) = (Instant::now(), process::whole_cpu());
    let mut around =
        Surroundings { evaluator: hands.evaluator, cluster: hands.cluster, ..Surroundings::default() };
    let result = runner.run(open, &mut around).await;
    let (wall, cpu) = (began.elapsed(), process::whole_cpu().saturating_sub(cpu));
    if let Some(error) = result.error {
        return Err(format!("a search with {}: {}", wanted.policy.name(), error.message).into());
    }
    let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
    place.revive();
    let tree = watch.tree.take().ok_or("the search has left no tree")?;
    let moments = std::mem::take(&mut watch.moments);
    Ok(Ran { folder, tree, span: watch.span(), moments, wall, cpu })
}

/// Sees the events of one search.
struct Watch {
    /// Candidates after which is measured, and until which.
    from: usize,
    until: usize,
    marks: [Option<(usize, Instant, Duration)>; 2],
    moments: Vec<(u64, f64)>,
    tree: Option<Tree>,
    /// What cancels the run once all candidates are settled.
    stop: Option<tokio::sync::watch::Sender<bool>>,
}

impl Watch {
    fn of(candidates: u64) -> Watch {
        let until = candidates as usize + 1;
        let moments = Vec::new();
        Watch { from: until / 10 + 1, until, marks: [None, None], moments, tree: None, stop: None }
    }

    fn see(&mut self, line: &Line, state: &RunState) {
        let Some(tree) = &state.search else { return };
        match &line.event {
            Event::RunEnded { .. } => {
                self.tree = Some((**tree).clone());
            }
            Event::Evaluated(_) | Event::NodeDropped(_) => {
                let settled = tree.nodes().len() - tree.unsettled();
                let mark = || Some((settled, Instant::now(), process::own_cpu()));
                if self.marks[0].is_none() && settled >= self.from {
                    self.marks[0] = mark();
                }
                if self.marks[1].is_none() && settled >= self.until {
                    self.marks[1] = mark();
                    if let Some(stop) = &self.stop {
                        stop.send_replace(true);
                    }
                }
                let best = tree.best().and_then(|best| tree.get(best)?.aggregate());
                let value = best.map(|best| best.mean);
                if let Some(value) =
                    value.filter(|value| self.moments.last().is_none_or(|last| last.1 != *value))
                {
                    self.moments.push((tree.graded(), value));
                }
            }
            _ => {}
        }
    }

    fn span(&self) -> Option<Span> {
        let [Some(first), Some(last)] = self.marks else { return None };
        let candidates = u32::try_from(last.0 - first.0).ok().filter(|candidates| *candidates > 0)?;
        Some(Span {
            candidates,
            wall: last.1.duration_since(first.1),
            own_cpu: last.2.saturating_sub(first.2),
        })
    }
}
