//! What models do to a diff that was right.

use researchgym_core::search::Stream;

use super::diff::{Hunk, Section};

/// Counts that do not fit the body.
pub(super) fn wrong_counts(sections: &mut [Section], random: &mut Stream) {
    for hunk in hunks(sections) {
        let by = 1 + random.below(4);
        let is_more = random.chance(0.5);
        let wrong = |count: usize| if is_more { count + by } else { count.saturating_sub(by).max(1) };
        hunk.old.1 = wrong(hunk.old.1);
        hunk.new.1 = wrong(hunk.new.1);
    }
}

/// Line numbers that are off by so many lines.
pub(super) fn drift(sections: &mut [Section], by: isize) {
    for hunk in hunks(sections) {
        hunk.old.0 = hunk.old.0.saturating_add_signed(by).max(1);
        hunk.new.0 = hunk.new.0.saturating_add_signed(by).max(1);
    }
}

/// Other lines that stay, and with `all` those that go, too.
pub(super) fn rewrite(sections: &mut [Section], all: bool, change: impl Fn(&str) -> String) {
    for hunk in hunks(sections) {
        for line in &mut hunk.lines {
            if line.starts_with(' ') || all && (line.starts_with('-') || line.starts_with('+')) {
                *line = format!("{}{}", &line[..1], change(&line[1..]));
            }
        }
    }
}

/// Whether every line of every hunk is indented by so many blanks, or blank.
pub(super) fn is_indented(sections: &[Section], by: usize) -> bool {
    let blanks = " ".repeat(by);
    let mut lines = sections.iter().flat_map(|section| &section.hunks).flat_map(|hunk| &hunk.lines);
    lines.all(|line| line[1..].starts_with(&blanks) || line[1..].trim().is_empty())
}

/// The text without numbers in the headers of hunks.
pub(super) fn without_numbers(diff: &str, header: &str) -> String {
    let line = |line: &str| if line.starts_with("@@ ") { header.to_owned() } else { line.to_owned() };
    diff.lines().map(|text| line(text) + "\n").collect()
}

/// The text whose lines that stay begin one blank too early.
pub(super) fn without_signs(diff: &str) -> String {
    diff.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// As a model answers: prose, a fence, more prose with a list.
pub(super) fn fenced(diff: &str) -> String {
    format!(
        "The step length is the bottleneck, so I change it:\n\n```diff\n{diff}```\n\nThis should help because:\n- it is \
         faster\n- nothing else changes\n"
    )
}

fn hunks(sections: &mut [Section]) -> impl Iterator<Item = &mut Hunk> {
    sections.iter_mut().flat_map(|section| &mut section.hunks)
}
