//! Operators that ask a model, beside the loop: ask, read the change, make it, have the gates look at it; and where that
//! fails, ask again with the exact reason.

use std::ops::Range;
use std::sync::Arc;

use researchgym_core::edit::{self, EditError, Form, Surface};
use researchgym_core::failure::Failure;
use researchgym_core::model::{Conversation, Message, RequestSettings};
use researchgym_core::search::context::{
    Told, again, again_idea, more_ideas, other_ideas, parse_ideas, rationale, repair,
};
use researchgym_core::search::event::{Gate, Spent};
use researchgym_core::search::{EditForm, NodeId};
use tokio::sync::{mpsc, oneshot};

use super::Message as ToLoop;
use super::asking::{Asker, Unanswered, add};
use super::evaluator::Files;
use super::ideas::Brought;
use super::making::{Made, Unmade};
use super::meaning::{Judge, Judged, Over, Owner, Refusal};

/// Bytes of an answer and what it changes from which on reading it takes longer than waking a thread.
const LONG: usize = 256 << 10;

/// Conversations of one node.
const OF_A_NODE: u64 = 1 << 8;

/// The conversations in which a node's candidate is made.
pub(super) fn conversations_of(node: NodeId) -> Range<u64> {
    let first = u64::from(node) * OF_A_NODE;
    first..first + OF_A_NODE
}

/// The first of them with the model that is asked after so many others could not be.
fn first_conversation(node: NodeId, round: u64) -> u64 {
    const OF_A_MODEL: u64 = 4;
    conversations_of(node).start + round.min(OF_A_NODE / OF_A_MODEL - 1) * OF_A_MODEL
}

/// All that making one candidate needs.
pub(super) struct Order {
    pub(super) node: NodeId,
    /// How many models could not be asked for it before.
    pub(super) round: u64,
    pub(super) asker: Asker,
    pub(super) teller: mpsc::UnboundedSender<ToLoop>,
    pub(super) settings: RequestSettings,
    /// What the model is told first; where the idea is asked for, for that.
    pub(super) opening: Vec<Message>,
    pub(super) idea: Idea,
    pub(super) shown: Vec<NodeId>,
    /// What the candidate derives from.
    pub(super) base: Arc<Files>,
    pub(super) surface: Arc<Surface>,
    pub(super) form: EditForm,
    pub(super) repairs: u32,
    pub(super) resamples: u32,
    /// Who says whether it means what an earlier one meant, if embeddings do.
    pub(super) judge: Option<Judge>,
    /// Candidates that it may be near to.
    pub(super) spared: Arc<Vec<NodeId>>,
    /// The files with which the run began.
    pub(super) baseline: Arc<Files>,
}

/// Where the idea of a candidate comes from.
pub(super) enum Idea {
    /// The change says what it is about.
    OfTheChange,
    /// From a question of its own, which the opening asks; the code follows in a conversation of its own.
    Asked(Asker),
    /// From a question that was answered before, with the candidate's share of its cost; the opening is about the code.
    Had(String, Spent),
}

/// All that a question for several ideas needs.
pub(super) struct Question {
    pub(super) node: NodeId,
    /// How many models could not be asked it before.
    pub(super) round: u64,
    pub(super) asker: Asker,
    pub(super) teller: mpsc::UnboundedSender<ToLoop>,
    pub(super) settings: RequestSettings,
    pub(super) opening: Vec<Message>,
    pub(super) count: usize,
    pub(super) repairs: u32,
    pub(super) resamples: u32,
    /// Whose the first of its ideas is.
    pub(super) owner: Owner,
    /// Who says whether they say what earlier ones said, if embeddings do.
    pub(super) judge: Option<Judge>,
}

/// How making a candidate ends without one.
enum Ends {
    /// With a reason that belongs to the node.
    Unmade(Gate, String, Option<NodeId>),
    /// A model cannot be asked.
    Model(String, Failure),
    /// The search has ended.
    Over,
}

impl From<Unanswered> for Ends {
    fn from(unanswered: Unanswered) -> Ends {
        match unanswered {
            Unanswered::ContextFull(reason) => Ends::Unmade(
                Gate::NotImplemented,
                format!("what must be told is longer than the model's context: {reason}"),
                None,
            ),
            Unanswered::Ends(model, failure) => Ends::Model(model, failure),
            Unanswered::Over => Ends::Over,
        }
    }
}

impl From<Over> for Ends {
    fn from(_: Over) -> Ends {
        Ends::Over
    }
}

/// What making has come to so far.
#[derive(Default)]
struct Account {
    idea: Option<String>,
    idea_refused: bool,
    attempts: u32,
    spent: Spent,
}

/// Makes one candidate and tells the loop.
pub(super) async fn make(mut order: Order) {
    let mut account = Account::default();
    let made = implement(&mut order, &mut account).await;
    let Account { idea, idea_refused, attempts, spent } = account;
    let model = Some(order.asker.door.endpoint.target.name.clone());
    let made = match made {
        Ok((files, judged)) => {
            let shown = std::mem::take(&mut order.shown);
            Ok(Made { files, idea, model, shown, attempts, spent, judged })
        }
        Err(Ends::Unmade(gate, reason, of)) => {
            Err(Unmade { gate, reason, of, idea, idea_refused, model, attempts, spent })
        }
        Err(Ends::Model(model, failure)) => {
            let _ = order.teller.send(ToLoop::ModelEnds { node: order.node, model, failure });
            return;
        }
        Err(Ends::Over) => return,
    };
    // Who has gone has ended the search.
    let _ = order.teller.send(ToLoop::Made { node: order.node, made });
}

async fn implement(order: &mut Order, account: &mut Account) -> Result<(Arc<Files>, Option<Judged>), Ends> {
    let number = first_conversation(order.node, order.round);
    let mut conversation = Conversation::new(number);
    let mut messages = std::mem::take(&mut order.opening);
    match std::mem::replace(&mut order.idea, Idea::OfTheChange) {
        Idea::OfTheChange => {}
        Idea::Asked(asker) => {
            let idea = idea(order, &asker, account, messages).await?;
            let told = code_opening(order, &idea).await?;
            messages = told.messages;
            order.shown.extend(told.shown);
            account.idea = Some(idea);
            conversation = Conversation::new(number + 1);
        }
        Idea::Had(idea, share) => {
            account.idea = Some(idea);
            add(&mut account.spent, share);
            conversation = Conversation::new(number + 1);
        }
    }
    for message in messages {
        conversation.push(message);
    }
    let (mut repairs, mut resamples) = (order.repairs, order.resamples);
    loop {
        account.attempts += 1;
        let settings = order.settings.clone();
        let reply = order.asker.ask(&mut conversation, &settings, &mut account.spent).await?;
        let text = reply.turn.text();
        let changed = match changed(order, &text).await? {
            Ok(changed) => changed,
            Err(error) if repairs == 0 => return Err(refused(&error)),
            Err(error) => {
                repairs -= 1;
                conversation.push(repair(&error.to_string(), account.attempts));
                continue;
            }
        };
        if account.idea.is_none() {
            account.idea = rationale(&text);
        }
        let files = Arc::new(changed);
        let passed = match propose(order, &files).await? {
            Ok(()) => means_new(order, &files, &mut account.spent).await?,
            Err(refused) => Err(refused),
        };
        match passed {
            Ok(judged) => return Ok((files, judged)),
            Err(refused) if resamples == 0 => {
                return Err(Ends::Unmade(refused.gate, refused.reason, refused.of));
            }
            Err(refused) => {
                resamples -= 1;
                conversation.push(again(&refused.reason));
            }
        }
    }
}

/// Whether a candidate is new by its embedding, too.
async fn means_new(
    order: &Order,
    files: &Files,
    spent: &mut Spent,
) -> Result<Result<Option<Judged>, Unmade>, Over> {
    match &order.judge {
        Some(judge) => judge.of_candidate(order.node, (&order.baseline, files), &order.spared, spent).await,
        None => Ok(Ok(None)),
    }
}

/// An idea in words, that none has had before.
async fn idea(
    order: &Order,
    asker: &Asker,
    account: &mut Account,
    opening: Vec<Message>,
) -> Result<String, Ends> {
    let mut conversation = Conversation::new(first_conversation(order.node, order.round));
    for message in opening {
        conversation.push(message);
    }
    let (mut repairs, mut resamples) = (order.repairs, order.resamples);
    loop {
        let reply = asker.ask(&mut conversation, &order.settings, &mut account.spent).await?;
        match parse_ideas(&reply.turn.text()) {
            Ok(ideas) => {
                let Some(idea) = ideas.into_iter().next() else {
                    return Err(Ends::Unmade(Gate::NotImplemented, "there was no idea".into(), None));
                };
                match said_before(order, &idea, &mut account.spent).await? {
                    None => return Ok(idea),
                    Some(Refusal { reason, of }) if resamples == 0 => {
                        (account.idea, account.idea_refused) = (Some(idea), true);
                        return Err(Ends::Unmade(Gate::NearDuplicate, reason, of));
                    }
                    Some(Refusal { reason, .. }) => {
                        resamples -= 1;
                        account.attempts += 1;
                        conversation.push(again_idea(&reason));
                    }
                }
            }
            Err(reason) if repairs == 0 => return Err(Ends::Unmade(Gate::NotImplemented, reason, None)),
            Err(reason) => {
                repairs -= 1;
                account.attempts += 1;
                conversation.push(repair(&reason, account.attempts));
            }
        }
    }
}

/// Why an idea says what an earlier one says; nothing if it is new.
async fn said_before(order: &Order, idea: &String, spent: &mut Spent) -> Result<Option<Refusal>, Over> {
    let Some(judge) = &order.judge else { return Ok(None) };
    let owner = (Owner::Node(order.node), 0);
    let refusals = judge.of_ideas(order.node, owner, std::slice::from_ref(idea), spent).await?;
    Ok(refusals.into_iter().next().flatten())
}

/// Asks for several ideas by one question and tells the loop. Where an answer has too few, the rest is asked for.
pub(super) async fn have_ideas(question: Question) {
    let teller = question.teller.clone();
    let node = question.node;
    // Who has gone has ended the search.
    let _ = match brought(question).await {
        Ok(brought) => teller.send(ToLoop::IdeasHad { node, brought }),
        Err(Ends::Model(model, failure)) => teller.send(ToLoop::ModelEnds { node, model, failure }),
        Err(Ends::Over | Ends::Unmade(..)) => return,
    };
}

/// What a question for several ideas brings.
async fn brought(question: Question) -> Result<Brought, Ends> {
    let Question { node, round, asker, settings, opening, count, .. } = question;
    let Question { mut repairs, mut resamples, owner, judge, .. } = question;
    let mut conversation = Conversation::new(first_conversation(node, round));
    for message in opening {
        conversation.push(message);
    }
    let model = asker.door.endpoint.target.name.clone();
    let (mut ideas, mut reason, mut spent, mut attempts) = (Vec::new(), None, Spent::default(), 0);
    let mut refused = Vec::new();
    loop {
        attempts += 1;
        let (next, may_go_on) =
            match asker.ask(&mut conversation, &settings, &mut spent).await.map_err(Ends::from) {
                Ok(reply) => match parse_ideas(&reply.turn.text()) {
                    Ok(mut more) => {
                        more.truncate(count - ideas.len());
                        let refusals = match &judge {
                            Some(judge) => {
                                judge.of_ideas(node, (owner, ideas.len()), &more, &mut spent).await?
                            }
                            None => vec![None; more.len()],
                        };
                        let before = refused.len();
                        for (idea, refusal) in more.into_iter().zip(refusals) {
                            match refusal {
                                None => ideas.push(idea),
                                Some(refusal) => refused.push((idea, refusal)),
                            }
                        }
                        let missing = count - ideas.len();
                        match &refused[before..] {
                            [] => (more_ideas(ideas.len(), missing), next_of(&mut repairs)),
                            newly => {
                                let reasons: Vec<&str> =
                                    newly.iter().map(|(_, why)| why.reason.as_str()).collect();
                                (other_ideas(&reasons, ideas.len(), missing), next_of(&mut resamples))
                            }
                        }
                    }
                    Err(error) => {
                        let again = repair(&error, attempts);
                        reason = Some(error);
                        (again, next_of(&mut repairs))
                    }
                },
                Err(Ends::Unmade(_, why, _)) => {
                    reason = Some(why);
                    break;
                }
                Err(ends) => return Err(ends),
            };
        if ideas.len() >= count || !may_go_on {
            break;
        }
        conversation.push(next);
    }
    let missing = count - ideas.len();
    let refused = refused.split_off(refused.len().saturating_sub(missing));
    let too_few = || format!("the model had {} of the {count} ideas that it was asked for", ideas.len());
    let reason = match ideas.len() {
        had if had == count => None,
        0 => reason.or_else(|| Some(too_few())),
        _ => Some(too_few()),
    };
    Ok(Brought { ideas, refused, reason, model, spent })
}

/// Whether there is one more of so many tries.
fn next_of(left: &mut u32) -> bool {
    let may = *left > 0;
    *left = left.saturating_sub(1);
    may
}

/// The candidate that a reply makes of the base. Who makes candidates is on the loop's thread: what is long is read on
/// another.
async fn changed(order: &Order, reply: &str) -> Result<Result<Files, EditError>, Ends> {
    let base_bytes: usize = order.base.values().map(Vec::len).sum();
    if reply.len() + base_bytes < LONG {
        return Ok(change(order.form, &order.surface, &order.base, reply));
    }
    let (form, surface, base) = (order.form, order.surface.clone(), order.base.clone());
    let reply = reply.to_owned();
    let read = tokio::task::spawn_blocking(move || change(form, &surface, &base, &reply));
    match read.await {
        Ok(changed) => Ok(changed),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Everything ends.
        Err(_) => Err(Ends::Over),
    }
}

fn change(form: EditForm, surface: &Surface, base: &Files, reply: &str) -> Result<Files, EditError> {
    let form = match form {
        EditForm::SearchReplace => Form::SearchReplace,
        EditForm::UnifiedDiff => Form::UnifiedDiff,
        EditForm::WholeFiles => Form::WholeFiles,
    };
    let files = surface.files(base);
    // Models do not keep to the form that they were asked for; what can be understood is.
    let edits = match edit::parse(reply, form, &files) {
        Err(EditError::NoEdits { .. }) => edit::parse(reply, Form::Any, &files)?,
        parsed => parsed?,
    };
    Ok(edit::apply(base, &edits, surface)?.tree)
}

fn refused(error: &EditError) -> Ends {
    let gate = match error {
        EditError::NotEditable { .. } | EditError::Protected { .. } | EditError::BadPath { .. } => {
            Gate::Surface
        }
        _ => Gate::NotImplemented,
    };
    Ends::Unmade(gate, error.to_string(), None)
}

/// Asks the loop what the model is told for the code of an idea.
async fn code_opening(order: &Order, idea: &str) -> Result<Told, Ends> {
    let (answer, opening) = oneshot::channel();
    let asked = ToLoop::CodeOpening { node: order.node, idea: idea.to_owned(), answer };
    order.teller.send(asked).map_err(|_| Ends::Over)?;
    let told = opening.await.map_err(|_| Ends::Over)?;
    told.map_err(|reason| Ends::Unmade(Gate::NothingToDo, reason, None))
}

/// Asks the loop whether a candidate would pass the gates.
async fn propose(order: &Order, files: &Arc<Files>) -> Result<Result<(), Unmade>, Ends> {
    let (answer, passed) = oneshot::channel();
    let proposed = ToLoop::Proposed { node: order.node, files: files.clone(), answer };
    order.teller.send(proposed).map_err(|_| Ends::Over)?;
    passed.await.map_err(|_| Ends::Over)
}
