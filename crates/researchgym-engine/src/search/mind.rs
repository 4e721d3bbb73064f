//! The policy at work: one of ours.

use researchgym_core::failure::Failure;
use researchgym_core::search::policy::{Answer, Policy, PolicySpec, View};
use researchgym_core::search::{Change, Stream, Tree};

use super::unusable;

/// What plans.
pub(super) enum Mind {
    /// One of our policies.
    Ours(Box<dyn Policy>),
}

impl Mind {
    /// The policy before anything has happened.
    pub(super) fn begin(spec: &PolicySpec) -> Result<Mind, Failure> {
        match spec.begin() {
            Some(policy) => Ok(Mind::Ours(policy)),
            None => Err(unusable("an external policy cannot be started here")),
        }
    }

    pub(super) fn observe(&mut self, tree: &Tree, change: Change) {
        match self {
            Mind::Ours(policy) => policy.observe(tree, change),
        }
    }

    pub(super) fn ask(&mut self, view: &View<'_>, random: &mut Stream) -> Answer {
        match self {
            Mind::Ours(policy) => policy.ask(view, random),
        }
    }
}
