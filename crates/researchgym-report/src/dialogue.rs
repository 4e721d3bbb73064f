//! A story as what was said and done in turn: what the foreign formats for trajectories have in common.
//!
//! Where the conversation with the model is known, it is that; the steps then add times and outcomes to its calls, as far as
//! they can be told apart. Else each step is a turn.

use serde_json::{Map, Value};

use researchgym_core::model::{Input, Message, Part, ToolResult, Turn};
use researchgym_core::record::{AttemptRecord, Category, StepRecord};

use crate::story::{Call, Story};

/// One thing in turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry<'s> {
    /// Instructions.
    System(&'s str),
    /// What the agent was told.
    User(Told<'s>),
    /// What the agent said and did.
    Agent(Said<'s>),
    /// A call of a model whose answer is not in the conversation.
    Lost(&'s Call),
    /// Something was graded.
    Attempt(&'s AttemptRecord),
}

/// What an agent was told.
#[derive(Debug, PartialEq)]
pub(crate) enum Told<'s> {
    /// Pieces, as they were sent.
    Pieces(&'s [Input]),
    /// In place of a text that is not known.
    Words(String),
}

/// One turn of an agent.
#[derive(Debug, PartialEq)]
pub(crate) struct Said<'s> {
    /// What it said, in pieces.
    pub(crate) words: Vec<Words<'s>>,
    /// What it did.
    pub(crate) deeds: Vec<Deed<'s>>,
    /// The call of the model, if it is known.
    pub(crate) asked: Option<&'s Call>,
    /// The model, if it is known.
    pub(crate) model: Option<&'s str>,
}

/// A piece of what was said.
#[derive(Debug, PartialEq)]
pub(crate) enum Words<'s> {
    Text(&'s str),
    Thinking(&'s str),
    Refusal(&'s str),
    Other(&'s str),
}

/// A call of a tool, and what came of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Deed<'s> {
    pub(crate) id: String,
    pub(crate) function: &'s str,
    /// An object.
    pub(crate) arguments: Value,
    /// Why they are not what the model wrote: that was no object of JSON.
    pub(crate) is_unreadable: bool,
    pub(crate) seen: Seen<'s>,
    pub(crate) is_error: bool,
    /// The step that it was, if that is known.
    pub(crate) step: Option<&'s StepRecord>,
}

/// What came of a call.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen<'s> {
    Pieces(&'s [Input]),
    Text(&'s str),
    /// It is not known.
    Nothing,
}

/// The entries of a story in order.
pub(crate) fn entries(story: &Story) -> Vec<Entry<'_>> {
    let mut teller = Teller { story, entries: Vec::new(), attempts: 0, calls: 0, steps: 0 };
    match &story.messages {
        Some(messages) => teller.conversation(messages),
        None => teller.steps(),
    }
    teller.attempts_until(u64::MAX);
    teller.entries
}

struct Teller<'s> {
    story: &'s Story,
    entries: Vec<Entry<'s>>,
    /// How many of the story's attempts, calls and steps were told.
    attempts: usize,
    calls: usize,
    steps: u64,
}

impl<'s> Teller<'s> {
    fn conversation(&mut self, messages: &'s [Message]) {
        for (index, message) in messages.iter().enumerate() {
            match message {
                Message::System { text } => self.entries.push(Entry::System(text)),
                Message::User { content } => self.entries.push(Entry::User(Told::Pieces(content))),
                Message::Assistant(turn) => {
                    let results = messages[index + 1..]
                        .iter()
                        .take_while(|next| !matches!(next, Message::Assistant(_)));
                    let results: Vec<&ToolResult> = results.flat_map(results_of).collect();
                    self.turn(index, turn, &results);
                }
                // They were told with their calls.
                Message::Tool { .. } => {}
            }
        }
        self.lost_until(self.story.calls.len());
    }

    fn turn(&mut self, index: usize, turn: &'s Turn, results: &[&'s ToolResult]) {
        let position = self.story.calls.iter().position(|call| call.answer == Some(index));
        if let Some(position) = position {
            self.lost_until(position);
            self.calls = position + 1;
        }
        let asked = position.map(|position| &self.story.calls[position]);
        self.steps = asked.map_or(self.steps, |asked| asked.after_steps);
        self.attempts_until(self.steps);
        let count = turn.calls().count() as u64;
        let next =
            self.story.calls.get(self.calls).map_or(self.story.steps.len() as u64, |next| next.after_steps);
        let until = if asked.is_some() { next } else { self.steps + count };
        // Steps are told apart where there is one for each call.
        let is_matched = until.saturating_sub(self.steps) == count;
        let steps = self.story.steps.iter().skip(self.steps as usize);
        let mut steps = steps.take(if is_matched { count as usize } else { 0 });
        let deeds = turn.calls().map(|(id, function, arguments)| {
            let result = results.iter().find(|result| result.call_id == id);
            let read = serde_json::from_str::<Map<String, Value>>(if arguments.is_empty() {
                "{}"
            } else {
                arguments
            });
            let is_unreadable = read.is_err();
            Deed {
                id: id.to_owned(),
                function,
                arguments: read
                    .map_or_else(|_| serde_json::json!({ "unreadable": arguments }), Value::Object),
                is_unreadable,
                seen: result.map_or(Seen::Nothing, |result| Seen::Pieces(&result.content)),
                is_error: result.is_some_and(|result| result.is_error),
                step: steps.next(),
            }
        });
        let deeds = deeds.collect();
        let words = turn.parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(Words::Text(text)),
            Part::Thinking { text } => Some(Words::Thinking(text)).filter(|_| !text.is_empty()),
            Part::Refusal { text } => Some(Words::Refusal(text)),
            Part::Other { kind } => Some(Words::Other(kind)),
            Part::Call { .. } => None,
        });
        let model = asked.map(|asked| asked.model.as_str()).or(self.story.record.model.as_deref());
        self.entries.push(Entry::Agent(Said { words: words.collect(), deeds, asked, model }));
        self.steps = until;
    }

    fn steps(&mut self) {
        let task = &self.story.record.task;
        let words = match task.variant.as_str() {
            "default" => format!("Task: {}", task.id),
            variant => format!("Task: {} ({variant})", task.id),
        };
        self.entries.push(Entry::User(Told::Words(words)));
        for step in &self.story.steps {
            self.attempts_until(step.number.saturating_sub(1));
            let words = step.thought.as_deref().map(Words::Text).into_iter().collect();
            let is_mere_words = step.category == Category::Talk && step.tool.is_empty();
            let deeds = if is_mere_words { Vec::new() } else { vec![deed(step)] };
            let model = step.model.as_deref().or(self.story.record.model.as_deref());
            self.entries.push(Entry::Agent(Said { words, deeds, asked: None, model }));
        }
    }

    fn attempts_until(&mut self, steps: u64) {
        while let Some(attempt) = self.story.record.attempts.get(self.attempts)
            && attempt.after_steps.unwrap_or(u64::MAX) <= steps
        {
            self.entries.push(Entry::Attempt(attempt));
            self.attempts += 1;
        }
    }

    fn lost_until(&mut self, position: usize) {
        while self.calls < position {
            let call = &self.story.calls[self.calls];
            self.attempts_until(call.after_steps);
            self.entries.push(Entry::Lost(call));
            self.calls += 1;
        }
    }
}

fn results_of(message: &Message) -> &[ToolResult] {
    match message {
        Message::Tool { results } => results,
        Message::System { .. } | Message::User { .. } | Message::Assistant(_) => &[],
    }
}

/// A step as a call: its action is its arguments if it is an object, else the one argument.
fn deed(step: &StepRecord) -> Deed<'_> {
    let arguments = serde_json::from_str::<Map<String, Value>>(&step.action).unwrap_or_else(|_| {
        let key = match step.category {
            Category::Bash | Category::Python => "cmd",
            _ => "action",
        };
        let is_empty = step.action.is_empty();
        (!is_empty).then(|| (key.to_owned(), Value::from(step.action.as_str()))).into_iter().collect()
    });
    Deed {
        id: format!("call-{}", step.number),
        function: if step.tool.is_empty() { step.category.name() } else { &step.tool },
        arguments: Value::Object(arguments),
        is_unreadable: false,
        seen: Seen::Text(&step.observation),
        is_error: step.is_refused,
        step: Some(step),
    }
}

/// The text of pieces; pictures are named.
pub(crate) fn text_of(pieces: &[Input]) -> String {
    let texts = pieces.iter().map(|piece| match piece {
        Input::Text { text } => text.clone(),
        Input::Image { media_type, .. } => format!("[{media_type}]"),
        Input::ImageUrl { url } => format!("[image {url}]"),
    });
    texts.collect::<Vec<_>>().join("\n")
}

impl Seen<'_> {
    /// As text.
    pub(crate) fn text(&self) -> String {
        match self {
            Seen::Pieces(pieces) => text_of(pieces),
            Seen::Text(text) => (*text).to_owned(),
            Seen::Nothing => String::new(),
        }
    }
}
