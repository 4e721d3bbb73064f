//! What models are told, put together from the tree, and the orders for those who make candidates with them.

use std::cell::RefCell;
use std::sync::Arc;

use researchgym_core::action::Body;
use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::model::RequestSettings;
use researchgym_core::search::context::{self, Asked, Reach, Step, Told};
use researchgym_core::search::event::Gate;
use researchgym_core::search::policy::PolicySpec;
use researchgym_core::search::{NodeId, Operator, Plan, Stream};

use super::asking::Asker;
use super::embedding::spared;
use super::ideas::Shared;
use super::making::Unmade;
use super::models::{self, Idea, Order};
use super::{Search, tree, unusable};
use crate::model::Door;
use crate::session::Session;

impl Search {
    /// Has a candidate made beside the loop.
    pub(super) fn make_beside(&mut self, session: &mut Session, id: NodeId) -> Result<(), Failure> {
        let Some(node) = tree(session).get(id) else {
            return Err(unusable(format!("there is no node {id}")));
        };
        let (operator, base) = (node.operator, node.base().unwrap_or(0));
        let Some(door) = self.choose_model(id) else {
            return Err(unusable(format!("the operator {operator} needs a model")));
        };
        if let Some(reason) = self.spending.exhausted(&self.spec.stage_limits, &node.tag) {
            return self.made(session, id, Err(Unmade::by_rule(Gate::NothingToDo, reason)));
        }
        let settings = RequestSettings { temperature: self.spec.temperature, ..RequestSettings::default() };
        let entries = || self.entry_teller.clone();
        let idea = match (operator, self.call_of(session, id)) {
            (Operator::Implement, Some(call)) => match self.shared_idea(session, id, call)? {
                Shared::Open => return self.await_ideas(session, id),
                Shared::None(unmade) => return self.made(session, id, Err(unmade)),
                Shared::Had(idea, spent) => Idea::Had(idea, spent),
            },
            (Operator::Implement, None) => {
                let asked = self.idea_door.clone().unwrap_or_else(|| door.clone());
                Idea::Asked(Asker { door: asked, entries: entries() })
            }
            _ => Idea::OfTheChange,
        };
        let step = match &idea {
            Idea::OfTheChange => Step::Code { idea: None },
            Idea::Asked(_) => Step::Ideas { count: 1, earlier: &[] },
            Idea::Had(idea, _) => Step::Code { idea: Some(idea) },
        };
        let asker = Asker { door, entries: entries() };
        let told = match self.opening(session, id, step) {
            Ok(told) => told,
            Err(reason) => {
                let made = Err(Unmade::by_rule(Gate::NothingToDo, reason));
                return self.made(session, id, made);
            }
        };
        let base = self.contents.inherited(tree(session), base)?;
        let shown = match &idea {
            // Those who wrote the question's answer were shown what its plan shows.
            Idea::Had(..) => tree(session).get(id).map(|node| node.shown.clone()).unwrap_or_default(),
            Idea::OfTheChange | Idea::Asked(_) => told.shown,
        };
        let judge = self.judge();
        let spared = judge.as_ref().map_or_else(Vec::new, |_| spared(tree(session), id));
        self.making.push(Box::pin(models::make(Order {
            node: id,
            round: self.rounds.get(&id).copied().unwrap_or_default(),
            judge,
            spared: Arc::new(spared),
            baseline: self.contents.baseline().clone(),
            asker,
            teller: self.teller.clone(),
            settings,
            opening: told.messages,
            idea,
            shown,
            base,
            surface: self.surface.clone(),
            form: self.spec.form,
            repairs: self.spec.repairs,
            resamples: self.spec.novelty.resamples,
        })));
        Ok(())
    }

    /// The model that is asked for a node's candidate.
    pub(super) fn choose_model(&self, id: NodeId) -> Option<Arc<Door>> {
        let doors: Vec<&(Arc<Door>, f64)> =
            self.doors.iter().filter(|(door, _)| !self.silent.contains(&door.endpoint.target.name)).collect();
        let models: Vec<(&str, f64)> =
            doors.iter().map(|(door, weight)| (door.endpoint.target.name.as_str(), *weight)).collect();
        let chosen = self.ensemble.choose(&models, &mut Stream::new(self.seed, "model", u64::from(id)))?;
        doors.get(chosen).map(|(door, _)| door.clone())
    }

    /// Has another model of the ensemble do what one was to do that cannot be asked.
    ///
    /// # Errors
    /// The model's failure, if there is no other one.
    pub(super) fn without_model(
        &mut self,
        session: &mut Session,
        id: NodeId,
        model: String,
        failure: Failure,
    ) -> Result<(), Failure> {
        let usable = self.doors.iter().filter(|(_, weight)| *weight > 0.0);
        let mut names = usable.map(|(door, _)| &door.endpoint.target.name);
        let is_one_of_them = names.clone().any(|name| *name == model);
        if !is_one_of_them || !names.any(|name| *name != model && !self.silent.contains(name)) {
            return Err(failure);
        }
        if !self.silent.contains(&model) {
            let text = format!("{failure}; the other models go on without it until the run is resumed");
            session.record_node(Event::Noted { text })?;
            self.silent.insert(model);
        }
        *self.rounds.entry(id).or_default() += 1;
        let epoch = tree(session).get(id).and_then(|node| node.tag.epoch).unwrap_or_default();
        match self.waiting_for_ideas.contains(&id) && self.asking_for_ideas.contains(&epoch) {
            true => self.ask_for_ideas(session, id, epoch),
            false => self.make_beside(session, id),
        }
    }

    /// What a model is told first.
    pub(super) fn opening(&mut self, session: &Session, id: NodeId, step: Step<'_>) -> Result<Told, String> {
        let tree = tree(session);
        let node = tree.get(id).ok_or("there is no such node")?;
        let plan = Plan {
            operator: node.operator,
            parents: node.parents.clone(),
            shown: node.shown.clone(),
            tag: node.tag.clone(),
            hint: node.hint.clone(),
        };
        let contents = RefCell::new(&mut self.contents);
        let blobs = session.blobs();
        let text = |body: &Body| blobs.resolve(body).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let asked = Asked {
            task: &self.task,
            description: &self.description,
            tree,
            node: id,
            plan: &plan,
            step,
            form: self.spec.form,
            inheritance: self.spec.inheritance,
            context_tokens: self.spec.context_tokens,
            reach: reach(&self.spec.policy),
            protected: &self.protected,
            files: &|node| contents.borrow_mut().inherited(tree, node).ok(),
            body: &text,
            memory: &self.told,
        };
        context::opening(&asked).map_err(|error| error.to_string())
    }
}

/// Independent candidates are told of none but those that their plan shows.
fn reach(policy: &PolicySpec) -> Reach {
    match policy {
        PolicySpec::BestOfN(_) => Reach::PLAN,
        _ => Reach::default(),
    }
}
