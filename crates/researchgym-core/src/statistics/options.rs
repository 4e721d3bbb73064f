//! What an analysis is asked for, and the settings it tells of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::price::PriceTable;
use crate::record::RunRecord;

/// What an analysis is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Whose runs are compared.
    pub group_by: GroupBy,
    /// Contenders in this order, before all others, which follow by name. The order decides which record's baseline
    /// counts, and places ties in the published ranks.
    pub order: Vec<String>,
    /// How many resamples a bootstrap draws; 0 leaves all intervals out.
    pub resamples: u32,
    /// The seed of all resampling.
    pub seed: u64,
    /// The share of resamples that an interval holds, such as 0.95.
    pub confidence: f64,
    /// What becomes of runs with findings against their scores.
    pub flagged: Flagged,
    /// Prices to compute costs anew; without them the recorded costs count.
    pub prices: Option<PriceTable>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            group_by: GroupBy::AgentModel,
            order: Vec::new(),
            resamples: 2_000,
            seed: 0,
            confidence: 0.95,
            flagged: Flagged::Kept,
            prices: None,
        }
    }
}

/// Whose runs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Agents with their models.
    AgentModel,
    /// Models, whichever agent asked them; runs without one go by their agent.
    Model,
    /// Agents, whichever model they asked.
    Agent,
    /// Variants of tasks: runs on the variants of one task are compared as if those were contenders.
    Variant,
}

impl GroupBy {
    /// The name under which a run is compared.
    pub fn contender(self, record: &RunRecord) -> String {
        match self {
            GroupBy::AgentModel => record.contender(),
            GroupBy::Model => record.model.clone().unwrap_or_else(|| record.agent_with_policy()),
            GroupBy::Agent => record.agent_with_policy(),
            GroupBy::Variant => record.task.variant.clone(),
        }
    }
}

/// What becomes of runs with findings against their scores ([`RunRecord::is_flagged`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flagged {
    /// They count like all others.
    Kept,
    /// They are left out as if they had not been made.
    LeftOut,
}

/// Which of a run's scores is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The best valid attempt.
    Best,
    /// The final submission.
    Submission,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Best, Kind::Submission];
}

/// The settings an analysis was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whose runs are compared.
    pub group_by: GroupBy,
    /// How many resamples a bootstrap drew.
    pub resamples: u32,
    /// The seed of all resampling (ChaCha8).
    pub seed: u64,
    /// The share of resamples that an interval holds.
    pub confidence: f64,
    /// What became of flagged runs.
    pub flagged: Flagged,
    /// Whether costs were computed from prices given later.
    pub is_priced: bool,
    /// The day of the price table, if it tells one.
    pub prices_date: Option<String>,
}

impl Settings {
    /// Those of the options.
    pub fn of(options: &Options) -> Settings {
        Settings {
            group_by: options.group_by,
            resamples: options.resamples,
            seed: options.seed,
            confidence: options.confidence,
            flagged: options.flagged,
            is_priced: options.prices.is_some(),
            prices_date: options.prices.as_ref().and_then(|prices| prices.date.clone()),
        }
    }
}
