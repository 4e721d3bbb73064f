//! What an evaluation said about a candidate, as the next model is told it.

use super::room::{number, one_line, shortened};
use crate::search::event::EvaluationOutcome;

/// How many metrics are told.
const METRICS: usize = 40;

/// The outcome of an evaluation with what the candidate's program wrote, in at most `limit` bytes. Output is told as a
/// terminal would show it: without escape sequences, and of a line that was written over only the last text. What is
/// too long keeps its head and tail. Findings of the grader are not told.
pub fn feedback(stdout: &[u8], stderr: &[u8], outcome: &EvaluationOutcome, limit: usize) -> String {
    let mut text = told(outcome);
    if text.len() > limit {
        return shortened(&text, limit as u64, bytes).unwrap_or_default();
    }
    let outputs = [("stderr", as_shown(stderr)), ("stdout", as_shown(stdout))];
    let written = outputs.iter().filter(|(_, output)| !output.is_empty()).count();
    for (index, (name, output)) in outputs.into_iter().filter(|(_, output)| !output.is_empty()).enumerate() {
        let heading = format!("\n\n{name}:\n");
        let share = (limit - text.len()) / (written - index);
        let room = share.saturating_sub(heading.len());
        if let Some(output) = shortened(&output, room as u64, bytes) {
            text.push_str(&heading);
            text.push_str(output.trim_end_matches('\n'));
        }
    }
    text
}

fn bytes(text: &str) -> u64 {
    text.len() as u64
}

fn told(outcome: &EvaluationOutcome) -> String {
    match outcome {
        EvaluationOutcome::Graded { score } => match &score.invalid {
            Some(reason) => format!("graded, and not valid: {}", as_shown(reason.as_bytes())),
            None => {
                let metrics = score.metrics.iter().take(METRICS);
                let told: Vec<String> = metrics
                    .map(|(name, value)| format!("{} = {}", one_line(name, 100), number(*value)))
                    .collect();
                format!("graded: {}", told.join(", "))
            }
        },
        EvaluationOutcome::Passed => "this step of the evaluation went well".to_owned(),
        EvaluationOutcome::Failed { kind, reason } => {
            format!("failed ({}): {}", kind.name().replace('_', " "), as_shown(reason.as_bytes()))
        }
        EvaluationOutcome::Broke { .. } => "the machine failed, not the candidate".to_owned(),
        EvaluationOutcome::Stopped => "the evaluation was ended early from outside".to_owned(),
    }
}

/// Output without terminal control: escape sequences (ECMA-48) go, a carriage return takes back its line.
fn as_shown(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                Some('[') => skip(&mut characters, |end| ('@'..='~').contains(&end)),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut characters),
                Some(' '..='/') => skip(&mut characters, |end| ('0'..='~').contains(&end)),
                _ => {}
            },
            '\u{9b}' => skip(&mut characters, |end| ('@'..='~').contains(&end)),
            '\n' | '\t' | '\r' => plain.push(character),
            other if other.is_control() => {}
            other => plain.push(other),
        }
    }
    let last = |line: &str| {
        line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default().trim_end().to_owned()
    };
    let lines: Vec<String> = plain.split('\n').map(last).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

type Characters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// Goes on to behind the character that ends a sequence; a line end is never part of one.
fn skip(characters: &mut Characters<'_>, ends: impl Fn(char) -> bool) {
    while let Some(next) = characters.next_if(|next| *next != '\n') {
        if ends(next) {
            return;
        }
    }
}

/// Goes on to behind a string of the terminal, which BEL or ESC \ ends.
fn skip_string(characters: &mut Characters<'_>) {
    while let Some(next) = characters.next_if(|next| *next != '\n') {
        if next == '\u{7}' || (next == '\u{1b}' && characters.next_if_eq(&'\\').is_some()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::score::{Metrics, Score};
    use crate::search::event::EvaluationFailure;

    fn crash() -> EvaluationOutcome {
        EvaluationOutcome::Failed { kind: EvaluationFailure::OutOfMemory, reason: "killed\u{1b}[0m".into() }
    }

    #[test]
    fn an_evaluation_is_told_as_a_terminal_shows_it() {
        let stdout = b"\x1b[31mred\x1b[0m \x1b]0;title\x07end\n 10%\r 50%\r100%\r\nbell\x07\n\n";
        let stderr = b"Traceback:\n  \xff\tx\n";
        let expected = "failed (out of memory): killed\n\nstderr:\nTraceback:\n  \u{fffd}\tx\n\nstdout:\nred end\n100%\nbell";
        assert_eq!(feedback(stdout, stderr, &crash(), 1000), expected);
        let metrics = Metrics::from([("score".into(), 0.1 + 0.2), ("n".into(), 26.0)]);
        let score = Score { metrics, invalid: None, findings: Vec::new() };
        assert_eq!(
            feedback(b"", b"", &EvaluationOutcome::Graded { score }, 100),
            "graded: n = 26, score = 0.3"
        );
        let score = Score::invalid("circles overlap");
        let expected = "graded, and not valid: circles overlap";
        assert_eq!(feedback(b"\x1b[2J", b"", &EvaluationOutcome::Graded { score }, 100), expected);
    }

    #[test]
    fn long_output_keeps_head_and_tail() {
        let stdout: String = (0..1000).map(|line| format!("step {line}\n")).collect();
        let expected = "failed (out of memory): killed\n\nstdout:\nstep 0\nstep 1\nstep 2\nstep 3\nstep 4\n\
                        [... 8819 bytes left out ...]\nstep 996\nstep 997\nstep 998\nstep 999";
        assert_eq!(feedback(stdout.as_bytes(), b"", &crash(), 150), expected);
        assert_eq!(feedback(stdout.as_bytes(), b"", &crash(), 5), "");
    }

    proptest! {
        #[test]
        fn feedback_keeps_to_its_limit_and_holds_no_control(
            stdout in proptest::collection::vec(any::<u8>(), 0..400),
            stderr in "(?s).{0,100}",
            limit in 0_usize..300,
        ) {
            let text = feedback(&stdout, stderr.as_bytes(), &crash(), limit);
            prop_assert!(text.len() <= limit);
            prop_assert!(!text.chars().any(|found| found.is_control() && !matches!(found, '\n' | '\t')));
        }
    }
}
