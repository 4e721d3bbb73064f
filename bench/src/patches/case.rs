//! Diffs with what they mean, and those that were recorded.

use std::fs;

use researchgym_core::edit::{Surface, Tree};

use crate::Outcome;
use crate::place;

/// One diff.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) shape: &'static str,
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) before: Tree,
    pub(super) surface: Surface,
    /// The text with the diff.
    pub(super) reply: String,
    pub(super) meant: Meant,
}

/// Where a diff comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Recorded,
    Generated,
}

impl Origin {
    pub(super) fn name(self) -> &'static str {
        match self {
            Origin::Recorded => "recorded",
            Origin::Generated => "generated",
        }
    }
}

/// What is right.
#[derive(Clone)]
pub(super) enum Meant {
    Tree(Tree),
    /// It fits several places, or none.
    Refusal,
}

impl Meant {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Meant::Tree(_) => "tree",
            Meant::Refusal => "refusal",
        }
    }
}

/// The shape that our patcher refuses on purpose, though one can guess what is meant.
pub(super) const STALE_CONTEXT: &str = "stale line at the edge";

impl Case {
    /// Whether our patcher ought to get it right.
    pub(super) fn is_promised(&self) -> bool {
        self.shape != STALE_CONTEXT
    }
}

const REPLIES: [(&str, &str); 14] = [
    ("all-diff-fences", "in Markdown, with prose"),
    ("all-diff-git", "git, several files"),
    ("all-diff-git-wrong-counts", "git, several files, wrong counts"),
    ("all-diff-plain-wrong-counts", "several files"),
    ("bad-diff-invented-context", "stale line at the change"),
    ("one-diff-git", "git"),
    ("one-diff-lost-blanks", "leading blanks lost"),
    ("one-diff-no-numbers", "no line numbers"),
    ("one-diff-original-modified", "odd headers"),
    ("one-diff-plain-fenced", "in Markdown, with prose"),
    ("one-diff-reindented", "context of other white space"),
    ("one-diff-windows", "CR LF in the diff"),
    ("one-diff-wrong-counts", "wrong counts"),
    ("one-diff-wrong-lines", "drifted"),
];

/// The diffs among the replies that the core's tests read.
pub(super) fn recorded() -> Outcome<Vec<Case>> {
    let folder = place::repository().join("crates/researchgym-core/tests/edits");
    let tree = |name: &str, paths: &[&str]| -> Outcome<Tree> {
        let read = |path: &&str| Ok(((*path).to_owned(), fs::read(folder.join(name).join(path))?));
        paths.iter().map(read).collect()
    };
    let before = tree("before", &["lib/optimizer.py", "train.py"])?;
    let all = tree("after", &["lib/clip.py", "lib/optimizer.py", "train.py"])?;
    let mut one = before.clone();
    one.extend(tree("after", &["train.py"])?);
    let case = |(file, shape): (&str, &'static str)| -> Outcome<Case> {
        let is_all = file.starts_with("all-");
        let meant = match file {
            bad if bad.starts_with("bad-") => Meant::Refusal,
            _ if is_all => Meant::Tree(all.clone()),
            _ => Meant::Tree(one.clone()),
        };
        let editable = if is_all { Vec::new() } else { vec!["train.py".to_owned()] };
        Ok(Case {
            shape,
            name: format!("{shape}: {file}"),
            origin: Origin::Recorded,
            before: before.clone(),
            surface: Surface { editable, protected: Vec::new() },
            reply: fs::read_to_string(folder.join("replies").join(file).with_extension("txt"))?,
            meant,
        })
    };
    REPLIES.into_iter().map(case).collect()
}
