//! The shapes of diffs, each made for the program of every task that diffs are made for.

use researchgym_core::edit::{Surface, Tree};
use researchgym_core::search::Stream;

use super::case::{Case, Meant, Origin, STALE_CONTEXT};
use super::damage;
use super::diff::{self, Edit, Headers, Section, lines, written};
use super::source::{self, Source, text};
use crate::Outcome;

/// What a diff is made from, and what is meant by it.
struct Draft {
    before: Tree,
    after: Tree,
    sections: Vec<Section>,
}

impl Draft {
    /// The diff as it stands, and its meaning.
    fn reply(self, headers: Headers) -> Made {
        let reply = written(&self.sections, headers);
        self.with(reply)
    }

    fn with(self, reply: String) -> Made {
        Made { before: self.before, reply, meant: Meant::Tree(self.after) }
    }

    /// Changes the sections.
    fn damaged(mut self, damage: impl FnOnce(&mut [Section])) -> Draft {
        damage(&mut self.sections);
        self
    }
}

struct Made {
    before: Tree,
    reply: String,
    meant: Meant,
}

/// Makes a diff for a program; the number is that of the program.
type Maker = fn(&Source, usize, &mut Stream) -> Made;

const SHAPES: [(&str, Maker); 25] = [
    ("plain", |source, _, random| one(source, 2, random).reply(Headers::Plain)),
    ("headers without prefixes", |source, _, random| one(source, 2, random).reply(Headers::Bare)),
    ("wrong counts", |source, _, random| wrong_counts(one(source, 2, random), random).reply(Headers::Plain)),
    ("git", |source, _, random| one(source, 2, random).reply(Headers::Git)),
    ("several files", |source, _, random| several(source, random).reply(Headers::Plain)),
    ("git, several files", |source, _, random| several(source, random).reply(Headers::Git)),
    ("git, several files, wrong counts", |source, _, random| {
        wrong_counts(several(source, random), random).reply(Headers::Git)
    }),
    ("new file", |source, number, random| new_file(source, number, random).reply(either(number))),
    ("deleted file", |source, number, random| deleted_file(source, random).reply(either(number))),
    ("renamed file", |source, number, random| renamed_file(source, number, random).reply(Headers::Git)),
    ("file in a folder", |source, _, random| {
        changed(source.tree.clone(), "grader/grader.py", 2, random).reply(Headers::Plain)
    }),
    ("drifted", |source, number, random| {
        let by = [-3, 5, 12, -20, 60, 400][number % 6];
        one(source, 2, random).damaged(|sections| damage::drift(sections, by)).reply(Headers::Plain)
    }),
    ("drifted, two places fit", two_places),
    ("no line numbers", |source, number, random| {
        let draft = one(source, 2, random);
        let header = ["@@ ... @@", "@@", "@@ def main(): @@"][number % 3];
        let reply = damage::without_numbers(&written(&draft.sections, Headers::Plain), header);
        draft.with(reply)
    }),
    ("CR LF in the file", |source, _, random| {
        let Draft { before, after, sections } = one(source, 2, random);
        Draft { before: with_returns(&before), after: with_returns(&after), sections }.reply(Headers::Plain)
    }),
    ("CR LF in the diff", |source, _, random| {
        let draft = one(source, 2, random);
        let reply = written(&draft.sections, Headers::Plain).replace('\n', "\r\n");
        draft.with(reply)
    }),
    ("CR LF in both", |source, _, random| {
        let Draft { before, after, sections } = one(source, 2, random);
        let draft = Draft { before: with_returns(&before), after: with_returns(&after), sections };
        let reply = written(&draft.sections, Headers::Plain).replace('\n', "\r\n");
        draft.with(reply)
    }),
    ("no line end at the end", no_line_end),
    ("blanks at line ends lost", trailing_blanks),
    ("context of other white space", |source, number, random| {
        let narrow = ["\t", "  "][number % 2];
        let is_fit = |draft: &Draft| {
            written(&draft.sections, Headers::Plain).lines().any(|line| line.starts_with("     "))
        };
        let other =
            |line: &str| line.strip_prefix("    ").map_or(line.to_owned(), |rest| format!("{narrow}{rest}"));
        let draft = drawn(|random| one(source, 2, random), is_fit, random);
        draft.damaged(|sections| damage::rewrite(sections, false, other)).reply(Headers::Plain)
    }),
    ("indented less throughout", |source, _, random| {
        let draft =
            drawn(|random| one(source, 1, random), |draft| damage::is_indented(&draft.sections, 4), random);
        let less = |line: &str| line.strip_prefix("    ").unwrap_or(line).to_owned();
        draft.damaged(|sections| damage::rewrite(sections, true, less)).reply(Headers::Plain)
    }),
    ("leading blanks lost", |source, _, random| {
        let draft = one(source, 1, random);
        let reply = damage::without_signs(&written(&draft.sections, Headers::Plain));
        draft.with(format!("```diff\n{reply}```\n"))
    }),
    ("in Markdown, with prose", |source, number, random| {
        let draft = several(source, random);
        let reply = damage::fenced(&written(&draft.sections, either(number)));
        draft.with(reply)
    }),
    ("all at once", |source, number, random| {
        let draft = wrong_counts(new_file(source, number, random), random);
        let draft = draft.damaged(|sections| damage::drift(sections, 17));
        let reply = damage::fenced(&written(&draft.sections, Headers::Git));
        draft.with(reply)
    }),
    (STALE_CONTEXT, |source, _, random| {
        let is_fit = |draft: &Draft| first_line(&draft.sections).is_some_and(|line| line.len() > 1);
        drawn(|random| one(source, 1, random), is_fit, random)
            .damaged(|sections| {
                if let Some(line) =
                    sections.first_mut().and_then(|section| section.hunks[0].lines.first_mut())
                {
                    line.push_str("  # as it was");
                }
            })
            .reply(Headers::Plain)
    }),
];

/// The shape in which a line that goes, or one beside it, is not in the file.
const STALE_REMOVAL: &str = "stale line at the change";

/// All of them.
pub(super) fn generated() -> Outcome<Vec<Case>> {
    let sources = source::sources()?;
    let shapes = SHAPES.into_iter().chain([(STALE_REMOVAL, stale_removal as Maker)]);
    let mut cases = Vec::new();
    for (shape, maker) in shapes {
        for (number, source) in sources.iter().enumerate() {
            let mut random = Stream::new(1, shape, number as u64);
            let Made { before, reply, meant } = maker(source, number, &mut random);
            let name = format!("{shape}: {}", source.task);
            let (origin, surface) = (Origin::Generated, Surface::default());
            cases.push(Case { shape, name, origin, before, surface, reply, meant });
        }
    }
    Ok(cases)
}

fn either(number: usize) -> Headers {
    if number.is_multiple_of(2) { Headers::Git } else { Headers::Plain }
}

/// Draws until something fits; the last of many draws if nothing does.
fn drawn(make: impl Fn(&mut Stream) -> Draft, fits: impl Fn(&Draft) -> bool, random: &mut Stream) -> Draft {
    let mut draft = make(random);
    for _ in 0..2000 {
        if fits(&draft) {
            break;
        }
        draft = make(random);
    }
    draft
}

fn changed(before: Tree, path: &str, count: usize, random: &mut Stream) -> Draft {
    let content = text(&before, path);
    let edits = source::edits(&content, count, random);
    rewritten(before, path, &edits)
}

fn rewritten(before: Tree, path: &str, edits: &[Edit]) -> Draft {
    let content = text(&before, path);
    let mut after = before.clone();
    after.insert(path.to_owned(), diff::edited(&content, edits).into_bytes());
    Draft { sections: vec![Section::changed(path, &content, edits)], before, after }
}

/// A change of one file of the starter.
fn one(source: &Source, count: usize, random: &mut Stream) -> Draft {
    let own: Vec<&String> = source.files.iter().filter(|path| !path.contains('/')).collect();
    let path = random.pick(&own).map_or("solve.py", |path| path.as_str());
    changed(source.tree.clone(), path, count, random)
}

/// A change of up to three files, in folders only if there are no others.
fn several(source: &Source, random: &mut Stream) -> Draft {
    let mut draft = Draft { before: source.tree.clone(), after: source.tree.clone(), sections: Vec::new() };
    for path in source.files.iter().take(3) {
        let next = changed(draft.after, path, 2, random);
        draft.after = next.after;
        draft.sections.extend(next.sections);
    }
    draft
}

fn wrong_counts(draft: Draft, random: &mut Stream) -> Draft {
    draft.damaged(|sections| damage::wrong_counts(sections, random))
}

/// A new file, and a change beside it.
fn new_file(source: &Source, number: usize, random: &mut Stream) -> Draft {
    let mut draft = one(source, 1, random);
    let path = ["schedule.py", "lib/schedule.py"][number / 2 % 2];
    let content = format!(
        "\"\"\"A schedule of step lengths.\"\"\"\n\n\ndef rate(step):\n    return {:.3} / (1 + step)\n",
        random.between(0.1, 0.9)
    );
    draft.sections.push(Section::made(path, &content));
    draft.after.insert(path.to_owned(), content.into_bytes());
    draft
}

/// A file that goes, and a change beside it.
fn deleted_file(source: &Source, random: &mut Stream) -> Draft {
    let mut before = source.tree.clone();
    let goes = "notes.py";
    let content = format!("# What was tried.\nBEST = {}\n", random.below(1000));
    before.insert(goes.to_owned(), content.clone().into_bytes());
    let path = source.files.first().map_or("solve.py", String::as_str);
    let mut draft = changed(before, path, 1, random);
    draft.sections.insert(0, Section::gone(goes, &content));
    draft.after.remove(goes);
    draft
}

/// A file with another name, and changed.
fn renamed_file(source: &Source, number: usize, random: &mut Stream) -> Draft {
    let mut draft = one(source, 1, random);
    let target = ["solver_two.py", "core/solver.py"][number % 2];
    let section = &mut draft.sections[0];
    let path = section.old.clone().unwrap_or_default();
    section.new = Some(target.to_owned());
    if let Some(content) = draft.after.remove(&path) {
        draft.after.insert(target.to_owned(), content);
    }
    draft
}

/// A block of the file is there twice, the second one is meant, and the header's number is nearer to the first.
fn two_places(source: &Source, _: usize, random: &mut Stream) -> Made {
    let path = source.files.first().map_or("solve.py", String::as_str);
    let content = text(&source.tree, path);
    let all = lines(&content);
    let length = 12;
    let mut from = random.below(all.len() - length);
    // The line that changes is not blank.
    while all[from + 6].trim().is_empty() {
        from = random.below(all.len() - length);
    }
    let twice = format!("{content}\n\n{}", all[from..from + length].concat());
    let at = all.len() + 2 + 6;
    let mut before = source.tree.clone();
    before.insert(path.to_owned(), twice.into_bytes());
    let added = vec![format!("{}  # meant here\n", all[from + 6].trim_end())];
    let mut draft = rewritten(before, path, &[Edit { at, removed: 1, added }]);
    // The hunk begins three lines above the change; two below where the first place does is no place at all.
    let hunk = &mut draft.sections[0].hunks[0];
    hunk.old.0 = from + 6 - 3 + 1 + 2;
    hunk.new.0 = hunk.old.0;
    Made { meant: Meant::Refusal, ..draft.reply(Headers::Plain) }
}

fn with_returns(tree: &Tree) -> Tree {
    let changed = |(path, bytes): (&String, &Vec<u8>)| {
        (path.clone(), String::from_utf8_lossy(bytes).replace('\n', "\r\n").into_bytes())
    };
    tree.iter().map(changed).collect()
}

/// The last line changes: it never has an end, gets one, or loses it.
fn no_line_end(source: &Source, number: usize, random: &mut Stream) -> Made {
    let path = source.files.first().map_or("solve.py", String::as_str);
    let content = text(&source.tree, path);
    let (had, has) = [(false, false), (false, true), (true, false)][number % 3];
    let ended = |line: &str, has: bool| format!("{line}{}", if has { "\n" } else { "" });
    let content = ended(content.trim_end(), had);
    let count = lines(&content).len();
    let last = lines(&content).last().map_or("", |line| line.trim_end()).to_owned();
    let added = vec![ended(&format!("{last}  # {}", random.below(900)), has)];
    let mut before = source.tree.clone();
    before.insert(path.to_owned(), content.into_bytes());
    rewritten(before, path, &[Edit { at: count - 1, removed: 1, added }]).reply(Headers::Plain)
}

/// Lines of the file end with blanks that the diff does not have.
fn trailing_blanks(source: &Source, _: usize, random: &mut Stream) -> Made {
    let path = source.files.first().map_or("solve.py", String::as_str);
    let clean = text(&source.tree, path);
    let edits = source::edits(&clean, 2, random);
    let blank = |(at, line): (usize, &str)| match line.strip_suffix('\n') {
        Some(bare) if at.is_multiple_of(2) => format!("{bare}  \n"),
        _ => line.to_owned(),
    };
    let content: String = clean.split_inclusive('\n').enumerate().map(blank).collect();
    let mut before = source.tree.clone();
    before.insert(path.to_owned(), content.into_bytes());
    let Draft { before, after, .. } = rewritten(before, path, &edits);
    let sections = vec![Section::changed(path, &clean, &edits)];
    Draft { before, after, sections }.reply(Headers::Plain)
}

fn first_line(sections: &[Section]) -> Option<&String> {
    sections.first()?.hunks.first()?.lines.first().filter(|line| line.starts_with(' '))
}

/// A line that is to go is not in the file as the diff has it.
fn stale_removal(source: &Source, _: usize, random: &mut Stream) -> Made {
    let goes = |draft: &Draft| draft.sections[0].hunks[0].lines.iter().any(|line| line.starts_with('-'));
    let draft = drawn(|random| one(source, 1, random), goes, random);
    let draft = draft.damaged(|sections| {
        let lines = &mut sections[0].hunks[0].lines;
        if let Some(line) = lines.iter_mut().find(|line| line.starts_with('-')) {
            line.push_str("  # as it was");
        }
    });
    Made { meant: Meant::Refusal, ..draft.reply(Headers::Plain) }
}
