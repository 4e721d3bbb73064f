//! Ideas of which one question brings several: who asks for them, who waits for them, and what each candidate answers for.
//!
//! The first candidate of a question asks; the others of the question, and the later questions of its epoch, wait. What was
//! brought is an event of the log, so that a resumed search asks nothing twice.

use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::model::RequestSettings;
use researchgym_core::search::context::Step;
use researchgym_core::search::event::{Gate, IdeasHad, RefusedIdea, Spent, bounded};
use researchgym_core::search::{IdeaCall, NodeId, Operator};

use super::asking::Asker;
use super::making::Unmade;
use super::meaning::{Owner, Refusal};
use super::models::{Question, have_ideas};
use super::{Search, tree};
use crate::session::Session;

/// What a question has brought, before it is kept.
#[derive(Clone, Debug)]
pub(super) struct Brought {
    pub(super) ideas: Vec<String>,
    /// Those that say what earlier ones say, one for each that is missing at most.
    pub(super) refused: Vec<(String, Refusal)>,
    /// Why there are fewer than were asked for.
    pub(super) reason: Option<String>,
    pub(super) model: String,
    pub(super) spent: Spent,
}

/// Where a candidate stands whose idea comes from a shared question.
pub(super) enum Shared {
    /// It has its idea, and its share of the cost.
    Had(String, Spent),
    /// The question brought none for it.
    None(Unmade),
    /// The question is open.
    Open,
}

impl Search {
    /// The question that a node's idea is to come from, if it shares one.
    pub(super) fn call_of(&self, session: &Session, id: NodeId) -> Option<IdeaCall> {
        let node = tree(session).get(id).filter(|node| node.operator == Operator::Implement)?;
        node.tag.call
    }

    /// What a shared question has brought for a node.
    pub(super) fn shared_idea(
        &self,
        session: &Session,
        id: NodeId,
        call: IdeaCall,
    ) -> Result<Shared, Failure> {
        let tree = tree(session);
        let Some(had) = tree.get(id).and_then(|node| tree.ideas_of(&node.tag)) else {
            return Ok(Shared::Open);
        };
        let spent = had.share(call.position, call.ideas);
        let Some(idea) = had.ideas.get(call.position as usize) else {
            if let Some(refused) = had.refused.get(call.position as usize - had.ideas.len()) {
                let text = session.blobs().resolve(&refused.idea)?;
                let unmade = Unmade::by_rule(Gate::NearDuplicate, refused.reason.clone());
                let idea = Some(String::from_utf8_lossy(&text).into_owned());
                let idea_refused = true;
                return Ok(Shared::None(Unmade {
                    of: refused.of,
                    idea,
                    idea_refused,
                    attempts: 0,
                    spent,
                    ..unmade
                }));
            }
            let reason = had.reason.clone().unwrap_or_else(|| "there was no idea for it".to_owned());
            let unmade = Unmade::by_rule(Gate::NotImplemented, reason);
            return Ok(Shared::None(Unmade { attempts: 0, spent, ..unmade }));
        };
        let text = session.blobs().resolve(idea)?;
        Ok(Shared::Had(String::from_utf8_lossy(&text).into_owned(), spent))
    }

    /// Has a node wait for its question, and asks it if it is the turn of it.
    pub(super) fn await_ideas(&mut self, session: &mut Session, id: NodeId) -> Result<(), Failure> {
        let Some(epoch) = tree(session).get(id).map(|node| node.tag.epoch.unwrap_or_default()) else {
            return Ok(());
        };
        self.waiting_for_ideas.insert(id);
        match self.asking_for_ideas.contains(&epoch) {
            true => Ok(()),
            false => self.ask_for_ideas(session, id, epoch),
        }
    }

    pub(super) fn ask_for_ideas(
        &mut self,
        session: &mut Session,
        id: NodeId,
        epoch: u32,
    ) -> Result<(), Failure> {
        let Some(call) = self.call_of(session, id) else { return Ok(()) };
        let told = match self.opening(session, id, Step::Ideas { count: call.ideas, earlier: &[] }) {
            Ok(told) => told,
            Err(reason) => {
                self.waiting_for_ideas.remove(&id);
                return self.made(session, id, Err(Unmade::by_rule(Gate::NothingToDo, reason)));
            }
        };
        let Some(door) = self.idea_door.clone().or_else(|| self.choose_model(id)) else {
            return Err(super::unusable("ideas need a model"));
        };
        self.asking_for_ideas.insert(epoch);
        let settings = RequestSettings { temperature: self.spec.temperature, ..RequestSettings::default() };
        self.making.push(Box::pin(have_ideas(Question {
            node: id,
            round: self.rounds.get(&id).copied().unwrap_or_default(),
            asker: Asker { door, entries: self.entry_teller.clone() },
            teller: self.teller.clone(),
            settings,
            opening: told.messages,
            count: call.ideas as usize,
            repairs: self.spec.repairs,
            resamples: self.spec.novelty.resamples,
            owner: Owner::of(id, Some(epoch), Some(call)),
            judge: self.judge(),
        })));
        Ok(())
    }

    /// Keeps what a question has brought, and goes on with all that waited.
    pub(super) fn ideas_had(
        &mut self,
        session: &mut Session,
        id: NodeId,
        brought: Brought,
    ) -> Result<(), Failure> {
        let ideas =
            brought.ideas.iter().map(|idea| session.keep(idea.as_bytes())).collect::<Result<_, _>>()?;
        let refused = brought.refused.into_iter().map(|(idea, Refusal { reason, of })| {
            Ok(RefusedIdea { idea: session.keep(idea.as_bytes())?, reason: bounded(&reason), of })
        });
        let refused = refused.collect::<Result<_, Failure>>()?;
        let had = IdeasHad {
            node: id,
            ideas,
            refused,
            reason: brought.reason.as_deref().map(bounded),
            model: brought.model,
            spent: brought.spent,
            working_ms: session.working_ms(),
        };
        self.record(session, Event::IdeasHad(Box::new(had)))?;
        let epoch = tree(session).get(id).and_then(|node| node.tag.epoch).unwrap_or_default();
        self.asking_for_ideas.remove(&epoch);
        for waiting in std::mem::take(&mut self.waiting_for_ideas) {
            self.make(session, waiting)?;
        }
        Ok(())
    }
}
