//! The messages of a conversation, the same for all providers.
//!
//! An assistant's turn keeps the provider's own items beside the normalised view, in their original order and unchanged:
//! signed thinking between tool calls is refused by its provider when it comes back regrouped or without its signature.
//! The raw items are sent back to the model that wrote them; every other model is shown the normalised parts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::{Target, Wire};

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "role", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Instructions that stand above the conversation. First, if there is one.
    System {
        /// The text.
        text: String,
    },
    /// What the model is told or asked.
    User {
        /// In order.
        content: Vec<Input>,
    },
    /// What the model answered.
    Assistant(Turn),
    /// The results of the calls of the turn before, each once.
    Tool {
        /// In the order of the calls.
        results: Vec<ToolResult>,
    },
}

impl Message {
    /// A user message of one text.
    pub fn user(text: impl Into<String>) -> Message {
        Message::User { content: vec![Input::Text { text: text.into() }] }
    }
}

/// A piece of what a model is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture in the request itself.
    Image {
        /// Such as `image/png`.
        media_type: String,
        /// Its bytes in standard base64.
        data: String,
    },
    /// A picture that the provider fetches.
    ImageUrl {
        /// Where.
        url: String,
    },
}

/// One answer of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The normalised view, in the original order.
    pub parts: Vec<Part>,
    /// The provider's own items, if a provider wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
}

/// A provider's own form of a turn, unchanged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// In which wire's form.
    pub wire: Wire,
    /// Who wrote it, as `provider/model`.
    pub model: String,
    /// The items: `chat` the message object, `responses` the `output` array, `messages` the `content` array, `gemini`
    /// the candidate's `parts` array.
    pub items: Value,
}

impl Turn {
    /// The raw items, if they are this target's own.
    pub fn raw_for(&self, wire: Wire, target: &Target) -> Option<&Value> {
        let raw = self.raw.as_ref()?;
        (raw.wire == wire && raw.model == target.name).then_some(&raw.items)
    }

    /// All texts together.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Thinking { .. } | Part::Call { .. } | Part::Refusal { .. } | Part::Other { .. } => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The tool calls in order: id, name, arguments.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Call { id, name, arguments } => Some((id.as_str(), name.as_str(), arguments.as_str())),
            Part::Text { .. } | Part::Thinking { .. } | Part::Refusal { .. } | Part::Other { .. } => None,
        })
    }
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// What the model says.
    Text {
        /// The text.
        text: String,
    },
    /// What the model thought; often empty beside a valid signature, which only the raw items hold.
    Thinking {
        /// The text, or a summary of it, or nothing.
        text: String,
    },
    /// A tool is to be called.
    Call {
        /// The provider's id, or one of ours where it gives none.
        id: String,
        /// The tool.
        name: String,
        /// JSON text as the model wrote it: it may be invalid.
        arguments: String,
    },
    /// The model declines.
    Refusal {
        /// Its words.
        text: String,
    },
    /// Something that has no form here, such as a call of a tool on the provider's side.
    Other {
        /// The provider's name for it.
        kind: String,
    },
}

/// The result of one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolResult {
    /// The call that it answers.
    pub call_id: String,
    /// The tool that was called.
    pub name: String,
    /// What came out.
    pub content: Vec<Input>,
    /// Whether the tool failed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_error: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}
