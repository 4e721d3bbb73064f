//! Ideas in a model's reply, and what a reply says about its own change.
//!
//! The form is that of arXiv 2601.14525: blocks `[Experiment] ... [Code Changes] ... [End]`. Marks may be in any case and
//! decorated; fences around blocks, thoughts and talk around them are passed over, and a missing `[End]` is forgiven. A
//! mark in back quotes, or one that is an index (`x[End]`), is none.

/// The longest idea that is kept, in bytes.
const LONGEST: usize = 20_000;
/// How many characters of a rationale are kept.
const RATIONALE: usize = 1000;

/// The ideas of a reply, each from its `[Experiment]` on.
///
/// # Errors
/// There is none, in words for the model.
pub fn parse_ideas(reply: &str) -> Result<Vec<String>, String> {
    let text = without_thoughts(reply);
    let mut ideas = Vec::new();
    let mut incomplete = 0;
    for block in blocks(&text) {
        match idea(block) {
            Some(idea) => ideas.push(idea),
            None => incomplete += 1,
        }
    }
    match (ideas.is_empty(), incomplete) {
        (false, _) => Ok(ideas),
        (true, 0) => {
            Err("there is no line that begins with `[Experiment]`; each idea is `[Experiment] ...`, then \
                          `[Code Changes] ...`, then `[End]`"
                .to_owned())
        }
        (true, _) => {
            Err("no idea is complete: after `[Experiment]` and its text there must be `[Code Changes]` with \
                          a text too, and then `[End]`"
                .to_owned())
        }
    }
}

/// What a reply says about its change, before the change itself; nothing if it says nothing.
pub fn rationale(reply: &str) -> Option<String> {
    let text = without_thoughts(reply);
    let begins_change = |line: &&str| {
        let line = line.trim_start().trim_start_matches(['#', '*', ' ']);
        let marks = ["```", "~~~", "<<<<<<<", "--- ", "+++ ", "diff --git ", "@@ "];
        let names = line.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("file:"));
        names || marks.iter().any(|mark| line.starts_with(mark))
    };
    let said = text.lines().take_while(|line| !begins_change(line)).collect::<Vec<_>>().join("\n");
    let mut said = said.trim().to_owned();
    if let Some((at, _)) = said.char_indices().nth(RATIONALE) {
        said.truncate(at);
    }
    (!said.is_empty()).then_some(said)
}

/// The reply without what stands between tags of thoughts, or before a closing one that nothing has opened. A thought
/// that is never closed is the rest of the reply.
fn without_thoughts(reply: &str) -> String {
    let mut text = reply.replace("\r\n", "\n");
    for name in ["think", "thinking"] {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let mut kept = String::new();
        let mut rest = text.as_str();
        loop {
            let (opened, closed) = (rest.find(&open), rest.find(&close));
            match (opened, closed) {
                (Some(from), Some(to)) if from < to => kept.push_str(&rest[..from]),
                (_, Some(_)) => kept.clear(),
                (Some(from), None) => {
                    kept.push_str(&rest[..from]);
                    break;
                }
                (None, None) => {
                    kept.push_str(rest);
                    break;
                }
            }
            rest = &rest[closed.map_or(rest.len(), |to| to + close.len())..];
        }
        text = kept;
    }
    text
}

/// What follows each `[Experiment]`, up to `[End]` or the next one.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = mark(rest, "[experiment]") {
        let end = mark(&rest[after..], "[end]").map(|(at, _)| after + at);
        let next = mark(&rest[after..], "[experiment]").map(|(at, _)| after + at);
        let until = end.into_iter().chain(next).min().unwrap_or(rest.len());
        blocks.push(&rest[after..until]);
        rest = &rest[until..];
    }
    blocks
}

/// Where a mark begins, and where it ends.
fn mark(text: &str, mark: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = text[from..].find('[').map(|at| from + at) {
        let end = at + mark.len();
        let is_mark = text.get(at..end).is_some_and(|found| found.eq_ignore_ascii_case(mark));
        let before = text[..at].chars().next_back();
        let is_index = |before: char| mark == "[end]" && (before.is_alphanumeric() || "_])".contains(before));
        let is_free = before.is_none_or(|before| !"`'\"".contains(before) && !is_index(before));
        if is_mark && is_free {
            return Some((at, end));
        }
        from = at + 1;
    }
    None
}

/// A block in the form of the contract; nothing if one of its sides is missing.
fn idea(block: &str) -> Option<String> {
    let (at, after) = mark(block, "[code changes]")?;
    let (experiment, changes) = (side(&block[..at]), side(&block[after..]));
    if experiment.is_empty() || changes.is_empty() {
        return None;
    }
    let mut idea = format!("[Experiment] {experiment}\n[Code Changes] {changes}");
    let mut longest = LONGEST.min(idea.len());
    while !idea.is_char_boundary(longest) {
        longest -= 1;
    }
    idea.truncate(longest);
    Some(idea)
}

/// One side of a block without decoration around it, and without the half of a fence that stood around the block.
fn side(text: &str) -> &str {
    let is_fence = |line: &&str| line.trim_start().starts_with("```");
    let mut text = undecorated(text);
    if text.lines().filter(is_fence).count() % 2 == 1 {
        text = match text.lines().last().filter(is_fence) {
            Some(last) => &text[..text.len() - last.len()],
            None => text,
        };
    }
    undecorated(text)
}

fn undecorated(text: &str) -> &str {
    let text = text.trim().trim_start_matches("**").trim_start_matches(':').trim_start();
    let end = text.trim_end_matches(['#', '*', ' ', '\n', '\t']);
    // Emphasis within the last words is theirs.
    let is_open = text[..end.len()].matches("**").count() % 2 == 1;
    if is_open && text[end.len()..].starts_with("**") { text[..end.len() + 2].trim_end() } else { end }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ideas_are_found_in_whatever_stands_around_them() {
        let plain = "[Experiment] Warm up.\n[Code Changes] In `train.py`, lr = 0.1.\n[End]\n";
        let one = ["[Experiment] Warm up.\n[Code Changes] In `train.py`, lr = 0.1."];
        let cases = [
            plain.to_owned(),
            plain.replace('\n', "\r\n"),
            plain.replace("[End]\n", ""),
            plain
                .replace("[Experiment]", "1. **[EXPERIMENT]**")
                .replace("[Code Changes]", "### [code changes]:"),
            format!("Here is one:\n```text\n{plain}```\nGood luck."),
            format!("```\n{}\n```", plain.replace("[End]\n", "").trim()),
            format!("<think>maybe [Experiment] x [Code Changes] y [End]</think>\n{plain}"),
            format!("so [Experiment] no\n[Code Changes] no [End]</think>{plain}"),
            format!("{plain}\n[Experiment] without changes [End]"),
            format!("{plain}<thinking>[Experiment] a [Code Changes] b"),
        ];
        for case in cases {
            assert_eq!(parse_ideas(&case).as_deref(), Ok(one.map(str::to_owned).as_slice()), "{case}");
        }
    }

    #[test]
    fn several_ideas_keep_their_order_and_their_own_brackets() {
        let reply = "[Experiment] A, with x[End] and `[End]`.\n[Code Changes] a\n```py\ny = 1\n```\n\n\
                     [Experiment] B\n[Code Changes] b **really**\n[End]\ntalk\n[Experiment] C[Code Changes]c\n[End]";
        let expected = [
            "[Experiment] A, with x[End] and `[End]`.\n[Code Changes] a\n```py\ny = 1\n```",
            "[Experiment] B\n[Code Changes] b **really**",
            "[Experiment] C\n[Code Changes] c",
        ];
        assert_eq!(parse_ideas(reply).unwrap(), expected);
    }

    #[test]
    fn no_idea_is_said_in_words_for_the_model() {
        assert!(parse_ideas("I would rather not.").unwrap_err().starts_with("there is no line that begins"));
        for reply in [
            "[Experiment] a [End]",
            "[Experiment] [Code Changes] b [End]",
            "[Experiment] a [Code Changes] [End]",
        ] {
            assert!(parse_ideas(reply).unwrap_err().starts_with("no idea is complete"), "{reply}");
        }
    }

    #[test]
    fn a_rationale_is_what_stands_before_the_change() {
        let cases = [
            ("Larger steps.\nThey help.\n\nFile: a.py\n<<<<<<< SEARCH\n", Some("Larger steps.\nThey help.")),
            ("<think>hm</think>Less noise.\n```diff\n--- a/x\n", Some("Less noise.")),
            ("```python\nx\n```\n", None),
            ("**File: a.py**\n```\nx\n```", None),
            ("--- a/x\n+++ b/x\n", None),
        ];
        for (reply, expected) in cases {
            assert_eq!(rationale(reply).as_deref(), expected, "{reply}");
        }
    }

    proptest! {
        #[test]
        fn any_reply_is_read(pieces in proptest::collection::vec(
            prop_oneof![
                Just("[Experiment]"), Just("[Code Changes]"), Just("[End]"), Just("```\n"), Just("<think>"),
                Just("</think>"), Just("**"), Just("\n"), Just("é["), Just(" word "), Just("<thinking>"),
            ],
            0..40,
        )) {
            let reply = pieces.concat();
            if let Ok(ideas) = parse_ideas(&reply) {
                for idea in ideas {
                    // An idea is read back as itself alone.
                    prop_assert!(idea.starts_with("[Experiment] ") && idea.contains("\n[Code Changes] "));
                }
            }
            rationale(&reply);
        }
    }
}
