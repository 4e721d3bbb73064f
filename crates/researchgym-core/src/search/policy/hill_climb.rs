//! `hill-climb`: one incumbent, replaced by whatever is better. A coding agent's loop of edit, run, keep or reset
//! (karpathy/autoresearch), and the control for every policy that keeps more than one candidate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Policy, View};
use crate::search::{Change, Plan, Role, Stream, Tag, Tree};

/// Its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HillClimb {
    /// How many of the newest failures are shown to who makes the next candidate.
    pub failures_shown: usize,
}

impl Default for HillClimb {
    fn default() -> HillClimb {
        HillClimb { failures_shown: 2 }
    }
}

impl HillClimb {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Climber { constants: self.clone() }
    }
}

struct Climber {
    constants: HillClimb,
}

impl Policy for Climber {
    fn observe(&mut self, _: &Tree, _: Change) {}

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        // Without any incumbent there is nothing better to do than to begin anew.
        let (role, incumbent, kind) = match view.tree.best() {
            Some(best) => (Role::Improve, best, None),
            None => (Role::Draft, 0, Some("draft".to_owned())),
        };
        let tag = Tag { kind, ..Tag::default() };
        let failed = view.tree.nodes().iter().rev().filter(|node| node.is_buggy());
        let shown: Vec<_> = failed.take(self.constants.failures_shown).map(|node| node.id).collect();
        let plans: Vec<Plan> = (0..view.free)
            .filter_map(|_| {
                let operator = view.operators.pick(role, random)?;
                Some(Plan { shown: shown.clone(), tag: tag.clone(), ..Plan::new(operator, vec![incumbent]) })
            })
            .collect();
        Answer { is_over: plans.is_empty(), plans, note: None }
    }
}
