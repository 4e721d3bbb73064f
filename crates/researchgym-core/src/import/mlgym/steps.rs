//! The steps of a `.traj` file, with what they changed and which scores they told.

use super::file::{File, Info, Said, Taken, Text};
use super::{created, edit, edited, evaluation};
use crate::inspect::{Outcome, Step};
use crate::record::{ActionsRecord, Category, Change, MAX_TEXT_BYTES, StepRecord, bounded};
use crate::score::Metrics;

/// What is taken of a `.traj` file.
#[derive(Debug, Default)]
pub(super) struct Took {
    /// Whether it has a list of steps at all.
    pub has_trajectory: bool,
    pub steps: Vec<StepRecord>,
    pub actions: ActionsRecord,
    /// The scores that were told, in order.
    pub told: Vec<Told>,
    /// The baseline that was told beside them.
    pub baseline: Option<Metrics>,
    pub info: Option<Info>,
    pub last_action: Option<String>,
    /// Texts of which only head and tail were kept.
    pub shortened: u64,
}

/// A score that a step told.
#[derive(Debug)]
pub(super) struct Told {
    pub number: u64,
    pub metrics: Metrics,
}

impl Took {
    /// Reads a file as far as it goes.
    pub(super) fn read(text: &str) -> (Took, Option<serde_json::Error>) {
        let mut file = File::default();
        let error = file.read(text).err();
        let mut took =
            Took { has_trajectory: file.has_trajectory, info: file.info.take(), ..Took::default() };
        for taken in &file.steps {
            took.push(taken);
        }
        // The model's last action is not among the steps if the program broke before it was done. It counts all the same.
        for said in file.said.iter().skip(file.steps.len()) {
            let Said { action, thought, .. } = said;
            took.push(&Taken { action: action.clone(), thought: thought.clone(), ..Taken::default() });
        }
        took.last_action = took.steps.last().map(|step| step.action.clone());
        (took, error)
    }

    fn push(&mut self, taken: &Taken) {
        let number = self.steps.len() as u64 + 1;
        let action = taken.action.as_ref().map_or("", Text::as_str).trim();
        let seen = taken.observation.as_ref().map_or("", Text::as_str);
        let category = category(action);
        if let Some(evaluation) = evaluation(action, seen) {
            self.told.push(Told { number, metrics: numbers(evaluation) });
            if self.baseline.is_none() {
                self.baseline = seen.rfind("Baseline Score: ").map(|at| numbers(&seen[at..]));
            }
        }
        let written = written(number, action, taken.state.as_ref().map(Text::as_str), seen);
        let (changes, is_refused) = written.map_or((Vec::new(), false), |step| {
            let changes = step.writes.into_iter().map(|write| Change {
                path: write.path,
                content: write.content.map(|content| self.bounded(&content)),
                is_applied: write.outcome == Outcome::Done,
            });
            (changes.collect(), step.outcome == Outcome::Refused)
        });
        let seconds = taken.execution_time.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        let took_ms = seconds.map(|seconds| (seconds * 1000.0) as u64);
        self.actions.push(category, took_ms);
        self.actions.edits += u64::from(!changes.is_empty());
        self.actions.edits_rejected += u64::from(is_refused);
        let thought = taken.thought.as_ref().map(|text| text.as_str().trim()).filter(|text| !text.is_empty());
        if seen.len() > MAX_TEXT_BYTES {
            self.shortened += 1;
        }
        let thought = thought.map(|text| self.bounded(text));
        let text = self.bounded(action);
        self.steps.push(StepRecord {
            thought,
            took_ms,
            is_refused,
            changes,
            ..StepRecord::new(number, category, tool(action), text).seen(seen)
        });
    }

    fn bounded(&mut self, text: &str) -> String {
        let (text, dropped) = bounded(text);
        self.shortened += u64::from(dropped > 0);
        text
    }
}

/// MLGym's own categories: the action's beginning decides, in this order, and need not be a whole word.
fn category(action: &str) -> Category {
    const PREFIXES: [(Category, &[&str]); 6] = [
        (Category::Edit, &["create", "edit", "insert"]),
        (Category::View, &["open", "goto", "scroll_up", "scroll_down"]),
        (Category::Validate, &["validate"]),
        (Category::Submit, &["submit"]),
        (Category::Search, &["search_dir", "search_file", "find_file"]),
        (Category::Python, &["torchrun", "python", "python3", "accelerate", "deepspeed"]),
    ];
    let found =
        PREFIXES.iter().find(|(_, prefixes)| prefixes.iter().any(|prefix| action.starts_with(prefix)));
    found.map_or(Category::Bash, |(category, _)| *category)
}

/// The command of MLGym's own that the action begins with, else the shell.
fn tool(action: &str) -> &str {
    const TOOLS: [&str; 20] = [
        "create",
        "edit",
        "insert",
        "open",
        "goto",
        "scroll_up",
        "scroll_down",
        "validate",
        "submit",
        "search_dir",
        "search_file",
        "find_file",
        "memory_write",
        "memory_read",
        "literature_search",
        "parse_pdf_url",
        "filemap",
        "set_cursors",
        "skip",
        "state",
    ];
    let first = action.split_whitespace().next().unwrap_or_default();
    if TOOLS.contains(&first) || first.starts_with("exit_") { first } else { "bash" }
}

fn written(number: u64, action: &str, state: Option<&str>, seen: &str) -> Option<Step> {
    if edit(action).is_some() {
        return Some(edited(number, action, state, seen));
    }
    (action.split_whitespace().next() == Some("create")).then(|| created(number, action, seen))
}

/// The numbers of a dictionary as Python prints it: `Evaluation Score: {'r2': 0.9, 'rmse': np.float64(3.0)}`.
fn numbers(told: &str) -> Metrics {
    let inside =
        told.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
    let number = |entry: &str| {
        let (name, value) = entry.split_once(": ")?;
        let value =
            value.trim().trim_start_matches("np.").trim_start_matches("float64(").trim_end_matches(')');
        let value = value.parse::<f64>().ok().filter(|value| value.is_finite())?;
        Some((name.trim().trim_matches(['\'', '"']).to_owned(), value))
    };
    inside.split(", ").filter_map(number).collect()
}
