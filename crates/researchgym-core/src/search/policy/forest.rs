//! The projection of best-first policies: some trees of a search, what is under way in each, which of their
//! candidates is the best, and which failures could still be mended. A choice costs the logarithm of their size.

use std::collections::{BTreeMap, BTreeSet};

use super::line::is_draft;
use super::ranking::Ranking;
use crate::search::{NodeId, Operator, Status, Stream, Tree};

/// Trees of candidates. A tree begins with a draft, the baseline, or a candidate that was planted.
#[derive(Clone, Debug)]
pub(super) struct Forest {
    max_debug_depth: u32,
    /// Candidate -> the first one of its tree.
    roots: BTreeMap<NodeId, NodeId>,
    /// Root -> its measured candidates.
    good: BTreeMap<NodeId, Ranking>,
    /// Roots by their best candidate.
    trees: Ranking,
    /// Root -> how many of its candidates are under way, if there are any.
    busy: BTreeMap<NodeId, u32>,
    /// Drafts so far and drafts under way. One that the machine lost does not count.
    drafts: usize,
    drafting: usize,
    /// Failed candidate -> how many of its consecutive ancestors failed.
    debug_depth: BTreeMap<NodeId, u32>,
    /// Candidate -> children that the machine did not lose.
    tried: BTreeMap<NodeId, u32>,
    /// Failed candidates that nobody has tried to mend, and where each stands in this list.
    debuggable: Vec<NodeId>,
    places: BTreeMap<NodeId, usize>,
}

/// What may be chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    /// Drafts that are wanted; `None` if nothing can be drafted.
    pub(super) drafts: Option<usize>,
    /// The probability of debugging; `None` if nothing can be debugged.
    pub(super) debug: Option<f64>,
    /// Whether candidates can be improved.
    pub(super) improve: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Begin a tree.
    Draft,
    /// Mend a failure.
    Debug(NodeId),
    /// Improve a candidate.
    Improve(NodeId),
}

/// What was chosen before in the same answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    roots: BTreeSet<NodeId>,
    debugged: BTreeSet<NodeId>,
    drafts: usize,
}

impl Forest {
    /// No trees yet; failures with more than so many failed ancestors are not mended.
    pub(super) fn new(max_debug_depth: u32) -> Forest {
        Forest {
            max_debug_depth,
            roots: BTreeMap::new(),
            good: BTreeMap::new(),
            trees: Ranking::default(),
            busy: BTreeMap::new(),
            drafts: 0,
            drafting: 0,
            debug_depth: BTreeMap::new(),
            tried: BTreeMap::new(),
            debuggable: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// Begins a tree with a settled candidate of elsewhere.
    pub(super) fn plant(&mut self, tree: &Tree, id: NodeId) {
        self.roots.insert(id, id);
        self.rank(tree, id);
    }

    /// Takes in a node that was planned.
    pub(super) fn planned(&mut self, tree: &Tree, id: NodeId) {
        let Some(node) = tree.get(id).filter(|node| node.is_candidate()) else { return };
        let root = if is_draft(node) || node.operator == Operator::Baseline {
            Some(id)
        } else {
            node.base().and_then(|base| self.roots.get(&base).copied())
        };
        let Some(root) = root else { return };
        self.roots.insert(id, root);
        *self.busy.entry(root).or_default() += 1;
        if is_draft(node) {
            self.drafts += 1;
            self.drafting += 1;
        }
        if let Some(base) = node.base() {
            *self.tried.entry(base).or_default() += 1;
            self.list(base);
        }
    }

    /// Takes in a node of which nothing more is to come.
    pub(super) fn settled(&mut self, tree: &Tree, id: NodeId) {
        let (Some(node), Some(root)) = (tree.get(id), self.roots.get(&id).copied()) else { return };
        if let Some(busy) = self.busy.get_mut(&root) {
            *busy -= 1;
            if *busy == 0 {
                self.busy.remove(&root);
            }
        }
        self.drafting -= usize::from(is_draft(node));
        match node.status {
            Status::Lost => {
                self.drafts -= usize::from(is_draft(node));
                if let Some(base) = node.base() {
                    self.tried.entry(base).and_modify(|tried| *tried -= 1);
                    self.list(base);
                }
            }
            // A failed baseline is drafted anew rather than mended.
            Status::Failed { .. } if id != 0 => {
                let depth =
                    node.base().and_then(|base| self.debug_depth.get(&base)).map_or(0, |depth| depth + 1);
                self.debug_depth.insert(id, depth);
                self.list(id);
            }
            _ => self.rank(tree, id),
        }
    }

    /// Takes in that a candidate has another fitness.
    pub(super) fn remeasured(&mut self, tree: &Tree, id: NodeId) {
        self.rank(tree, id);
    }

    /// The best candidate of all trees.
    pub(super) fn best(&self) -> Option<NodeId> {
        self.good.get(&self.trees.best()?)?.best()
    }

    /// What to do next; `None`: wait for what is under way, or there is nothing to do.
    pub(super) fn choose(&self, means: Means, chosen: &mut Chosen, random: &mut Stream) -> Option<Choice> {
        let choice = self.choice(means, chosen, random)?;
        match choice {
            Choice::Draft => chosen.drafts += 1,
            Choice::Debug(id) => {
                chosen.debugged.insert(id);
                chosen.roots.extend(self.roots.get(&id));
            }
            Choice::Improve(id) => chosen.roots.extend(self.roots.get(&id)),
        }
        Some(choice)
    }

    fn choice(&self, means: Means, chosen: &Chosen, random: &mut Stream) -> Option<Choice> {
        if means.drafts.is_some_and(|wanted| self.drafts + chosen.drafts < wanted) {
            return Some(Choice::Draft);
        }
        let is_idle = |root: &NodeId| !self.busy.contains_key(root) && !chosen.roots.contains(root);
        let idle = self.trees.iter().find(is_idle);
        if means.debug.is_some_and(|probability| random.chance(probability))
            && let Some(failed) = random.pick(&self.debuggable).filter(|id| !chosen.debugged.contains(id))
            && (idle.is_none() || self.roots.get(failed).is_some_and(is_idle))
        {
            return Some(Choice::Debug(*failed));
        }
        let tree = idle.or_else(|| self.trees.best()).filter(|_| means.improve);
        if let Some(best) = tree.and_then(|root| self.good.get(&root)).and_then(Ranking::best) {
            return Some(Choice::Improve(best));
        }
        // Nothing works yet, or nothing can be improved: more drafts, but no more at a time than are wanted in all.
        match means.drafts {
            Some(wanted) if self.drafting + chosen.drafts < wanted.max(1) => Some(Choice::Draft),
            Some(_) => None,
            None => {
                means.debug?;
                let failed = self.debuggable.iter().rev().find(|id| !chosen.debugged.contains(id));
                failed.map(|id| Choice::Debug(*id))
            }
        }
    }

    /// Gives a candidate its place among those of its tree.
    fn rank(&mut self, tree: &Tree, id: NodeId) {
        let Some(root) = self.roots.get(&id).copied() else { return };
        let good = self.good.entry(root).or_default();
        good.set(id, tree.fitness(id));
        self.trees.set(root, good.highest());
    }

    /// Puts a candidate onto the list of those that could be mended, or off it.
    fn list(&mut self, id: NodeId) {
        let is_open = self.debug_depth.get(&id).is_some_and(|depth| *depth <= self.max_debug_depth)
            && self.tried.get(&id).is_none_or(|tried| *tried == 0);
        match (is_open, self.places.get(&id).copied()) {
            (true, None) => {
                self.places.insert(id, self.debuggable.len());
                self.debuggable.push(id);
            }
            (false, Some(place)) => {
                self.places.remove(&id);
                self.debuggable.swap_remove(place);
                if let Some(moved) = self.debuggable.get(place) {
                    self.places.insert(*moved, place);
                }
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}
