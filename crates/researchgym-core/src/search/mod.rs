//! Search over candidates: what a tree of them is, who plans the next ones, and which numbers are drawn.
//!
//! Pure. A search is a run whose log also has nodes: [`Tree`] is a fold over the events of [`event`], and populations,
//! islands, grids and epochs are projections that a policy keeps of it. Candidates are made and evaluated by
//! `researchgym-engine`.

mod chronicle;
pub mod context;
pub mod embedding;
pub mod ensemble;
pub mod event;
#[cfg(test)]
mod example;
pub mod genome;
pub mod lint;
mod node;
mod operator;
mod plan;
pub mod policy;
mod presets;
pub mod reports;
pub mod similarity;
pub mod simulation;
mod spec;
mod stage_limits;
mod stream;
mod tree;

pub use chronicle::{Chronicle, Moment, failure_of};
pub use ensemble::Ensemble;
pub use node::{Aggregate, IdeaCall, Measurement, Node, NodeId, Status, Tag};
pub use operator::{Operator, Repertoire, Role, UnknownOperator};
pub use plan::Plan;
pub use presets::{PRESETS, Preset, default_spec, operators_with_model, operators_without_model, preset};
pub use spec::{EditForm, EmbeddingNovelty, Inheritance, ModelShare, Novelty, SearchSpec, Selection};
pub use stage_limits::{StageLimit, StageLimits, StageSpending};
pub use stream::Stream;
pub use tree::{Change, FULL, Stage, Tree, TreeError};
