//! A search without effects: a policy over candidates that a function makes and judges. For tests of policies, and for
//! measuring how long their decisions take on large trees.

use super::event::{
    Evaluated, EvaluationBegan, EvaluationFailure, EvaluationOutcome, NodeBuilt, NodeDropped, Planned,
};
use super::policy::{Answer, Policy, PolicySpec, View};
use super::{FULL, NodeId, Operator, Plan, Repertoire, Status, Stream, Tree, TreeError};
use crate::digest::Digest;
use crate::event::Event;
use crate::failure::{Boundary, Failure};
use crate::score::{Metrics, Score};
use crate::task::Task;

/// What becomes of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// A gate drops it.
    Dropped(super::event::Gate),
    /// It is evaluated; again and again if the machine breaks.
    Evaluated(EvaluationOutcome),
}

impl Fate {
    /// A valid score.
    pub fn scored(metric: &str, value: f64) -> Fate {
        let metrics = Metrics::from([(metric.to_owned(), value)]);
        let score = Score { metrics, invalid: None, findings: Vec::new() };
        Fate::Evaluated(EvaluationOutcome::Graded { score })
    }

    /// A failure by its own fault.
    pub fn failed() -> Fate {
        let reason = "as simulated".to_owned();
        Fate::Evaluated(EvaluationOutcome::Failed { kind: EvaluationFailure::Crash, reason })
    }

    /// The machine breaks until it is given up.
    pub fn lost() -> Fate {
        let failure = Failure::new(Boundary::Executor, "as simulated");
        Fate::Evaluated(EvaluationOutcome::Broke { failure })
    }
}

/// A search in memory.
pub struct Simulation {
    /// The tree so far.
    pub tree: Tree,
    task: Task,
    events: Vec<Event>,
    policy: Box<dyn Policy>,
    operators: Repertoire,
    seed: u64,
    candidates: Option<u64>,
    waiting: Vec<NodeId>,
    /// How many events had happened when the policy took the tree over from another.
    taken_over: Option<usize>,
}

impl Simulation {
    /// A search whose baseline has the given fate; `None` for an external policy.
    ///
    /// # Errors
    /// The fate cannot be that of a baseline.
    pub fn begin(
        task: &Task,
        policy: &PolicySpec,
        operators: Repertoire,
        seed: u64,
        candidates: Option<u64>,
        baseline: Fate,
    ) -> Result<Option<Simulation>, TreeError> {
        let Some(policy) = policy.begin() else { return Ok(None) };
        let tree = Tree::new(task);
        let (task, events, waiting) = (task.clone(), Vec::new(), Vec::new());
        let mut simulation =
            Simulation { tree, task, events, policy, operators, seed, candidates, waiting, taken_over: None };
        simulation.take(vec![Plan::new(Operator::Baseline, Vec::new())], 0, None)?;
        simulation.finish(0, baseline)?;
        Ok(Some(simulation))
    }

    /// Asks the policy to fill `free` slots and takes its plans in.
    ///
    /// # Errors
    /// A plan names a node that does not exist, or there are more plans than slots.
    pub fn ask(&mut self, free: usize) -> Result<Answer, TreeError> {
        let answer = self.answer(free);
        self.take(answer.plans.clone(), free, answer.note.clone())?;
        Ok(answer)
    }

    /// Takes in plans that are not the policy's.
    ///
    /// # Errors
    /// A plan names a node that does not exist.
    pub fn add(&mut self, plans: Vec<Plan>) -> Result<(), TreeError> {
        let free = plans.len();
        self.take(plans, free, None)
    }

    /// What the policy would answer now.
    pub fn answer(&self, free: usize) -> Answer {
        let mut random = Stream::new(self.seed, "policy", self.tree.asks() + 1);
        let Simulation { tree, operators, candidates, .. } = self;
        let view = View { tree, free, operators, candidates: *candidates };
        self.policy.ask(&view, &mut random)
    }

    /// Nodes that wait for their fate, in the order of their numbers.
    pub fn waiting(&self) -> &[NodeId] {
        &self.waiting
    }

    /// Decides what becomes of a waiting node.
    ///
    /// # Errors
    /// It does not wait.
    pub fn finish(&mut self, node: NodeId, fate: Fate) -> Result<(), TreeError> {
        self.waiting.retain(|waiting| *waiting != node);
        match fate {
            Fate::Dropped(gate) => {
                let dropped = NodeDropped {
                    node,
                    gate,
                    reason: "as simulated".to_owned(),
                    of: None,
                    idea: None,
                    idea_refused: false,
                    model: None,
                    attempts: 1,
                    spent: Default::default(),
                    working_ms: 0,
                };
                self.append(Event::NodeDropped(Box::new(dropped)))?;
            }
            Fate::Evaluated(outcome) => {
                let built = NodeBuilt {
                    node,
                    artefact: Digest::of(&node.to_le_bytes()),
                    size: u64::from(node % 97) * 10,
                    changes: Default::default(),
                    idea: None,
                    model: None,
                    shown: Vec::new(),
                    embedding: None,
                    attempts: 1,
                    spent: Default::default(),
                    working_ms: 0,
                };
                self.append(Event::NodeBuilt(Box::new(built)))?;
                self.evaluate(node, &outcome)?;
                let broke = matches!(outcome, EvaluationOutcome::Broke { .. });
                while broke && self.tree.get(node).is_some_and(|node| node.status == Status::Built) {
                    self.evaluate(node, &outcome)?;
                }
            }
        }
        Ok(())
    }

    /// Puts a new policy in the place of the old one and shows it all that has happened: what resuming does.
    ///
    /// # Errors
    /// None that was not met before.
    pub fn resume(&mut self, policy: Box<dyn Policy>) -> Result<(), TreeError> {
        self.policy = policy;
        self.tree = Tree::new(&self.task);
        for event in std::mem::take(&mut self.events) {
            self.append(event)?;
            if self.taken_over == Some(self.events.len()) {
                self.policy.take_over(&self.tree, &self.operators);
            }
        }
        Ok(())
    }

    /// Another policy goes on from here with other operators: what a fork does.
    ///
    /// # Errors
    /// None that was not met before.
    pub fn fork(&mut self, policy: Box<dyn Policy>, operators: Repertoire) -> Result<(), TreeError> {
        self.operators = operators;
        self.taken_over = Some(self.events.len());
        self.resume(policy)
    }

    fn evaluate(&mut self, node: NodeId, outcome: &EvaluationOutcome) -> Result<(), TreeError> {
        let evaluation = self.tree.evaluations() + 1;
        let began = EvaluationBegan { evaluation, node, stage: FULL.to_owned() };
        self.append(Event::EvaluationBegan(began))?;
        let evaluated = Evaluated {
            evaluation,
            outcome: outcome.clone(),
            feedback: None,
            outputs: None,
            learned: Default::default(),
            reported: None,
            unread: Default::default(),
            queued_ms: 0,
            wall_ms: 0,
            cpu_ms: 0,
            gpus: Vec::new(),
            working_ms: 0,
        };
        self.append(Event::Evaluated(Box::new(evaluated)))
    }

    /// What has happened so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Takes plans in, also such as no policy made.
    ///
    /// # Errors
    /// A plan names a node that does not exist.
    pub fn take(&mut self, plans: Vec<Plan>, free: usize, note: Option<String>) -> Result<(), TreeError> {
        let first = self.tree.nodes().len() as NodeId;
        self.waiting.extend(first..first + plans.len() as NodeId);
        let ask = if first == 0 { 0 } else { self.tree.asks() + 1 };
        let planned = Planned { ask, free: free as u32, first, plans, note, working_ms: 0 };
        self.append(Event::Planned(Box::new(planned)))
    }

    fn append(&mut self, event: Event) -> Result<(), TreeError> {
        self.tree.apply(&event)?;
        for change in self.tree.changed() {
            self.policy.observe(&self.tree, *change);
        }
        self.events.push(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Role, Status};

    fn task() -> Task {
        let text = r#"
schema = 1
id = "t"
title = "t"
domain = "d"
description = "description.md"
[[metrics]]
name = "loss"
direction = "minimize"
primary = true
[workspace]
starter = "starter"
[submission]
artefacts = ["a"]
[grader]
files = "grader"
command = ["true"]
validate_on = "test"
"#;
        crate::task::parse(text, "task.toml").expect("a task")
    }

    fn operators() -> Repertoire {
        Repertoire([(Operator::Tune, 1.0), (Operator::Replicate, 1.0)].into())
    }

    #[test]
    fn a_hill_climber_improves_the_best_and_resumes_as_it_was() {
        let spec = PolicySpec::named("hill-climb").expect("a policy");
        let begun = Simulation::begin(&task(), &spec, operators(), 7, None, Fate::scored("loss", 3.0));
        let mut search = begun.expect("a baseline").expect("no external policy");
        for value in [5.0, 2.0, 4.0, 1.0] {
            let best = search.tree.best().expect("a best");
            let answer = search.ask(2).expect("plans");
            assert_eq!(answer.plans, vec![Plan::new(Operator::Tune, vec![best]); 2]);
            let first = search.waiting()[0];
            search.finish(first, Fate::scored("loss", value)).expect("a fate");
        }
        assert_eq!(search.tree.records(), [0, 2, 4]);
        assert_eq!((search.tree.unsettled(), search.tree.measured()), (4, 5));
        assert_eq!(search.tree.fitness(4), Some(-1.0));
        let before = (search.answer(3), search.tree.clone());
        search.resume(spec.begin().expect("a policy")).expect("the same events");
        assert_eq!((search.answer(3), search.tree), before);
    }

    #[test]
    fn a_hill_climber_that_brings_nothing_begins_on_other_hills() {
        let restarting = [("restart_after", "3"), ("drafts", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let spec = PolicySpec::named("hill-climb").expect("a policy").with(&restarting).expect("constants");
        let begun = Simulation::begin(&task(), &spec, operators(), 7, None, Fate::scored("loss", 3.0));
        let mut search = begun.expect("a baseline").expect("no external policy");
        let mut parents = Vec::new();
        // Three that are worse end the first hill; two drafts begin the second; its best is climbed from, although the
        // baseline is better.
        for value in [5.0, 6.0, 4.0, 9.0, 8.0, 7.0] {
            let answer = search.ask(1).expect("plans");
            parents.push((answer.plans[0].parents.clone(), answer.plans[0].tag.kind.is_some()));
            let waiting = search.waiting()[0];
            search.finish(waiting, Fate::scored("loss", value)).expect("a fate");
        }
        let expected = [(0, false), (0, false), (0, false), (0, true), (0, true), (5, false)];
        assert_eq!(parents, expected.map(|(parent, is_draft)| (vec![parent], is_draft)));
        let before = search.answer(2);
        assert_eq!(before.plans[0].parents, [6]);
        search.resume(spec.begin().expect("a policy")).expect("the same events");
        assert_eq!(search.answer(2), before);
    }

    #[test]
    fn a_replicate_changes_the_rank_of_its_original() {
        let spec = PolicySpec::named("best-of-n").expect("a policy");
        let begun = Simulation::begin(&task(), &spec, operators(), 7, None, Fate::scored("loss", 3.0));
        let mut search = begun.expect("a baseline").expect("no external policy");
        search.ask(1).expect("a plan");
        search.finish(1, Fate::scored("loss", 1.0)).expect("a fate");
        let again = operators().pick(Role::Replicate, &mut Stream::new(0, "", 0)).expect("an operator");
        search.take(vec![Plan::new(again, vec![1])], 1, None).expect("a plan");
        search.finish(2, Fate::scored("loss", 9.0)).expect("a fate");
        let aggregate = search.tree.nodes()[1].aggregate().expect("two measurements");
        assert_eq!((aggregate.mean, aggregate.n, aggregate.standard_error), (5.0, 2, Some(4.0)));
        assert_eq!(search.tree.ranked().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(search.tree.nodes()[2].status, Status::Measured);
    }
}
