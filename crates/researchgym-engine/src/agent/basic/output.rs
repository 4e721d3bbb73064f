//! What a model is shown of a command's output: all of it, or both ends and where the rest is.
//!
//! Pure. The end matters as much as the beginning: that is where errors and final scores are.

/// Output up to this many bytes is shown whole.
pub(super) const SHOWN: usize = 32 << 10;
/// The file in which longer output is kept has at most about so many bytes.
pub(super) const KEPT: usize = 16 << 20;
/// So many bytes of each end of each stream are put there.
pub(super) const KEPT_END: usize = KEPT / 4;

/// Both streams of a command, each at most two times [`KEPT_END`] long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Output {
    /// Whether it is shown whole.
    pub(super) fn is_short(&self) -> bool {
        self.stdout.len() + self.stderr.len() <= SHOWN
    }

    /// All of it.
    pub(super) fn whole(&self) -> String {
        joined(&self.stdout, &self.stderr)
    }

    /// Both ends of each stream, with a note where the rest can be read.
    pub(super) fn ends(&self, note: &str) -> String {
        let half = SHOWN / 2;
        let of_stderr = self.stderr.len().min(half.max(SHOWN.saturating_sub(self.stdout.len())));
        let of_stdout = self.stdout.len().min(SHOWN - of_stderr);
        joined(&clip(&self.stdout, of_stdout, note), &clip(&self.stderr, of_stderr, note))
    }
}

fn joined(stdout: &str, stderr: &str) -> String {
    match (stdout.trim_end().is_empty(), stderr.trim_end().is_empty()) {
        (true, true) => "(no output)".to_owned(),
        (false, true) => stdout.to_owned(),
        (true, false) => format!("[stderr]\n{stderr}"),
        (false, false) => {
            let newline = if stdout.ends_with('\n') { "" } else { "\n" };
            format!("{stdout}{newline}[stderr]\n{stderr}")
        }
    }
}

/// The text, or its two ends of together at most `longest` bytes with a line between them; cut at line ends where one
/// is near.
pub(super) fn clip(text: &str, longest: usize, note: &str) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let half = longest / 2;
    let mut head = text.floor_char_boundary(half);
    if let Some(line_end) = text[..head].rfind('\n').filter(|end| *end >= head / 4 * 3) {
        head = line_end + 1;
    }
    let mut tail = text.ceil_char_boundary(text.len() - half);
    if let Some(line_end) = text[tail..].find('\n').filter(|end| *end < half / 4) {
        tail += line_end + 1;
    }
    let newline = if head == 0 || text[..head].ends_with('\n') { "" } else { "\n" };
    format!("{}{newline}[... {} bytes left out{note} ...]\n{}", &text[..head], tail - head, &text[tail..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn output(stdout: &str, stderr: &str) -> Output {
        Output { stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn both_streams_are_shown() {
        assert_eq!(output("", "\n").whole(), "(no output)");
        assert_eq!(output("a\n", "").whole(), "a\n");
        assert_eq!(output("", "b").whole(), "[stderr]\nb");
        assert_eq!(output("a", "b").whole(), "a\n[stderr]\nb");
    }

    #[test]
    fn long_text_is_cut_at_line_ends() {
        assert_eq!(clip("aaaa\nbbbb\ncccc\ndddd\n", 12, ""), "aaaa\n[... 10 bytes left out ...]\ndddd\n");
        assert_eq!(clip("abcdefgh", 4, "; see f"), "ab\n[... 4 bytes left out; see f ...]\ngh");
        assert_eq!(clip("äöü", 3, ""), "[... 6 bytes left out ...]\n");
        assert_eq!(clip("short", 5, ""), "short");
    }

    #[test]
    fn a_long_stream_leaves_room_for_the_other() {
        let shown = output(&"o".repeat(1 << 20), "the error").ends("");
        assert!(shown.ends_with("[stderr]\nthe error") && shown.len() < SHOWN + 200, "{}", shown.len());
        let shown = output("the result\n", &"e".repeat(1 << 20)).ends("");
        assert!(
            shown.starts_with("the result\n[stderr]\neee") && shown.len() < SHOWN + 200,
            "{}",
            shown.len()
        );
        let shown = output(&"o".repeat(1 << 20), &"e".repeat(1 << 20)).ends("; see f");
        assert_eq!(shown.matches("bytes left out; see f").count(), 2);
        assert!(shown.len() < SHOWN + 200);
    }

    proptest! {
        #[test]
        fn clipping_bounds_any_text(text in any::<String>(), longest in 0usize..60) {
            let clipped = clip(&text, longest, "");
            prop_assert!(clipped.len() <= longest + 60);
            prop_assert!(text.len() > longest || clipped == text);
        }
    }
}
