//! Making candidates: by operators that need no model, at once; by those that ask one, beside the loop.

use std::sync::Arc;

use researchgym_core::search::event::{Gate, Spent};
use researchgym_core::search::{NodeId, Operator};

use super::evaluator::Files;
use super::meaning::Judged;

/// A candidate that was made, before the gates.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// The whole candidate.
    pub(crate) files: Arc<Files>,
    /// The idea in words, if there is one.
    pub(crate) idea: Option<String>,
    /// Who made it.
    pub(crate) model: Option<String>,
    /// What was shown to who made it.
    pub(crate) shown: Vec<NodeId>,
    /// How often it was tried, this time included.
    pub(crate) attempts: u32,
    /// What that has cost.
    pub(crate) spent: Spent,
    /// Its vector, if a model has embedded it.
    pub(crate) judged: Option<Judged>,
}

impl Made {
    /// By an operator that asks nobody.
    pub(crate) fn by_rule(files: Files, shown: Vec<NodeId>) -> Made {
        let files = Arc::new(files);
        let spent = Spent::default();
        Made { files, idea: None, model: None, shown, attempts: 1, spent, judged: None }
    }
}

/// Why there is no candidate.
#[derive(Clone, Debug)]
pub(crate) struct Unmade {
    pub(crate) gate: Gate,
    pub(crate) reason: String,
    pub(crate) of: Option<NodeId>,
    pub(crate) idea: Option<String>,
    /// Whether it is the idea that was refused.
    pub(crate) idea_refused: bool,
    pub(crate) model: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) spent: Spent,
}

impl Unmade {
    /// By an operator that asks nobody.
    pub(crate) fn by_rule(gate: Gate, reason: impl Into<String>) -> Unmade {
        Unmade {
            gate,
            reason: reason.into(),
            of: None,
            idea: None,
            idea_refused: false,
            model: None,
            attempts: 1,
            spent: Spent::default(),
        }
    }
}

/// Whether an operator is done in the loop: it is quick and has no effects.
pub(crate) fn is_pure(operator: Operator, has_model: bool) -> bool {
    match operator {
        Operator::Baseline | Operator::Tune | Operator::CmaEs | Operator::Replicate => true,
        Operator::Crossover => !has_model,
        Operator::Draft
        | Operator::Improve
        | Operator::Debug
        | Operator::Implement
        | Operator::Ablate
        | Operator::Simplify
        | Operator::Mutate => false,
    }
}
