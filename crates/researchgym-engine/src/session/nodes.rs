//! What a search needs of its session: events of its own, and model calls of which many are under way at once.
//!
//! The session still is the only one that appends. A call is granted and recorded here, sent by whoever makes the
//! candidate, and booked here.

use std::sync::Arc;
use std::time::Duration;

use researchgym_core::action::Body;
use researchgym_core::event::{CallOutcome, Event, Line};
use researchgym_core::failure::Failure;
use researchgym_core::ledger::{Grant, Shortage};
use researchgym_core::model::{Conversation, ModelFailure, Reply, RequestSettings};
use researchgym_core::search::Tree;
use researchgym_core::spec::MicroUsd;

use super::ask::stopped;
use super::record::RecordedAsk;
use super::{Session, Stop};
use crate::model::{Attempted, Door};
use crate::search::SearchPast;
use crate::store::{Blobs, RunFolder};
use crate::workbench::Workbench;

/// A call that may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    /// Its number.
    pub(crate) call: u64,
    /// What it may use.
    pub(crate) grant: Grant,
    /// Calls of this model that came to an end before, for scripted models.
    pub(crate) position: u64,
}

/// How a call was sent and what came of it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) attempted: Attempted,
    pub(crate) attempts: u32,
    pub(crate) waited: Duration,
}

/// A call as it was booked.
#[derive(Debug)]
pub(crate) struct Booked {
    /// The answer with the tokens of prompt and answer, if they are known; or why there is none.
    pub(crate) result: Result<(Reply, Option<u64>), ModelFailure>,
    pub(crate) cost: MicroUsd,
    pub(crate) tokens: u64,
    /// It was paid for and failed in a way that passes: after how long it may be asked once more.
    pub(crate) again: Option<Duration>,
}

impl Session {
    /// The nodes so far; `None` if the run is no search.
    pub(crate) fn tree(&self) -> Option<&Tree> {
        self.recorder.state.search.as_deref()
    }

    /// Appends an event of the search.
    pub(crate) fn record_node(&mut self, event: Event) -> Result<Line, Failure> {
        self.recorder.append(event)
    }

    /// The same for an event that another one or [waiting](Session::wait_for) follows before anything outside builds on it.
    pub(crate) fn gather_node(&mut self, event: Event) -> Result<(), Failure> {
        self.recorder.gather(event)
    }

    /// Waits until all of them are on the disk.
    pub(crate) fn sync_nodes(&mut self) -> Result<(), Failure> {
        tokio::task::block_in_place(|| self.recorder.sync())
    }

    /// Has them brought to the disk beside the loop.
    pub(crate) fn sync_nodes_beside(&mut self) -> Result<(), Failure> {
        self.recorder.sync_beside()
    }

    /// Keeps a text or a file: short in the log, else as a blob; never with a key in it.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Body, Failure> {
        self.recorder.keep(bytes)
    }

    /// Working time so far, in milliseconds.
    pub(crate) fn working_ms(&self) -> u64 {
        self.clock.working_ms()
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> &RunFolder {
        &self.recorder.folder
    }

    /// The run's blobs.
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.recorder.blobs
    }

    /// What the runs of this process share.
    pub(crate) fn workbench(&self) -> &Arc<Workbench> {
        &self.workbench
    }

    /// What the search knows of its log, if that was read for it already; once.
    pub(crate) fn take_search_past(&mut self) -> Option<Box<SearchPast>> {
        self.search_past.take()
    }

    /// The way to the run's model.
    pub(crate) fn door(&self) -> Option<&Arc<Door>> {
        self.door.as_ref()
    }

    /// Waits while all that is under way stands in a cluster's queue: no working time, so that no limit of it ends the wait.
    ///
    /// # Errors
    /// As [`Session::think`].
    pub(crate) async fn wait_in_queue<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Stop> {
        self.clock.hold();
        let waited = self.wait_for(something).await;
        self.clock.release();
        waited
    }

    /// Whether the run may do one more thing, limits on steps left aside.
    ///
    /// # Errors
    /// [`Stop`] when it may not.
    pub(crate) async fn may_plan(&mut self) -> Result<(), Stop> {
        self.attend_desk().await?;
        if *self.cancelled.borrow() {
            return Err(Stop::Ended(researchgym_core::event::Ending::Cancelled));
        }
        let mut used = self.recorder.state.used();
        used.working_ms = self.clock.working_ms();
        used.steps = 0;
        match self.recorder.state.limits.reached(used) {
            Some(ending) => Err(Stop::Ended(ending)),
            None => Ok(()),
        }
    }

    /// Writes a file into the workspace as its user would.
    ///
    /// # Errors
    /// The sandbox broke, or does not let the file be written.
    pub(crate) async fn place(&self, path: &str, content: &[u8], mode: u32) -> Result<(), Failure> {
        use researchgym_core::failure::Boundary;
        match self.sandbox.write_file(path, content, mode).await? {
            Ok(_) => Ok(()),
            Err(refusal) => Err(Failure::new(
                Boundary::Sandbox,
                format!("the best candidate cannot be placed: {refusal}"),
            )),
        }
    }

    /// Takes a file out of the workspace again.
    ///
    /// # Errors
    /// The sandbox broke.
    pub(crate) async fn take_away(&self, paths: &[String]) -> Result<(), Failure> {
        let quoted: Vec<String> =
            paths.iter().map(|path| format!("'{}'", path.replace('\'', r"'\''"))).collect();
        let mut capture = self.capture();
        let command = format!("rm -rf -- {}", quoted.join(" "));
        self.sandbox.exec(&command, Duration::from_secs(60), &mut capture).await?;
        Ok(())
    }

    /// Sets aside what a question can cost and records it.
    ///
    /// # Errors
    /// The log cannot be written; the inner error: less is left than the question can cost.
    pub(crate) fn begin_call(
        &mut self,
        door: &Door,
        conversation: &mut Conversation,
        settings: &RequestSettings,
        retry_of: Option<u64>,
    ) -> Result<Result<Granted, Shortage>, Failure> {
        let grant = match self.granted(door, conversation, settings) {
            Ok(grant) => grant,
            Err(shortage) => return Ok(Err(shortage)),
        };
        let call = self.set_aside(door, conversation, settings, grant, retry_of)?;
        let (state, model) = (&self.recorder.state, &door.endpoint.target.name);
        // This one is under way already.
        let position = state.exchanges_with(model) + state.under_way_with(model) - 1;
        Ok(Ok(Granted { call, grant, position }))
    }

    /// Records that a call is tried again.
    pub(crate) fn call_retried(
        &mut self,
        call: u64,
        failure: ModelFailure,
        wait: Duration,
    ) -> Result<(), Failure> {
        let wait_ms = wait.as_millis() as u64;
        self.recorder.append(Event::ModelRetried { call, failure, wait_ms }).map(drop)
    }

    /// Books a call that is over, as [gathered](Session::gather_node). [`Session::sync_nodes_beside`] is to follow.
    pub(crate) fn book_call(
        &mut self,
        door: &Door,
        granted: Granted,
        sent: &Sent,
    ) -> Result<Booked, Failure> {
        let Sent { attempted, attempts, waited } = sent;
        let latency = attempted.latency;
        let Granted { call, grant, .. } = granted;
        let outcome = self.called(door, call, grant, attempted, *attempts, *waited, latency)?;
        let (cost, tokens) = (outcome.called.cost, outcome.called.usage.total());
        self.recorder.gather(Event::ModelCalled(Box::new(outcome.called)))?;
        Ok(Booked { result: outcome.result, cost, tokens, again: outcome.again })
    }

    /// Books a call that is given up while it is under way: at the most that it can cost.
    pub(crate) fn abandon_call(&mut self, door: &Door, granted: Granted) -> Result<(), Failure> {
        let attempted = stopped(granted.grant);
        let sent = Sent { attempted, attempts: 1, waited: Duration::ZERO };
        self.book_call(door, granted, &sent).map(drop)
    }

    /// The answer on record to a question that was asked before the run was interrupted. The recorded messages take the
    /// place of the new ones.
    ///
    /// # Errors
    /// A blob is missing. `None`: the record does not fit the conversation.
    pub(crate) fn recorded_answer(
        &self,
        conversation: &mut Conversation,
        ask: &RecordedAsk,
    ) -> Result<Option<Reply>, Failure> {
        let CallOutcome::Answered { response, .. } = &ask.called.outcome else { return Ok(None) };
        let added = ask.added.iter().map(|body| self.message(body)).collect::<Result<Vec<_>, Failure>>()?;
        if !conversation.recall(ask.kept as usize, added) {
            return Ok(None);
        }
        let bytes = self.recorder.blobs.resolve(response)?;
        let Ok(reply) = serde_json::from_slice::<Reply>(&bytes) else { return Ok(None) };
        let tokens = ask.called.usage_reported.then(|| ask.called.usage.total());
        conversation.answered(reply.turn.clone(), tokens);
        Ok(Some(reply))
    }
}
