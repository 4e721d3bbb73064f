//! `hill-climb`: one incumbent, replaced by whatever is better. A coding agent's loop of edit, run, keep or reset
//! (karpathy/autoresearch), and the control for every policy that keeps more than one candidate. With restarts it climbs one
//! hill after the other, each from the best of a few drafts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Policy, View};
use crate::search::{Change, NodeId, Operator, Plan, Repertoire, Role, Stream, Tag, Tree};

/// Its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HillClimb {
    /// How many of the newest failures are shown to who makes the next candidate.
    pub failures_shown: usize,
    /// After so many candidates without a better incumbent another hill is begun; 0: never.
    pub restart_after: u64,
    /// From how many drafts, of which the best is climbed from.
    pub drafts: u64,
}

impl Default for HillClimb {
    fn default() -> HillClimb {
        HillClimb { failures_shown: 2, restart_after: 0, drafts: 5 }
    }
}

impl HillClimb {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Climber { constants: self.clone(), hill: Hill::default() }
    }
}

struct Climber {
    constants: HillClimb,
    hill: Hill,
}

/// The hill that is climbed now.
#[derive(Default)]
struct Hill {
    /// From 0, which begins with the baseline.
    number: u32,
    /// Drafts of this hill that were planned, and that are settled.
    planned: u64,
    settled: u64,
    incumbent: Option<(NodeId, f64)>,
    /// Candidates since the incumbent was found.
    stale: u64,
}

impl Hill {
    /// Whether a node belongs to it.
    fn has(&self, tag: &Tag) -> bool {
        tag.epoch.unwrap_or(0) == self.number
    }

    /// Takes in what became of a node of this hill.
    fn settle(&mut self, id: NodeId, fitness: Option<f64>, is_draft: bool) {
        let best = self.incumbent.map_or(f64::NEG_INFINITY, |(_, best)| best);
        match fitness.filter(|fitness| *fitness > best) {
            Some(fitness) => {
                self.incumbent = Some((id, fitness));
                self.stale = 0;
            }
            None if !is_draft => self.stale += 1,
            None => {}
        }
        self.settled += u64::from(is_draft);
    }
}

impl Policy for Climber {
    fn observe(&mut self, tree: &Tree, change: Change) {
        let is_draft =
            |id: NodeId| tree.get(id).is_some_and(|node| node.tag.kind.as_deref() == Some("draft"));
        match change {
            Change::Planned(first, end) => {
                let of_it = |id: &NodeId| tree.get(*id).is_some_and(|node| self.hill.has(&node.tag));
                let drafts = (first..end).filter(of_it).filter(|id| is_draft(*id)).count() as u64;
                self.hill.planned += drafts;
            }
            Change::Settled(id) => {
                let Some(node) = tree.get(id).filter(|node| node.operator != Operator::Replicate) else {
                    return;
                };
                if self.hill.has(&node.tag) {
                    self.hill.settle(id, tree.fitness(id), is_draft(id));
                }
                let limit = self.constants.restart_after;
                if limit > 0 && self.hill.stale >= limit {
                    self.hill = Hill { number: self.hill.number + 1, ..Hill::default() };
                }
            }
            Change::Remeasured(id) => {
                if let (Some((incumbent, _)), Some(fitness)) = (self.hill.incumbent, tree.fitness(id))
                    && incumbent == id
                {
                    self.hill.incumbent = Some((id, fitness));
                }
            }
            Change::Built(_) => {}
        }
    }

    /// The first hill is climbed from the best that there is.
    fn take_over(&mut self, tree: &Tree, _operators: &Repertoire) {
        let incumbent = tree.best().and_then(|best| Some((best, tree.fitness(best)?)));
        self.hill = Hill { incumbent, ..Hill::default() };
    }

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        let Hill { number, planned, settled, .. } = self.hill;
        let (incumbent, wanted) = match (self.constants.restart_after, number) {
            // Without restarts the best of all is climbed from, whatever has become of it.
            (0, _) => (view.tree.best(), 0),
            (_, 0) => (self.hill.incumbent.map(|(id, _)| id), 0),
            _ => (self.hill.incumbent.map(|(id, _)| id), self.constants.drafts.max(1)),
        };
        let failed = view.tree.nodes().iter().rev().filter(|node| node.is_buggy());
        let shown: Vec<_> = failed.take(self.constants.failures_shown).map(|node| node.id).collect();
        let has_drafts = view.operators.has(Role::Draft);
        let epoch = (self.constants.restart_after > 0).then_some(number);
        let mut drafts = wanted.saturating_sub(planned);
        let plans: Vec<Plan> = (0..view.free)
            .map_while(|_| {
                let is_draft = has_drafts && (drafts > 0 || incumbent.is_none() && planned == settled);
                drafts = drafts.saturating_sub(1);
                if !is_draft && settled < wanted && has_drafts {
                    // The drafts under way decide where to climb from.
                    return None;
                }
                let role = if is_draft || incumbent.is_none() { Role::Draft } else { Role::Improve };
                let operator = view.operators.pick(role, random)?;
                let kind = (role == Role::Draft).then(|| "draft".to_owned());
                let parent = if role == Role::Draft { 0 } else { incumbent.unwrap_or(0) };
                let tag = Tag { kind, epoch, ..Tag::default() };
                Some(Plan { shown: shown.clone(), tag, ..Plan::new(operator, vec![parent]) })
            })
            .collect();
        let is_over = plans.is_empty() && view.tree.unsettled() == 0;
        Answer { is_over, plans, note: None }
    }
}
