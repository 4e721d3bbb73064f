//! What a run is asked to be: everything that `plan.json` shows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::action::Body;
use crate::digest::Digest;
use crate::executor::Executor;
use crate::gpu::GpuRequest;
use crate::isolation::{Image, Runtime};
use crate::model::{ModelFacts, Reasoning, Wire};
use crate::network::NetworkPolicy;
use crate::search::SearchSpec;
use crate::task::Network;

/// The version of the event log, the run folder and the result object that this program writes.
pub const SCHEMA: u32 = 1;

/// Integer millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// For display only.
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// The limits of a run; `None` is unlimited. All are totals over the run's segments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Working time in milliseconds. Grading and waiting for a provider's rate limit do not count.
    pub working_ms: Option<u64>,
    /// Actions of the agent.
    pub steps: Option<u64>,
    /// Money for model calls, in micro-dollars. It was called `budget`, and is still read under that name.
    #[serde(rename = "budget_micro_usd", alias = "budget")]
    pub budget: Option<MicroUsd>,
    /// Tokens of model calls, prompts and answers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Which agent, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum AgentSpec {
    /// Actions from a file of JSON lines.
    Scripted {
        /// The script's text as it was at the start; resuming never reads the file again.
        script: Body,
    },
    /// The actions of another run.
    Replay {
        /// They, as a script.
        script: Body,
        /// The run they come from (its id).
        source: String,
    },
    /// A person at the terminal.
    Human,
    /// The autonomous research agent with tools.
    #[serde(rename = "basic-agent")]
    Basic(BasicSpec),
    /// A search over the task's declared parameters, without a language model.
    Tuner {
        /// How candidates are drawn.
        sampler: Sampler,
        /// How many are validated.
        trials: u64,
    },
    /// A search over candidates.
    Search(Box<SearchSpec>),
    /// A program declared by a TOML file.
    External {
        /// The agent's name.
        agent: String,
        /// The declaration's text as it was at the start.
        declaration: String,
        /// The folder with the agent's own files, if it has one; mounted read-only.
        files: Option<String>,
    },
}

/// How the basic agent works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicSpec {
    /// Its loop.
    pub mode: BasicMode,
    /// Whether it may end the run itself; else it works until a limit.
    pub may_end: bool,
    /// The task's hint at an idea, if it is to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idea_hint: Option<Body>,
    /// How much the model is to think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    /// Sampling temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

/// The loop of the basic agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BasicMode {
    /// All tools, status lines, hand-off of its notes when the context is full.
    Plus,
    /// A plain loop that is asked for the next step each time.
    Iterative,
}

/// The model of a run as it was resolved when the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// `provider/model`.
    pub name: String,
    /// The form in which the provider is spoken to.
    pub wire: Wire,
    /// Where it is, with the version; empty for `scripted`.
    pub base_url: String,
    /// Further query parameters of each request, such as Azure's `api-version`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// What it costs and holds.
    pub facts: ModelFacts,
    /// Where the price comes from: a table with its date, a file, the settings, `local`.
    pub price_source: String,
    /// `scripted`: the replies as they were at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Body>,
    /// The file in which answers are recorded, or from which they come, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassette: Option<String>,
    /// Whether the cassette is being recorded; else answers come from it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_recorded: bool,
    /// Further keys that go into every request of the agent, from the settings.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub request: Map<String, Value>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// Where a forked run comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The other run's id.
    pub run: String,
    /// Its last step that this run shares; of a search, how many candidates were settled until then.
    pub step: u64,
    /// How many of this log's events were the other's; they follow `run_started`.
    pub events: u64,
    /// The other log's head when it was read.
    pub log_head: Digest,
    /// A search: so many of these events came of another policy than this run's, or of the same with other constants or
    /// operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_policy: Option<u64>,
}

impl Fork {
    /// `RUN@STEP`.
    pub fn place(&self) -> String {
        format!("{}@{}", self.run, self.step)
    }
}

/// How the tuner draws candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Tree-structured Parzen estimator (Bergstra et al. 2011).
    Tpe,
    /// Uniform random search: the control.
    Random,
}

impl AgentSpec {
    /// The agent's name in results.
    pub fn name(&self) -> &str {
        match self {
            AgentSpec::Scripted { .. } => "scripted",
            AgentSpec::Replay { .. } => "replay",
            AgentSpec::Human => "human",
            AgentSpec::Basic(_) => "basic-agent",
            AgentSpec::Tuner { .. } => "tuner",
            AgentSpec::Search(search) => search.preset.as_deref().unwrap_or("search"),
            AgentSpec::External { agent, .. } => agent,
        }
    }
}

/// One run, as asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Version of this object: 1.
    pub schema: u32,
    /// The task's id.
    pub task: String,
    /// The task's folder, absolute.
    pub task_dir: String,
    /// The task's variant; `default` if none was asked for.
    pub variant: String,
    /// Who works.
    pub agent: AgentSpec,
    /// `provider/model`, for agents that use one.
    pub model: Option<String>,
    /// The model with all that was resolved when the run began. Never a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_spec: Option<Box<ModelSpec>>,
    /// The run whose history this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// Seed of everything random that the agent may see. Given by the user or drawn.
    pub seed: u64,
    /// Whether the user gave the seed: then grading is reproducible from it.
    pub seed_given: bool,
    /// Where commands run.
    pub runtime: Runtime,
    /// `docker`: the image of all the run's containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The GPUs that the agent's sandbox is to have; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpuRequest>,
    /// Who carries out its jobs: the whole run, or the evaluations of a search.
    #[serde(default, skip_serializing_if = "Executor::is_local")]
    pub executor: Executor,
    /// The limits.
    pub limits: Limits,
    /// Whether the web can be searched and read: the task allows it, and a search key was there when the run began.
    #[serde(default, skip_serializing_if = "is_false")]
    pub web: bool,
    /// What the user lets the agent's sandbox reach; absent: what the task says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkPolicy>,
    /// Words by which the user finds the run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Folder with the user's own copies of datasets, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<String>,
}

impl RunSpec {
    /// What the agent's sandbox reaches: what the user says, else the task, else the gateway if the run has a model.
    pub fn agent_network(&self, network: &Network) -> NetworkPolicy {
        let silent = if self.model.is_some() { NetworkPolicy::Gateway } else { NetworkPolicy::None };
        self.network.or(network.agent).unwrap_or(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_says_its_unit_and_earlier_plans_are_read() {
        let limits =
            Limits { working_ms: None, steps: Some(3), budget: Some(MicroUsd(2_500_000)), tokens: None };
        let written = serde_json::to_string(&limits).unwrap();
        assert_eq!(written, r#"{"working_ms":null,"steps":3,"budget_micro_usd":2500000}"#);
        let earlier = r#"{"working_ms":null,"steps":3,"budget":2500000}"#;
        for text in [written.as_str(), earlier] {
            assert_eq!(serde_json::from_str::<Limits>(text).unwrap(), limits);
        }
        let facts: ModelFacts = serde_json::from_str(r#"{"price":{"input":1,"output":2}}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&facts).unwrap(),
            r#"{"price_micro_usd_per_million_tokens":{"input":1,"output":2}}"#
        );
    }
}
