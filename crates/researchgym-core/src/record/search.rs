//! A search as analysis sees it: what the record of a run keeps of it, and its nodes one by one, which only the log has.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resolve, bounded};
use crate::digest::Digest;
use crate::event::{AskedRequest, Event};
use crate::ledger::Hold;
use crate::search::event::Spent;
use crate::search::{Chronicle, Moment, Node, NodeId, Operator, Status, Tag, Tree, failure_of};
use crate::spec::{AgentSpec, MicroUsd};
use crate::state::{Inherited, RunState};

/// What a record keeps of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRecord {
    /// The policy's name.
    pub policy: String,
    /// Candidates settled; neither the baseline nor replicates count.
    pub candidates: u64,
    /// Nodes evaluated, the baseline and replicates included; all stages of one count once, and none that the machine
    /// broke off.
    pub evaluations: u64,
    /// How many nodes stand where, by the status' name.
    pub statuses: BTreeMap<String, u64>,
    /// How many nodes failed, by the kind of failure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
    /// The best candidate, if one was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<BestRecord>,
    /// The mean of the measurements of the baseline, if it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// The best candidates one after the other.
    pub moments: Vec<Moment>,
    /// What operators did, in a fixed order.
    pub operators: Vec<OperatorRecord>,
    /// What making candidates has cost.
    pub spent: SpentRecord,
    /// What embeddings have cost, if a model was asked for any: those of candidates are in `spent`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<SpentRecord>,
    /// Wall time in evaluations, in milliseconds: with several slots more than the run's.
    pub evaluation_ms: u64,
    /// Of a fork, what the other search had done; it is included in all numbers above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Box<InheritedRecord>>,
}

/// What a fork took over of the search that it goes on from: nodes that were planned there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InheritedRecord {
    /// How many nodes: the first ones.
    pub nodes: NodeId,
    /// Candidates among them that are settled.
    pub candidates: u64,
    /// Nodes among them that were evaluated.
    pub evaluations: u64,
    /// How many of them failed, by the kind of failure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
    /// What operators did there, in a fixed order.
    pub operators: Vec<OperatorRecord>,
    /// Money that the other search had spent, in micro-dollars.
    pub cost: MicroUsd,
    /// Its working time, in milliseconds.
    pub working_ms: u64,
}

/// The best candidate of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BestRecord {
    /// Which.
    pub node: NodeId,
    /// The mean of its measurements by the primary metric.
    pub value: f64,
    /// How many.
    pub n: u64,
    /// Standard error of the mean; absent for one measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
}

/// What one operator did in a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorRecord {
    /// Which.
    pub operator: Operator,
    /// Nodes planned with it.
    pub tried: u64,
    /// Of these, with a candidate that passed the gates.
    pub built: u64,
    /// Of these, with a score.
    pub measured: u64,
    /// Of these, better than the first code parent; one that has no value is worse than any.
    pub better: u64,
    /// Of these, the best of the search when they were measured.
    pub records: u64,
}

/// Model calls, tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpentRecord {
    /// Model calls.
    pub calls: u64,
    /// Tokens of them.
    pub tokens: u64,
    /// Their cost, in micro-dollars.
    pub cost: MicroUsd,
}

/// What embeddings have cost so far: a fold over events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddingSpending {
    under_way: BTreeMap<u64, Hold>,
    spent: SpentRecord,
}

impl EmbeddingSpending {
    /// Takes in an event.
    pub fn observe(&mut self, event: &Event) {
        let (call, tokens, cost) = match event {
            Event::ModelAsked(asked) => {
                if matches!(asked.request, AskedRequest::Embedding { .. }) {
                    self.under_way.insert(asked.call, asked.hold);
                }
                return;
            }
            Event::ModelCalled(called) => (called.call, called.usage.total(), called.cost),
            Event::ModelLost { call } => {
                let hold = self.under_way.get(call).copied().unwrap_or_default();
                (*call, hold.tokens, hold.cost)
            }
            _ => return,
        };
        if self.under_way.remove(&call).is_some() {
            let SpentRecord { calls, tokens: sum, cost: money } = self.spent;
            let cost = MicroUsd(money.0.saturating_add(cost.0));
            self.spent = SpentRecord { calls: calls + 1, tokens: sum.saturating_add(tokens), cost };
        }
    }

    /// What calls that are over have cost; `None` if there were none.
    pub fn spent(&self) -> Option<SpentRecord> {
        (self.spent.calls > 0).then_some(self.spent)
    }
}

/// One node as a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRecord {
    /// Its number: 0 is the baseline.
    pub node: NodeId,
    /// Whether it was planned by the search that this one was forked from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// How it was made.
    pub operator: Operator,
    /// Code parents, the base first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<NodeId>,
    /// Context parents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<NodeId>,
    /// The policy's marks.
    #[serde(default, skip_serializing_if = "Tag::is_empty")]
    pub tag: Tag,
    /// Where it stands.
    pub status: String,
    /// Which gate refused it, or how it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Why it was dropped, failed or is not used, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The mean of its measurements by the primary metric, or the value with which it was screened out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// How many measurements.
    pub n: u64,
    /// Standard error of the mean; absent below two measurements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Attempts at making it.
    pub attempts: u32,
    /// What making it has cost.
    pub spent: SpentRecord,
    /// Wall time in its evaluations, in milliseconds.
    pub evaluation_ms: u64,
    /// Working time of the run when it was planned.
    pub planned_ms: u64,
    /// Working time of the run when it was settled; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_ms: Option<u64>,
    /// The idea behind it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idea: Option<String>,
    /// The model that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Hash of the whole candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artefact: Option<Digest>,
    /// Bytes of its editable files.
    pub size: u64,
}

impl SearchRecord {
    /// The record of a search that has come so far; `None` if the run is no search.
    pub fn of(state: &RunState, chronicle: &Chronicle) -> Option<SearchRecord> {
        let (AgentSpec::Search(spec), Some(tree)) = (&state.started.spec.agent, state.search.as_deref())
        else {
            return None;
        };
        let best = tree.chosen(spec.measurements).and_then(|id| {
            let aggregate = tree.get(id)?.aggregate()?;
            let (value, n) = (aggregate.mean, aggregate.n as u64);
            Some(BestRecord { node: id, value, n, standard_error: aggregate.standard_error })
        });
        let mut statuses = named(chronicle.settled());
        for node in tree.nodes().iter().filter(|node| !node.status.is_settled()) {
            *statuses.entry(node.status.name().to_owned()).or_default() += 1;
        }
        Some(SearchRecord {
            policy: spec.policy.name().to_owned(),
            candidates: chronicle.candidates(),
            evaluations: chronicle.evaluations(),
            statuses,
            failures: named(chronicle.failures()),
            best,
            baseline: tree.fitness(0).map(|fitness| tree.turned(fitness)),
            moments: chronicle.moments().to_vec(),
            operators: operators(tree, tree.nodes()),
            spent: tree.nodes().iter().fold(SpentRecord::default(), |sum, node| sum.plus(node.spent)),
            embeddings: None,
            evaluation_ms: tree.nodes().iter().map(|node| node.evaluation_ms).sum(),
            inherited: state.inherited.map(|inherited| Box::new(InheritedRecord::of(&inherited, tree))),
        })
    }

    /// Candidates settled that this search planned itself.
    pub fn own_candidates(&self) -> u64 {
        self.candidates - self.inherited.as_ref().map_or(0, |inherited| inherited.candidates)
    }

    /// How many nodes failed in this way of those that this search planned itself.
    pub fn own_failures(&self, kind: &str) -> u64 {
        let of = |failures: &BTreeMap<String, u64>| failures.get(kind).copied().unwrap_or(0);
        of(&self.failures) - self.inherited.as_ref().map_or(0, |inherited| of(&inherited.failures))
    }

    /// What operators did with the nodes that this search planned itself.
    pub fn own_operators(&self) -> Vec<OperatorRecord> {
        let Some(inherited) = &self.inherited else { return self.operators.clone() };
        let own = self.operators.iter().map(|all| {
            let before = inherited.operators.iter().find(|before| before.operator == all.operator);
            before.map_or_else(|| all.clone(), |before| all.without(before))
        });
        own.filter(|own| own.tried > 0).collect()
    }
}

impl OperatorRecord {
    fn without(&self, part: &OperatorRecord) -> OperatorRecord {
        OperatorRecord {
            operator: self.operator,
            tried: self.tried - part.tried,
            built: self.built - part.built,
            measured: self.measured - part.measured,
            better: self.better - part.better,
            records: self.records - part.records,
        }
    }
}

impl InheritedRecord {
    fn of(inherited: &Inherited, tree: &Tree) -> InheritedRecord {
        let nodes = &tree.nodes()[..(inherited.nodes as usize).min(tree.nodes().len())];
        let chronicle = Chronicle::of_nodes(nodes.iter());
        InheritedRecord {
            nodes: inherited.nodes,
            candidates: chronicle.candidates(),
            evaluations: chronicle.evaluations(),
            failures: named(chronicle.failures()),
            operators: operators(tree, nodes),
            cost: inherited.used.spent,
            working_ms: inherited.used.working_ms,
        }
    }
}

fn named(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

impl SpentRecord {
    fn plus(self, spent: Spent) -> SpentRecord {
        SpentRecord {
            calls: self.calls.saturating_add(u64::from(spent.calls)),
            tokens: self.tokens.saturating_add(spent.tokens),
            cost: MicroUsd(self.cost.0.saturating_add(spent.cost.0)),
        }
    }
}

/// What operators did with these nodes of a tree, the first ones; the baseline's left out.
fn operators(tree: &Tree, nodes: &[Node]) -> Vec<OperatorRecord> {
    let mut uses: BTreeMap<Operator, OperatorRecord> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.operator != Operator::Baseline) {
        let operator = node.operator;
        let none = OperatorRecord { operator, tried: 0, built: 0, measured: 0, better: 0, records: 0 };
        let used = uses.entry(operator).or_insert(none);
        used.tried += 1;
        used.built += u64::from(node.artefact.is_some());
        used.measured += u64::from(node.status == Status::Measured);
        used.better += u64::from(is_better(tree, node));
    }
    for record in tree.records() {
        if let Some(used) = nodes.get(*record as usize).and_then(|node| uses.get_mut(&node.operator)) {
            used.records += 1;
        }
    }
    uses.into_values().collect()
}

/// Whether a candidate is better than what it derives from.
fn is_better(tree: &Tree, node: &Node) -> bool {
    let Some(fitness) = tree.fitness(node.id).filter(|_| node.is_candidate()) else { return false };
    node.base().and_then(|base| tree.fitness(base)).is_none_or(|base| fitness > base)
}

impl NodeRecord {
    /// A node of a run as a row.
    pub fn of(state: &RunState, node: &Node, resolve: Resolve<'_>) -> NodeRecord {
        let (reason, screened) = match &node.status {
            Status::Dropped { reason, .. }
            | Status::Failed { reason, .. }
            | Status::Quarantined { reason } => (Some(reason.clone()), None),
            Status::Screened { value, .. } => (None, *value),
            Status::Proposed | Status::Built | Status::Lost | Status::Measured => (None, None),
        };
        let aggregate = node.aggregate();
        let idea = node.idea.as_ref().and_then(resolve);
        NodeRecord {
            node: node.id,
            inherited: state.inherits(node.id),
            operator: node.operator,
            parents: node.parents.clone(),
            shown: node.shown.clone(),
            tag: node.tag.clone(),
            status: node.status.name().to_owned(),
            failure: failure_of(&node.status).map(str::to_owned),
            reason,
            value: aggregate.map(|aggregate| aggregate.mean).or(screened),
            n: aggregate.map_or(0, |aggregate| aggregate.n as u64),
            standard_error: aggregate.and_then(|aggregate| aggregate.standard_error),
            attempts: node.attempts,
            spent: SpentRecord::default().plus(node.spent),
            evaluation_ms: node.evaluation_ms,
            planned_ms: node.planned_ms,
            settled_ms: node.status.is_settled().then_some(node.settled_ms),
            idea: idea.map(|bytes| bounded(&String::from_utf8_lossy(&bytes)).0),
            model: node.model.clone(),
            artefact: node.artefact,
            size: node.size,
        }
    }
}
