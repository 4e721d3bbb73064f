//! What a model operator is told: the opening of its conversation, and what is said to it afterwards.
//!
//! Pure: contents of candidates come in through functions, and the words stand in `templates/`. An opening never has more
//! tokens than it may by [`message_bound`](crate::model::message_bound); what is less important is shortened or left out first. Code is never cut:
//! a file is shown whole, or a note names it as left out. Whatever candidates, programs and models wrote stands in
//! fences that are longer than any within it, or on one line of a list.

mod code;
mod examples;
mod feedback;
mod history;
mod ideas;
mod page;
mod room;
mod rules;
mod template;
#[cfg(test)]
mod tests;
mod turns;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::code::summary;
pub use self::feedback::feedback;
pub use self::ideas::{parse_ideas, rationale};
pub use self::page::opening;
pub use self::turns::{again, again_idea, more_ideas, other_ideas, repair};
use super::{EditForm, Inheritance, NodeId, Plan, Tree};
use crate::action::Body;
use crate::model::Message;
use crate::task::Task;

/// The editable files of a candidate: path -> content.
pub type Files = BTreeMap<String, Vec<u8>>;

/// All that an opening is made from.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The task.
    pub task: &'a Task,
    /// The text of its description.
    pub description: &'a str,
    /// All candidates so far.
    pub tree: &'a Tree,
    /// The node that is being made.
    pub node: NodeId,
    /// Its plan.
    pub plan: &'a Plan,
    /// What is wanted of the model now.
    pub step: Step<'a>,
    /// The form of its changes.
    pub form: EditForm,
    /// What ideas are implemented on.
    pub inheritance: Inheritance,
    /// The most tokens that the messages may have.
    pub context_tokens: u64,
    /// How much of the tree is told beside the plan.
    pub reach: Reach,
    /// Files of the workspace that candidates may not change and models should see.
    pub protected: &'a Files,
    /// The editable files of a node; nothing if it has none.
    pub files: &'a dyn Fn(NodeId) -> Option<Arc<Files>>,
    /// The text of a body; nothing if it is not text or not there.
    pub body: &'a dyn Fn(&Body) -> Option<String>,
    /// What was found out for openings of the same search before.
    pub memory: &'a Memory,
}

/// What openings of one search say again and again, so that it is put into words once.
#[derive(Debug, Default)]
pub struct Memory {
    /// What settled candidates are about.
    about: RefCell<HashMap<NodeId, Arc<str>>>,
    /// The lines that tell of them, and what their words depended on.
    lines: RefCell<HashMap<NodeId, (history::Stamp, Arc<str>)>>,
    /// System messages, by what they depend on.
    systems: RefCell<Vec<(rules::Depends, String)>>,
}

impl Memory {
    /// So many candidates are remembered.
    const MOST: usize = 4096;

    fn about(&self, id: NodeId, put: impl FnOnce() -> String) -> Arc<str> {
        if let Some(known) = self.about.borrow().get(&id) {
            return known.clone();
        }
        let words: Arc<str> = put().into();
        let mut about = self.about.borrow_mut();
        if about.len() >= Memory::MOST {
            about.clear();
        }
        about.insert(id, words.clone());
        words
    }

    fn line(&self, id: NodeId, stamp: history::Stamp, put: impl FnOnce() -> String) -> Arc<str> {
        if let Some((_, known)) = self.lines.borrow().get(&id).filter(|(known, _)| *known == stamp) {
            return known.clone();
        }
        let words: Arc<str> = put().into();
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= Memory::MOST {
            lines.clear();
        }
        lines.insert(id, (stamp, words.clone()));
        words
    }

    fn system(&self, depends: rules::Depends, put: impl FnOnce() -> String) -> String {
        let known =
            self.systems.borrow().iter().find(|(known, _)| *known == depends).map(|(_, text)| text.clone());
        known.unwrap_or_else(|| {
            let text = put();
            self.systems.borrow_mut().push((depends, text.clone()));
            text
        })
    }
}

/// What is wanted of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Ideas in words, which [`parse_ideas`] reads.
    Ideas {
        /// How many.
        count: u32,
        /// Ideas of the same epoch that are not in the tree yet.
        earlier: &'a [String],
    },
    /// A change of the base.
    Code {
        /// The idea that it implements; `None`: the model has its own.
        idea: Option<&'a str>,
    },
}

/// How many other candidates are told of, where there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reach {
    /// Of the chain that led to the base.
    pub lineage: usize,
    /// Made from the same base.
    pub siblings: usize,
    /// That failed lately.
    pub failures: usize,
    /// Of the best, where an improvement's plan shows none itself.
    pub top: usize,
    /// Unlike those, then.
    pub diverse: usize,
}

impl Reach {
    /// Nothing but what the plan shows: for candidates that are to be independent of each other.
    pub const PLAN: Reach = Reach { lineage: 0, siblings: 0, failures: 0, top: 0, diverse: 0 };
}

impl Default for Reach {
    fn default() -> Reach {
        Reach { lineage: 10, siblings: 10, failures: 3, top: 3, diverse: 2 }
    }
}

/// The opening of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// A system message and a user message.
    pub messages: Vec<Message>,
    /// Candidates whose code or idea is shown beside the parents, in order.
    pub shown: Vec<NodeId>,
}

/// The limit on tokens leaves no room for what must be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} tokens of context are too few: rules and request alone may take {least}")]
pub struct TooLittleRoom {
    /// What the rules and the request take.
    pub least: u64,
    /// The limit.
    pub limit: u64,
}
