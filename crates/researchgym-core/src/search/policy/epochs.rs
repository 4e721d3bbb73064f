//! `epochs`: batches of candidates, a growing part of which refines what beat the baseline while the rest looks
//! elsewhere. The search over research ideas of Si and others (arXiv 2601.14525).
//!
//! Published is a barrier that opens when more than three tenths of a batch are back; here the slots of the next epoch
//! are filled one by one from then on, and what comes late belongs to the pools of the epochs after. As published, ten ideas
//! of one question share what it shows; candidates of other operators than `implement` draw their pools for themselves.

use std::collections::HashMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Policy, View};
use crate::search::event::Gate;
use crate::search::{
    Change, IdeaCall, Node, NodeId, Operator, Plan, Repertoire, Role, Status, Stream, Tag, Tree,
};

/// Its constants. Published means arXiv 2601.14525 with its repository NoviScl/Automated-AI-Researcher (`4e33561`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Epochs {
    /// Epochs after which the search is over. Published: 10.
    pub epochs: NonZeroU32,
    /// Candidates per epoch. Published: 50 for GRPO, 80 for nanoGPT.
    pub batch: NonZeroU32,
    /// Ideas that `implement` asks for by one question. The part of an epoch that exploits is rounded down to a multiple
    /// of it, unless the batch is smaller. Published: 10.
    pub per_call: NonZeroU32,
    /// The part that exploits at first. Published: 0.5. The first epoch has nothing to exploit.
    pub exploit_start: f64,
    /// By how much it grows. Published: 0.1.
    pub exploit_step: f64,
    /// After how many epochs it grows. Published: 2.
    pub exploit_every: NonZeroU32,
    /// How far it grows. Published: 0.8.
    pub exploit_most: f64,
    /// The part of every epoch that explores in any case. Ours: 0.2, which the published schedule keeps by itself.
    pub min_explore: f64,
    /// How many candidates that beat the baseline are drawn for an exploiting one. Published: 100.
    pub top_k: usize,
    /// How many candidates of any quality are drawn for an exploring one. Published: 100.
    pub sample_k: usize,
    /// The part of an epoch that has to be exceeded by what has come back before the next epoch begins; 1 waits for all.
    /// Published: 0.3.
    pub quorum: f64,
}

impl Default for Epochs {
    fn default() -> Epochs {
        let count = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Epochs {
            epochs: count(10),
            batch: count(50),
            per_call: count(10),
            exploit_start: 0.5,
            exploit_step: 0.1,
            exploit_every: count(2),
            exploit_most: 0.8,
            min_explore: 0.2,
            top_k: 100,
            sample_k: 100,
            quorum: 0.3,
        }
    }
}

/// The marks of candidates that explore, and of those that exploit.
const EXPLORE: &str = "explore";
const EXPLOIT: &str = "exploit";

/// Against sums such as 0.5 + 0.1 + 0.1 that fall short of what is meant.
const ROUNDING: f64 = 1e-9;

impl Epochs {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Batches {
            constants: self.clone(),
            epochs: Vec::new(),
            settled: Vec::new(),
            places: HashMap::new(),
            better: Vec::new(),
        }
    }

    /// How many candidates of an epoch exploit, and how many explore.
    pub fn split(&self, epoch: u32) -> (u32, u32) {
        let batch = self.batch.get();
        if epoch == 0 {
            return (0, batch);
        }
        let steps = f64::from(epoch / self.exploit_every.get());
        let ratio = (self.exploit_start + self.exploit_step * steps).min(self.exploit_most);
        let least_exploring = (f64::from(batch) * self.min_explore - ROUNDING).ceil().max(0.0) as u32;
        let exploiting = (f64::from(batch) * ratio + ROUNDING).floor().max(0.0) as u32;
        let exploiting = exploiting.min(batch.saturating_sub(least_exploring));
        let per_call = if batch < self.per_call.get() { 1 } else { self.per_call.get() };
        let exploiting = exploiting - exploiting % per_call;
        (exploiting, batch - exploiting)
    }

    /// The question that brings the idea of the candidate that is planned as so-manieth of an epoch, from 0.
    fn call(&self, epoch: u32, planned: u32) -> IdeaCall {
        let per_call = self.per_call.get();
        let (exploiting, exploring) = self.split(epoch);
        let (at, of, earlier) = match planned < exploiting {
            true => (planned, exploiting, 0),
            false => (planned - exploiting, exploring, exploiting.div_ceil(per_call)),
        };
        let position = at % per_call;
        IdeaCall { number: earlier + at / per_call, position, ideas: per_call.min(of - (at - position)) }
    }

    /// How many candidates of an epoch must have come back before the next begins.
    fn enough(&self) -> u32 {
        let batch = self.batch.get();
        let exceeded = (f64::from(batch) * self.quorum + ROUNDING).floor().max(0.0) as u32;
        exceeded.saturating_add(1).min(batch)
    }
}

/// What is known of an epoch that has begun.
#[derive(Clone, Debug, Default)]
struct Epoch {
    planned: u32,
    settled: u32,
    /// How many candidates had come back when it began: its pools are made of those.
    known: usize,
    /// The newest plan that has an idea of a shared question: others of the question are told the same.
    newest: Option<Plan>,
}

struct Batches {
    constants: Epochs,
    epochs: Vec<Epoch>,
    /// Candidates in the order in which they came back, those left out that nothing can be learnt from.
    settled: Vec<NodeId>,
    /// Where each of them stands in `settled`.
    places: HashMap<NodeId, usize>,
    /// Those of them that beat the baseline, in the same order.
    better: Vec<Better>,
}

/// A candidate that beats the baseline. Its fitness stands here too: a decision compares a hundred of them, and looking
/// each up in a large tree is most of what that costs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Better {
    /// Its place in `settled`.
    at: usize,
    id: NodeId,
    fitness: f64,
}

impl Policy for Batches {
    fn observe(&mut self, tree: &Tree, change: Change) {
        match change {
            Change::Planned(first, end) => {
                for node in (first..end).filter_map(|id| tree.get(id)) {
                    self.planned(node);
                }
            }
            Change::Built(_) => {}
            Change::Settled(id) => {
                let Some(node) = tree.get(id) else { return };
                if let Some(epoch) = epoch_of(node).and_then(|epoch| self.epochs.get_mut(epoch as usize)) {
                    epoch.settled += 1;
                }
                if id != 0 && teaches(node) {
                    let at = self.settled.len();
                    self.settled.push(id);
                    self.places.insert(id, at);
                    self.better.extend(better(tree, at, id));
                }
            }
            // With the baseline everything may change.
            Change::Remeasured(0) => {
                let settled = self.settled.iter().enumerate();
                self.better = settled.filter_map(|(at, id)| better(tree, at, *id)).collect();
            }
            Change::Remeasured(id) => {
                let Some(at) = self.places.get(&id).copied() else { return };
                let found = self.better.binary_search_by_key(&at, |better| better.at);
                let replaced = found.map_or_else(|place| place..place, |place| place..place + 1);
                self.better.splice(replaced, better(tree, at, id));
            }
        }
    }

    /// What was begun is over: the next candidate begins an epoch, with all that came back in its pools.
    fn take_over(&mut self, _tree: &Tree, _operators: &Repertoire) {
        let (planned, settled) = (self.constants.batch.get(), self.constants.enough());
        if let Some(epoch) = self.epochs.last_mut() {
            *epoch = Epoch { planned, settled, known: epoch.known, newest: None };
        }
    }

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        let mut answer = Answer::default();
        let mut number = self.epochs.len().saturating_sub(1) as u32;
        let mut epoch = self.epochs.last().cloned().unwrap_or_default();
        while answer.plans.len() < view.free {
            if epoch.planned >= self.constants.batch.get() {
                if number + 1 >= self.constants.epochs.get() {
                    answer.is_over = answer.plans.is_empty();
                    break;
                }
                if epoch.settled < self.constants.enough() {
                    break;
                }
                number += 1;
                epoch = Epoch { known: self.settled.len(), ..Epoch::default() };
            }
            let (exploiting, exploring) = self.constants.split(number);
            let Some(plan) = self.plan(view, random, number, &epoch) else {
                answer.is_over = view.tree.unsettled() == 0 && answer.plans.is_empty();
                break;
            };
            if epoch.planned == 0 {
                let note = format!(
                    "epoch {number}: {exploiting} to exploit, {exploring} to explore; {} candidates known, {} of \
                     them better than the baseline",
                    epoch.known,
                    self.better_of(epoch.known).len(),
                );
                answer.note = Some(note);
            }
            epoch.newest = plan.tag.call.is_some().then(|| plan.clone());
            answer.plans.push(plan);
            epoch.planned += 1;
        }
        answer
    }
}

impl Batches {
    fn planned(&mut self, node: &Node) {
        let Some(epoch) = epoch_of(node) else { return };
        // Epochs begin one after the other; a tag of any other is not ours.
        if epoch as usize == self.epochs.len() {
            self.epochs.push(Epoch { known: self.settled.len(), ..Epoch::default() });
        }
        if let Some(epoch) = self.epochs.get_mut(epoch as usize) {
            epoch.planned += 1;
            epoch.newest = node.tag.call.is_some().then(|| Plan {
                operator: node.operator,
                parents: node.parents.clone(),
                shown: node.shown.clone(),
                tag: node.tag.clone(),
                hint: node.hint.clone(),
            });
        }
    }

    /// Those of the first so many that beat the baseline.
    fn better_of(&self, known: usize) -> &[Better] {
        &self.better[..self.better.partition_point(|better| better.at < known)]
    }

    fn plan(&self, view: &View<'_>, random: &mut Stream, number: u32, epoch: &Epoch) -> Option<Plan> {
        let (exploits, known) = (epoch.planned < self.constants.split(number).0, epoch.known);
        let call = self.constants.call(number, epoch.planned);
        let of_call = |plan: &&Plan| plan.tag.call.is_some_and(|newest| newest.number == call.number);
        if let Some(newest) = epoch.newest.as_ref().filter(of_call) {
            let tag = Tag { call: Some(call), ..newest.tag.clone() };
            return Some(Plan { tag, ..newest.clone() });
        }
        let (kind, shown, operator, parents) = if exploits && !self.better_of(known).is_empty() {
            let drawn = random.sample(self.better_of(known), self.constants.top_k.max(1));
            let (operator, parents) = refinement(view, random, &drawn)?;
            (EXPLOIT, drawn.into_iter().map(|better| better.id).collect(), operator, parents)
        } else {
            let pool = random.sample(&self.settled[..known], self.constants.sample_k);
            let operator = implementation(view)
                .or_else(|| view.operators.pick(Role::Draft, random))
                .or_else(|| view.operators.pick(Role::Improve, random))?;
            (EXPLORE, pool, operator, vec![0])
        };
        // Without a model nobody looks at what is shown.
        let shown = if view.operators.needs_model() { shown } else { Vec::new() };
        let call = (operator == Operator::Implement).then_some(call);
        let tag = Tag { epoch: Some(number), kind: Some(kind.to_owned()), call, ..Tag::default() };
        Some(Plan { operator, parents, shown, tag, hint: None })
    }
}

/// The epoch that a candidate was planned in. `hill-climb` counts its hills by the same mark.
fn epoch_of(node: &Node) -> Option<u32> {
    node.tag.epoch.filter(|_| matches!(node.tag.kind.as_deref(), Some(EXPLORE | EXPLOIT)))
}

/// `implement`, where it is among the operators: what was published knows no other.
fn implementation(view: &View<'_>) -> Option<Operator> {
    let weight = view.operators.0.get(&Operator::Implement);
    weight.is_some_and(|weight| *weight > 0.0).then_some(Operator::Implement)
}

/// How to refine what the pool holds, and from which of it. A model is given the best one and sees the others; without
/// one any of them will do, for always the same one would leave the rest without a use.
fn refinement(view: &View<'_>, random: &mut Stream, pool: &[Better]) -> Option<(Operator, Vec<NodeId>)> {
    let roles: &[Role] = if pool.len() > 1 { &[Role::Improve, Role::Cross] } else { &[Role::Improve] };
    let (role, operator) = match implementation(view) {
        Some(operator) => (Role::Improve, operator),
        None => view
            .operators
            .pick_any(roles, random)
            .or_else(|| Some((Role::Draft, view.operators.pick(Role::Draft, random)?)))?,
    };
    let best = pool.iter().max_by(|one, other| one.fitness.total_cmp(&other.fitness))?;
    let base = if view.operators.needs_model() { best.id } else { pool.first()?.id };
    let other = pool.iter().map(|better| better.id).find(|id| *id != base);
    match role {
        Role::Cross => Some((operator, vec![base, other?])),
        Role::Draft => Some((operator, vec![0])),
        _ => Some((operator, vec![base])),
    }
}

/// Whether ideas can be learnt from how it went: not from one that was tried before, nor from one of which nothing is
/// known or whose score is not to be believed. (As published, results too good to be true enter no pool.)
fn teaches(node: &Node) -> bool {
    let repeats = |gate: &Gate| matches!(gate, Gate::Duplicate | Gate::NearDuplicate | Gate::NothingToDo);
    match &node.status {
        Status::Dropped { gate, .. } => node.is_candidate() && !repeats(gate),
        Status::Failed { .. } | Status::Screened { .. } | Status::Measured => node.is_candidate(),
        Status::Proposed | Status::Built | Status::Lost | Status::Quarantined { .. } => false,
    }
}

/// A candidate that is measured and strictly better than the baseline; without a baseline's value, one that is measured.
fn better(tree: &Tree, at: usize, id: NodeId) -> Option<Better> {
    let fitness = tree.fitness(id)?;
    tree.fitness(0).is_none_or(|baseline| fitness > baseline).then_some(Better { at, id, fitness })
}

#[cfg(test)]
mod tests;
