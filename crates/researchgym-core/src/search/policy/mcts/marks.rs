//! The projection of the tree search: what is known of each node and of all below it, change by change.
//!
//! A change costs the depth of its node. The names of ML-Master (`agent/mcts_agent.py`, `search/mcts_node.py`) are
//! given where ours are others.

use crate::search::policy::line::is_draft;
use crate::search::{NodeId, Status, Tree};

use super::Mcts;

/// Where a node stands, for the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Being made or evaluated.
    UnderWay,
    /// It has a score and can be improved.
    Good,
    /// It failed and can be mended.
    Buggy,
    /// Nothing can be made of it: dropped, lost, screened, quarantined, or no candidate of this search.
    Gone,
}

/// What is known of a node.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Node that it derives from; none for the root.
    pub(super) parent: Option<NodeId>,
    pub(super) state: State,
    /// Children that the machine did not lose, those under way too (`expected_child_count`).
    pub(super) children: usize,
    /// Whether something can be expanded here or below now.
    pub(super) is_available: bool,
    /// Of how many children that is so.
    pub(super) available_children: usize,
    /// Nodes under way here and below.
    pub(super) under_way: u32,
    /// Rewards that came through here, and their sum (`visits`, `total_reward`).
    pub(super) visits: u32,
    pub(super) reward: f64,
    /// Evaluations here and below, those with a score, and the sum and maximum of their fitness.
    pub(super) evaluated: u32,
    pub(super) scored: u32,
    pub(super) sum: f64,
    pub(super) highest: f64,
    /// Its own fitness.
    fitness: Option<f64>,
    /// It is never expanded (`is_terminal`).
    pub(super) is_closed: bool,
    /// A line of mended versions below it ended well (`is_debug_success`).
    is_mended: bool,
    /// Its newest line goes on below it rather than beside it (`continue_improve`).
    pub(super) continues: bool,
    /// The best of its line (`local_best_node`), and how often that was not improved on (`improve_failure_depth`).
    line_best: Option<NodeId>,
    failures: u32,
    /// Consecutive failed ancestors.
    debug_depth: u32,
}

impl Mark {
    fn new(parent: Option<NodeId>, state: State) -> Mark {
        Mark {
            parent,
            state,
            children: 0,
            is_available: false,
            available_children: 0,
            under_way: 0,
            visits: 0,
            reward: 0.0,
            evaluated: 0,
            scored: 0,
            sum: 0.0,
            highest: f64::NEG_INFINITY,
            fitness: None,
            is_closed: false,
            is_mended: false,
            continues: false,
            line_best: None,
            failures: 0,
            debug_depth: 0,
        }
    }
}

/// What is known of all nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    nodes: Vec<Mark>,
    /// Nodes whose line is to go on at once, the longest waiting first: what a worker of ML-Master holds in its hand.
    pub(super) waiting: Vec<NodeId>,
    /// Failures of candidates that another policy planned end their lines, too: no operator mends them any more.
    mends_none: bool,
}

impl Marks {
    /// What is known of a node.
    pub(super) fn get(&self, id: NodeId) -> Option<&Mark> {
        self.nodes.get(id as usize)
    }

    /// Whether a node can have another child beside the `more` that are about to be planned.
    pub(super) fn can_expand(&self, constants: &Mcts, id: NodeId, more: usize) -> bool {
        let Some(mark) = self.get(id).filter(|mark| !mark.is_closed) else { return false };
        match mark.state {
            State::Good => mark.children + more < constants.num_improves,
            State::Buggy => !mark.is_mended && mark.children + more < constants.num_bugs,
            State::UnderWay | State::Gone => false,
        }
    }

    /// All lines are over; `mends` says whether an operator is there for failures.
    pub(super) fn take_over(&mut self, constants: &Mcts, tree: &Tree, mends: bool) {
        self.mends_none = !mends;
        for id in 0..self.nodes.len() as NodeId {
            if self.mends_none && self.nodes[id as usize].state == State::Buggy {
                self.nodes[id as usize].is_closed = true;
                self.refresh(constants, id);
            }
        }
        for id in std::mem::take(&mut self.waiting) {
            let is_good = self.nodes[id as usize].state == State::Good;
            let is_record = tree.records().contains(&id);
            let reward = if is_good { 1.0 + f64::from(u8::from(is_record)) } else { -1.0 };
            self.end_line(constants, id, reward);
        }
    }

    /// Takes in a node that was planned. Node 0 is the root; what derives from it is a draft, whoever planned it. What
    /// derives from none of these is none of ours.
    pub(super) fn planned(&mut self, constants: &Mcts, tree: &Tree, id: NodeId) {
        let Some(node) = tree.get(id) else { return };
        let base = node.base().filter(|_| node.is_candidate());
        let parent = base.filter(|base| is_draft(node) || self.is_ours(*base));
        let state = if parent.is_some() { State::UnderWay } else { State::Gone };
        self.nodes.push(Mark::new(parent, state));
        let Some(parent) = parent else { return };
        self.waiting.retain(|waiting| *waiting != parent);
        self.nodes[parent as usize].children += 1;
        self.up(id, |mark| mark.under_way += 1);
        self.refresh(constants, parent);
    }

    /// Takes in a node of which nothing more is to come.
    pub(super) fn settled(&mut self, constants: &Mcts, tree: &Tree, id: NodeId) {
        let (Some(node), Some(mark)) = (tree.get(id), self.get(id)) else { return };
        let Some(parent) = mark.parent else { return };
        self.up(id, |mark| mark.under_way -= 1);
        self.nodes[id as usize].state = State::Gone;
        match node.status {
            Status::Lost => {
                // As if it had never been.
                self.nodes[parent as usize].children -= 1;
                self.refresh(constants, parent);
            }
            // It has used up a place, and said nothing about its line.
            Status::Dropped { .. } | Status::Proposed | Status::Built => {}
            Status::Screened { .. } | Status::Quarantined { .. } => {
                self.up(id, |mark| mark.evaluated += 1);
                self.end_line(constants, id, -1.0);
            }
            Status::Failed { .. } => self.failed(constants, id, parent, node.tag.unmendable),
            Status::Measured => self.measured(constants, tree, id, parent),
        }
    }

    /// Takes in that a candidate has another fitness. Rewards that were given stay.
    pub(super) fn remeasured(&mut self, tree: &Tree, id: NodeId) {
        let (Some(new), Some(mark)) = (tree.fitness(id), self.get(id)) else { return };
        let Some(old) = mark.fitness else { return };
        self.nodes[id as usize].fitness = Some(new);
        self.up(id, |mark| mark.sum += new - old);
        let mut next = Some(id);
        while let Some(node) = next {
            let children = tree.get(node).map(|node| node.children.as_slice()).unwrap_or_default();
            let own = self.nodes[node as usize].fitness.unwrap_or(f64::NEG_INFINITY);
            let below = children.iter().filter(|child| self.nodes[**child as usize].parent == Some(node));
            let highest = below.map(|child| self.nodes[*child as usize].highest).fold(own, f64::max);
            let mark = &mut self.nodes[node as usize];
            mark.highest = highest;
            next = mark.parent;
        }
    }

    fn failed(&mut self, constants: &Mcts, id: NodeId, parent: NodeId, is_unmendable: bool) {
        let above = &self.nodes[parent as usize];
        let depth = if above.state == State::Buggy { above.debug_depth + 1 } else { 0 };
        let (line_best, mends_none) = (above.line_best, self.mends_none);
        let mark = &mut self.nodes[id as usize];
        mark.state = State::Buggy;
        mark.debug_depth = depth;
        mark.line_best = line_best;
        mark.is_closed =
            is_unmendable || mends_none || constants.num_bugs == 0 || depth >= constants.max_debug_depth;
        let ends = mark.is_closed || depth >= constants.back_debug_depth;
        self.up(id, |mark| mark.evaluated += 1);
        if ends { self.end_line(constants, id, -1.0) } else { self.go_on(constants, id) }
    }

    fn measured(&mut self, constants: &Mcts, tree: &Tree, id: NodeId, parent: NodeId) {
        let Some(fitness) = tree.fitness(id) else { return };
        let above = &self.nodes[parent as usize];
        let is_fixed = above.state == State::Buggy;
        let line_best = above.line_best;
        // No better than the best of its line, and was that not improved on too often before? What mends a failure is not
        // asked to be better, too.
        let best = line_best.filter(|best| {
            tree.fitness(*best).is_some_and(|best| fitness - best < constants.metric_improvement_threshold)
        });
        let tried = best.filter(|_| !is_fixed);
        let is_closed =
            tried.is_some_and(|best| self.nodes[best as usize].failures >= constants.max_improve_failure);
        if let Some(best) = tried.filter(|_| !is_closed) {
            self.nodes[best as usize].failures += 1;
        }
        let mark = &mut self.nodes[id as usize];
        mark.state = State::Good;
        mark.fitness = Some(fitness);
        mark.line_best = best.or(Some(id));
        mark.is_closed = is_closed;
        mark.continues = !is_closed;
        self.up(id, |mark| {
            mark.evaluated += 1;
            mark.scored += 1;
            mark.sum += fitness;
            mark.highest = mark.highest.max(fitness);
        });
        let is_record = tree.records().last() == Some(&id);
        let reward = 1.0 + f64::from(u8::from(is_record)) + f64::from(u8::from(is_fixed));
        if is_closed || is_fixed || constants.num_improves == 0 {
            self.end_line(constants, id, reward);
        } else {
            self.go_on(constants, id);
        }
    }

    fn go_on(&mut self, constants: &Mcts, id: NodeId) {
        self.refresh(constants, id);
        self.waiting.push(id);
    }

    /// Gives the reward of a line to all above its end (`backpropagate`).
    fn end_line(&mut self, constants: &Mcts, id: NodeId, reward: f64) {
        let mut node = id;
        loop {
            let mark = &mut self.nodes[node as usize];
            mark.visits += 1;
            mark.reward += reward;
            mark.failures = 0;
            let (is_good, is_mended, continues) = (mark.state == State::Good, mark.is_mended, mark.continues);
            let Some(parent) = mark.parent else { break };
            let above = &mut self.nodes[parent as usize];
            above.is_mended |= above.state == State::Buggy && (is_good || is_mended);
            if parent != 0 {
                above.continues = continues;
            }
            self.refresh(constants, node);
            node = parent;
        }
    }

    /// Whether a node is the root or hangs from it.
    fn is_ours(&self, id: NodeId) -> bool {
        self.get(id).is_some_and(|mark| id == 0 || mark.parent.is_some())
    }

    /// Does something to a node and all above it.
    fn up(&mut self, id: NodeId, mut change: impl FnMut(&mut Mark)) {
        let mut next = Some(id);
        while let Some(id) = next {
            let mark = &mut self.nodes[id as usize];
            change(mark);
            next = mark.parent;
        }
    }

    /// Finds out whether something can be expanded at a node or below, and tells those above if that has changed.
    fn refresh(&mut self, constants: &Mcts, id: NodeId) {
        let mut next = Some(id);
        while let Some(id) = next {
            let can_expand = self.can_expand(constants, id, 0);
            let mark = &mut self.nodes[id as usize];
            let is_available = can_expand || (!mark.is_closed && mark.available_children > 0);
            if mark.is_available == is_available {
                return;
            }
            mark.is_available = is_available;
            next = mark.parent;
            if let Some(parent) = mark.parent {
                let count = &mut self.nodes[parent as usize].available_children;
                if is_available { *count += 1 } else { *count -= 1 }
            }
        }
    }
}
