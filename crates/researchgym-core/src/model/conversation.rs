//! A conversation, and how the log keeps it: each question as what it adds to the messages so far, so that a log grows
//! with the conversation and not with its square.

use super::message::{Message, Turn};
use super::request::RequestSettings;

/// Messages as an agent has them, and how many of them the log has already.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// Its number in the run.
    pub id: u64,
    messages: Vec<Message>,
    /// The first so many messages are those of the log, in the log's order.
    recorded: usize,
    known: Option<Known>,
}

/// What a provider reported: these messages have so many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    messages: usize,
    tokens: u64,
}

impl Conversation {
    /// An empty one.
    pub fn new(id: u64) -> Conversation {
        Conversation { id, messages: Vec::new(), recorded: 0, known: None }
    }

    /// All messages in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Gives the messages away for the time of a request, at whose end [`Conversation::give_back`] takes them again.
    #[must_use]
    pub fn lend(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    /// Takes the messages again that [`Conversation::lend`] gave.
    pub fn give_back(&mut self, messages: Vec<Message>) {
        self.messages = messages;
    }

    /// How many of them the log has.
    pub fn recorded(&self) -> usize {
        self.recorded
    }

    /// Adds one.
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Puts other messages in place of all: after pruning, or with a memento of what went before.
    pub fn replace(&mut self, messages: Vec<Message>) {
        let common = self.messages.iter().zip(&messages).take_while(|(old, new)| old == new).count();
        self.recorded = self.recorded.min(common);
        self.known = self.known.filter(|known| known.messages <= common);
        self.messages = messages;
    }

    /// The log has all messages now.
    pub fn mark_recorded(&mut self) {
        self.recorded = self.messages.len();
    }

    /// Adds an answer that the log has, with the tokens that prompt and answer had, if they are known.
    pub fn answered(&mut self, turn: Turn, tokens: Option<u64>) {
        self.messages.push(Message::Assistant(turn));
        self.mark_recorded();
        self.known = tokens.map(|tokens| Known { messages: self.messages.len(), tokens });
    }

    /// Puts the log's messages in place of the agent's own: `kept` of those that the log has, and what was added.
    /// Gives false, and changes nothing, if there are not so many.
    #[must_use]
    pub fn recall(&mut self, kept: usize, added: Vec<Message>) -> bool {
        if kept > self.recorded {
            return false;
        }
        if self.messages[kept..] != added {
            let messages = self.messages[..kept].iter().cloned().chain(added).collect();
            self.replace(messages);
        }
        self.mark_recorded();
        true
    }

    /// The most tokens that these messages can have as a prompt, by `bound` where no provider has counted them yet.
    pub fn tokens_bound(&self, bound: impl Fn(&Message) -> u64) -> u64 {
        let (counted, tokens) = self.known.map_or((0, 0), |known| (known.messages, known.tokens));
        self.messages[counted..].iter().fold(tokens, |sum, message| sum.saturating_add(bound(message)))
    }

    /// Whether a provider has counted some of the messages, tools and all.
    pub fn is_counted(&self) -> bool {
        self.known.is_some()
    }
}

/// The log's side: the messages of a conversation as its questions and answers give them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// All messages in order.
    pub messages: Vec<Message>,
    /// What the last question was asked with.
    pub settings: RequestSettings,
}

impl Transcript {
    /// Takes a question in. Gives false if it keeps more messages than there are.
    #[must_use]
    pub fn ask(&mut self, kept: u64, added: Vec<Message>, settings: Option<RequestSettings>) -> bool {
        let Ok(kept) = usize::try_from(kept) else { return false };
        if kept > self.messages.len() {
            return false;
        }
        self.messages.truncate(kept);
        self.messages.extend(added);
        if let Some(settings) = settings {
            self.settings = settings;
        }
        true
    }

    /// Takes its answer in.
    pub fn answer(&mut self, turn: Turn) {
        self.messages.push(Message::Assistant(turn));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(messages: &[Message]) -> Vec<String> {
        messages.iter().map(|message| serde_json::to_string(message).unwrap()).collect()
    }

    /// What an agent does to its conversation between and at questions.
    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Ask,
        Keep(usize, u8),
    }

    proptest! {
        #[test]
        fn the_log_gives_the_messages_that_were_asked(
            steps in proptest::collection::vec(
                prop_oneof![
                    any::<u8>().prop_map(Step::Push),
                    Just(Step::Ask),
                    (any::<usize>(), any::<u8>()).prop_map(|(at, word)| Step::Keep(at, word)),
                ],
                0..60,
            )
        ) {
            let mut conversation = Conversation::new(0);
            let mut transcript = Transcript::default();
            for step in steps {
                match step {
                    Step::Push(word) => conversation.push(Message::user(word.to_string())),
                    Step::Keep(at, word) => {
                        let mut messages = conversation.messages().to_vec();
                        messages.truncate(at % (messages.len() + 1));
                        messages.push(Message::user(format!("memento {word}")));
                        conversation.replace(messages);
                    }
                    Step::Ask => {
                        let kept = conversation.recorded();
                        let added = conversation.messages()[kept..].to_vec();
                        prop_assert!(transcript.ask(kept as u64, added, None));
                        conversation.mark_recorded();
                        prop_assert_eq!(texts(&transcript.messages), texts(conversation.messages()));
                        conversation.answered(Turn::default(), Some(10));
                        transcript.answer(Turn::default());
                    }
                }
            }
        }
    }

    #[test]
    fn counted_messages_are_not_estimated_again() {
        let mut conversation = Conversation::new(0);
        conversation.push(Message::user("a"));
        assert_eq!(conversation.tokens_bound(|_| 100), 100);
        conversation.answered(Turn::default(), Some(7));
        conversation.push(Message::user("b"));
        assert_eq!(conversation.tokens_bound(|_| 100), 107);
        let first = conversation.messages()[..1].to_vec();
        conversation.replace(first);
        assert_eq!(conversation.tokens_bound(|_| 100), 100);
    }
}
