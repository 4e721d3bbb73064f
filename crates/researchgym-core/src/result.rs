//! The result object: what a script may rely on. Printed for every ending; keys are only ever added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::event::Ending;
use crate::failure::{Boundary, Failure};
use crate::gpu::Gpu;
use crate::isolation::{Image, Isolation, IsolationLevel, Runtime};
use crate::network::{NetworkPolicy, NetworkUse};
use crate::score::{Finding, Metrics, Primary, Split};
use crate::search::{Node, Operator, Status};
use crate::spec::{AgentSpec, Fork, SCHEMA};
use crate::state::{Attempt, RunState};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// One of several runs that was cancelled, or could not be made, before it had a folder.
    NotStarted,
    /// It was handed over to a cluster, and its job waits for its turn.
    Queued,
    /// A process works on it.
    Running,
    /// A process holds it, and the user has stopped its clock.
    Paused,
    /// Nobody works on it and it has not ended: it can be resumed.
    Interrupted,
    /// It has ended.
    Ended,
}

/// One run's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Version of this object: 1.
    pub schema: u32,
    /// Absolute path of the run's folder.
    pub run: String,
    /// The run's id.
    pub run_id: String,
    /// The task's id.
    pub task: String,
    /// Hash of the task's folder.
    pub task_digest: Digest,
    /// `default` if none was asked for.
    pub variant: String,
    /// The agent's name.
    pub agent: String,
    /// `provider/model`, or null.
    pub model: Option<String>,
    /// The run's seed.
    pub seed: u64,
    /// Where commands ran.
    pub runtime: Runtime,
    /// The image of its containers; null unless they are some.
    pub image: Option<Image>,
    /// What was kept apart.
    pub isolation: Isolation,
    /// The GPUs that the agent had, of the newest segment; of a search those that programs of its candidates had. Absent if none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// Where the run stands.
    pub state: Progress,
    /// How it ended; null until then.
    pub ending: Option<Ending>,
    /// Whose failure it was; null unless it failed.
    pub boundary: Option<Boundary>,
    /// What failed; null unless it failed.
    pub error: Option<ResultError>,
    /// The metric that decides.
    pub primary: Primary,
    /// Last graded submission: metric -> finite number; null if there is none or it is not valid.
    pub score: Option<Metrics>,
    /// Best attempt by the primary metric.
    pub best_score: Option<Metrics>,
    /// By how much the best validation is better than `score`, by the primary metric; null if either is missing or both are
    /// scored on the same data.
    pub validation_gap: Option<f64>,
    /// What `score` was computed on.
    pub score_split: Option<Split>,
    /// What `best_score` was computed on.
    pub best_split: Option<Split>,
    /// The numbers to beat.
    pub baseline: Option<Metrics>,
    /// Whether `score` beats the baseline, as published and as measured, beyond the task's noise floor; null if either is
    /// missing.
    pub improved: Option<bool>,
    /// Actions of the agent.
    pub steps: u64,
    /// Validations graded.
    pub validations: u64,
    /// Working time in seconds.
    pub seconds: f64,
    /// Wall time in seconds, with grading.
    pub wall_seconds: f64,
    /// Money spent on models, in US dollars.
    pub cost_usd: f64,
    /// Tokens of model calls, prompts and answers together.
    pub tokens: u64,
    /// Model calls.
    pub model_calls: u64,
    /// The run and step whose history this run goes on from, as RUN@STEP; its steps, time and money are included above.
    pub forked_from: Option<String>,
    /// What programs in the sandboxes could reach of the network, and what they asked of it.
    pub network: NetworkResult,
    /// What became of the candidates, if the run is a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchResult>,
    /// What speaks against trusting the scores.
    pub integrity: Vec<Finding>,
    /// Hash of the log's last line.
    pub log_head: Digest,
}

/// What of the network was within reach, and what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkResult {
    /// What the agent's sandbox could reach.
    pub agent: NetworkPolicy,
    /// What the grader's could.
    pub grader: NetworkPolicy,
    /// Requests, allowed and refused, and bytes.
    pub requests: NetworkUse,
}

/// What became of a search's candidates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchResult {
    /// What planned.
    pub policy: String,
    /// Candidates settled; neither the baseline nor repeated measurements count.
    pub candidates: u64,
    /// Of these, with a score.
    pub measured: u64,
    /// The best candidate; null if none was measured.
    pub best: Option<SearchBest>,
}

/// The best candidate of a search, as it was validated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchBest {
    /// Which node.
    pub node: u32,
    /// Mean of the primary metric over its measurements.
    pub value: f64,
    /// How many measurements.
    pub n: u64,
    /// Standard error of the mean; null for one measurement.
    pub standard_error: Option<f64>,
}

/// A failure as a result shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultError {
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl From<&Failure> for ResultError {
    fn from(failure: &Failure) -> ResultError {
        ResultError { message: failure.message.clone(), hint: failure.hint.clone() }
    }
}

/// What is printed instead of a result when the command could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageError {
    /// Version of this object: 1.
    pub schema: u32,
    /// What is wrong.
    pub error: ResultError,
}

/// What a result needs beside the events.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// Absolute path of the run's folder.
    pub run: String,
    /// Hash of the log's last line.
    pub log_head: Digest,
    /// Whether a process holds the run's lock.
    pub is_running: bool,
    /// Wall milliseconds of the segment that is going on, if known.
    pub segment_ms: Option<u64>,
}

impl RunResult {
    /// Derives the result from a run's state.
    pub fn of(state: &RunState, context: Context) -> RunResult {
        let started = &state.started;
        let primary = started.task.primary();
        let submission = state.submission().filter(|attempt| attempt.score.invalid.is_none());
        let best = state.best();
        let metrics = |attempt: Option<&Attempt>| attempt.map(|attempt| attempt.score.metrics.clone());
        let failure = state.ended.as_ref().and_then(|ended| ended.failure.as_ref());
        RunResult {
            schema: SCHEMA,
            run: context.run,
            run_id: started.run_id.clone(),
            task: started.task.id.clone(),
            task_digest: started.digests.task,
            variant: started.spec.variant.clone(),
            agent: started.spec.agent.name().to_owned(),
            model: started.spec.model.clone(),
            seed: started.spec.seed,
            runtime: started.spec.runtime,
            image: started.spec.image.clone(),
            isolation: state.isolation.clone().unwrap_or(Isolation {
                level: IsolationLevel::None,
                enforced: Vec::new(),
                missing: Vec::new(),
            }),
            gpus: state.gpus.clone(),
            state: match (&state.ended, context.is_running) {
                (Some(_), _) => Progress::Ended,
                (None, true) if state.is_paused => Progress::Paused,
                (None, true) => Progress::Running,
                (None, false) => Progress::Interrupted,
            },
            ending: state.ended.as_ref().map(|ended| ended.ending),
            boundary: failure.map(|failure| failure.boundary),
            error: failure.map(ResultError::from),
            score: metrics(submission),
            best_score: metrics(best),
            validation_gap: state.validation_gap(),
            score_split: submission.map(|attempt| attempt.split),
            best_split: best.map(|attempt| attempt.split),
            baseline: started.task.baseline.as_ref().map(|baseline| baseline.shown(&primary).clone()),
            improved: submission.and_then(|attempt| improved(state, attempt, &primary)),
            primary,
            steps: state.steps,
            validations: state.validations(),
            seconds: state.working_ms as f64 / 1e3,
            wall_seconds: state.wall_ms(context.segment_ms) as f64 / 1e3,
            cost_usd: state.ledger.spent().as_usd(),
            tokens: state.ledger.tokens(),
            model_calls: state.ledger.calls(),
            forked_from: started.spec.fork.as_ref().map(Fork::place),
            network: NetworkResult {
                agent: started.spec.agent_network(&started.task.network),
                grader: started.task.network.grader,
                requests: state.network.clone(),
            },
            search: searched(state),
            integrity: state.integrity(),
            log_head: context.log_head,
        }
    }

    /// The result of a run that was asked for and never begun: `state` is what it would have begun with.
    pub fn not_started(state: &RunState, ending: Ending, failure: Option<&Failure>) -> RunResult {
        let nowhere =
            Context { run: String::new(), log_head: Digest::ZERO, is_running: false, segment_ms: Some(0) };
        RunResult {
            state: Progress::NotStarted,
            ending: Some(ending),
            boundary: failure.map(|failure| failure.boundary),
            error: failure.map(ResultError::from),
            ..RunResult::of(state, nowhere)
        }
    }

    /// The documented exit code: 0 valid score, 1 none, 3 infrastructure failure, 130 cancelled.
    pub fn exit_code(&self) -> u8 {
        match (self.ending, self.boundary) {
            (Some(Ending::Cancelled), _) => 130,
            (Some(Ending::Failed), Some(Boundary::Agent)) => 1,
            (Some(Ending::Failed), _) | (None, _) => 3,
            (Some(_), _) => u8::from(self.score.is_none()),
        }
    }
}

/// The worst of several runs' exit codes: 130 if any was cancelled, then 3, then 1, then 0.
pub fn worst_exit_code(codes: impl Iterator<Item = u8>) -> u8 {
    codes.max().unwrap_or(0)
}

fn searched(state: &RunState) -> Option<SearchResult> {
    let AgentSpec::Search(spec) = &state.started.spec.agent else { return None };
    let tree = state.search.as_deref()?;
    let is_settled =
        |node: &&Node| node.is_candidate() && node.operator != Operator::Baseline && node.status.is_settled();
    let candidates = tree.nodes().iter().filter(is_settled);
    let measured = candidates.clone().filter(|node| node.status == Status::Measured).count() as u64;
    let best = tree.chosen(spec.measurements).and_then(|id| {
        let found = tree.get(id)?.aggregate()?;
        let (value, n) = (found.mean, found.n as u64);
        Some(SearchBest { node: id, value, n, standard_error: found.standard_error })
    });
    Some(SearchResult {
        policy: spec.policy.name().to_owned(),
        candidates: candidates.count() as u64,
        measured,
        best,
    })
}

fn improved(state: &RunState, attempt: &Attempt, primary: &Primary) -> Option<bool> {
    state.started.task.baseline.as_ref()?.is_beaten(primary, attempt.score.value(primary)?)
}
