//! Asking models from beside the loop: who makes a candidate sends, the loop grants, records and books.

use std::sync::Arc;
use std::time::Duration;

use researchgym_core::failure::Failure;
use researchgym_core::model::{Conversation, FailureKind, ModelFailure, Reply, Request, RequestSettings};
use researchgym_core::search::event::Spent;
use tokio::sync::{mpsc, oneshot};

use crate::model::Door;
use crate::session::{Booked, Granted, PAID_RETRIES, Sent};

/// What is said to the loop about a call.
pub(crate) enum Entry {
    /// A question that waits to be granted.
    Ask(Box<Wish>),
    /// An attempt failed without being billed and is made again after a wait.
    Retried { call: u64, failure: ModelFailure, wait: Duration },
    /// A call is over.
    Over { call: u64, sent: Box<Sent>, booked: oneshot::Sender<Booked> },
}

/// A question.
pub(crate) struct Wish {
    pub(crate) door: Arc<Door>,
    pub(crate) conversation: Conversation,
    pub(crate) settings: RequestSettings,
    pub(crate) retry_of: Option<u64>,
    pub(crate) answer: oneshot::Sender<Permission>,
}

/// What the loop says to a question.
pub(crate) enum Permission {
    /// It may be sent.
    Granted(Granted, Conversation),
    /// It was answered before the run was interrupted.
    Recorded(Box<(Reply, Spent)>, Conversation),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The conversation is longer than the model's context.
    ContextFull(String),
    /// This model cannot be asked at all.
    Ends(String, Failure),
    /// The search has ended meanwhile.
    Over,
}

/// The way to the loop for whoever makes one candidate.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) door: Arc<Door>,
    pub(crate) entries: mpsc::UnboundedSender<Entry>,
}

impl Asker {
    /// Asks the model to go on with a conversation, to which the answer is added. What it costs is added to `spent`.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) async fn ask(
        &self,
        conversation: &mut Conversation,
        settings: &RequestSettings,
        spent: &mut Spent,
    ) -> Result<Reply, Unanswered> {
        let mut repeats = None;
        for paid in 0..=PAID_RETRIES {
            let lent = std::mem::replace(conversation, Conversation::new(conversation.id));
            let granted = match self.permission(lent, settings, repeats).await? {
                Permission::Recorded(recorded, given_back) => {
                    *conversation = given_back;
                    let (reply, cost) = *recorded;
                    add(spent, cost);
                    return Ok(reply);
                }
                Permission::Granted(granted, given_back) => {
                    *conversation = given_back;
                    granted
                }
            };
            let booked = self.send(conversation, settings, granted).await?;
            add(spent, Spent { calls: 1, tokens: booked.tokens, cost: booked.cost });
            let failure = match booked.result {
                Ok((reply, tokens)) => {
                    conversation.answered(reply.turn.clone(), tokens);
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            let wait = match (failure.kind, booked.again) {
                (FailureKind::ContextLength, _) => return Err(Unanswered::ContextFull(failure.message)),
                _ if paid == PAID_RETRIES => return Err(self.ends(&failure)),
                (FailureKind::BrokenStream | FailureKind::Malformed, _) => Duration::ZERO,
                (_, Some(wait)) => wait,
                (_, None) => return Err(self.ends(&failure)),
            };
            repeats = Some(granted.call);
            tokio::time::sleep(wait).await;
        }
        Err(Unanswered::Over)
    }

    fn ends(&self, failure: &ModelFailure) -> Unanswered {
        Unanswered::Ends(self.door.endpoint.target.name.clone(), self.door.failure(failure))
    }

    async fn permission(
        &self,
        conversation: Conversation,
        settings: &RequestSettings,
        retry_of: Option<u64>,
    ) -> Result<Permission, Unanswered> {
        let (answer, granted) = oneshot::channel();
        let (door, settings) = (self.door.clone(), settings.clone());
        let wish = Wish { door, conversation, settings, retry_of, answer };
        self.entries.send(Entry::Ask(Box::new(wish))).map_err(|_| Unanswered::Over)?;
        granted.await.map_err(|_| Unanswered::Over)
    }

    /// Sends until the call is answered, is paid for, or cannot be.
    async fn send(
        &self,
        conversation: &mut Conversation,
        settings: &RequestSettings,
        granted: Granted,
    ) -> Result<Booked, Unanswered> {
        let mut settings =
            RequestSettings { max_output_tokens: Some(granted.grant.output), ..settings.clone() };
        for (key, value) in &self.door.endpoint.request {
            settings.extra.entry(key).or_insert_with(|| value.clone());
        }
        let request = Request { messages: conversation.messages().to_vec(), settings };
        let (mut attempts, mut waited) = (0, Duration::ZERO);
        let attempted = loop {
            attempts += 1;
            let attempted = self.door.attempt(&request, granted.position + u64::from(attempts) - 1).await;
            let wait =
                attempted.billed.is_none().then(|| self.door.wait_before(&attempted, attempts)).flatten();
            let (Err(failure), Some(wait)) = (&attempted.result, wait) else { break attempted };
            let failure = failure.clone().into();
            let retried = Entry::Retried { call: granted.call, failure, wait };
            self.entries.send(retried).map_err(|_| Unanswered::Over)?;
            tokio::time::sleep(wait).await;
            waited += wait;
        };
        let (booked, answer) = oneshot::channel();
        let sent = Box::new(Sent { attempted, attempts, waited });
        let over = Entry::Over { call: granted.call, sent, booked };
        self.entries.send(over).map_err(|_| Unanswered::Over)?;
        answer.await.map_err(|_| Unanswered::Over)
    }
}

/// Adds up what was spent.
pub(crate) fn add(sum: &mut Spent, more: Spent) {
    sum.calls += more.calls;
    sum.tokens = sum.tokens.saturating_add(more.tokens);
    sum.cost.0 = sum.cost.0.saturating_add(more.cost.0);
}
