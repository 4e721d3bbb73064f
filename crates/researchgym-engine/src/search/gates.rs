//! Gates: what a candidate must pass before anything is spent on its evaluation.

use std::sync::Arc;

use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::search::event::{Gate, NodeBuilt, NodeDropped, bounded};
use researchgym_core::search::lint::refusals;
use researchgym_core::search::similarity::{Shingles, artefact_digest};
use researchgym_core::search::{Node, NodeId, Operator, Tree};

use super::contents::changes;
use super::evaluator::Files;
use super::making::{Made, Unmade, is_pure};
use super::{Search, tree};
use crate::session::Session;

/// What the gates have seen of a candidate that passed them. It meets them twice, when it is proposed and when it is made,
/// and the second time only what has been built meanwhile can speak against it.
pub(super) struct Look {
    files: Arc<Files>,
    artefact: Digest,
    /// If near duplicates are refused, and it is one that could be.
    shingles: Option<Shingles>,
    /// How many different candidates there were.
    candidates: usize,
}

impl Search {
    /// Begins with a planned node.
    pub(super) fn make(&mut self, session: &mut Session, id: NodeId) -> Result<(), Failure> {
        let node = tree(session).get(id).ok_or_else(|| super::unusable(format!("there is no node {id}")))?;
        let operator = node.operator;
        if operator == Operator::Mutate {
            return self.mutate_beside(session, id);
        }
        if !is_pure(operator, !self.doors.is_empty()) {
            return self.make_beside(session, id);
        }
        let mut made = self.by_rule(session, id, 0)?;
        for attempt in 1..=u64::from(self.spec.novelty.resamples) {
            let Ok(candidate) = &made else { break };
            let Err(refused) = self.gate(session, id, &candidate.files) else { break };
            if refused.gate != Gate::Duplicate {
                break;
            }
            made = self.by_rule(session, id, attempt)?;
        }
        self.made(session, id, made)
    }

    /// Takes in what was made: through the gates into an evaluation, or dropped.
    pub(super) fn made(
        &mut self,
        session: &mut Session,
        id: NodeId,
        made: Result<Made, Unmade>,
    ) -> Result<(), Failure> {
        let passed = made.and_then(|made| match self.gate_made(session, id, &made) {
            Ok(()) => Ok(made),
            Err(refused) => Err(Unmade {
                idea: made.idea,
                model: made.model,
                attempts: made.attempts,
                spent: made.spent,
                ..refused
            }),
        });
        match passed {
            Ok(made) => {
                self.build(session, id, made)?;
                self.evaluate(session, id)
            }
            Err(unmade) => self.drop_node(session, id, unmade),
        }
    }

    fn gate_made(&mut self, session: &Session, id: NodeId, made: &Made) -> Result<(), Unmade> {
        self.gate(session, id, &made.files)?;
        self.is_new_in_meaning(id, made.judged.as_ref())
    }

    /// Whether a candidate may be evaluated, as far as its files say.
    pub(super) fn gate(&mut self, session: &Session, id: NodeId, files: &Arc<Files>) -> Result<(), Unmade> {
        let tree = tree(session);
        let operator = tree.get(id).map(|node| node.operator);
        if matches!(operator, Some(Operator::Baseline | Operator::Replicate)) {
            return Ok(());
        }
        let before = self.looks.remove(&id).filter(|look| Arc::ptr_eq(&look.files, files));
        let candidates = self.known.len();
        let look = match before {
            Some(look) if look.candidates == candidates => look,
            Some(look) => {
                self.is_another(id, look.artefact)?;
                self.is_new(tree, look.shingles.as_ref())?;
                Look { candidates, ..look }
            }
            None => {
                if let Some(error) = files.keys().find_map(|path| self.surface.check(path).err()) {
                    return Err(Unmade::by_rule(Gate::Surface, error.to_string()));
                }
                let artefact = artefact_digest(files);
                self.is_another(id, artefact)?;
                let writes_code =
                    operator.is_some_and(|operator| writes_code(operator, !self.doors.is_empty()));
                let shingles = self.similar.as_ref().filter(|_| writes_code).map(|_| Shingles::of(files));
                if writes_code {
                    self.lint(tree, id, files)?;
                    self.is_new(tree, shingles.as_ref())?;
                }
                Look { files: files.clone(), artefact, shingles, candidates }
            }
        };
        self.looks.insert(id, look);
        Ok(())
    }

    /// Whether no candidate consists of the same files.
    fn is_another(&self, id: NodeId, artefact: Digest) -> Result<(), Unmade> {
        match self.known.get(&artefact).copied().filter(|of| *of != id) {
            Some(of) => {
                let reason = format!("it is the same as node {of}");
                Err(Unmade { of: Some(of), ..Unmade::by_rule(Gate::Duplicate, reason) })
            }
            None => Ok(()),
        }
    }

    /// Whether the changed files hold nothing that no honest candidate has.
    fn lint(&mut self, tree: &Tree, id: NodeId, files: &Files) -> Result<(), Unmade> {
        let base = tree.get(id).and_then(Node::base).unwrap_or(0);
        let Ok(base) = self.contents.inherited(tree, base) else { return Ok(()) };
        let changed = changes(&base, files).into_iter().filter_map(|(path, content)| {
            let text = String::from_utf8_lossy(content?).into_owned();
            Some((path, text))
        });
        match refusals(&self.task, &changed.collect()).first() {
            Some(refusal) => Err(Unmade::by_rule(Gate::Leakage, refusal.to_string())),
            None => Ok(()),
        }
    }

    /// Whether it is not nearly the same as an earlier candidate.
    fn is_new(&mut self, tree: &Tree, shingles: Option<&Shingles>) -> Result<(), Unmade> {
        let (Some(index), Some(shingles)) = (&self.similar, shingles) else { return Ok(()) };
        let contents = &mut self.contents;
        let nearest = index
            .nearest_exactly(shingles, |node| contents.of(tree, node).ok().map(|files| Shingles::of(&files)));
        match nearest.filter(|(_, similarity)| *similarity >= self.spec.novelty.similarity) {
            Some((of, similarity)) => {
                let reason = format!("{:.1} % of it is the same as node {of}", similarity * 100.0);
                Err(Unmade { of: Some(of), ..Unmade::by_rule(Gate::NearDuplicate, reason) })
            }
            None => Ok(()),
        }
    }

    fn build(&mut self, session: &mut Session, id: NodeId, made: Made) -> Result<(), Failure> {
        let tree = tree(session);
        let node = tree.get(id);
        let base = match node.and_then(|node| node.base()) {
            Some(base) => self.contents.inherited(tree, base)?,
            None => self.contents.baseline().clone(),
        };
        let changed = changes(&base, &made.files)
            .into_iter()
            .map(|(path, content)| {
                let body = content.map(|content| session.keep(content)).transpose()?;
                Ok((path, body))
            })
            .collect::<Result<_, Failure>>()?;
        let look = self.looks.remove(&id).filter(|look| Arc::ptr_eq(&look.files, &made.files));
        let artefact = look.as_ref().map_or_else(|| artefact_digest(&made.files), |look| look.artefact);
        let is_candidate = node.is_some_and(|node| node.is_candidate());
        let built = NodeBuilt {
            node: id,
            artefact,
            size: made.files.values().map(|content| content.len() as u64).sum(),
            changes: changed,
            idea: idea(session, made.idea.as_deref())?,
            model: made.model,
            shown: made.shown,
            embedding: self.meaning_built(id, made.judged),
            attempts: made.attempts,
            spent: made.spent,
            working_ms: session.working_ms(),
        };
        self.nothing.0 = 0;
        self.gather(session, Event::NodeBuilt(Box::new(built)))?;
        if is_candidate {
            self.known.entry(artefact).or_insert(id);
            if let Some(index) = &mut self.similar {
                let shingles = look.and_then(|look| look.shingles);
                index.insert(id, &shingles.unwrap_or_else(|| Shingles::of(&made.files)));
            }
        }
        Ok(())
    }

    fn drop_node(&mut self, session: &mut Session, id: NodeId, unmade: Unmade) -> Result<(), Failure> {
        let dropped = NodeDropped {
            node: id,
            gate: unmade.gate,
            reason: bounded(&unmade.reason),
            of: unmade.of,
            idea: idea(session, unmade.idea.as_deref())?,
            idea_refused: unmade.idea_refused,
            model: unmade.model,
            attempts: unmade.attempts,
            spent: unmade.spent,
            working_ms: session.working_ms(),
        };
        self.is_waiting = false;
        self.looks.remove(&id);
        self.meaning_dropped(session, id, dropped.gate);
        self.nothing = (self.nothing.0 + 1, dropped.reason.clone());
        self.record(session, Event::NodeDropped(Box::new(dropped)))
    }
}

/// Whether what an operator makes is a program that is to be looked at; numbers alone are not.
fn writes_code(operator: Operator, has_model: bool) -> bool {
    operator.needs_model() || operator == Operator::Mutate || operator == Operator::Crossover && has_model
}

fn idea(session: &Session, text: Option<&str>) -> Result<Option<Body>, Failure> {
    text.map(|text| session.keep(text.as_bytes())).transpose()
}
