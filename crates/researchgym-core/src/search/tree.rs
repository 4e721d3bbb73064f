//! The tree of a search: a fold over its events, the same live, replayed and resumed.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use super::event::{
    Evaluated, EvaluationBegan, EvaluationFailure, EvaluationOutcome, IdeasHad, NodeBuilt, NodeDropped,
    Planned,
};
use super::{Measurement, Node, NodeId, Operator, Plan, Status, Tag};
use crate::event::Event;
use crate::score::{Direction, Primary, Score, Severity};
use crate::task::{SearchStage, Task};

/// The name of the last stage of every evaluation.
pub const FULL: &str = "full";

/// After so many failures of the machine a node is given up.
const MOST_BROKEN: u32 = 3;

/// Events do not make sense in this order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TreeError(String);

/// What an event changed, for the projections of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nodes from the first up to, but without, the second were planned in answer to one question.
    Planned(NodeId, NodeId),
    /// A node's candidate exists.
    Built(NodeId),
    /// Nothing more is to come of a node.
    Settled(NodeId),
    /// A settled candidate has one more measurement; the replicate that brought it was settled just before.
    Remeasured(NodeId),
}

/// How good a node is; more is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fitness(pub(super) f64);

impl Eq for Fitness {}

impl PartialOrd for Fitness {
    fn partial_cmp(&self, other: &Fitness) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fitness {
    fn cmp(&self, other: &Fitness) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// All nodes of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    primary: Primary,
    stages: Vec<SearchStage>,
    nodes: Vec<Node>,
    /// Measured candidates, the worst first; of equals the later first.
    ranking: BTreeSet<(Fitness, Reverse<NodeId>)>,
    /// What questions for several ideas have brought, by epoch and number.
    ideas: BTreeMap<(u32, u32), IdeasHad>,
    under_way: BTreeMap<u64, NodeId>,
    evaluations: u64,
    graded: u64,
    asks: u64,
    unsettled: usize,
    /// The best candidate of each moment: when it was settled.
    records: Vec<NodeId>,
    /// What the newest event changed.
    changed: Vec<Change>,
}

impl Tree {
    /// The tree of a search that has not begun.
    pub fn new(task: &Task) -> Tree {
        Tree {
            primary: task.primary(),
            stages: task.search.as_ref().map(|search| search.stages.clone()).unwrap_or_default(),
            nodes: Vec::new(),
            ranking: BTreeSet::new(),
            ideas: BTreeMap::new(),
            under_way: BTreeMap::new(),
            evaluations: 0,
            graded: 0,
            asks: 0,
            unsettled: 0,
            records: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// All nodes; a node's number is its position.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node, if there is one of that number.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// What is measured.
    pub fn primary(&self) -> &Primary {
        &self.primary
    }

    /// How good a measured candidate is, turned so that more is better; `None` for all others.
    pub fn fitness(&self, id: NodeId) -> Option<f64> {
        let node = self.get(id).filter(|node| node.status == Status::Measured)?;
        node.aggregate().map(|aggregate| self.turned(aggregate.mean))
    }

    /// The value of the primary metric, turned so that more is better.
    pub fn turned(&self, value: f64) -> f64 {
        match self.primary.direction {
            Direction::Maximize => value,
            Direction::Minimize => -value,
        }
    }

    /// Measured candidates, the best first; of equals the earlier first.
    pub fn ranked(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ranking.iter().rev().map(|(_, Reverse(id))| *id)
    }

    /// How many candidates are measured.
    pub fn measured(&self) -> usize {
        self.ranking.len()
    }

    /// What the question has brought that a node's idea is one answer to; `None` while it is open, or if there is none.
    pub fn ideas_of(&self, tag: &Tag) -> Option<&IdeasHad> {
        self.ideas.get(&(tag.epoch.unwrap_or_default(), tag.call?.number))
    }

    /// All ideas that questions of an epoch have brought, in the order of the questions.
    pub fn ideas_in(&self, epoch: u32) -> impl Iterator<Item = &IdeasHad> {
        self.ideas.range((epoch, 0)..=(epoch, u32::MAX)).map(|(_, had)| had)
    }

    /// The best measured candidate; the first of equals.
    pub fn best(&self) -> Option<NodeId> {
        self.ranked().next()
    }

    /// The candidate that counts: the best of those that were measured so often; of all, if none was.
    pub fn chosen(&self, measurements: u32) -> Option<NodeId> {
        let enough =
            |id: &NodeId| self.get(*id).is_some_and(|node| node.measurements.len() >= measurements as usize);
        self.ranked().find(enough).or_else(|| self.best())
    }

    /// The lowest and the highest fitness of all measured candidates.
    pub fn range(&self) -> Option<(f64, f64)> {
        Some((self.ranking.first()?.0.0, self.ranking.last()?.0.0))
    }

    /// Candidates that were the best so far when they were measured, in that order.
    pub fn records(&self) -> &[NodeId] {
        &self.records
    }

    /// How many nodes are planned and not settled.
    pub fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Evaluations under way: number -> node.
    pub fn under_way(&self) -> &BTreeMap<u64, NodeId> {
        &self.under_way
    }

    /// Evaluations begun so far, of all stages.
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Evaluations so far that a grader took part in.
    pub fn graded(&self) -> u64 {
        self.graded
    }

    /// How often the policy was asked.
    pub fn asks(&self) -> u64 {
        self.asks
    }

    /// The stage that comes next in a node's evaluation; `None` after the last.
    pub fn next_stage(&self, id: NodeId) -> Option<Stage<'_>> {
        let node = self.get(id).filter(|node| node.status == Status::Built)?;
        // A replicate is measured, not tried.
        let stages: &[SearchStage] = if node.is_candidate() { &self.stages } else { &[] };
        Some(stages.get(node.stages as usize).map_or(Stage::Full, Stage::Earlier))
    }

    /// Number of consecutive failed ancestors through the first code parent: 0 if its base did not fail.
    pub fn debug_depth(&self, id: NodeId) -> u32 {
        let mut depth = 0;
        let mut node = self.get(id);
        while let Some(base) = node.and_then(Node::base).and_then(|base| self.get(base)) {
            if !base.is_buggy() {
                break;
            }
            depth += 1;
            node = Some(base);
        }
        depth
    }

    /// What a node derives from through first code parents, the nearest first.
    pub fn lineage(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        let base = |node: &Node| node.base().and_then(|base| self.get(base));
        std::iter::successors(self.get(id).and_then(base), move |node| base(node))
    }

    /// What the newest event changed, in order.
    pub fn changed(&self) -> &[Change] {
        &self.changed
    }

    /// Takes in an event; those of other kinds change nothing.
    ///
    /// # Errors
    /// It cannot come here.
    pub fn apply(&mut self, event: &Event) -> Result<(), TreeError> {
        self.changed = match event {
            Event::Planned(planned) => vec![self.planned(planned)?],
            Event::IdeasHad(had) => self.had(had).map(|()| Vec::new())?,
            Event::NodeBuilt(built) => vec![self.built(built)?],
            Event::NodeDropped(dropped) => vec![self.dropped(dropped)?],
            Event::EvaluationBegan(began) => self.began(began).map(|()| Vec::new())?,
            Event::Evaluated(evaluated) => self.evaluated(evaluated)?,
            _ => Vec::new(),
        };
        Ok(())
    }

    /// Their numbers must follow, and they may name no node that does not exist.
    fn planned(&mut self, planned: &Planned) -> Result<Change, TreeError> {
        if planned.first as usize != self.nodes.len() {
            return wrong("nodes are numbered one by one");
        }
        for (id, plan) in (planned.first..).zip(&planned.plans) {
            if plan.parents.iter().chain(&plan.shown).any(|named| *named >= planned.first) {
                return wrong("a plan names a node that does not exist");
            }
            let node = proposed(id, plan, planned.working_ms);
            for parent in &node.parents {
                self.nodes[*parent as usize].children.push(id);
            }
            self.nodes.push(node);
        }
        self.asks = planned.ask;
        self.unsettled += planned.plans.len();
        Ok(Change::Planned(planned.first, self.nodes.len() as NodeId))
    }

    /// The node must wait for an answer, and there may be only one.
    fn had(&mut self, had: &IdeasHad) -> Result<(), TreeError> {
        let tag = self.proposed(had.node)?.tag.clone();
        let Some(call) = tag.call else { return wrong("ideas for a node that shares no question") };
        match self.ideas.insert((tag.epoch.unwrap_or_default(), call.number), had.clone()) {
            None => Ok(()),
            Some(_) => wrong("ideas of a question that was answered before"),
        }
    }

    /// The node must be one that is being made.
    fn built(&mut self, built: &NodeBuilt) -> Result<Change, TreeError> {
        let node = self.proposed(built.node)?;
        node.status = Status::Built;
        node.artefact = Some(built.artefact);
        node.size = built.size;
        node.changes.clone_from(&built.changes);
        node.idea.clone_from(&built.idea);
        node.model.clone_from(&built.model);
        node.shown.clone_from(&built.shown);
        node.attempts = built.attempts;
        node.spent = built.spent;
        Ok(Change::Built(built.node))
    }

    /// The node must be one that is being made.
    fn dropped(&mut self, dropped: &NodeDropped) -> Result<Change, TreeError> {
        let node = self.proposed(dropped.node)?;
        node.idea.clone_from(&dropped.idea);
        node.model.clone_from(&dropped.model);
        node.attempts = dropped.attempts;
        node.spent = dropped.spent;
        let status = Status::Dropped { gate: dropped.gate, reason: dropped.reason.clone() };
        Ok(self.settle(dropped.node, status, dropped.working_ms))
    }

    /// Its number must follow, and the node must wait for an evaluation.
    fn began(&mut self, began: &EvaluationBegan) -> Result<(), TreeError> {
        if began.evaluation != self.evaluations + 1 {
            return wrong("evaluations are numbered one by one");
        }
        if self.next_stage(began.node).is_none() || self.under_way.values().any(|node| *node == began.node) {
            return wrong("an evaluation of a node that waits for none");
        }
        self.evaluations = began.evaluation;
        self.under_way.insert(began.evaluation, began.node);
        Ok(())
    }

    /// It must be under way.
    fn evaluated(&mut self, evaluated: &Evaluated) -> Result<Vec<Change>, TreeError> {
        let Some(id) = self.under_way.remove(&evaluated.evaluation) else {
            return wrong("the end of an evaluation that is not under way");
        };
        let node = &mut self.nodes[id as usize];
        node.evaluation_ms = node.evaluation_ms.saturating_add(evaluated.wall_ms);
        if evaluated.feedback.is_some() {
            node.feedback.clone_from(&evaluated.feedback);
        }
        let settled = match &evaluated.outcome {
            EvaluationOutcome::Stopped => None,
            EvaluationOutcome::Broke { .. } => {
                node.broke += 1;
                (node.broke >= MOST_BROKEN).then_some(Status::Lost)
            }
            EvaluationOutcome::Failed { kind, reason } => {
                Some(Status::Failed { kind: *kind, reason: reason.clone() })
            }
            EvaluationOutcome::Passed => {
                node.stages += 1;
                None
            }
            EvaluationOutcome::Graded { score } => {
                self.graded += 1;
                return Ok(self.scored(id, evaluated, score));
            }
        };
        Ok(settled.map(|status| self.settle(id, status, evaluated.working_ms)).into_iter().collect())
    }

    fn scored(&mut self, id: NodeId, evaluated: &Evaluated, score: &Score) -> Vec<Change> {
        let stage = match self.next_stage(id) {
            Some(Stage::Earlier(stage)) => Some(stage.clone()),
            Some(Stage::Full) | None => None,
        };
        let critical = score.findings.iter().find(|finding| finding.severity == Severity::Critical);
        let value = score.value(&self.primary);
        let at = evaluated.working_ms;
        let status = match (value, critical, stage) {
            (_, Some(finding), _) => {
                Status::Quarantined { reason: format!("{}: {}", finding.kind, finding.evidence) }
            }
            (None, ..) => Status::Failed {
                kind: EvaluationFailure::Invalid,
                reason: score.invalid.clone().unwrap_or_else(|| "there is no value".into()),
            },
            (Some(value), None, Some(stage)) => {
                if stage.promote.is_none_or(|least| self.primary.direction.gain(value, least) >= 0.0) {
                    self.nodes[id as usize].stages += 1;
                    return Vec::new();
                }
                Status::Screened { stage: stage.name, value: Some(value) }
            }
            (Some(value), None, None) => {
                let metrics = score.metrics.clone();
                let measurement = Measurement { evaluation: evaluated.evaluation, metrics, value };
                return self.measured_as(id, evaluated, measurement);
            }
        };
        vec![self.settle(id, status, at)]
    }

    fn measured_as(&mut self, id: NodeId, evaluated: &Evaluated, measurement: Measurement) -> Vec<Change> {
        let node = &mut self.nodes[id as usize];
        node.measurements.push(measurement.clone());
        node.learned.clone_from(&evaluated.learned);
        let original = if node.is_candidate() { None } else { node.base() };
        let settled = self.settle(id, Status::Measured, evaluated.working_ms);
        let mut changes = vec![settled];
        match original {
            None => self.rank(id),
            Some(original) => {
                self.unrank(original);
                self.nodes[original as usize].measurements.push(measurement);
                if self.fitness(original).is_some() {
                    self.rank(original);
                    changes.push(Change::Remeasured(original));
                }
            }
        }
        changes
    }

    fn rank(&mut self, id: NodeId) {
        let Some(fitness) = self.fitness(id) else { return };
        self.ranking.insert((Fitness(fitness), Reverse(id)));
        if self.best() == Some(id) && self.records.last() != Some(&id) {
            self.records.push(id);
        }
    }

    fn unrank(&mut self, id: NodeId) {
        if let Some(fitness) = self.fitness(id) {
            self.ranking.remove(&(Fitness(fitness), Reverse(id)));
        }
    }

    fn settle(&mut self, id: NodeId, status: Status, at: u64) -> Change {
        let node = &mut self.nodes[id as usize];
        node.status = status;
        node.settled_ms = at;
        self.unsettled -= 1;
        Change::Settled(id)
    }

    fn proposed(&mut self, id: NodeId) -> Result<&mut Node, TreeError> {
        match self.nodes.get_mut(id as usize) {
            Some(node) if node.status == Status::Proposed => Ok(node),
            _ => wrong("a candidate of a node that is not being made"),
        }
    }
}

/// One step of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage<'a> {
    /// One that the task declares.
    Earlier(&'a SearchStage),
    /// The last: the whole program, graded in full.
    Full,
}

impl Stage<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Stage::Earlier(stage) => &stage.name,
            Stage::Full => FULL,
        }
    }
}

fn proposed(id: NodeId, plan: &Plan, at: u64) -> Node {
    let parents = match (plan.operator, plan.parents.as_slice()) {
        (Operator::Baseline, _) => Vec::new(),
        (_, []) => vec![0],
        (_, parents) => parents.to_vec(),
    };
    Node {
        id,
        operator: plan.operator,
        parents,
        shown: plan.shown.clone(),
        children: Vec::new(),
        tag: plan.tag.clone(),
        hint: plan.hint.clone(),
        status: Status::Proposed,
        artefact: None,
        changes: BTreeMap::new(),
        learned: BTreeMap::new(),
        idea: None,
        model: None,
        size: 0,
        stages: 0,
        broke: 0,
        measurements: Vec::new(),
        feedback: None,
        attempts: 0,
        spent: Default::default(),
        evaluation_ms: 0,
        planned_ms: at,
        settled_ms: 0,
    }
}

fn wrong<T>(problem: &str) -> Result<T, TreeError> {
    Err(TreeError(problem.to_owned()))
}
