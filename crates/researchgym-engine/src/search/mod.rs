//! The agent `search`: plans, makes, gates and evaluates candidates until a limit, a target or patience ends it, and
//! submits the best.
//!
//! One loop owns the log (`Search`). Candidates that need a model are made beside it and evaluations run beside it; what
//! they say comes back as messages, in any order. On resumption the policy is told the recorded events again, nodes that
//! were not finished are finished, and recorded answers of models are not asked for again.

mod asking;
mod calls;
pub(crate) mod contents;
mod ending;
mod evaluations;
mod evaluator;
mod fake;
mod gates;
mod local;
mod making;
mod mind;
mod models;
mod mutations;
mod mutator;
mod opening;
mod past;
mod planning;
mod prompts;
mod rules;
mod surface;
mod warm;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use researchgym_core::action::Action;
use researchgym_core::digest::Digest;
use researchgym_core::edit::Surface;
use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::search::context::{Step, Told};
use researchgym_core::search::similarity::Index;
use researchgym_core::search::{Ensemble, NodeId, SearchSpec, StageSpending, Status, Tree};
use researchgym_core::task::Task;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::asking::{Entry, Wish};
use self::contents::Contents;
pub use self::evaluator::{
    Evaluation, Evaluator, Files, Job, JobGrading, Progress, ProgressTeller, Queued, Said, Verdict,
};
pub use self::fake::Fake;
use self::gates::Look;
use self::making::{Made, Unmade};
use self::mind::Mind;
pub(crate) use self::mind::kill_policy_of;
use self::mutator::Mutator;
pub(crate) use self::past::SearchPast;
use self::rules::Numbers;
use crate::agent::GivesUp;
use crate::model::Door;
use crate::session::{Granted, RecordedAsk, Session, Stop};

/// Scores reach the disk at least this often.
const SYNC_EVERY_MS: u128 = 100;

/// A search at work.
struct Search {
    spec: SearchSpec,
    task: Arc<Task>,
    /// What candidates may change.
    surface: Arc<Surface>,
    seed: u64,
    mind: Mind,
    numbers: Numbers,
    contents: Contents,
    /// Candidates by the hash of their files.
    known: HashMap<Digest, NodeId>,
    /// Candidates that have passed the gates and are not built yet.
    looks: BTreeMap<NodeId, Look>,
    /// Candidates by what they have in common, if near duplicates are refused.
    similar: Option<Index>,
    ensemble: Ensemble,
    spending: StageSpending,
    mutator: Arc<Mutator>,
    evaluator: Arc<dyn Evaluator>,
    /// The ways to the models: the run's own first, then the others of the ensemble, with their weights.
    doors: Vec<(Arc<Door>, f64)>,
    /// The task's description, for models.
    description: String,
    /// Protected files, for models.
    protected: Files,
    messages: mpsc::UnboundedReceiver<Message>,
    teller: mpsc::UnboundedSender<Message>,
    entries: mpsc::UnboundedReceiver<Entry>,
    entry_teller: mpsc::UnboundedSender<Entry>,
    beside: JoinSet<()>,
    /// Calls under way.
    calls: BTreeMap<u64, (Arc<Door>, Granted)>,
    /// Questions for which too little is left while others are under way.
    parked: VecDeque<Wish>,
    /// Answers from before the run was interrupted, by conversation.
    answers: BTreeMap<u64, VecDeque<RecordedAsk>>,
    /// Evaluations under way that wait in a cluster's queue.
    queued: BTreeSet<u64>,
    /// Evaluations in a row in which the machine failed.
    broken: u32,
    /// Plans in a row that came to nothing before any evaluation, and why the last one did.
    nothing: (u64, String),
    /// Why no more is planned.
    winding: Option<Why>,
    /// The policy waits for what is under way.
    is_waiting: bool,
    synced: Instant,
    is_unsynced: bool,
}

/// Why a search plans no more.
#[derive(Clone, Debug, PartialEq)]
enum Why {
    /// In words for the log; the best is submitted.
    Done(String),
    /// All candidates that the run may make are planned.
    Limit(Ending),
    /// Less is left than the next question can cost.
    Short(Ending),
}

/// What comes back from beside the loop.
enum Message {
    /// A candidate, or why there is none.
    Made { node: NodeId, made: Result<Made, Unmade> },
    /// Whether a candidate would pass the gates, for who may make another instead.
    Proposed { node: NodeId, files: Arc<Files>, answer: tokio::sync::oneshot::Sender<Result<(), Unmade>> },
    /// An idea was had: what is the model told for its code?
    CodeOpening { node: NodeId, idea: String, answer: tokio::sync::oneshot::Sender<Result<Told, String>> },
    /// What makes candidates cannot be used at all: the search cannot go on.
    MakingEnds(Failure),
    /// How an evaluation under way stands.
    Progressed { evaluation: u64, progress: Progress },
    /// An evaluation is over.
    Evaluated { evaluation: u64, wall_ms: u64, result: Box<Result<Evaluation, Failure>> },
}

/// Lets the search work until the run is over.
pub(crate) async fn drive(
    session: &mut Session,
    spec: &SearchSpec,
    evaluator: Option<Arc<dyn Evaluator>>,
    ensemble: Vec<Arc<Door>>,
) -> Result<GivesUp, Stop> {
    let mut search = Search::open(session, spec, evaluator, &ensemble)?;
    let outcome = search.work(session).await;
    search.wind_up(session)?;
    search.evaluator.clone().close().await;
    match outcome {
        Ok(Why::Done(reason)) => {
            session.remark(&format!("the search ends: {reason}"))?;
            if !search.place_best(session).await? {
                return Ok(GivesUp);
            }
            session.step(Action::Submit).await?;
            Ok(GivesUp)
        }
        Ok(Why::Limit(ending) | Why::Short(ending)) => {
            search.place_best(session).await?;
            Err(Stop::Ended(ending))
        }
        Err(Stop::Ended(ending)) if ending.is_graded() => {
            search.place_best(session).await?;
            Err(Stop::Ended(ending))
        }
        Err(stop) => Err(stop),
    }
}

impl Search {
    /// Plans, waits and takes in, until nothing more is to be done.
    async fn work(&mut self, session: &mut Session) -> Result<Why, Stop> {
        self.take_up(session).await?;
        loop {
            self.plan(session).await?;
            if self.is_idle(session) {
                let why = self.winding.clone();
                return Ok(why.unwrap_or_else(|| Why::Done("the policy has nothing more to try".into())));
            }
            self.take_in(session).await?;
            self.sync_if_due(session)?;
        }
    }

    /// Goes on with what an earlier segment left unfinished; or begins with the baseline.
    async fn take_up(&mut self, session: &mut Session) -> Result<(), Stop> {
        if tree(session).nodes().is_empty() {
            return Ok(self.plan_baseline(session)?);
        }
        let open: Vec<(NodeId, Status)> = tree(session)
            .nodes()
            .iter()
            .filter(|node| !node.status.is_settled())
            .map(|node| (node.id, node.status.clone()))
            .collect();
        for (node, status) in open {
            match status {
                Status::Built => self.evaluate(session, node)?,
                _ => self.make(session, node)?,
            }
        }
        Ok(())
    }

    fn is_idle(&self, session: &Session) -> bool {
        let nothing_under_way = self.beside.is_empty() && self.messages.is_empty() && self.entries.is_empty();
        match &self.winding {
            // What is still open waits for a model that is not asked any more.
            Some(Why::Short(_)) => nothing_under_way || self.only_parked(),
            _ => tree(session).unsettled() == 0 && nothing_under_way,
        }
    }

    /// Waits for the next message and takes it in, with all that lie ready.
    async fn take_in(&mut self, session: &mut Session) -> Result<(), Stop> {
        enum Next {
            Message(Option<Message>),
            Entry(Option<Entry>),
            Ended,
        }
        let next = {
            let (messages, entries, beside) = (&mut self.messages, &mut self.entries, &mut self.beside);
            session
                .wait_for(async {
                    tokio::select! {
                        biased;
                        entry = entries.recv() => Next::Entry(entry),
                        message = messages.recv() => Next::Message(message),
                        Some(_) = beside.join_next() => Next::Ended,
                    }
                })
                .await?
        };
        match next {
            Next::Message(Some(message)) => self.on_message(session, message)?,
            Next::Entry(Some(entry)) => self.on_entry(session, entry)?,
            Next::Message(None) | Next::Entry(None) | Next::Ended => {}
        }
        Ok(())
    }

    fn on_message(&mut self, session: &mut Session, message: Message) -> Result<(), Failure> {
        self.is_waiting = false;
        match message {
            Message::Made { node, made } => self.made(session, node, made),
            Message::Proposed { node, files, answer } => {
                // Who has gone has been ended.
                let _ = answer.send(self.gate(session, node, &files));
                Ok(())
            }
            Message::CodeOpening { node, idea, answer } => {
                let _ = answer.send(self.opening(session, node, Step::Code { idea: Some(&idea) }));
                Ok(())
            }
            Message::MakingEnds(failure) => Err(failure),
            Message::Progressed { evaluation, progress } => self.progressed(session, evaluation, progress),
            Message::Evaluated { evaluation, wall_ms, result } => {
                self.evaluated(session, evaluation, wall_ms, *result)
            }
        }
    }

    /// Appends an event of the search and tells the policy what it changed.
    fn record(&mut self, session: &mut Session, event: Event) -> Result<(), Failure> {
        session.record_node(event)?;
        let tree = tree(session);
        for change in tree.changed() {
            self.mind.observe(tree, *change);
            self.numbers.observe(tree, *change, &mut self.contents);
            self.ensemble.observe(tree, *change);
            self.spending.observe(tree, *change);
        }
        Ok(())
    }

    fn sync_if_due(&mut self, session: &mut Session) -> Result<(), Failure> {
        if self.is_unsynced && self.synced.elapsed().as_millis() >= SYNC_EVERY_MS {
            session.sync_nodes()?;
            self.synced = Instant::now();
            self.is_unsynced = false;
        }
        Ok(())
    }
}

/// The tree of a run whose agent is a search.
fn tree(session: &Session) -> &Tree {
    session.tree().expect("a run of the agent `search` has a tree from its first event on")
}

/// A search without what it needs.
fn unusable(message: impl Into<String>) -> Failure {
    Failure::new(Boundary::Agent, message)
}
