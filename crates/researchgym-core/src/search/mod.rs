//! Search over candidates: what a tree of them is, who plans the next ones, and which numbers are drawn.
//!
//! Pure. A search is a run whose log also has nodes: [`Tree`] is a fold over the events of [`event`], and populations,
//! islands, grids and epochs are projections that a policy keeps of it. Candidates are made and evaluated by
//! `researchgym-engine`.

mod chronicle;
pub mod event;
mod node;
mod operator;
mod plan;
pub mod policy;
pub mod simulation;
mod spec;
mod stream;
mod tree;

pub use chronicle::{Chronicle, Moment, failure_of};
pub use node::{Aggregate, Measurement, Node, NodeId, Status, Tag};
pub use operator::{Operator, Repertoire, Role, UnknownOperator};
pub use plan::Plan;
pub use spec::{EditForm, Inheritance, ModelShare, Novelty, SearchSpec, Selection};
pub use stream::Stream;
pub use tree::{Change, FULL, Stage, Tree, TreeError};
