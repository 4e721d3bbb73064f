//! What a search is asked to be: everything that its plan shows beside the run's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::PolicySpec;
use super::{Repertoire, StageLimits};
use crate::spec::ModelSpec;

/// How the agent `search` works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchSpec {
    /// The preset under whose name it was started, such as `openevolve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// What to try next.
    pub policy: PolicySpec,
    /// How candidates are made, with weights.
    pub operators: Repertoire,
    /// How many candidates are made and evaluated at once.
    pub parallel: u32,
    /// How many of them are evaluated at once at most; others that are made wait. `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_slots: Option<u32>,
    /// The value of the primary metric at which the search ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// After so many candidates without a better best the search ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Measurements that the best candidate must have before it counts; 1 takes the first at its word.
    pub measurements: u32,
    /// When a candidate is too much like an earlier one.
    pub novelty: Novelty,
    /// The form in which models write their changes.
    pub form: EditForm,
    /// How often a change that cannot be applied is sent back with the error.
    pub repairs: u32,
    /// Tokens of context that a model is given at most.
    pub context_tokens: u64,
    /// What `implement` derives from.
    pub inheritance: Inheritance,
    /// Sampling temperature of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Models beside the run's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelShare>,
    /// The model that has the ideas of `implement`, if it is another than those that write its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idea_model: Option<Box<ModelSpec>>,
    /// The weight of the run's own model.
    pub model_weight: f64,
    /// How a model is chosen.
    pub selection: Selection,
    /// What single stages or epochs may spend.
    #[serde(default, skip_serializing_if = "StageLimits::is_empty")]
    pub stage_limits: StageLimits,
}

/// One more model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelShare {
    /// The model as it was resolved.
    pub model: Box<ModelSpec>,
    /// How often it is asked, beside the others' weights.
    pub weight: f64,
}

/// How a model is chosen among several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// By their weights.
    #[default]
    Weights,
    /// By what they have achieved: an upper confidence bound over the gain on the parent (ShinkaEvolve 2025).
    Bandit,
}

/// When a candidate is too much like an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Novelty {
    /// Jaccard similarity of token shingles above which a model's candidate is refused; 1 refuses equal ones alone.
    pub similarity: f64,
    /// How often another candidate is asked for instead.
    pub resamples: u32,
    /// The model whose embeddings speak against candidates and ideas, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Box<EmbeddingNovelty>>,
}

impl Default for Novelty {
    fn default() -> Novelty {
        Novelty { similarity: 0.98, resamples: 3, embedding: None }
    }
}

/// When the embedding of a candidate or of an idea is too near to that of an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingNovelty {
    /// The model that makes embeddings, as it was resolved.
    pub model: ModelSpec,
    /// Cosine from which on a model's candidate is refused; with 1 candidates are not embedded.
    pub similarity: f64,
    /// Cosine from which on an idea is refused before code is asked for; with 1 ideas are not embedded.
    pub idea_similarity: f64,
}

impl EmbeddingNovelty {
    /// The cosine of candidates' embeddings where none is given: the default of ShinkaEvolve's `code_embed_sim_threshold`
    /// (commit 9912af1, 2026; its paper, arXiv 2509.19349, has 0.95 and asks a second model).
    pub const SIMILARITY: f64 = 0.99;
    /// The cosine of ideas' embeddings where none is given: ideas in other words are farther apart than programs, which share
    /// most of their text.
    pub const IDEA_SIMILARITY: f64 = 0.9;
}

/// The form in which a model writes its changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EditForm {
    /// SEARCH / REPLACE blocks.
    #[default]
    SearchReplace,
    /// Unified diffs.
    UnifiedDiff,
    /// Whole files.
    WholeFiles,
}

/// What an idea is implemented on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Inheritance {
    /// The code of the first parent.
    #[default]
    Code,
    /// The untouched baseline: only the idea's words are inherited, as published (arXiv 2601.14525, section 1.4).
    Text,
}
