//! The agent `search`: plans, makes, gates and evaluates candidates until a limit, a target or patience ends it, and
//! submits the best.
//!
//! One loop owns the log (`Search`). Candidates that need a model are made beside it and evaluations run beside it; what
//! they say comes back as messages, in any order. On resumption the policy is told the recorded events again, nodes that
//! were not finished are finished, and recorded answers of models are not asked for again.

mod asking;
mod calls;
mod cluster;
pub(crate) mod contents;
mod embedding;
mod ending;
mod evaluations;
mod evaluator;
mod fake;
mod faults;
mod gates;
mod ideas;
mod local;
mod making;
mod meaning;
mod meter;
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
mod takeover;
mod warm;
mod warm_stage;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use researchgym_core::action::Action;
use researchgym_core::digest::Digest;
use researchgym_core::edit::Surface;
use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::search::context::{Memory, Step, Told};
use researchgym_core::search::similarity::Index;
use researchgym_core::search::{Ensemble, NodeId, SearchSpec, StageSpending, Status, Tree};
use researchgym_core::task::Task;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::asking::{Entry, Wish};
pub use self::cluster::needs_of_evaluation;
use self::contents::Contents;
use self::embedding::Embeddings;
pub use self::evaluator::{
    Evaluation, Evaluator, Files, Job, JobGrading, Progress, ProgressTeller, Queued, Said, Verdict,
};
pub use self::fake::Fake;
use self::gates::Look;
use self::ideas::Brought;
pub(crate) use self::local::{InJob, Local};
use self::making::{Made, Unmade};
use self::mind::Mind;
pub(crate) use self::mind::kill_policy_of;
use self::mutator::Mutator;
pub(crate) use self::past::SearchPast;
use self::rules::Numbers;
pub(crate) use self::warm::Pool;
use crate::agent::GivesUp;
use crate::executor::Cluster;
use crate::gpu::Gpus;
use crate::model::Door;
use crate::session::{Granted, RecordedAsk, Session, Stop};

/// What was paid for and what was measured is brought to the disk this often, where there is any.
const SYNC_EVERY: Duration = Duration::from_millis(100);

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
    /// What a model says of them, if one is asked.
    embeddings: Option<Embeddings>,
    ensemble: Ensemble,
    spending: StageSpending,
    mutator: Arc<Mutator>,
    evaluator: Arc<dyn Evaluator>,
    /// The way to the model that has the ideas, if it is another.
    idea_door: Option<Arc<Door>>,
    /// Candidates whose idea is still to come from a shared question.
    waiting_for_ideas: BTreeSet<NodeId>,
    /// Epochs for which such a question is under way.
    asking_for_ideas: BTreeSet<u32>,
    /// The ways to the models: the run's own first, then the others of the ensemble, with their weights.
    doors: Vec<(Arc<Door>, f64)>,
    /// Those of them that could not be asked, by name: the others do their work until the run is resumed.
    silent: BTreeSet<String>,
    /// How many models could not be asked for a node.
    rounds: HashMap<NodeId, u64>,
    /// The task's description, for models.
    description: String,
    /// Protected files, for models.
    protected: Files,
    /// What was put into words for models.
    told: Memory,
    messages: mpsc::UnboundedReceiver<Message>,
    teller: mpsc::UnboundedSender<Message>,
    entries: mpsc::UnboundedReceiver<Entry>,
    entry_teller: mpsc::UnboundedSender<Entry>,
    beside: JoinSet<()>,
    /// Who makes candidates with models: on the loop's own thread, because waking another one takes longer than all that
    /// they do between two questions.
    making: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Calls under way.
    calls: BTreeMap<u64, (Arc<Door>, Granted)>,
    /// Questions for which too little is left while others are under way.
    parked: VecDeque<Wish>,
    /// Answers from before the run was interrupted, by conversation.
    answers: BTreeMap<u64, VecDeque<RecordedAsk>>,
    /// Candidates that are made and wait until one may be evaluated, the first one first.
    awaiting: VecDeque<NodeId>,
    /// Evaluations under way that wait in a cluster's queue.
    queued: BTreeSet<u64>,
    /// Why some waited there, as far as it was told.
    told_waits: BTreeSet<String>,
    /// Evaluations that are over and may not be on the disk yet.
    finished: Vec<u64>,
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
    /// What a question for several ideas has brought.
    IdeasHad { node: NodeId, brought: Brought },
    /// An idea was had: what is the model told for its code?
    CodeOpening { node: NodeId, idea: String, answer: tokio::sync::oneshot::Sender<Result<Told, String>> },
    /// What makes candidates cannot be used at all: the search cannot go on.
    MakingEnds(Failure),
    /// A model that makes a node's candidate, or has the ideas that a node asks for, cannot be asked.
    ModelEnds { node: NodeId, model: String, failure: Failure },
    /// About embeddings.
    Embedding(meaning::Entry),
    /// How an evaluation under way stands.
    Progressed { evaluation: u64, progress: Progress },
    /// An evaluation is over.
    Evaluated { evaluation: u64, wall_ms: u64, result: Box<Result<Evaluation, Failure>> },
}

impl Message {
    /// Whether it changes nothing for the policy: who makes a candidate only asks.
    fn is_question(&self) -> bool {
        matches!(self, Message::Proposed { .. } | Message::CodeOpening { .. } | Message::Embedding(_))
    }
}

/// What a loop waits for.
enum Came {
    Entry(Entry),
    Message(Message),
    /// Something beside the loop has ended.
    Ended,
}

/// Where candidates may be evaluated.
pub(crate) struct Places {
    /// By this, wherever that is.
    pub(crate) evaluator: Option<Arc<dyn Evaluator>>,
    /// On this cluster, if the run says so.
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
    /// With GPUs of this machine, if the run asks for some.
    pub(crate) gpus: Option<Arc<Gpus>>,
}

/// The ways to the models of a search beside the run's own.
#[derive(Clone, Default)]
pub struct Ways {
    /// Further models, in the order of the search's specification.
    pub ensemble: Vec<Arc<Door>>,
    /// The model that has the ideas, if the specification names one.
    pub ideas: Option<Arc<Door>>,
    /// The model that makes embeddings, if the specification names one.
    pub embeddings: Option<Arc<Door>>,
}

/// Lets the search work until the run is over.
pub(crate) async fn drive(
    session: &mut Session,
    spec: &SearchSpec,
    places: Places,
    ways: Ways,
) -> Result<GivesUp, Stop> {
    let mut search = Search::open(session, spec, places, &ways)?;
    let outcome = search.work(session).await;
    let wound_up = search.wind_up(session);
    // What is under way ends when it is dropped, and is dropped now.
    search.making.clear();
    search.beside.shutdown().await;
    search.evaluator.clone().close().await;
    // What broke first is what is told of.
    if !matches!(outcome, Err(Stop::Failed(_))) {
        wound_up?;
    }
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
        self.try_embeddings(session).await?;
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
            let under_way = tree(session).under_way().iter();
            let kept = under_way.filter(|(_, of)| **of == node).map(|(evaluation, _)| *evaluation).next();
            match status {
                Status::Built => match kept {
                    Some(evaluation) => self.await_again(session, node, evaluation)?,
                    None => self.evaluate(session, node)?,
                },
                _ if self.is_unmakable(session, node) => self.leave(session, node)?,
                _ => self.make(session, node)?,
            }
        }
        Ok(())
    }

    fn is_idle(&self, session: &Session) -> bool {
        let nothing_under_way = self.under_way() == 0 && self.messages.is_empty() && self.entries.is_empty();
        match &self.winding {
            // What is still open waits for a model that is not asked any more.
            Some(Why::Short(_)) => nothing_under_way || self.only_parked(),
            _ => tree(session).unsettled() == 0 && nothing_under_way,
        }
    }

    /// How many candidates, questions and evaluations are at work.
    fn under_way(&self) -> usize {
        self.beside.len() + self.making.len()
    }

    /// Takes in what lies ready, or waits for what comes next: up to one thing after which there may be something to plan.
    async fn take_in(&mut self, session: &mut Session) -> Result<(), Stop> {
        let mut next = match self.ready() {
            Some(came) => Some(came),
            None => Some(self.wait(session).await?),
        };
        while let Some(came) = next {
            match came {
                Came::Entry(entry) => self.on_entry(session, entry)?,
                Came::Message(message) => {
                    let is_question = message.is_question();
                    self.on_message(session, message)?;
                    if !is_question {
                        return Ok(());
                    }
                }
                Came::Ended => return Ok(()),
            }
            // Whoever has asked goes on at once.
            next = self.ready();
        }
        Ok(())
    }

    /// What lies ready, those who make candidates having gone as far as they can.
    fn ready(&mut self) -> Option<Came> {
        let mut went_on = None;
        loop {
            if let Ok(entry) = self.entries.try_recv() {
                return Some(Came::Entry(entry));
            }
            if let Ok(message) = self.messages.try_recv() {
                return Some(Came::Message(message));
            }
            match went_on {
                // Whether one of them has ended matters only where it has told nothing.
                Some(has_ended) => return bool::then_some(has_ended, Came::Ended),
                None => went_on = Some(matches!(self.making.next().now_or_never(), Some(Some(())))),
            }
        }
    }

    async fn wait(&mut self, session: &mut Session) -> Result<Came, Stop> {
        let due = self.due();
        let only_queued = self.only_queued(session);
        let (messages, entries) = (&mut self.messages, &mut self.entries);
        let (beside, making) = (&mut self.beside, &mut self.making);
        let next = async {
            tokio::select! {
                biased;
                Some(entry) = entries.recv() => Came::Entry(entry),
                Some(message) = messages.recv() => Came::Message(message),
                Some(()) = making.next() => Came::Ended,
                Some(_) = beside.join_next() => Came::Ended,
                () = due => Came::Ended,
            }
        };
        match only_queued {
            true => session.wait_in_queue(next).await,
            false => session.wait_for(next).await,
        }
    }

    /// Whether all that is under way waits in a cluster's queue, so that nobody works for the run.
    fn only_queued(&self, session: &Session) -> bool {
        let evaluations = tree(session).under_way().len();
        evaluations > 0
            && self.queued.len() == evaluations
            && self.under_way() == evaluations
            && self.messages.is_empty()
            && self.entries.is_empty()
    }

    fn on_message(&mut self, session: &mut Session, message: Message) -> Result<(), Failure> {
        // Vectors are nothing that a policy waits for.
        self.is_waiting &= matches!(message, Message::Embedding(_));
        match message {
            Message::Made { node, made } => self.made(session, node, made),
            Message::Proposed { node, files, answer } => {
                // Who has gone has been ended.
                let _ = answer.send(self.gate(session, node, &files));
                Ok(())
            }
            Message::IdeasHad { node, brought } => self.ideas_had(session, node, brought),
            Message::CodeOpening { node, idea, answer } => {
                let _ = answer.send(self.opening(session, node, Step::Code { idea: Some(&idea) }));
                Ok(())
            }
            Message::MakingEnds(failure) => Err(failure),
            Message::ModelEnds { node, model, failure } => self.without_model(session, node, model, failure),
            Message::Embedding(entry) => self.on_embedding(session, entry),
            Message::Progressed { evaluation, progress } => self.progressed(session, evaluation, progress),
            Message::Evaluated { evaluation, wall_ms, result } => {
                self.evaluated(session, evaluation, wall_ms, *result)
            }
        }
    }

    /// Appends an event of the search and tells the policy what it changed.
    fn record(&mut self, session: &mut Session, event: Event) -> Result<(), Failure> {
        session.record_node(event)?;
        self.observe(session);
        Ok(())
    }

    /// The same for an event that [another follows](Session::gather_node) before anything outside builds on it.
    fn gather(&mut self, session: &mut Session, event: Event) -> Result<(), Failure> {
        session.gather_node(event)?;
        self.observe(session);
        Ok(())
    }

    fn observe(&mut self, session: &Session) {
        let tree = tree(session);
        for change in tree.changed() {
            self.mind.observe(tree, *change);
            self.numbers.observe(tree, *change, &mut self.contents);
            self.ensemble.observe(tree, *change);
            self.spending.observe(tree, *change);
        }
    }

    /// Until what was booked or measured is to reach the disk, if anything was.
    fn due(&self) -> impl Future<Output = ()> + use<> {
        let at = self.is_unsynced.then(|| tokio::time::Instant::from_std(self.synced + SYNC_EVERY));
        async move {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    fn sync_if_due(&mut self, session: &mut Session) -> Result<(), Failure> {
        if !self.is_unsynced || self.synced.elapsed() < SYNC_EVERY {
            return Ok(());
        }
        if self.evaluator.keeps() {
            return self.sync(session);
        }
        self.synced = Instant::now();
        self.is_unsynced = false;
        self.finished.clear();
        session.sync_nodes_beside()
    }

    fn sync(&mut self, session: &mut Session) -> Result<(), Failure> {
        session.sync_nodes()?;
        self.synced = Instant::now();
        self.is_unsynced = false;
        self.evaluator.recorded(&std::mem::take(&mut self.finished));
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
