//! How long a conversation is, and how it is made shorter without tearing a call from its result.
//!
//! Pure. A conversation is a head (system message and task) and blocks; a block is one answer of the model with all that
//! follows until the next. Blocks are kept or left out whole.

use researchgym_core::model::{Input, Message, Part, ToolResult, Turn};

use super::output::clip;

/// Above this many tokens the model hands its notes over to a new conversation.
const LONG: u64 = 140_000;
/// The share of the model's context window, in percent, that counts as long where that is less.
const LONG_PERCENT: u64 = 70;
/// The share of the blocks, in percent of their size, that pruning keeps.
const KEPT_PERCENT: usize = 70;
/// A picture counts as so many bytes.
const PICTURE: usize = 4096;
/// Of this many mementos, the newest, the whole is kept.
const FRESH_MEMENTOS: usize = 4;
const FRESH_BYTES: usize = 24 << 10;
const OLD_BYTES: usize = 3 << 10;

/// Whether it is time for a memento.
pub(super) fn is_long(tokens: u64, context_window: Option<u64>) -> bool {
    let share = context_window.map(|window| window / 100 * LONG_PERCENT);
    tokens > share.map_or(LONG, |share| share.min(LONG))
}

/// A guess at a message's tokens where no provider has counted them: three bytes each, and a few for its frame.
pub(super) fn estimated_tokens(message: &Message) -> u64 {
    (size(message) as u64).div_ceil(3) + 6
}

fn size(message: &Message) -> usize {
    match message {
        Message::System { text } => text.len(),
        Message::User { content } => inputs(content),
        Message::Assistant(turn) => match &turn.raw {
            Some(raw) => raw.items.to_string().len(),
            None => turn.parts.iter().map(part).sum(),
        },
        Message::Tool { results } => {
            results.iter().map(|result| inputs(&result.content) + result.name.len()).sum()
        }
    }
}

fn inputs(content: &[Input]) -> usize {
    content
        .iter()
        .map(|input| match input {
            Input::Text { text } => text.len(),
            Input::Image { .. } | Input::ImageUrl { .. } => PICTURE,
        })
        .sum()
}

fn part(part: &Part) -> usize {
    match part {
        Part::Text { text } | Part::Thinking { text } | Part::Refusal { text } => text.len(),
        Part::Call { name, arguments, .. } => name.len() + arguments.len(),
        Part::Other { kind } => kind.len(),
    }
}

/// Whether a turn says nothing at all: providers refuse to be sent such a turn.
pub(super) fn is_empty(turn: &Turn) -> bool {
    turn.parts.iter().all(|part| match part {
        Part::Text { text } => text.is_empty(),
        Part::Thinking { .. } | Part::Call { .. } | Part::Refusal { .. } | Part::Other { .. } => false,
    })
}

/// The same conversation without its oldest blocks, with a note where they were. `None` if only one block is left.
pub(super) fn pruned(messages: &[Message], note: &str) -> Option<Vec<Message>> {
    let head = messages.iter().position(|message| !matches!(message, Message::System { .. }))? + 1;
    let starts: Vec<usize> =
        (head..messages.len()).filter(|index| matches!(messages[*index], Message::Assistant(_))).collect();
    let [first, second, ..] = starts.as_slice() else { return None };
    let sizes = |from: usize| messages[from..].iter().map(size).sum::<usize>();
    let wanted = sizes(*first) / 100 * KEPT_PERCENT;
    let last = *starts.last()?;
    let start =
        starts.iter().copied().find(|start| *start >= *second && sizes(*start) <= wanted).unwrap_or(last);
    let mut kept = messages[..head].to_vec();
    kept.push(Message::user(note));
    kept.extend_from_slice(&messages[start..]);
    Some(kept)
}

/// The same conversation with what the model was told and the tools gave clipped to so many bytes each. `None` if nothing
/// is longer.
pub(super) fn clipped(messages: &[Message], longest: usize) -> Option<Vec<Message>> {
    let shorter: Vec<Message> = messages
        .iter()
        .map(|message| match message {
            Message::User { content } => Message::User { content: shorter_inputs(content, longest) },
            Message::Tool { results } => Message::Tool {
                results: results
                    .iter()
                    .map(|result| ToolResult {
                        content: shorter_inputs(&result.content, longest),
                        ..result.clone()
                    })
                    .collect(),
            },
            Message::System { .. } | Message::Assistant(_) => message.clone(),
        })
        .collect();
    (shorter != messages).then_some(shorter)
}

fn shorter_inputs(content: &[Input], longest: usize) -> Vec<Input> {
    content
        .iter()
        .map(|input| match input {
            Input::Text { text } if text.len() > longest => Input::Text { text: clip(text, longest, "") },
            other => other.clone(),
        })
        .collect()
}

/// The mementos as the next conversation is given them: all, the older ones shortened.
pub(super) fn mementos(all: &[String]) -> Vec<String> {
    let fresh = all.len().saturating_sub(FRESH_MEMENTOS);
    let longest = |index: usize| if index < fresh { OLD_BYTES } else { FRESH_BYTES };
    all.iter().enumerate().map(|(index, memento)| clip(memento, longest(index), "")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turn(name: &str, calls: &[String]) -> Message {
        let mut parts = vec![Part::Text { text: name.into() }];
        parts.extend(calls.iter().map(|id| Part::Call {
            id: id.clone(),
            name: "bash".into(),
            arguments: "{\"cmd\": \"ls\"}".into(),
        }));
        Message::Assistant(Turn { parts, raw: None })
    }

    fn results(calls: &[String], length: usize) -> Message {
        let result = |id: &String| ToolResult {
            call_id: id.clone(),
            name: "bash".into(),
            content: vec![Input::Text { text: "x".repeat(length) }],
            is_error: false,
        };
        Message::Tool { results: calls.iter().map(result).collect() }
    }

    /// Head, then for each step: calls of the turn, length of a result, whether the user says something after it.
    fn conversation(steps: &[(usize, usize, bool)]) -> Vec<Message> {
        let mut messages = vec![Message::System { text: "system".into() }, Message::user("task")];
        for (number, (calls, length, says)) in steps.iter().enumerate() {
            let ids: Vec<String> = (0..*calls).map(|call| format!("{number}-{call}")).collect();
            messages.push(turn(&number.to_string(), &ids));
            if !ids.is_empty() {
                messages.push(results(&ids, *length));
            }
            if *says || ids.is_empty() {
                messages.push(Message::user("go on"));
            }
        }
        messages
    }

    /// Every call has exactly one result in the message after it, and every result a call.
    fn is_paired(messages: &[Message]) -> bool {
        let mut open: Vec<String> = Vec::new();
        for message in messages {
            match message {
                Message::Tool { results } => {
                    let answered: Vec<String> = results.iter().map(|result| result.call_id.clone()).collect();
                    if answered != std::mem::take(&mut open) {
                        return false;
                    }
                }
                _ if !open.is_empty() => return false,
                Message::Assistant(turn) => open = turn.calls().map(|(id, ..)| id.to_owned()).collect(),
                Message::System { .. } | Message::User { .. } => {}
            }
        }
        open.is_empty()
    }

    proptest! {
        #[test]
        fn shortening_never_tears_calls_from_results(
            steps in proptest::collection::vec((0usize..4, 0usize..3000, any::<bool>()), 0..20),
            longest in 10usize..2000,
        ) {
            let mut messages = conversation(&steps);
            prop_assert!(is_paired(&messages));
            let mut rounds = 0;
            while let Some(shorter) = pruned(&messages, "left out") {
                prop_assert!(is_paired(&shorter));
                prop_assert_eq!(&shorter[..2], &messages[..2]);
                prop_assert_eq!(shorter.last(), messages.last());
                let count = |messages: &[Message]| messages.iter().filter(|m| matches!(m, Message::Assistant(_))).count();
                prop_assert!(count(&shorter) < count(&messages));
                messages = shorter;
                rounds += 1;
                prop_assert!(rounds < 25);
            }
            if let Some(clipped) = clipped(&messages, longest) {
                prop_assert!(is_paired(&clipped));
                prop_assert_eq!(clipped.len(), messages.len());
            }
        }
    }

    #[test]
    fn the_newest_blocks_are_kept() {
        let messages = conversation(&[(1, 100, false), (1, 100, true), (1, 100, false), (1, 100, false)]);
        let kept = pruned(&messages, "left out").unwrap();
        let mut expected = messages[..2].to_vec();
        expected.push(Message::user("left out"));
        expected.extend_from_slice(&messages[7..]);
        assert_eq!(kept, expected);
        assert_eq!(pruned(&conversation(&[(1, 100, true)]), "left out"), None);
    }

    #[test]
    fn long_is_a_number_or_a_share_of_the_window() {
        assert!(!is_long(140_000, None));
        assert!(is_long(140_001, None));
        assert!(is_long(140_001, Some(1_000_000)));
        assert!(!is_long(14_000, Some(20_000)));
        assert!(is_long(14_001, Some(20_000)));
    }

    #[test]
    fn an_answer_without_anything_is_empty() {
        let text = |text: &str| Turn { parts: vec![Part::Text { text: text.into() }], raw: None };
        assert!(is_empty(&Turn::default()));
        assert!(is_empty(&text("")));
        assert!(!is_empty(&text("a")));
    }

    #[test]
    fn old_mementos_are_shortened() {
        let long = "m".repeat(10_000);
        let lengths: Vec<usize> =
            mementos(&vec![long; 6]).iter().map(|memento| memento.len() / 1000).collect();
        assert_eq!(lengths, [3, 3, 10, 10, 10, 10]);
    }
}
