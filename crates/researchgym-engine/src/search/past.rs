//! What a search knows of its log: told every event while the log is folded, so that a long one is read once and none of
//! its lines is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use researchgym_core::digest::Digest;
use researchgym_core::event::{Event, RunStarted};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::manifest::Manifest;
use researchgym_core::search::{Change, Ensemble, NodeId, Operator, SearchSpec, StageSpending};
use researchgym_core::spec::{AgentSpec, Fork};
use researchgym_core::state::RunState;
use researchgym_core::task::Task;

use super::contents::Contents;
use super::embedding::EmbeddedPast;
use super::mind::Memory;
use super::models::conversations_of;
use super::rules::Numbers;
use crate::session::{Answers, RecordedAsk};
use crate::store::{Blobs, LogReader, RunFolder};

/// See the module.
pub(crate) struct SearchPast {
    task: Arc<Task>,
    spec: SearchSpec,
    seed: u64,
    fork: Option<Fork>,
    blobs: Blobs,
    answers: Answers,
    /// If the search has a model for embeddings.
    embedded: Option<EmbeddedPast>,
    /// From the moment on at which the run had a workspace.
    known: Option<Known>,
}

/// What follows from the events so far.
pub(super) struct Known {
    /// The workspace with which the run began.
    pub(super) starter: Manifest,
    /// Its name.
    pub(super) snapshot: Digest,
    pub(super) contents: Contents,
    pub(super) numbers: Numbers,
    pub(super) memory: Memory,
    pub(super) ensemble: Ensemble,
    pub(super) spending: StageSpending,
}

impl SearchPast {
    /// Before anything has happened; `None` if the run's agent is no search.
    pub(crate) fn begin(started: &RunStarted, blobs: Blobs) -> Option<SearchPast> {
        let AgentSpec::Search(spec) = &started.spec.agent else { return None };
        Some(SearchPast {
            task: Arc::new((*started.task).clone()),
            spec: (**spec).clone(),
            seed: started.spec.seed,
            embedded: spec.novelty.embedding.as_deref().map(EmbeddedPast::begin),
            fork: started.spec.fork.clone(),
            blobs,
            answers: Answers::default(),
            known: None,
        })
    }

    /// That of a whole log.
    ///
    /// # Errors
    /// It cannot be read, its events make no sense, or a blob that they name is missing.
    pub(super) fn of(folder: &RunFolder) -> Result<SearchPast, Failure> {
        let broken = |problem: String| Failure::new(Boundary::Store, problem);
        let mut reader = LogReader::open(folder)?;
        let first = reader.next().ok_or_else(|| broken("the log is empty".to_owned()))??;
        let mut state = RunState::start(&first).map_err(|error| broken(error.to_string()))?;
        let mut past = SearchPast::begin(&state.started, folder.blobs())
            .ok_or_else(|| broken("the run is no search".to_owned()))?;
        for line in reader {
            let line = line?;
            state.apply(&line).map_err(|error| broken(error.to_string()))?;
            past.see(&line.event, &state)?;
        }
        Ok(past)
    }

    /// Takes in an event of the run that `state` has taken in just before.
    ///
    /// # Errors
    /// A blob that it names is missing or altered.
    pub(crate) fn see(&mut self, event: &Event, state: &RunState) -> Result<(), Failure> {
        self.answers.see(event);
        if let Some(embedded) = &mut self.embedded {
            embedded.see(event, state.search.as_deref(), &self.blobs)?;
        }
        match (event, &mut self.known) {
            (Event::WorkspaceReady { snapshot, .. }, known @ None) => {
                let starter = self.blobs.manifest(*snapshot)?;
                let contents = Contents::new(&self.task, &starter, self.blobs.clone())?;
                let has_cma = self.spec.operators.0.contains_key(&Operator::CmaEs);
                let numbers = Numbers::begin(&self.task, contents.baseline(), has_cma, self.seed);
                let (memory, ensemble) =
                    (Memory::begin(&self.spec.policy)?, Ensemble::new(self.spec.selection));
                let spending = StageSpending::default();
                *known = Some(Known {
                    snapshot: *snapshot,
                    starter,
                    contents,
                    numbers,
                    memory,
                    ensemble,
                    spending,
                });
            }
            (
                Event::Planned(_)
                | Event::NodeBuilt(_)
                | Event::NodeDropped(_)
                | Event::EvaluationBegan(_)
                | Event::Evaluated(_),
                Some(known),
            ) => {
                let Some(tree) = state.search.as_deref() else { return Ok(()) };
                for change in tree.changed() {
                    known.memory.observe(tree, *change);
                    known.numbers.observe(tree, *change, &mut known.contents);
                    known.ensemble.observe(tree, *change);
                    known.spending.observe(tree, *change);
                    if let Some(made) = made(*change) {
                        self.answers.forget(conversations_of(made));
                    }
                }
            }
            _ => {}
        }
        self.take_over(state);
        Ok(())
    }

    /// Where the history of another run ends: this run's policy takes over what another has planned, and no model is
    /// taken at the word that another search had of it.
    fn take_over(&mut self, state: &RunState) {
        let Some(fork) = &self.fork else { return };
        let events = state.events - 1;
        if events == fork.events {
            self.answers = Answers::default();
        }
        if fork.other_policy == Some(events)
            && let (Some(known), Some(tree)) = (&mut self.known, state.search.as_deref())
        {
            known.memory.take_over(tree, &self.spec.operators);
            known.spending = StageSpending::default();
        }
    }

    /// What is known at the end of the log, with the answers that nodes which are not made yet had from models, by
    /// conversation, and what it says of embeddings.
    ///
    /// # Errors
    /// The run never had a workspace.
    pub(super) fn known(self) -> Result<(Known, Told, Option<EmbeddedPast>), Failure> {
        let known = self.known.ok_or_else(|| Failure::new(Boundary::Store, "the run has no workspace"))?;
        Ok((known, self.answers.into_told(), self.embedded))
    }
}

/// Answers that nodes which are not made yet had from models, by conversation.
pub(super) type Told = BTreeMap<u64, VecDeque<RecordedAsk>>;

/// The node that is asked for no more.
fn made(change: Change) -> Option<NodeId> {
    match change {
        Change::Built(id) | Change::Settled(id) => Some(id),
        Change::Planned(..) | Change::Remeasured(_) => None,
    }
}
