//! A small search for tests: candidates with given contents and fates.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Files;
use super::event::{
    Evaluated, EvaluationBegan, EvaluationFailure, EvaluationOutcome, Gate, NodeBuilt, NodeDropped, Planned,
    Spent,
};
use super::{Change, FULL, NodeId, Operator, Plan, Tag, Tree};
use crate::action::Body;
use crate::digest::Digest;
use crate::event::Event;
use crate::score::{Metrics, Score};
use crate::spec::MicroUsd;
use crate::task::Task;

/// A candidate of the example.
pub(super) struct Candidate {
    pub(super) operator: Operator,
    pub(super) parents: Vec<NodeId>,
    pub(super) tag: Tag,
    pub(super) model: Option<&'static str>,
    pub(super) idea: Option<&'static str>,
    pub(super) feedback: Option<&'static str>,
    pub(super) files: Vec<(&'static str, &'static str)>,
    /// In millionths of a dollar.
    pub(super) cost: u64,
    /// Nothing: it was never made.
    pub(super) outcome: Option<EvaluationOutcome>,
}

impl Default for Candidate {
    fn default() -> Candidate {
        Candidate {
            operator: Operator::Improve,
            parents: Vec::new(),
            tag: Tag::default(),
            model: None,
            idea: None,
            feedback: None,
            files: Vec::new(),
            cost: 0,
            outcome: Some(Example::graded(1.0)),
        }
    }
}

/// A search in memory with the contents of its candidates.
pub(super) struct Example {
    pub(super) task: Task,
    pub(super) tree: Tree,
    pub(super) events: Vec<Event>,
    pub(super) files: BTreeMap<NodeId, Arc<Files>>,
}

impl Example {
    /// A search that has not begun.
    pub(super) fn new() -> Example {
        let text = r#"
schema = 1
id = "circles"
title = "Pack circles"
domain = "geometry"
description = "description.md"
[[metrics]]
name = "radii"
direction = "maximize"
primary = true
description = "Sum of all radii."
[baseline]
measured = { radii = 0.9 }
noise_floor = 0.001
[workspace]
starter = "starter"
protected = ["check.py"]
[submission]
artefacts = ["circles.json"]
[grader]
files = "grader"
command = ["true"]
validate_on = "test"
[search]
editable = ["pack.py", "shapes"]
run = ["python3", "pack.py", "26 circles"]
timeout_s = 60
"#;
        let task = crate::task::parse(text, "task.toml").expect("a task");
        Example { tree: Tree::new(&task), task, events: Vec::new(), files: BTreeMap::new() }
    }

    /// A search whose baseline has the value 1.
    pub(super) fn begin() -> Example {
        let mut example = Example::new();
        let files = vec![("pack.py", "step = 0.5\nprint(step)\n")];
        example.make(Candidate { operator: Operator::Baseline, files, ..Candidate::default() });
        example
    }

    /// An evaluation that gave this value.
    pub(super) fn graded(value: f64) -> EvaluationOutcome {
        let metrics = Metrics::from([("radii".to_owned(), value)]);
        EvaluationOutcome::Graded { score: Score { metrics, invalid: None, findings: Vec::new() } }
    }

    /// An evaluation in which the program died.
    pub(super) fn crashed(reason: &str) -> EvaluationOutcome {
        EvaluationOutcome::Failed { kind: EvaluationFailure::Crash, reason: reason.to_owned() }
    }

    pub(super) fn make(&mut self, candidate: Candidate) -> NodeId {
        self.make_and(candidate, |_, _| {})
    }

    /// Makes a candidate and tells each change.
    pub(super) fn make_and(&mut self, candidate: Candidate, mut told: impl FnMut(&Tree, Change)) -> NodeId {
        let node = self.tree.nodes().len() as NodeId;
        let mut plan = Plan::new(candidate.operator, candidate.parents.clone());
        plan.tag = candidate.tag.clone();
        let mut events = vec![Event::Planned(Box::new(Planned {
            ask: 1,
            free: 1,
            first: node,
            plans: vec![plan],
            note: None,
            working_ms: 0,
        }))];
        let spent = Spent { calls: 1, tokens: 10, cost: MicroUsd(candidate.cost) };
        let (idea, model) = (candidate.idea.map(body), candidate.model.map(str::to_owned));
        let Some(outcome) = candidate.outcome else {
            events.push(Event::NodeDropped(Box::new(NodeDropped {
                node,
                gate: Gate::NotImplemented,
                reason: "no block matches".to_owned(),
                of: None,
                idea,
                idea_refused: false,
                model,
                attempts: 1,
                spent,
                working_ms: 0,
            })));
            self.append(events, &mut told);
            return node;
        };
        let contents =
            candidate.files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        self.files.insert(node, Arc::new(contents.collect()));
        events.push(Event::NodeBuilt(Box::new(NodeBuilt {
            node,
            artefact: Digest::of(&node.to_le_bytes()),
            size: 0,
            changes: BTreeMap::new(),
            idea,
            model,
            shown: Vec::new(),
            embedding: None,
            attempts: 1,
            spent,
            working_ms: 0,
        })));
        // A node is given up after three failures of the machine.
        let rounds = if matches!(outcome, EvaluationOutcome::Broke { .. }) { 3 } else { 1 };
        for evaluation in (self.tree.evaluations() + 1..).take(rounds) {
            events.push(Event::EvaluationBegan(EvaluationBegan { evaluation, node, stage: FULL.to_owned() }));
            events.push(Event::Evaluated(Box::new(Evaluated {
                evaluation,
                outcome: outcome.clone(),
                feedback: candidate.feedback.map(body),
                outputs: None,
                learned: BTreeMap::new(),
                reported: None,
                unread: Default::default(),
                queued_ms: 0,
                wall_ms: 0,
                cpu_ms: 0,
                gpus: Vec::new(),
                working_ms: 0,
            })));
        }
        self.append(events, &mut told);
        node
    }

    fn append(&mut self, events: Vec<Event>, told: &mut impl FnMut(&Tree, Change)) {
        for event in events {
            self.tree.apply(&event).expect("events in order");
            for change in self.tree.changed() {
                told(&self.tree, *change);
            }
            self.events.push(event);
        }
    }
}

fn body(text: &str) -> Body {
    Body::Text(text.to_owned())
}
