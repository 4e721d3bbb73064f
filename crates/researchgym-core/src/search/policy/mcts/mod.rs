//! `mcts`: Monte Carlo tree search over candidates. ML-Master (`agent/mcts_agent.py`), with the values of AIRA-dojo
//! and TTT-Discover as alternatives.
//!
//! The root is the baseline, its children are drafts. From the root the search goes to the child with the highest
//! upper confidence bound (UCT, Kocsis and Szepesvári 2006) until it meets a node with a place for one more child. A
//! line is then followed into the depth, each candidate made from the one before, until it stops improving, a
//! failure is mended, or too many attempts at mending failed; only then are rewards given and the next line is begun
//! from the root.
//!
//! One line at a time is followed below a draft (`lock`). Where ML-Master would find no free draft, several lines
//! share one and count what is under way as visits without reward (a virtual loss). Published code that does nothing
//! does here what it is there for: the best value so far is never updated there, and the bonus for a mended failure
//! equals the reward without. When all branches are closed the original visits them for ever; here another draft is
//! begun, up to [`Mcts::max_drafts`].
//!
//! Lost candidates change nothing and free their places. A dropped one keeps its place, so that a node of which only
//! duplicates are made is full at last, and its branch closed.

mod decay;
mod marks;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::decay::{Decay, Dynamic, Exponential, Linear, Piecewise};
use self::marks::{Mark, Marks, State};
use super::line::{DEBUG, DRAFT, IMPROVE, newest_children, plan, start};
use super::{Answer, Policy, View};
use crate::search::{Change, NodeId, Plan, Repertoire, Role, Stream, Tag, Tree};

/// Its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mcts {
    /// Drafts, and so branches. ML-Master 5, AIRA-dojo 5.
    pub num_drafts: usize,
    /// Children of a candidate that works. ML-Master 3, AIRA-dojo 5.
    pub num_improves: usize,
    /// Children of one that failed, unless one of them works. ML-Master 1.
    pub num_bugs: usize,
    /// Failed ancestors of a failure from which on its line ends. ML-Master 3.
    pub back_debug_depth: u32,
    /// Failed ancestors of a failure from which on it is never mended. ML-Master 20, AIRA-dojo 20.
    pub max_debug_depth: u32,
    /// What a candidate must gain on the best of its line to be an improvement. ML-Master 1e-4.
    pub metric_improvement_threshold: f64,
    /// Candidates of a line that are no improvement before it is closed. ML-Master 3.
    pub max_improve_failure: u32,
    /// The exploration constant C0. ML-Master 1.414, AIRA-dojo 0.25 (with `backup = "mean"`), TTT-Discover 1.
    pub exploration: f64,
    /// How it falls. ML-Master piecewise; AIRA-dojo constant.
    pub decay: Decay,
    /// How long the search is expected to be, in nodes, if its candidates are not limited. ML-Master 500.
    pub steps: u64,
    /// What the value of a node is made of.
    pub backup: Backup,
    /// Drafts in all, when branch after branch is closed. Ours.
    pub max_drafts: usize,
    /// How many of the newest siblings are shown to who makes a candidate. ML-Master shows them all; of its 5 or 3
    /// places.
    pub siblings_shown: usize,
}

impl Default for Mcts {
    fn default() -> Mcts {
        Mcts {
            num_drafts: 5,
            num_improves: 3,
            num_bugs: 1,
            back_debug_depth: 3,
            max_debug_depth: 20,
            metric_improvement_threshold: 1e-4,
            max_improve_failure: 3,
            exploration: 1.414,
            decay: Decay::Piecewise(Piecewise::default()),
            steps: 500,
            backup: Backup::RewardMean,
            max_drafts: 50,
            siblings_shown: 5,
        }
    }
}

/// What the value of a node is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backup {
    /// The mean reward of the lines that ended at it or below: -1 for a failure or no score; 1 for a score, 1 more
    /// for one better than all before, 1 more for a mended failure (ML-Master).
    #[default]
    RewardMean,
    /// The mean fitness of all evaluated candidates at it and below, scaled to 0..1 by the worst and the best of the
    /// whole search; failures are 0 (AIRA-dojo).
    Mean,
    /// The highest such fitness (TTT-Discover: the best that can be reached).
    Max,
}

impl Mcts {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Search { constants: self.clone(), marks: Marks::default() }
    }
}

struct Search {
    constants: Mcts,
    marks: Marks,
}

impl Policy for Search {
    fn observe(&mut self, tree: &Tree, change: Change) {
        let Search { constants, marks } = self;
        match change {
            Change::Planned(first, end) => (first..end).for_each(|id| marks.planned(constants, tree, id)),
            Change::Built(_) => {}
            Change::Settled(id) => marks.settled(constants, tree, id),
            Change::Remeasured(id) => marks.remeasured(tree, id),
        }
    }

    /// Every line is over, and the next begins at the root.
    fn take_over(&mut self, tree: &Tree, operators: &Repertoire) {
        self.marks.take_over(&self.constants, tree, operators.has(Role::Debug));
    }

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        let mut asking = Asking::new(self, view);
        let plans = (0..view.free).map_while(|_| {
            let target = asking.next()?;
            let siblings = newest_children(view, target, self.constants.siblings_shown);
            let made = match self.marks.get(target).map(|mark| mark.state).filter(|_| target != 0) {
                None => plan(view, random, (start(view)?, 0), DRAFT, siblings),
                Some(State::Buggy) => plan(view, random, (Role::Debug, target), DEBUG, Vec::new()),
                Some(_) => plan(view, random, (Role::Improve, target), IMPROVE, siblings),
            }?;
            let unmendable = !view.operators.has(Role::Debug);
            Some(Plan { tag: Tag { unmendable, ..made.tag.clone() }, ..made })
        });
        let plans: Vec<Plan> = plans.collect();
        let is_over = plans.is_empty() && view.tree.unsettled() == 0;
        Answer { plans, note: is_over.then(|| "every branch is closed".to_owned()), is_over }
    }
}

/// One answer in the making: the tree with what was chosen already.
struct Asking<'a> {
    constants: &'a Mcts,
    marks: &'a Marks,
    tree: &'a Tree,
    exploration: f64,
    can_draft: bool,
    can_improve: bool,
    /// Lines that were taken up again.
    resumed: usize,
    /// Node -> children chosen, and nodes chosen at it and below.
    children: BTreeMap<NodeId, usize>,
    under_way: BTreeMap<NodeId, u32>,
}

impl<'a> Asking<'a> {
    fn new(search: &'a Search, view: &View<'a>) -> Asking<'a> {
        let Search { constants, marks } = search;
        let settled = view.tree.nodes().len() - view.tree.unsettled();
        let steps = view.candidates.unwrap_or(constants.steps) as f64;
        let first_most = (constants.num_drafts * constants.num_improves.pow(2)) as f64;
        Asking {
            constants,
            marks,
            tree: view.tree,
            exploration: constants.decay.at(settled as f64, steps, constants.exploration, first_most),
            can_draft: start(view).is_some(),
            can_improve: view.operators.has(Role::Improve),
            resumed: 0,
            children: BTreeMap::new(),
            under_way: BTreeMap::new(),
        }
    }

    /// The next node that gets a child; 0 for a draft.
    fn next(&mut self) -> Option<NodeId> {
        let target = self.target()?;
        *self.children.entry(target).or_default() += 1;
        let mut next = Some(target);
        while let Some(id) = next {
            *self.under_way.entry(id).or_default() += 1;
            next = self.marks.get(id).and_then(|mark| mark.parent);
        }
        Some(target)
    }

    fn target(&mut self) -> Option<NodeId> {
        if !self.can_improve {
            // There is no tree to search.
            return self.can_draft.then_some(0);
        }
        if let Some(waiting) = self.marks.waiting.get(self.resumed) {
            self.resumed += 1;
            return Some(*waiting);
        }
        let drafts = self.marks.get(0)?.children;
        if self.can_draft && drafts + self.chosen(0) < self.constants.num_drafts {
            return Some(0);
        }
        self.select().or_else(|| {
            let is_dead = drafts >= self.constants.num_drafts && self.marks.get(0)?.available_children == 0;
            let is_quiet = self.marks.get(0)?.under_way == 0 && self.resumed == 0;
            let has_place = drafts + self.chosen(0) < self.constants.max_drafts;
            (self.can_draft && is_dead && is_quiet && has_place).then_some(0)
        })
    }

    /// Goes down from the root. A way that ends where this answer has taken the last place is left for the next best.
    fn select(&self) -> Option<NodeId> {
        let mut ways = vec![(0, self.by_bound(0))];
        while let Some((node, children)) = ways.last_mut() {
            let Some(child) = children.pop() else {
                let node = *node;
                ways.pop();
                if self.can_expand(node) {
                    return Some(node);
                }
                continue;
            };
            let mark = self.marks.get(child)?;
            let goes_below = mark.continues && mark.available_children > 0;
            if self.can_expand(child) && !goes_below {
                return Some(child);
            }
            ways.push((child, self.by_bound(child)));
        }
        None
    }

    fn can_expand(&self, id: NodeId) -> bool {
        id != 0 && self.marks.can_expand(self.constants, id, self.chosen(id))
    }

    fn chosen(&self, id: NodeId) -> usize {
        self.children.get(&id).copied().unwrap_or(0)
    }

    /// Children under which something can be expanded, the one to visit first last. Below the root those that
    /// somebody works under come after the others.
    fn by_bound(&self, id: NodeId) -> Vec<NodeId> {
        let Some(parent) = self.marks.get(id) else { return Vec::new() };
        let children = self.tree.get(id).map(|node| node.children.as_slice()).unwrap_or_default();
        let known = children.iter().filter_map(|child| Some((*child, self.marks.get(*child)?)));
        let open = known.filter(|(_, mark)| mark.parent == Some(id) && mark.is_available);
        let mut bounds: Vec<(bool, f64, NodeId)> = open
            .map(|(child, mark)| {
                let is_free = id != 0 || self.under_way(child, mark) == 0;
                (is_free, self.bound(parent, child, mark), child)
            })
            .collect();
        bounds.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(b.2.cmp(&a.2)));
        bounds.into_iter().map(|(_, _, child)| child).collect()
    }

    fn under_way(&self, id: NodeId, mark: &Mark) -> u32 {
        mark.under_way + self.under_way.get(&id).copied().unwrap_or(0)
    }

    /// `Q + C * sqrt(ln(N) / n)`; infinite where nothing was tried.
    fn bound(&self, parent: &Mark, id: NodeId, mark: &Mark) -> f64 {
        let visits = |mark: &Mark| match self.constants.backup {
            Backup::RewardMean => f64::from(mark.visits),
            Backup::Mean | Backup::Max => f64::from(mark.evaluated),
        };
        let with_loss = visits(mark) + f64::from(self.under_way(id, mark));
        if with_loss == 0.0 {
            return f64::INFINITY;
        }
        let value = match self.constants.backup {
            Backup::RewardMean => mark.reward / with_loss,
            Backup::Mean => self.scaled_sum(mark) / with_loss,
            Backup::Max => self.scaled(mark.highest),
        };
        value + self.exploration * (visits(parent).max(1.0).ln() / with_loss).sqrt()
    }

    /// A fitness as a share of the way from the worst to the best; one half where these are the same.
    fn scaled(&self, fitness: f64) -> f64 {
        match self.tree.range() {
            Some((low, high)) if high > low => ((fitness - low) / (high - low)).max(0.0),
            _ if fitness.is_finite() => 0.5,
            _ => 0.0,
        }
    }

    /// The sum of such shares over all that is measured at a node and below.
    fn scaled_sum(&self, mark: &Mark) -> f64 {
        let scored = f64::from(mark.scored);
        match self.tree.range() {
            Some((low, high)) if high > low => ((mark.sum - scored * low) / (high - low)).max(0.0),
            _ => scored / 2.0,
        }
    }
}
