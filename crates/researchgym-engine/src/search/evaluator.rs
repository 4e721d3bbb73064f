//! What evaluates candidates: one job in, one evaluation out. Where that happens is the evaluator's affair.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use researchgym_core::digest::Digest;
use researchgym_core::failure::Failure;
use researchgym_core::gpu::Gpu;
use researchgym_core::keys::AttemptKeys;
use researchgym_core::score::{Score, Split};
use researchgym_core::search::NodeId;
use researchgym_core::search::event::{EvaluationFailure, MetricPoint};
use researchgym_core::search::reports::Unread;
use researchgym_core::task::Task;
use serde::{Deserialize, Serialize};

/// Path relative to the workspace -> content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Evaluates candidates. All that it needs to know of a candidate is in the job.
pub trait Evaluator: Send + Sync {
    /// Runs one stage of an evaluation to its end. If the future is dropped, everything that it has started is killed.
    /// It is first polled on the search's own thread: one that has more to do than to judge yields first.
    fn evaluate(self: Arc<Self>, job: Job) -> BoxFuture<'static, Result<Evaluation, Failure>>;

    /// Whether an evaluation that was begun before the program died still goes on, or is over and its result kept: then it is
    /// asked for again under the same number, and answered without being run twice.
    fn has_kept(&self, evaluation: u64) -> bool {
        let _ = evaluation;
        false
    }

    /// Whether something is kept of evaluations until what came of them is on the disk.
    fn keeps(&self) -> bool {
        false
    }

    /// What came of these evaluations is on the disk: what is kept of them may go.
    fn recorded(&self, evaluations: &[u64]) {
        let _ = evaluations;
    }

    /// Takes down what is kept between evaluations.
    fn close(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One stage of one evaluation.
#[derive(Clone, Debug)]
pub struct Job {
    /// The evaluation's number, from 1.
    pub evaluation: u64,
    /// The node.
    pub node: NodeId,
    /// The stage's name.
    pub stage: String,
    /// The candidate's editable files.
    pub files: Arc<Files>,
    /// What makes the artefacts; nothing if they are files of the candidate.
    pub command: Option<Vec<String>>,
    /// After which it is killed.
    pub timeout: Duration,
    /// How it is graded; `None`: it only must end well.
    pub grading: Option<JobGrading>,
    /// A file that the candidate's program may improve for its children.
    pub learned: Option<String>,
    /// Seed of the program's own randomness.
    pub seed: u64,
    /// Is told how the job stands and what its program measures.
    pub teller: ProgressTeller,
}

/// How an evaluation under way stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It waits in a cluster's queue: no working time of the run.
    Queued {
        /// Why, in the cluster's words, if it says so.
        reason: String,
    },
    /// Its program works.
    Running,
    /// What its program has told of itself.
    Reported(Vec<MetricPoint>),
}

/// Where an evaluation's progress goes. A clone goes to the same place.
#[derive(Clone)]
pub struct ProgressTeller(Arc<dyn Fn(Progress) + Send + Sync>);

impl ProgressTeller {
    /// Calls a function.
    pub fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> ProgressTeller {
        ProgressTeller(Arc::new(tell))
    }

    /// Tells nobody.
    pub fn silent() -> ProgressTeller {
        ProgressTeller::new(|_| {})
    }

    /// Tells of progress.
    pub fn tell(&self, progress: Progress) {
        (self.0)(progress);
    }
}

impl std::fmt::Debug for ProgressTeller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ProgressTeller")
    }
}

/// How a job is graded.
#[derive(Clone, Debug)]
pub struct JobGrading {
    /// The task with the variant applied.
    pub task: Arc<Task>,
    /// The variant's name.
    pub variant: String,
    /// The attempt's secret and seed.
    pub keys: AttemptKeys,
    /// On what it is scored.
    pub split: Split,
}

/// What a stage came to. Failures of the machine are errors of [`Evaluator::evaluate`].
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The verdict.
    pub verdict: Verdict,
    /// What the candidate's program wrote.
    pub said: Said,
    /// Manifest of the artefacts that were graded, in the run's blobs.
    pub outputs: Option<Digest>,
    /// The learned file, if it is there and differs.
    pub learned: Option<Vec<u8>>,
    /// Processor time of the candidate's program.
    pub cpu: Duration,
    /// The GPUs of this machine that its program had.
    pub gpus: Vec<Gpu>,
    /// All that its program has told of itself, capped.
    pub reported: Vec<MetricPoint>,
    /// What it told and is not among them.
    pub unread: Unread,
    /// Where it did not run at once: how long it waited in a queue, and how long it then took.
    pub queued: Option<Queued>,
}

/// The time of an evaluation that waited in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// From when it was handed over until it began.
    pub waited: Duration,
    /// From then to its end.
    pub took: Duration,
}

/// What a candidate's program wrote, head and tail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// On standard output.
    pub stdout: String,
    /// On standard error.
    pub stderr: String,
}

/// See [`Evaluation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// Graded.
    Graded(Score),
    /// It went well, and nobody asked for a grade.
    Passed,
    /// It failed by its own fault.
    Failed {
        /// How.
        kind: EvaluationFailure,
        /// What was seen.
        reason: String,
    },
}

impl Evaluation {
    /// A failure of the candidate's.
    pub(crate) fn failed(kind: EvaluationFailure, reason: impl Into<String>) -> Evaluation {
        let reason = researchgym_core::search::event::bounded(&reason.into());
        Evaluation::of(Verdict::Failed { kind, reason })
    }

    /// A verdict without anything else.
    pub fn of(verdict: Verdict) -> Evaluation {
        Evaluation {
            verdict,
            said: Said::default(),
            outputs: None,
            learned: None,
            cpu: Duration::ZERO,
            gpus: Vec::new(),
            reported: Vec::new(),
            unread: Unread::default(),
            queued: None,
        }
    }
}
