//! Records: one run as analysis sees it, whoever ran it. Statistics, reports, leaderboards and exports begin here.
//!
//! A record of a run of ours is derived from its log and may be deleted; a record of a foreign run is what its import wrote.
//! What is not known is `None`, never a guess; what was not taken over stands in [`RunRecord::left_out`].

mod actions;
mod own;
mod query;
mod search;
mod step;
mod trajectory;
mod trial;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::failure::Boundary;
use crate::inspect::Verdict;
use crate::model::Usage;
use crate::result::Progress;
use crate::score::{AttemptKind, Direction, Finding, Metrics, Primary, Split};
use crate::spec::MicroUsd;

pub use self::actions::{ActionsRecord, Category};
pub use self::own::{Recorder, Resolve};
pub use self::query::Query;
pub use self::search::{
    BestRecord, EmbeddingSpending, InheritedRecord, NodeRecord, OperatorRecord, SearchRecord, SpentRecord,
};
pub use self::step::{Change, MAX_TEXT_BYTES, StepRecord, bounded};
pub use self::trajectory::{EpochRecord, IdeaRecord, IdeaStatus, epochs_of, kind_of};
pub use self::trial::TrialRecord;

/// The version of records that this program writes and reads.
pub const RECORD_SCHEMA: u32 = 1;

/// One run as analysis sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of this object: 1.
    pub schema: u32,
    /// The run's id, unique in its store.
    pub run_id: String,
    /// Whose run it is.
    pub origin: Origin,
    /// What was worked on.
    pub task: TaskRecord,
    /// The agent's name.
    pub agent: String,
    /// The model's name, if one was asked.
    pub model: Option<String>,
    /// The run's seed or its number among its repetitions, if that is known.
    pub seed: Option<u64>,
    /// Words that whoever started or imported the run gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// RFC 3339 in UTC, if known.
    pub started_at: Option<String>,
    /// Where the run stands. A foreign run has ended.
    pub state: Progress,
    /// How it ended.
    pub ending: EndingRecord,
    /// All that was graded, in order.
    pub attempts: Vec<AttemptRecord>,
    /// The number of the attempt that counts as the final submission; it may be invalid.
    pub submission: Option<u64>,
    /// What it used.
    pub usage: UsageRecord,
    /// What it did, in brief.
    pub actions: ActionsRecord,
    /// What speaks against its scores: of the grader and of the runner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub integrity: Vec<Finding>,
    /// The verdict of the newest inspection of this very log, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What of the source could not be taken over, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What it was as a search, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Box<SearchRecord>>,
    /// `RUN@STEP` whose history it goes on from, if it is a fork: that history's steps, time and money are included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<String>,
}

/// Whose run it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "format", rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// Ours: the log with this last line.
    Researchgym {
        /// Hash of the log's last line.
        log_head: Digest,
    },
    /// Somebody else's.
    Foreign {
        /// Which program's, as `--format` names it: `mlgym`, `researchgym-seed`, `inspect`, `atif`, `openevolve`, `ideas`.
        program: String,
        /// The file or folder that it was read from, as it was named, and the sample in it, if it held several.
        source: String,
        /// Hash of what was read.
        digest: Digest,
    },
}

/// What was worked on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRecord {
    /// The task's id.
    pub id: String,
    /// `default` if none was asked for.
    pub variant: String,
    /// The metric that decides, if that is known.
    pub primary: Option<Primary>,
    /// Directions of the other metrics that are known, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub directions: BTreeMap<String, Direction>,
    /// The numbers to beat.
    pub baseline: Option<Metrics>,
    /// Differences of the primary metric up to this are noise; 0 if unknown.
    pub noise_floor: f64,
    /// Hash of the task's folder, if known: equal ids with different hashes are different versions.
    pub digest: Option<Digest>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndingRecord {
    /// In our words; `None` while it has not ended.
    pub cause: Option<Cause>,
    /// In the words of the program that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// Whose failure it was, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// The failure in a sentence, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Why a run ended. Ours are those of [`crate::event::Ending`]; those behind them occur in foreign runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The agent submitted.
    Submitted,
    /// The agent stopped without submitting.
    GaveUp,
    /// The working time was over.
    TimeLimit,
    /// The steps were used up.
    StepLimit,
    /// The money was spent.
    Budget,
    /// The tokens were used up.
    TokenLimit,
    /// The conversation outgrew the model's context window.
    Context,
    /// The model's answers could not be read as actions.
    Format,
    /// What was submitted could not be graded.
    Evaluation,
    /// The model's provider failed.
    Provider,
    /// The user stopped it.
    Cancelled,
    /// Something else broke.
    Failed,
    /// The source does not say.
    Unknown,
}

/// Something that was graded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttemptRecord {
    /// From 1.
    pub number: u64,
    /// Why it was graded, if known.
    pub kind: Option<AttemptKind>,
    /// On what, if known.
    pub split: Option<Split>,
    /// The metrics, all of them finite; empty if it is not valid.
    pub metrics: Metrics,
    /// Why there is no valid score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// Steps that had begun before.
    pub after_steps: Option<u64>,
    /// Working time before, in milliseconds.
    pub after_ms: Option<u64>,
    /// Money spent before, in micro-dollars.
    pub after_cost: Option<MicroUsd>,
    /// What was graded, if known: equal texts are equal artefacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artefact: Option<String>,
}

/// What a run used. `None` is unknown, not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageRecord {
    /// Working time in milliseconds.
    pub working_ms: Option<u64>,
    /// Wall time in milliseconds.
    pub wall_ms: Option<u64>,
    /// Money for model calls as it was recorded, in micro-dollars.
    pub cost: Option<MicroUsd>,
    /// Model calls, by model.
    pub models: BTreeMap<String, ModelUse>,
}

/// What was asked of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelUse {
    /// Calls.
    pub calls: u64,
    /// Tokens.
    pub usage: Usage,
}

/// A foreign run as a parser hands it over.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// The record; its id, source and digest are filled in by the import.
    pub record: RunRecord,
    /// Its steps in order, as far as the source has them.
    pub steps: Vec<StepRecord>,
}

impl RunRecord {
    /// An ended run of which nothing is known but this.
    pub fn foreign(program: &str, task: TaskRecord, agent: impl Into<String>) -> RunRecord {
        RunRecord {
            schema: RECORD_SCHEMA,
            run_id: String::new(),
            origin: Origin::Foreign {
                program: program.to_owned(),
                source: String::new(),
                digest: Digest::of(b""),
            },
            task,
            agent: agent.into(),
            model: None,
            seed: None,
            tags: Vec::new(),
            started_at: None,
            state: Progress::Ended,
            ending: EndingRecord { cause: Some(Cause::Unknown), told: None, boundary: None, failure: None },
            attempts: Vec::new(),
            submission: None,
            usage: UsageRecord::default(),
            actions: ActionsRecord::default(),
            integrity: Vec::new(),
            verdict: None,
            left_out: Vec::new(),
            search: None,
            forked_from: None,
        }
    }

    /// The name under which runs are compared: the agent, with its model if it has one.
    pub fn contender(&self) -> String {
        let agent = self.agent_with_policy();
        match &self.model {
            Some(model) => format!("{agent} / {model}"),
            None => agent,
        }
    }

    /// The agent; of a search with its policy, unless it has that policy's name: two policies are not one contender. Nor is a
    /// fork, of which another search made the beginning.
    pub fn agent_with_policy(&self) -> String {
        let policy =
            self.search.as_ref().map(|search| &search.policy).filter(|policy| **policy != self.agent);
        match (policy, self.search.is_some() && self.forked_from.is_some()) {
            (Some(policy), false) => format!("{} ({policy})", self.agent),
            (Some(policy), true) => format!("{} ({policy}, forked)", self.agent),
            (None, false) => self.agent.clone(),
            (None, true) => format!("{} (forked)", self.agent),
        }
    }

    /// The final submission, if it is valid.
    pub fn submitted(&self) -> Option<&AttemptRecord> {
        let number = self.submission?;
        self.attempts.iter().find(|attempt| attempt.number == number && attempt.invalid.is_none())
    }

    /// The primary metric of the final submission.
    pub fn submission_value(&self) -> Option<f64> {
        self.submitted()?.value(self.task.primary.as_ref()?)
    }

    /// The best valid attempt by the primary metric; of equals the first.
    pub fn best(&self) -> Option<&AttemptRecord> {
        let primary = self.task.primary.as_ref()?;
        let valued = self.attempts.iter().filter_map(|attempt| Some((attempt.value(primary)?, attempt)));
        valued
            .reduce(|best, next| if primary.direction.gain(next.0, best.0) > 0.0 { next } else { best })
            .map(|(_, attempt)| attempt)
    }

    /// The primary metric of the best attempt.
    pub fn best_value(&self) -> Option<f64> {
        self.best()?.value(self.task.primary.as_ref()?)
    }

    /// The baseline's primary metric.
    pub fn baseline_value(&self) -> Option<f64> {
        self.task.baseline.as_ref()?.get(&self.task.primary.as_ref()?.name).copied()
    }

    /// Whether something was found that makes the score unusable: a critical finding, or a suspicious inspection.
    pub fn is_flagged(&self) -> bool {
        let is_critical = |finding: &Finding| finding.severity == crate::score::Severity::Critical;
        self.verdict == Some(Verdict::Suspicious) || self.integrity.iter().any(is_critical)
    }
}

impl AttemptRecord {
    /// The primary metric, if the attempt is valid.
    pub fn value(&self, primary: &Primary) -> Option<f64> {
        if self.invalid.is_some() {
            return None;
        }
        self.metrics.get(&primary.name).copied()
    }
}

impl TaskRecord {
    /// A task of which the id alone is known.
    pub fn named(id: impl Into<String>) -> TaskRecord {
        TaskRecord {
            id: id.into(),
            variant: "default".to_owned(),
            primary: None,
            directions: BTreeMap::new(),
            baseline: None,
            noise_floor: 0.0,
            digest: None,
        }
    }
}

impl Cause {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Submitted => "submitted",
            Cause::GaveUp => "gave up",
            Cause::TimeLimit => "time limit",
            Cause::StepLimit => "step limit",
            Cause::Budget => "budget",
            Cause::TokenLimit => "token limit",
            Cause::Context => "context",
            Cause::Format => "format",
            Cause::Evaluation => "evaluation",
            Cause::Provider => "provider",
            Cause::Cancelled => "cancelled",
            Cause::Failed => "failed",
            Cause::Unknown => "unknown",
        }
    }
}

impl From<crate::event::Ending> for Cause {
    fn from(ending: crate::event::Ending) -> Cause {
        use crate::event::Ending;
        match ending {
            Ending::Submitted => Cause::Submitted,
            Ending::GaveUp => Cause::GaveUp,
            Ending::TimeLimit => Cause::TimeLimit,
            Ending::StepLimit => Cause::StepLimit,
            Ending::Budget => Cause::Budget,
            Ending::TokenLimit => Cause::TokenLimit,
            Ending::Cancelled => Cause::Cancelled,
            Ending::Failed => Cause::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_compared_by_their_policies() {
        let check = |agent: &str, policy: Option<&str>, model: Option<&str>, expected: &str| {
            let mut record = RunRecord::foreign("ours", TaskRecord::named("t"), agent);
            agent.clone_into(&mut record.agent);
            record.model = model.map(str::to_owned);
            record.search = policy.map(|policy| {
                let spent = SpentRecord::default();
                let (statuses, failures) = (BTreeMap::new(), BTreeMap::new());
                let (moments, operators) = (Vec::new(), Vec::new());
                let policy = policy.to_owned();
                Box::new(SearchRecord {
                    embeddings: None,
                    policy,
                    candidates: 0,
                    evaluations: 0,
                    statuses,
                    failures,
                    best: None,
                    baseline: None,
                    moments,
                    operators,
                    spent,
                    evaluation_ms: 0,
                    inherited: None,
                })
            });
            record.forked_from = expected.contains("forked").then(|| "r@3".to_owned());
            assert_eq!(record.contender(), expected);
        };
        check("tuner", None, None, "tuner");
        check("search", Some("islands"), None, "search (islands)");
        check("search", Some("islands"), None, "search (islands, forked)");
        check("openevolve", Some("openevolve"), None, "openevolve (forked)");
        check("search", Some("mcts"), Some("a/b"), "search (mcts) / a/b");
        check("openevolve", Some("islands"), None, "openevolve (islands)");
        check("openevolve", Some("openevolve"), None, "openevolve");
    }
}
