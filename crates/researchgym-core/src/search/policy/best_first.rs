//! `best-first`: a few drafts, then the best candidate is improved, and now and then a failure mended. AIDE (Weco,
//! `aide/agent.py`), with the parallel choice of AI-Scientist-v2 (`parallel_agent.py`): what is chosen while other
//! work is under way is taken from another tree, if there is one with a working candidate.
//!
//! The baseline is a tree like those of the drafts. Dropped candidates count as tried, lost ones do not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forest::{Choice, Chosen, Forest, Means};
use super::line::{DEBUG, DRAFT, IMPROVE, best_others, plan, start};
use super::{Answer, Policy, View};
use crate::search::{Change, Plan, Role, Stream, Tree};

/// Its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BestFirst {
    /// Drafts before anything else; more only as long as nothing works. AIDE 5, AI-Scientist-v2 3.
    pub num_drafts: usize,
    /// The probability that a failure is mended rather than the best improved. AIDE and AI-Scientist-v2 0.5,
    /// AIRA-dojo 1.
    pub debug_prob: f64,
    /// Failed ancestors that a failure may have and still be mended. AIDE and AI-Scientist-v2 3, AIRA-dojo 20.
    pub max_debug_depth: u32,
    /// How many of the best others are shown to who makes a candidate. AIDE shows a summary of all that work; ours
    /// are whole code bases, hence 5.
    pub best_shown: usize,
}

impl Default for BestFirst {
    fn default() -> BestFirst {
        BestFirst { num_drafts: 5, debug_prob: 0.5, max_debug_depth: 3, best_shown: 5 }
    }
}

impl BestFirst {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Greedy { constants: self.clone(), forest: Forest::new(self.max_debug_depth) }
    }
}

struct Greedy {
    constants: BestFirst,
    forest: Forest,
}

impl Policy for Greedy {
    fn observe(&mut self, tree: &Tree, change: Change) {
        match change {
            Change::Planned(first, end) => (first..end).for_each(|id| self.forest.planned(tree, id)),
            Change::Built(_) => {}
            Change::Settled(id) => self.forest.settled(tree, id),
            Change::Remeasured(id) => self.forest.remeasured(tree, id),
        }
    }

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        let BestFirst { num_drafts, debug_prob, best_shown, .. } = self.constants;
        let start = start(view);
        let means = Means {
            drafts: start.map(|_| num_drafts),
            debug: view.operators.has(Role::Debug).then_some(debug_prob),
            improve: view.operators.has(Role::Improve),
        };
        let mut chosen = Chosen::default();
        let plans = (0..view.free).map_while(|_| match self.forest.choose(means, &mut chosen, random)? {
            Choice::Draft => plan(view, random, (start?, 0), DRAFT, best_others(view, 0, best_shown)),
            Choice::Debug(id) => plan(view, random, (Role::Debug, id), DEBUG, Vec::new()),
            Choice::Improve(id) => {
                plan(view, random, (Role::Improve, id), IMPROVE, best_others(view, id, best_shown))
            }
        });
        let plans: Vec<Plan> = plans.collect();
        Answer { is_over: plans.is_empty() && view.tree.unsettled() == 0, plans, note: None }
    }
}
