//! Policies: what to try next. Each is one file: its constants with the published defaults, and its choices.
//!
//! A policy is a function of the tree, the free slots and a stream of random numbers. What it keeps beside the tree is a
//! projection of it, told change by change, so that a resumed search has the same one: nothing that is drawn or decided
//! in [`Policy::ask`] may be kept but by way of the tags of the plans it returns.

mod best_first;
mod best_of_n;
mod constants;
mod epochs;
pub mod external;
mod forest;
mod hill_climb;
pub mod islands;
mod line;
mod mcts;
#[cfg(test)]
mod play;
mod ranking;
mod stages;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::best_first::BestFirst;
pub use self::best_of_n::BestOfN;
pub use self::constants::ConstantError;
pub use self::epochs::Epochs;
pub use self::external::External;
pub use self::hill_climb::HillClimb;
pub use self::islands::Islands;
pub use self::mcts::{Backup, Decay, Dynamic, Exponential, Linear, Mcts, Piecewise};
pub use self::stages::Stages;
use super::{Change, Plan, Repertoire, Stream, Tree};

/// Plans the next candidates of a search.
pub trait Policy: Send + Sync {
    /// Is told what an event has changed, after the tree has taken it in.
    fn observe(&mut self, tree: &Tree, change: Change);

    /// Is told that all nodes so far were planned by another policy, or by this one with other constants or operators: a
    /// fork goes on with this one and `operators` from here.
    fn take_over(&mut self, _tree: &Tree, _operators: &Repertoire) {}

    /// Says what to do with the free slots. Fewer plans than slots (none, too) mean that it waits for what is under way.
    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer;
}

/// What a policy sees when it is asked.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All nodes so far.
    pub tree: &'a Tree,
    /// How many plans can start at once, at least 1.
    pub free: usize,
    /// The operators of this run.
    pub operators: &'a Repertoire,
    /// How many candidates the search may make in all, if that is limited.
    pub candidates: Option<u64>,
}

/// What a policy answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The plans, at most as many as there are free slots.
    pub plans: Vec<Plan>,
    /// What it wants to be known, such as the begin of an epoch.
    pub note: Option<String>,
    /// Whether it has nothing more to ask for, ever.
    pub is_over: bool,
}

impl Answer {
    /// An answer of plans alone.
    pub fn plans(plans: Vec<Plan>) -> Answer {
        Answer { plans, note: None, is_over: false }
    }
}

/// Which policy, with its constants. A new policy is a file and a line in each of the two lists here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum PolicySpec {
    /// Control: independent candidates, the best one counts.
    BestOfN(BestOfN),
    /// Control: a better version of the best one, again and again.
    HillClimb(HillClimb),
    /// Trees from a few drafts: the best candidate is improved, failures are mended (AIDE).
    BestFirst(BestFirst),
    /// Four stages, each a best-first search from the best of the one before (AI-Scientist-v2).
    Stages(Stages),
    /// Monte Carlo tree search (ML-Master).
    Mcts(Mcts),
    /// Populations side by side with a grid of niches each.
    Islands(Islands),
    /// Batches, a growing part of which refines what beat the baseline.
    Epochs(Epochs),
    /// A program of the user's own that speaks JSON lines.
    External(External),
}

impl PolicySpec {
    /// The names that a user may give, with what each is.
    pub const NAMES: [(&'static str, &'static str); 7] = [
        ("best-of-n", "control: independent candidates"),
        ("hill-climb", "control: improve the best one"),
        ("best-first", "a few drafts, then improve the best and mend failures (AIDE)"),
        ("stages", "implementation, tuning, research, ablation (AI-Scientist-v2)"),
        ("mcts", "Monte Carlo tree search (ML-Master)"),
        ("islands", "populations side by side, each with a grid of niches, and migrants"),
        ("epochs", "batches that explore and, more and more, refine what beat the baseline"),
    ];

    /// The policy of that name with its published defaults.
    pub fn named(name: &str) -> Option<PolicySpec> {
        serde_json::from_value(serde_json::json!({ "name": name })).ok()
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            PolicySpec::BestOfN(_) => "best-of-n",
            PolicySpec::HillClimb(_) => "hill-climb",
            PolicySpec::BestFirst(_) => "best-first",
            PolicySpec::Stages(_) => "stages",
            PolicySpec::Mcts(_) => "mcts",
            PolicySpec::Islands(_) => "islands",
            PolicySpec::Epochs(_) => "epochs",
            PolicySpec::External(_) => "external",
        }
    }

    /// The policy at the begin of a search; `None` for an external one, which is a program.
    pub fn begin(&self) -> Option<Box<dyn Policy>> {
        match self {
            PolicySpec::BestOfN(constants) => Some(Box::new(constants.begin())),
            PolicySpec::HillClimb(constants) => Some(Box::new(constants.begin())),
            PolicySpec::BestFirst(constants) => Some(Box::new(constants.begin())),
            PolicySpec::Stages(constants) => Some(Box::new(constants.begin())),
            PolicySpec::Mcts(constants) => Some(Box::new(constants.begin())),
            PolicySpec::Islands(constants) => Some(Box::new(constants.begin())),
            PolicySpec::Epochs(constants) => Some(Box::new(constants.begin())),
            PolicySpec::External(_) => None,
        }
    }
}
