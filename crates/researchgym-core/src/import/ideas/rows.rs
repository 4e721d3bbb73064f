//! Rows of published trajectories, and entries of a search's database: objects whose keys have several names.

use serde_json::Value;

use super::{Digest, Direction, Ideas, NotIdeas, bounded, count, number, parse, text};
use crate::import::json::Unreadable;

/// Scores of which more is better, with the names that they have as metrics.
const HIGHER: [&str; 10] = [
    "best_eval_accuracy",
    "eval_accuracy",
    "best_accuracy",
    "accuracy",
    "best_eval_reward",
    "eval_reward",
    "mean_reward",
    "reward",
    "best_score",
    "score",
];
/// Scores of which less is better.
const LOWER: [&str; 6] = ["lowest_val_loss", "best_val_loss", "val_loss", "eval_loss", "best_loss", "loss"];
const WORDS: [&str; 6] = ["idea", "idea_text", "idea_content", "proposal", "description", "text"];
const DIFFS: [&str; 5] = ["diff", "code_diff", "patch", "code_patch", "code"];
const EPOCHS: [&str; 5] = ["epoch", "epoch_id", "iteration", "generation", "round"];
const NUMBERS: [&str; 5] = ["idea_id", "idea_index", "idea_idx", "index", "id"];

impl Ideas {
    /// Takes rows in: a list of objects, or an object a line.
    ///
    /// # Errors
    /// They cannot be read. Of lines, those before the damage have been taken in.
    pub fn rows(&mut self, bytes: &[u8]) -> Result<(), NotIdeas> {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            let value = parse(bytes)?;
            value.as_array().into_iter().flatten().for_each(|row| self.row(row));
            return Ok(());
        }
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let row = parse(line).map_err(|error| on_line(error, index + 1))?;
            self.row(&row);
        }
        Ok(())
    }

    /// Whether a row is of the run of which the first one was: ideas of several runs have the same numbers.
    fn is_of_first_run(&mut self, row: &Value) -> bool {
        let Some(run) = text(row, "run_id") else { return true };
        self.first_run.get_or_insert_with(|| run.to_owned()) == run
    }

    /// Takes a row in, as far as it can be understood.
    pub(super) fn row(&mut self, row: &Value) {
        let of = |keys: &[&str]| keys.iter().find_map(|key| row.get(key).and_then(whole));
        let epoch = of(&EPOCHS).unwrap_or_default();
        let words = WORDS.iter().find_map(|key| text(row, key));
        let own = own(row);
        if own.is_some() && !self.is_of_first_run(row) {
            self.of_other_runs += 1;
            return;
        }
        let score = [(&HIGHER[..], Direction::Maximize), (&LOWER[..], Direction::Minimize)];
        let score = score.into_iter().filter(|_| own.is_none()).find_map(|(names, direction)| {
            names
                .iter()
                .find_map(|name| Some((*name, direction, row.get(*name).filter(|value| !value.is_null())?)))
        });
        if words.is_none() && score.is_none() && own.is_none() {
            self.unread_rows += 1;
            return;
        }
        let next = self
            .ideas
            .range((epoch, 0)..=(epoch, u64::MAX))
            .next_back()
            .map_or(0, |((_, last), _)| last.saturating_add(1));
        let idea = of(&NUMBERS).unwrap_or(next);
        if let Some((name, direction, _)) = score {
            self.metric.get_or_insert((name.to_owned(), direction));
        }
        if let Some((name, direction, _)) = own {
            self.task = self.task.take().or_else(|| text(row, "task").map(str::to_owned));
            self.metric.get_or_insert((name.to_owned(), direction));
        }
        let entry = self.idea(epoch, idea);
        if let Some(words) = words {
            entry.text = Some(bounded(words).0);
        }
        if let Some((_, _, score)) = score {
            entry.told = Some(number(score).filter(|score| *score > 0.0));
        }
        if let Some((_, _, told)) = own {
            entry.told = told;
        }
        if let Some(diff) = DIFFS.iter().find_map(|key| text(row, key)) {
            entry.diff = Some((bounded(diff).0, Digest::of(diff.as_bytes())));
        }
    }
}

/// Of a row that this program exported: metric, direction, and the score. Its number may be of any sign; one that was executed
/// and failed has none, and one that was never executed was not scored.
fn own(row: &Value) -> Option<(&str, Direction, Option<Option<f64>>)> {
    let status = text(row, "status")?;
    let direction = match text(row, "direction")? {
        "maximize" => Direction::Maximize,
        "minimize" => Direction::Minimize,
        _ => return None,
    };
    let told = match status {
        "measured" => Some(row.get("value").and_then(number)),
        "failed" | "screened" | "quarantined" => Some(None),
        _ => None,
    };
    Some((text(row, "metric")?, direction, told))
}

/// A number, also as the end of a name: `idea_3`.
fn whole(value: &Value) -> Option<u64> {
    let named = || value.as_str()?.rsplit(['_', '-']).next()?.parse().ok();
    count(value).or_else(named).filter(|number| *number < u64::MAX)
}

fn on_line(error: Unreadable, at: usize) -> Unreadable {
    match error {
        Unreadable::BrokenOff { column, .. } => Unreadable::BrokenOff { line: at, column },
        Unreadable::Syntax { column, what, .. } => Unreadable::Syntax { line: at, column, what },
        other @ Unreadable::Encoding { .. } => other,
    }
}
