//! Whether a candidate or an idea means what an earlier one meant: who makes it has its text embedded, beside the loop, and
//! looks through the vectors of the earlier ones. The loop grants, records and books (`embedding.rs`), and has the last word.
//!
//! Nothing here speaks against a candidate but a vector: where there is none, because the provider fails, the text is too
//! long or too little money is left, the candidate passes and the log says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use researchgym_core::failure::Failure;
use researchgym_core::model::{FailureKind, ModelFailure};
use researchgym_core::search::embedding::{Index, changed_lines, changed_text};
use researchgym_core::search::event::{Gate, Spent};
use researchgym_core::search::{IdeaCall, NodeId};
use tokio::sync::{mpsc, oneshot};

use super::Message;
use super::asking::add;
use super::evaluator::Files;
use super::making::Unmade;
use crate::model::Door;
use crate::session::{EmbeddingBooked, EmbeddingGranted, EmbeddingSent, Vector};

/// What is waited at most between attempts at one call, all waits together: a candidate is not worth more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a call that was paid for and broke off is made once more.
const PAID_RETRIES: u32 = 1;
/// Tokens that a model takes of which nobody knows.
const USUAL_WINDOW: u64 = 8_192;
/// Bytes of text that are sent for each token that the model takes. Programs have 3 to 4; where they have fewer, the
/// provider refuses the text and nothing is billed.
const BYTES_PER_TOKEN: u64 = 3;

/// What is said to the loop about embeddings.
pub(super) enum Entry {
    /// Texts that wait to be embedded.
    Ask(Box<Wish>),
    /// An attempt failed without being billed and is made again after a wait.
    Retried { call: u64, failure: ModelFailure, wait: Duration },
    /// A call is over.
    Over { call: u64, sent: Box<EmbeddingSent>, booked: oneshot::Sender<EmbeddingBooked> },
    /// What candidates are known?
    Candidates(oneshot::Sender<Index<NodeId>>),
    /// What ideas are known?
    Ideas(oneshot::Sender<Index<Owner>>),
    /// Ideas that were compared with those that were known then. The loop compares them with those that have come since,
    /// and takes in those that are new.
    Admit(Box<Admission>),
    /// A candidate or an idea passes without a vector.
    Unjudged { node: NodeId, reason: String },
    /// The model was tried at the start.
    Tried(Result<(), Failure>),
}

/// Texts to be embedded.
pub(super) struct Wish {
    pub(super) texts: Vec<String>,
    pub(super) retry_of: Option<u64>,
    pub(super) answer: oneshot::Sender<Permission>,
}

/// What the loop says to a wish.
pub(super) enum Permission {
    /// The texts that no vector is known of may be sent.
    Granted(EmbeddingGranted, Vec<Option<Vector>>),
    /// All are known.
    Known(Vec<Vector>),
    /// Too little is left.
    Short(String),
}

/// Whose an idea is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A candidate's own.
    Node(NodeId),
    /// That of the candidate at a position of a shared question.
    Shared { epoch: u32, number: u32, position: u32 },
}

impl Owner {
    /// The owner of the idea at a position of the question that a node's idea comes from.
    pub(super) fn of(node: NodeId, epoch: Option<u32>, call: Option<IdeaCall>) -> Owner {
        match call {
            Some(IdeaCall { number, position, .. }) => {
                Owner::Shared { epoch: epoch.unwrap_or_default(), number, position }
            }
            None => Owner::Node(node),
        }
    }

    /// The same question's idea at another position.
    pub(super) fn at(self, place: u32) -> Owner {
        match self {
            Owner::Node(_) => self,
            Owner::Shared { epoch, number, .. } => Owner::Shared { epoch, number, position: place },
        }
    }
}

/// Ideas that want to be taken in.
pub(super) struct Admission {
    /// Whose the first is that is taken; the next one's position follows.
    pub(super) owner: Owner,
    /// Of a shared question: how many of its ideas are taken already.
    pub(super) taken: u32,
    /// Each with its nearest.
    pub(super) ideas: Vec<(Vector, Option<(Owner, f32)>)>,
    /// How many vectors were looked through.
    pub(super) seen: usize,
    /// For each idea why it is not taken, or nothing.
    pub(super) answer: oneshot::Sender<Vec<Option<Refusal>>>,
}

/// Why an idea is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) of: Option<NodeId>,
}

/// A candidate that is new as far as its vector was compared.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(super) vector: Vector,
    /// How many vectors it was compared with.
    pub(super) seen: usize,
    pub(super) spared: Arc<Vec<NodeId>>,
}

/// The search is over.
#[derive(Debug)]
pub(super) struct Over;

/// Why there are no vectors.
enum Unembedded {
    /// A text is longer than what the model takes.
    TooLong(String),
    /// In words.
    Because(String),
    /// The provider failed.
    Failed(ModelFailure),
    /// The search is over.
    Over,
}

impl From<Over> for Unembedded {
    fn from(_: Over) -> Unembedded {
        Unembedded::Over
    }
}

/// The way to the loop for whoever wants to know whether what it has made is new.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) door: Arc<Door>,
    pub(super) teller: mpsc::UnboundedSender<Message>,
    pub(super) similarity: f64,
    pub(super) idea_similarity: f64,
    /// Whether the newest call failed: the next one is not waited for.
    pub(super) is_failing: Arc<AtomicBool>,
}

impl Judge {
    /// Whether a candidate is not nearly the same as an earlier one. Those in `spared` do not count.
    pub(super) async fn of_candidate(
        &self,
        node: NodeId,
        (baseline, files): (&Files, &Files),
        spared: &Arc<Vec<NodeId>>,
        spent: &mut Spent,
    ) -> Result<Result<Option<Judged>, Unmade>, Over> {
        if self.similarity >= 1.0 {
            return Ok(Ok(None));
        }
        let Some(vector) = self.vector_of(node, baseline, files, spent).await? else { return Ok(Ok(None)) };
        let (answer, known) = oneshot::channel();
        self.tell(Entry::Candidates(answer))?;
        let known = known.await.map_err(|_| Over)?;
        let counts = |other| other != node && !spared.contains(&other);
        let nearest = tokio::task::block_in_place(|| known.nearest(&vector.unit, 0, counts));
        match nearest.filter(|(_, cosine)| f64::from(*cosine) >= self.similarity) {
            Some((of, cosine)) => Ok(Err(near(of, cosine))),
            None => Ok(Ok(Some(Judged { vector, seen: known.seen(), spared: spared.clone() }))),
        }
    }

    /// The vector of a candidate: of its changed files or, where they are too long, of its changed lines.
    async fn vector_of(
        &self,
        node: NodeId,
        baseline: &Files,
        files: &Files,
        spent: &mut Spent,
    ) -> Result<Option<Vector>, Over> {
        let limit = limit(self.door.endpoint.facts.context_window);
        for form in [changed_text, changed_lines] {
            let text = self.door.redactor.redact(&form(baseline, files)).into_owned();
            if text.is_empty() {
                return Ok(None);
            }
            if text.len() > limit {
                continue;
            }
            match self.embed(vec![text], spent).await {
                Ok(vectors) => return Ok(vectors.into_iter().next()),
                Err(Unembedded::TooLong(_)) => {}
                Err(Unembedded::Over) => return Err(Over),
                Err(other) => {
                    self.tell(Entry::Unjudged { node, reason: self.words(other) })?;
                    return Ok(None);
                }
            }
        }
        let model = &self.door.endpoint.target.name;
        let reason = format!("what it changes has more text than {model} takes");
        self.tell(Entry::Unjudged { node, reason })?;
        Ok(None)
    }

    /// For each idea why it is not taken, or nothing. `taken`: how many of a shared question's ideas are taken already.
    pub(super) async fn of_ideas(
        &self,
        node: NodeId,
        (owner, taken): (Owner, usize),
        ideas: &[String],
        spent: &mut Spent,
    ) -> Result<Vec<Option<Refusal>>, Over> {
        if self.idea_similarity >= 1.0 || ideas.is_empty() {
            return Ok(vec![None; ideas.len()]);
        }
        let limit = limit(self.door.endpoint.facts.context_window);
        let texts = ideas.iter().map(|idea| idea_text(&self.door.redactor.redact(idea), limit)).collect();
        let vectors = match self.embed(texts, spent).await {
            Ok(vectors) => vectors,
            Err(Unembedded::Over) => return Err(Over),
            Err(other) => {
                self.tell(Entry::Unjudged { node, reason: self.words(other) })?;
                return Ok(vec![None; ideas.len()]);
            }
        };
        let (answer, known) = oneshot::channel();
        self.tell(Entry::Ideas(answer))?;
        let known = known.await.map_err(|_| Over)?;
        let ideas = tokio::task::block_in_place(|| {
            let compared = vectors.into_iter().map(|vector| {
                let nearest = known.nearest(&vector.unit, 0, |_| true);
                (vector, nearest)
            });
            compared.collect()
        });
        let (answer, refusals) = oneshot::channel();
        let (taken, seen) = (taken as u32, known.seen());
        self.tell(Entry::Admit(Box::new(Admission { owner, taken, ideas, seen, answer })))?;
        refusals.await.map_err(|_| Over)
    }

    /// Tries the model with a text before anything else is paid for.
    pub(super) async fn try_out(self, text: String) {
        let text = self.door.redactor.redact(&text).into_owned();
        let tried = match self.embed(vec![text], &mut Spent::default()).await {
            Ok(_) => Ok(()),
            Err(Unembedded::Failed(failure)) => {
                let failed = self.door.failure(&failure);
                Err(Failure { message: format!("no embeddings can be had: {}", failed.message), ..failed })
            }
            Err(Unembedded::TooLong(_) | Unembedded::Because(_)) => Ok(()),
            Err(Unembedded::Over) => return,
        };
        // Who has gone has ended the search.
        let _ = self.tell(Entry::Tried(tried));
    }

    /// A vector for each text. What it costs is added to `spent`.
    async fn embed(&self, texts: Vec<String>, spent: &mut Spent) -> Result<Vec<Vector>, Unembedded> {
        let mut retry_of = None;
        let mut paid = 0;
        loop {
            let (answer, permission) = oneshot::channel();
            self.tell(Entry::Ask(Box::new(Wish { texts: texts.clone(), retry_of, answer })))?;
            let (granted, known) = match permission.await.map_err(|_| Over)? {
                Permission::Known(vectors) => return Ok(vectors),
                Permission::Short(reason) => return Err(Unembedded::Because(reason)),
                Permission::Granted(granted, known) => (granted, known),
            };
            let missing = texts.iter().zip(&known).filter(|(_, known)| known.is_none());
            let missing: Vec<String> = missing.map(|(text, _)| text.clone()).collect();
            let booked = self.send(&missing, granted).await?;
            add(spent, booked.spent);
            match booked.result {
                Ok(vectors) => {
                    self.is_failing.store(false, Ordering::Relaxed);
                    let mut vectors = vectors.into_iter();
                    return Ok(known
                        .into_iter()
                        .filter_map(|known| known.or_else(|| vectors.next()))
                        .collect());
                }
                Err(failure) if failure.kind == FailureKind::ContextLength => {
                    return Err(Unembedded::TooLong(failure.message));
                }
                Err(failure) if !booked.is_broken || paid == PAID_RETRIES => {
                    self.is_failing.store(true, Ordering::Relaxed);
                    return Err(Unembedded::Failed(failure));
                }
                Err(_) => (paid, retry_of) = (paid + 1, Some(granted.call)),
            }
        }
    }

    /// Sends until the call is answered, is paid for, or cannot be.
    async fn send(&self, texts: &[String], granted: EmbeddingGranted) -> Result<EmbeddingBooked, Over> {
        let (mut attempts, mut waited) = (0, Duration::ZERO);
        let attempted = loop {
            attempts += 1;
            let position = granted.position + u64::from(attempts) - 1;
            let attempted = self.door.embed(texts, position).await;
            let Err(failure) = attempted.result.as_ref().map(drop).map_err(Clone::clone) else {
                break attempted;
            };
            let may_wait = attempted.billed.is_none() && !self.is_failing.load(Ordering::Relaxed);
            let wait = may_wait.then(|| self.door.wait_after(&failure, attempts)).flatten();
            let Some(wait) = wait.filter(|wait| waited + *wait <= PATIENCE) else { break attempted };
            self.tell(Entry::Retried { call: granted.call, failure: failure.into(), wait })?;
            tokio::time::sleep(wait).await;
            waited += wait;
        };
        let (booked, answer) = oneshot::channel();
        let sent = Box::new(EmbeddingSent { attempted, attempts, waited });
        self.tell(Entry::Over { call: granted.call, sent, booked })?;
        answer.await.map_err(|_| Over)
    }

    fn words(&self, why: Unembedded) -> String {
        let model = &self.door.endpoint.target.name;
        match why {
            Unembedded::TooLong(reason) => format!("{model}: {reason}"),
            Unembedded::Failed(failure) => format!("{model}: {}", failure.message),
            Unembedded::Because(reason) => reason,
            Unembedded::Over => "the search is over".to_owned(),
        }
    }

    fn tell(&self, entry: Entry) -> Result<(), Over> {
        self.teller.send(Message::Embedding(entry)).map_err(|_| Over)
    }
}

/// Why a candidate is refused.
pub(super) fn near(of: NodeId, cosine: f32) -> Unmade {
    let reason = format!("it is nearly the same by its embedding, cosine {cosine:.3} with node {of}");
    Unmade { of: Some(of), ..Unmade::by_rule(Gate::NearDuplicate, reason) }
}

/// The most bytes of one text.
pub(super) fn limit(window: Option<u64>) -> usize {
    usize::try_from(window.unwrap_or(USUAL_WINDOW).saturating_mul(BYTES_PER_TOKEN)).unwrap_or(usize::MAX)
}

/// What of an idea is embedded: all of it, or as much of its beginning as the model takes.
pub(super) fn idea_text(idea: &str, limit: usize) -> String {
    idea[..idea.floor_char_boundary(limit)].to_owned()
}
