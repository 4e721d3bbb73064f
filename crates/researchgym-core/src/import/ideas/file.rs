//! What the names of a search's files tell.

/// A file of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// `ideas_epoch<e>.json`: the ideas of an epoch in order.
    Ideas {
        /// Its epoch.
        epoch: u64,
    },
    /// `database.json`: all scored ideas.
    Database,
    /// `ideas.jsonl`: a row an idea, as this program exports them.
    Rows,
    /// `epoch<e>/ranked_ideas.json`: the scores of an epoch.
    Ranked {
        /// Its epoch.
        epoch: u64,
    },
    /// `..._epoch<e>/code_diff_idea_<i>.diff`: what an idea changes.
    Diff {
        /// Its epoch.
        epoch: u64,
        /// Its number in the epoch.
        idea: u64,
    },
    /// `epoch<e>/idea_<i>/metrics.json`: what its training measured.
    Metrics {
        /// Its epoch.
        epoch: u64,
        /// Its number in the epoch.
        idea: u64,
    },
}

impl File {
    /// What a path says that a file is, if it is one of a search. Where a path tells no epoch, it is 0.
    pub fn of(path: &str) -> Option<File> {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let epoch =
            || folders.rsplit('/').find_map(|folder| number_after(folder, "epoch")).unwrap_or_default();
        if name == "database.json" {
            return Some(File::Database);
        }
        if name == "ideas.jsonl" {
            return Some(File::Rows);
        }
        if name == "ranked_ideas.json" {
            return Some(File::Ranked { epoch: epoch() });
        }
        if name == "metrics.json" {
            let idea = folders.rsplit('/').next()?.strip_prefix("idea_")?.parse().ok()?;
            return Some(File::Metrics { epoch: epoch(), idea });
        }
        if let Some(idea) = name.strip_prefix("code_diff_idea_").and_then(|rest| rest.strip_suffix(".diff")) {
            return Some(File::Diff { epoch: epoch(), idea: idea.parse().ok()? });
        }
        let stem = name.strip_suffix(".json")?;
        if stem == "ideas" {
            return Some(File::Ideas { epoch: epoch() });
        }
        let epoch = number_after(stem.strip_prefix("ideas")?, "epoch")?;
        Some(File::Ideas { epoch })
    }
}

/// The number with which a name ends behind a word.
fn number_after(name: &str, word: &str) -> Option<u64> {
    name.rsplit_once(word)?.1.trim_start_matches('_').parse().ok()
}
