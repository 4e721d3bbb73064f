//! The loop's side of model calls: grants, records and books.

use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::model::Conversation;
use researchgym_core::search::event::Spent;
use tokio::sync::oneshot;

use super::asking::{Entry, Permission, Wish};
use super::embedding::Embeddings;
use super::{Search, Why};
use crate::session::{Booked, Sent, Session, ended_by};

/// A call that is over, and who waits for its booking.
struct Over {
    call: u64,
    sent: Box<Sent>,
    booked: oneshot::Sender<Booked>,
}

impl Search {
    pub(super) fn on_entry(&mut self, session: &mut Session, entry: Entry) -> Result<(), Failure> {
        match entry {
            Entry::Ask(wish) => self.on_wish(session, *wish),
            Entry::Retried { call, failure, wait } => match self.calls.contains_key(&call) {
                true => session.call_retried(call, failure, wait),
                false => Ok(()),
            },
            Entry::Over { call, sent, booked } => self.on_over(session, Over { call, sent, booked }),
        }
    }

    /// Books a call that is over, with all that have ended meanwhile. The disk takes them in beside the loop, with whatever
    /// comes within [`SYNC_EVERY`](super::SYNC_EVERY).
    fn on_over(&mut self, session: &mut Session, first: Over) -> Result<(), Failure> {
        let mut next = Some(first);
        let mut after = None;
        let mut ended = Vec::new();
        while let Some(Over { call, sent, booked }) = next.take() {
            if let Some((door, granted)) = self.calls.remove(&call) {
                ended.push((session.book_call(&door, granted, &sent)?, booked));
            }
            match self.entries.try_recv() {
                Ok(Entry::Over { call, sent, booked }) => next = Some(Over { call, sent, booked }),
                // What a call says before its end must not come after it.
                other => after = other.ok(),
            }
        }
        self.is_unsynced = true;
        for (result, booked) in ended {
            // Who has gone has ended the search.
            let _ = booked.send(result);
        }
        // What these calls held and did not use is free for others.
        self.grant_parked(session)?;
        after.map_or(Ok(()), |entry| self.on_entry(session, entry))
    }

    pub(super) fn grant_parked(&mut self, session: &mut Session) -> Result<(), Failure> {
        for wish in std::mem::take(&mut self.parked) {
            self.on_wish(session, wish)?;
        }
        Ok(())
    }

    fn on_wish(&mut self, session: &mut Session, mut wish: Wish) -> Result<(), Failure> {
        if let Some(permission) = self.recorded(session, &mut wish)? {
            let _ = wish.answer.send(permission);
            return Ok(());
        }
        if matches!(self.winding, Some(Why::Short(_))) {
            self.parked.push_back(wish);
            return Ok(());
        }
        let Wish { door, conversation, settings, retry_of, .. } = &mut wish;
        match session.begin_call(door, conversation, settings, *retry_of)? {
            Ok(granted) => {
                self.calls.insert(granted.call, (door.clone(), granted));
                let _ = wish.answer.send(Permission::Granted(granted, wish.conversation));
            }
            Err(shortage) => {
                if self.calls.is_empty() && self.embeddings.as_ref().is_none_or(Embeddings::is_idle) {
                    session.note_shortage(&shortage)?;
                    self.winding = Some(Why::Short(ended_by(&shortage)));
                }
                self.parked.push_back(wish);
            }
        }
        Ok(())
    }

    /// The answer from before the run was interrupted.
    fn recorded(&mut self, session: &Session, wish: &mut Wish) -> Result<Option<Permission>, Failure> {
        let Some(answers) = self.answers.get_mut(&wish.conversation.id) else { return Ok(None) };
        let Some(ask) = answers.pop_front() else { return Ok(None) };
        let Some(reply) = session.recorded_answer(&mut wish.conversation, &ask)? else {
            self.answers.remove(&wish.conversation.id);
            return Ok(None);
        };
        let spent = Spent { calls: 1, tokens: ask.called.usage.total(), cost: ask.called.cost };
        let empty = Conversation::new(wish.conversation.id);
        let conversation = std::mem::replace(&mut wish.conversation, empty);
        Ok(Some(Permission::Recorded(Box::new((reply, spent)), conversation)))
    }

    /// Whether all that is under way waits for money that is not there.
    pub(super) fn only_parked(&self) -> bool {
        self.calls.is_empty()
            && !self.parked.is_empty()
            && self.messages.is_empty()
            && self.entries.is_empty()
            && self.under_way() <= self.parked.len()
    }

    /// Ends what is under way: calls are booked, evaluations are recorded as stopped.
    pub(super) fn wind_up(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.beside.abort_all();
        self.making.clear();
        self.parked.clear();
        while let Ok(entry) = self.entries.try_recv() {
            if let Entry::Over { call, sent, .. } = entry
                && let Some((door, granted)) = self.calls.remove(&call)
            {
                session.book_call(&door, granted, &sent)?;
            }
        }
        for (door, granted) in std::mem::take(&mut self.calls).into_values() {
            session.abandon_call(&door, granted)?;
        }
        self.wind_up_embeddings(session)?;
        let under_way: Vec<u64> = super::tree(session).under_way().keys().copied().collect();
        for evaluation in under_way {
            let stopped = super::opening::stopped(evaluation, session.working_ms());
            self.record(session, Event::Evaluated(Box::new(stopped)))?;
        }
        self.sync(session)
    }
}
