//! What every request must keep, whoever is asked. Models that are not real ones ([`super::scripted`],
//! [`super::fake_provider`]) hold all requests to it, so that a test run finds what a provider would refuse.

use std::collections::BTreeSet;

use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{Input, Message, Part, Request};

/// Says which invariant a request breaks, the first one found.
pub(super) fn broken(request: &Request, secrets: &Redactor) -> Option<String> {
    order(&request.messages)
        .or_else(|| pairing(&request.messages))
        .or_else(|| settings(request))
        .or_else(|| leak(request, secrets))
}

/// All texts of a request, one after the other: what was said, called and answered, and the tools.
pub(super) fn texts(request: &Request) -> String {
    let mut all = String::new();
    let mut add = |text: &str| {
        all.push_str(text);
        all.push('\n');
    };
    for message in &request.messages {
        match message {
            Message::System { text } => add(text),
            Message::User { content } => content.iter().for_each(|input| add(input_text(input))),
            Message::Assistant(turn) => turn.parts.iter().for_each(|part| match part {
                Part::Text { text } | Part::Thinking { text } | Part::Refusal { text } => add(text),
                Part::Call { id, name, arguments } => {
                    [id, name, arguments].into_iter().for_each(|text| add(text))
                }
                Part::Other { kind } => add(kind),
            }),
            Message::Tool { results } => {
                for result in results {
                    add(&result.call_id);
                    result.content.iter().for_each(|input| add(input_text(input)));
                }
            }
        }
    }
    for tool in &request.settings.tools {
        add(&tool.name);
        add(&tool.description);
        add(&tool.parameters.to_string());
    }
    all
}

fn input_text(input: &Input) -> &str {
    match input {
        Input::Text { text } => text,
        Input::Image { data, .. } => data,
        Input::ImageUrl { url } => url,
    }
}

fn order(messages: &[Message]) -> Option<String> {
    let mut is_begun = false;
    for (index, message) in messages.iter().enumerate() {
        match message {
            Message::System { text } => {
                if index > 0 {
                    return Some(format!("messages[{index}]: the system message must be the first"));
                }
                if text.is_empty() {
                    return Some("messages[0]: the system message is empty".to_owned());
                }
                continue;
            }
            Message::Assistant(turn) if !is_begun => {
                let kind = if turn.parts.is_empty() { "an empty" } else { "an" };
                return Some(format!("messages[{index}]: {kind} assistant message begins the conversation"));
            }
            Message::User { content } if content.is_empty() => {
                return Some(format!("messages[{index}]: the user message is empty"));
            }
            Message::Assistant(turn) if turn.parts.is_empty() && turn.raw.is_none() => {
                return Some(format!("messages[{index}]: the assistant message is empty"));
            }
            Message::Tool { results } if results.is_empty() => {
                return Some(format!("messages[{index}]: the tool message holds no result"));
            }
            Message::User { .. } | Message::Assistant(_) | Message::Tool { .. } => {}
        }
        is_begun = true;
    }
    match messages.last() {
        None => Some("there are no messages".to_owned()),
        Some(Message::System { .. }) => Some("nothing follows the system message".to_owned()),
        Some(Message::User { .. } | Message::Assistant(_) | Message::Tool { .. }) => None,
    }
}

/// Each call of a turn is answered once in the message that follows, and nothing else is.
fn pairing(messages: &[Message]) -> Option<String> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        if let Message::Tool { results } = message {
            for result in results {
                if !open.remove(result.call_id.as_str()) {
                    return Some(format!(
                        "messages[{index}]: the result of `{}` answers no open call of the turn before",
                        result.call_id
                    ));
                }
            }
        }
        if let Some(call) = open.first() {
            return Some(format!("messages[{index}]: the call `{call}` of the turn before is not answered"));
        }
        if let Message::Assistant(turn) = message {
            for (id, name, _) in turn.calls() {
                if id.is_empty() || name.is_empty() {
                    return Some(format!("messages[{index}]: a call without an id or a name"));
                }
                if !open.insert(id) {
                    return Some(format!("messages[{index}]: two calls have the id `{id}`"));
                }
            }
        }
    }
    open.first().map(|call| format!("the call `{call}` of the last turn is not answered"))
}

fn settings(request: &Request) -> Option<String> {
    let mut names = BTreeSet::new();
    for tool in &request.settings.tools {
        let allowed = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
        if tool.name.is_empty() || tool.name.len() > 64 || !tool.name.chars().all(allowed) {
            return Some(format!("the tool name `{}` is not 1 to 64 letters, digits, _ and -", tool.name));
        }
        if !names.insert(&tool.name) {
            return Some(format!("two tools have the name `{}`", tool.name));
        }
        if !tool.parameters.is_object() {
            return Some(format!("the parameters of the tool `{}` are no object", tool.name));
        }
    }
    (request.settings.max_output_tokens == Some(0)).then(|| "the cap on output is 0".to_owned())
}

/// The request may hold no key, in no form that the redactor knows.
fn leak(request: &Request, secrets: &Redactor) -> Option<String> {
    if secrets.is_empty() {
        return None;
    }
    let text = serde_json::to_vec(request).unwrap_or_default();
    secrets.contains(&text).then(|| "the request holds a key".to_owned())
}
