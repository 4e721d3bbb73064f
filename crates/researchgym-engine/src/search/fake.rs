//! The `fake` evaluator: a function judges candidates at once, in this process. For measuring the engine without the
//! evaluations, and for tests. It checks what every evaluator may rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::score::{Metrics, Score};
use researchgym_core::search::NodeId;

use super::evaluator::{Evaluation, Evaluator, Job, Verdict};

type Judge = dyn Fn(&Job) -> Result<Evaluation, Failure> + Send + Sync;

/// Judges by a function. Jobs that break the contract (an evaluation's number that does not grow, two evaluations of one
/// node at once, a node again after it has failed) are failures of the executor.
pub struct Fake {
    judge: Box<Judge>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    last: u64,
    under_way: BTreeSet<NodeId>,
    failed: BTreeMap<NodeId, u64>,
}

impl Fake {
    /// An evaluator of that judgement.
    pub fn new(judge: impl Fn(&Job) -> Result<Evaluation, Failure> + Send + Sync + 'static) -> Fake {
        Fake { judge: Box::new(judge), seen: Mutex::default() }
    }

    /// A valid score of one metric.
    pub fn scored(metric: &str, value: f64) -> Evaluation {
        let metrics = Metrics::from([(metric.to_owned(), value)]);
        Evaluation::of(Verdict::Graded(Score { metrics, invalid: None, findings: Vec::new() }))
    }

    fn begin(&self, job: &Job) -> Result<(), Failure> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = |what: String| Err(Failure::new(Boundary::Executor, what));
        if job.evaluation <= seen.last {
            return broken(format!("evaluation {} comes after {}", job.evaluation, seen.last));
        }
        if let Some(earlier) = seen.failed.get(&job.node) {
            return broken(format!("node {} is evaluated again: evaluation {earlier} had failed", job.node));
        }
        if !seen.under_way.insert(job.node) {
            return broken(format!("node {} is evaluated twice at once", job.node));
        }
        seen.last = job.evaluation;
        Ok(())
    }

    fn end(&self, job: &Job, found: &Result<Evaluation, Failure>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.under_way.remove(&job.node);
        if let Ok(Evaluation { verdict: Verdict::Failed { .. }, .. }) = found {
            seen.failed.insert(job.node, job.evaluation);
        }
    }
}

impl Evaluator for Fake {
    fn evaluate(self: Arc<Self>, job: Job) -> BoxFuture<'static, Result<Evaluation, Failure>> {
        Box::pin(async move {
            self.begin(&job)?;
            let found = (self.judge)(&job);
            self.end(&job, &found);
            found
        })
    }
}
