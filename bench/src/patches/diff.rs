//! Unified diffs as values: made from edits at known lines, damaged, written out.

/// Lines of a file that give way to others. Lines have their ends.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// The first of them, from 0.
    pub(super) at: usize,
    pub(super) removed: usize,
    pub(super) added: Vec<String>,
}

/// One place of a diff.
#[derive(Clone, Debug, Default)]
pub(super) struct Hunk {
    /// First line and count, of what is there and of what is to be there.
    pub(super) old: (usize, usize),
    pub(super) new: (usize, usize),
    /// With their signs and without ends.
    pub(super) lines: Vec<String>,
}

/// What a diff says of one file.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// `None`: the file is new, or goes.
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) hunks: Vec<Hunk>,
}

const CONTEXT: usize = 3;

/// Lines with their ends.
pub(super) fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The text with the edits made, which are in order and do not overlap.
pub(super) fn edited(text: &str, edits: &[Edit]) -> String {
    let lines = lines(text);
    let mut after = String::new();
    let mut at = 0;
    for edit in edits {
        after.extend(lines[at..edit.at].iter().copied());
        after.extend(edit.added.iter().map(String::as_str));
        at = edit.at + edit.removed;
    }
    after.extend(lines[at..].iter().copied());
    after
}

/// The hunks that say this, each with three lines around it.
pub(super) fn hunks(text: &str, edits: &[Edit]) -> Vec<Hunk> {
    let lines = lines(text);
    let mut hunks = Vec::new();
    let mut shift = 0_isize;
    let mut at = 0;
    while at < edits.len() {
        // Those that are near share a hunk.
        let mut last = at;
        while last + 1 < edits.len()
            && edits[last + 1].at <= edits[last].at + edits[last].removed + 2 * CONTEXT
        {
            last += 1;
        }
        let group = &edits[at..=last];
        let start = group[0].at.saturating_sub(CONTEXT);
        let end = (edits[last].at + edits[last].removed + CONTEXT).min(lines.len());
        let mut body = Vec::new();
        let mut from = start;
        for edit in group {
            lines[from..edit.at].iter().for_each(|line| push(&mut body, ' ', line));
            lines[edit.at..edit.at + edit.removed].iter().for_each(|line| push(&mut body, '-', line));
            edit.added.iter().for_each(|line| push(&mut body, '+', line));
            from = edit.at + edit.removed;
        }
        lines[from..end].iter().for_each(|line| push(&mut body, ' ', line));
        let grown = group.iter().map(|edit| edit.added.len() as isize - edit.removed as isize).sum::<isize>();
        let count = end - start;
        let new = ((start + 1).saturating_add_signed(shift).max(1), count.saturating_add_signed(grown));
        hunks.push(Hunk { old: (start + 1, count), new, lines: body });
        shift += grown;
        at = last + 1;
    }
    hunks
}

fn push(body: &mut Vec<String>, sign: char, line: &str) {
    body.push(format!("{sign}{}", line.strip_suffix('\n').unwrap_or(line)));
    if !line.ends_with('\n') {
        body.push("\\ No newline at end of file".to_owned());
    }
}

impl Section {
    /// A file that is changed in its place.
    pub(super) fn changed(path: &str, text: &str, edits: &[Edit]) -> Section {
        let name = Some(path.to_owned());
        Section { old: name.clone(), new: name, hunks: hunks(text, edits) }
    }

    /// A file that is made.
    pub(super) fn made(path: &str, text: &str) -> Section {
        let mut hunk = Hunk { old: (0, 0), new: (1, lines(text).len()), lines: Vec::new() };
        lines(text).iter().for_each(|line| push(&mut hunk.lines, '+', line));
        Section { old: None, new: Some(path.to_owned()), hunks: vec![hunk] }
    }

    /// A file that goes.
    pub(super) fn gone(path: &str, text: &str) -> Section {
        let mut hunk = Hunk { old: (1, lines(text).len()), new: (0, 0), lines: Vec::new() };
        lines(text).iter().for_each(|line| push(&mut hunk.lines, '-', line));
        Section { old: Some(path.to_owned()), new: None, hunks: vec![hunk] }
    }
}

/// How files are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Headers {
    /// `--- a/x`.
    Plain,
    /// `--- x` and a time.
    Bare,
    /// `diff --git`, and hashes as models make them up.
    Git,
}

/// The whole diff.
pub(super) fn written(sections: &[Section], headers: Headers) -> String {
    let mut text = String::new();
    for (index, section) in sections.iter().enumerate() {
        let old = section.old.as_deref().or(section.new.as_deref()).unwrap_or_default();
        let new = section.new.as_deref().or(section.old.as_deref()).unwrap_or_default();
        if headers == Headers::Git {
            let hash = |number: usize| format!("{:07x}", (index * 2 + number) * 0x003e_5bd1 + 0x001a_2b3c);
            text.push_str(&format!("diff --git a/{old} b/{new}\n"));
            if section.old.is_none() {
                text.push_str(&format!("new file mode 100644\nindex 0000000..{}\n", hash(1)));
            } else if section.new.is_none() {
                text.push_str(&format!("deleted file mode 100644\nindex {}..0000000\n", hash(0)));
            } else if old != new {
                text.push_str(&format!("similarity index 90%\nrename from {old}\nrename to {new}\n"));
            } else {
                text.push_str(&format!("index {}..{} 100644\n", hash(0), hash(1)));
            }
        }
        if section.hunks.is_empty() {
            continue;
        }
        let name = |name: &Option<String>, prefix: &str| match (name, headers) {
            (None, _) => "/dev/null".to_owned(),
            (Some(name), Headers::Bare) => {
                format!("{name}\t2026-11-0{} 10:15:00", if prefix == "a" { 3 } else { 4 })
            }
            (Some(name), Headers::Plain | Headers::Git) => format!("{prefix}/{name}"),
        };
        text.push_str(&format!("--- {}\n+++ {}\n", name(&section.old, "a"), name(&section.new, "b")));
        for hunk in &section.hunks {
            let ((old, old_count), (new, new_count)) = (hunk.old, hunk.new);
            text.push_str(&format!("@@ -{old},{old_count} +{new},{new_count} @@\n"));
            hunk.lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        }
    }
    text
}
