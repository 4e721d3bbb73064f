//! Checkpoints of OpenEvolve: `metadata.json`, `programs/*.json`, `best_program_info.json`. One run, whose attempts are the
//! programs in the order of their iterations.
//!
//! A checkpoint holds the population, not the history: programs that left it are missing, and copies that migrated between islands
//! are no attempts. It names neither the task nor the models, and holds no tokens.

use super::json::{Unreadable, count, metrics, number, parse, parse_without, text};
use super::steps::push;
use super::time::Moment;
use crate::digest::Digest;
use crate::record::{AttemptRecord, Category, Change, Foreign, RunRecord, StepRecord, TaskRecord, bounded};
use crate::score::{AttemptKind, Direction, Metrics, Primary};

/// The name of the format.
pub const PROGRAM: &str = "openevolve";
/// The metric by which OpenEvolve compares programs, where their evaluator gives it.
const COMBINED: &str = "combined_score";
/// What it compares them by otherwise: the mean of their numbers.
const FITNESS: &str = "fitness";

/// Bytes are no part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpenEvolve {
    /// They cannot be read.
    #[error("{file} {error}")]
    Unreadable {
        /// Which kind of file.
        file: &'static str,
        /// Why.
        #[source]
        error: Unreadable,
    },
    /// They are JSON of another kind.
    #[error("this is no program of OpenEvolve: there is no {0}")]
    Other(&'static str),
}

/// A checkpoint as its files come in, in any order.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    programs: Vec<Program>,
    migrants: u64,
    best: Option<String>,
    last_iteration: Option<u64>,
    /// Metrics that say where in the archive a program lies, and not how good it is.
    features: Vec<String>,
    saved_at: Option<Moment>,
}

#[derive(Clone, Debug)]
struct Program {
    id: String,
    iteration: u64,
    time: Option<f64>,
    parent: Option<String>,
    metrics: Metrics,
    others: Vec<String>,
    code: String,
    digest: Digest,
    language: String,
    changes: Option<String>,
    artifacts: Option<String>,
}

impl Checkpoint {
    /// Takes `metadata.json` in.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn metadata(&mut self, bytes: &[u8]) -> Result<(), NotOpenEvolve> {
        let large: [&[&str]; 2] = [&["island_feature_maps"], &["archive"]];
        let metadata = parse_without(bytes, &large).map_err(unreadable("metadata.json"))?;
        self.best = text(&metadata, "best_program_id").map(str::to_owned).or(self.best.take());
        self.last_iteration = metadata.get("last_iteration").and_then(count);
        self.features = metadata["feature_stats"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        Ok(())
    }

    /// Takes `best_program_info.json` in.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn best(&mut self, bytes: &[u8]) -> Result<(), NotOpenEvolve> {
        let info = parse(bytes).map_err(unreadable("best_program_info.json"))?;
        if self.best.is_none() {
            self.best = text(&info, "id").map(str::to_owned);
        }
        self.saved_at = info.get("saved_at").and_then(number).and_then(Moment::of_unix);
        Ok(())
    }

    /// Takes one of `programs/*.json` in.
    ///
    /// # Errors
    /// It is not JSON, or not a program.
    pub fn program(&mut self, bytes: &[u8]) -> Result<(), NotOpenEvolve> {
        let large: [&[&str]; 2] = [&["prompts"], &["embedding"]];
        let program = parse_without(bytes, &large).map_err(unreadable("the program"))?;
        let Some(id) = text(&program, "id") else { return Err(NotOpenEvolve::Other("`id`")) };
        let Some(code) = program["code"].as_str() else { return Err(NotOpenEvolve::Other("`code`")) };
        if program["metadata"]["migrant"] == true {
            self.migrants += 1;
            return Ok(());
        }
        let (metrics, others) = metrics(&program["metrics"]);
        let changes = text(&program, "changes_description").or_else(|| text(&program["metadata"], "changes"));
        self.programs.push(Program {
            id: id.to_owned(),
            iteration: program.get("iteration_found").and_then(count).unwrap_or_default(),
            time: program.get("timestamp").and_then(number),
            parent: text(&program, "parent_id").map(str::to_owned),
            metrics,
            others: others.into_iter().filter(|name| !name.is_empty()).collect(),
            code: bounded(code).0,
            digest: Digest::of(code.as_bytes()),
            language: text(&program, "language").unwrap_or("python").to_owned(),
            changes: changes.map(|changes| bounded(changes).0),
            artifacts: text(&program, "artifacts_json").map(|artifacts| bounded(artifacts).0),
        });
        Ok(())
    }

    /// How many programs were taken in.
    pub fn programs(&self) -> usize {
        self.programs.len()
    }

    /// The run. `name` is the task's.
    pub fn finish(mut self, name: &str) -> Foreign {
        self.programs.sort_by(|left, right| {
            let order = left.iteration.cmp(&right.iteration);
            order
                .then(left.time.partial_cmp(&right.time).unwrap_or(std::cmp::Ordering::Equal))
                .then(left.id.cmp(&right.id))
        });
        let has_combined = self.programs.iter().any(|program| program.metrics.contains_key(COMBINED));
        let primary = if has_combined { COMBINED } else { FITNESS };
        let mut task = TaskRecord::named(name);
        task.primary = Some(Primary { name: primary.to_owned(), direction: Direction::Maximize });
        let mut record = RunRecord::foreign(PROGRAM, task, PROGRAM);
        let start = self.programs.iter().filter_map(|program| Moment::of_unix(program.time?)).min();
        let end = self
            .programs
            .iter()
            .filter_map(|program| Moment::of_unix(program.time?))
            .max()
            .max(self.saved_at);
        record.started_at = start.map(|start| start.to_string());
        record.usage.wall_ms = start.zip(end).and_then(|(start, end)| end.since(start));
        record.ending.told =
            self.last_iteration.map(|iteration| format!("checkpoint after iteration {iteration}"));
        let mut run = Foreign { record, steps: Vec::new() };
        for program in &self.programs {
            self.push(&mut run, program, primary, start);
        }
        let best = self.best.as_ref();
        let position = best.and_then(|best| self.programs.iter().position(|program| program.id == *best));
        run.record.submission = position.map(|position| position as u64 + 1);
        self.left_out(&mut run.record, position);
        run
    }

    fn push(&self, run: &mut Foreign, program: &Program, primary: &str, start: Option<Moment>) {
        let number = run.steps.len() as u64 + 1;
        let mut metrics = program.metrics.clone();
        if primary == FITNESS {
            let scores: Vec<f64> = metrics
                .iter()
                .filter(|(name, _)| !self.features.contains(name))
                .map(|(_, value)| *value)
                .collect();
            if !scores.is_empty() {
                let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                metrics.insert(FITNESS.to_owned(), mean);
            }
        }
        let seen = serde_json::json!({ "metrics": program.metrics, "artifacts": program.artifacts });
        let action = program.changes.clone().unwrap_or_else(|| match &program.parent {
            Some(parent) => format!("a child of {parent}"),
            None => "the initial program".to_owned(),
        });
        let moment = program.time.and_then(Moment::of_unix);
        let mut step = StepRecord::new(0, Category::Edit, "evolve", action).seen(&seen.to_string());
        step.time = moment.map(|moment| moment.to_string());
        step.changes.push(Change {
            path: format!("program.{}", extension(&program.language)),
            content: Some(program.code.clone()),
            is_applied: true,
        });
        push(run, step);
        run.record.actions.edits += 1;
        let is_valid = metrics.contains_key(primary);
        run.record.attempts.push(AttemptRecord {
            number,
            kind: Some(AttemptKind::Validate),
            split: None,
            invalid: (!is_valid).then(|| format!("its evaluation gave no {primary}")),
            metrics: if is_valid { metrics } else { Metrics::new() },
            after_steps: Some(number),
            after_ms: moment.zip(start).and_then(|(moment, start)| moment.since(start)),
            after_cost: None,
            artefact: Some(program.digest.to_string()),
        });
    }

    fn left_out(&self, record: &mut RunRecord, best: Option<usize>) {
        if self.migrants > 0 {
            record.left_out.push(format!("{} copies that migrated between islands", self.migrants));
        }
        if let Some(last) = self.last_iteration
            && last >= self.programs.len() as u64
        {
            let held = self.programs.len();
            record.left_out.push(format!(
                "the checkpoint holds {held} programs of {} iterations",
                last.saturating_add(1)
            ));
        }
        let others: std::collections::BTreeSet<&str> =
            self.programs.iter().flat_map(|program| &program.others).map(String::as_str).collect();
        if !others.is_empty() {
            let others: Vec<&str> = others.into_iter().collect();
            record.left_out.push(format!("metrics that are no numbers: {}", others.join(", ")));
        }
        if let (Some(id), None) = (&self.best, best) {
            record.left_out.push(format!("the best program, {id}, is not among the programs"));
        }
    }
}

fn unreadable(file: &'static str) -> impl Fn(Unreadable) -> NotOpenEvolve {
    move |error| NotOpenEvolve::Unreadable { file, error }
}

fn extension(language: &str) -> &str {
    match language {
        "python" => "py",
        "rust" => "rs",
        "javascript" => "js",
        "typescript" => "ts",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn program(id: &str, iteration: u64, metrics: &Value) -> Vec<u8> {
        let program = json!({
            "id": id, "code": format!("x = '{id}'"), "language": "python", "parent_id": null, "generation": 0,
            "timestamp": 1_700_000_000.0 + iteration as f64, "iteration_found": iteration, "metrics": metrics,
            "metadata": { "changes": format!("made {id}") }, "prompts": { "much": 1 },
        });
        program.to_string().replace("\"NaN\"", "NaN").into_bytes()
    }

    #[test]
    fn programs_are_attempts_in_order() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.program(&program("c", 2, &json!({ "error": 0.0, "timeout": true }))).unwrap();
        checkpoint.program(&program("b", 1, &json!({ "combined_score": 0.75, "loss": "NaN" }))).unwrap();
        checkpoint.program(&program("a", 0, &json!({ "combined_score": 0.5 }))).unwrap();
        let migrant = json!({ "id": "m", "code": "", "metadata": { "migrant": true } }).to_string();
        checkpoint.program(migrant.as_bytes()).unwrap();
        checkpoint.metadata(br#"{"best_program_id": "b", "last_iteration": 4, "archive": ["a"]}"#).unwrap();
        checkpoint.best(br#"{"id": "b", "saved_at": 1700000010.5}"#).unwrap();
        let run = checkpoint.finish("minimise");
        let attempts: Vec<_> = run
            .record
            .attempts
            .iter()
            .map(|attempt| {
                (
                    attempt.number,
                    attempt.metrics.get(COMBINED).copied(),
                    attempt.invalid.as_deref(),
                    attempt.after_ms,
                )
            })
            .collect();
        assert_eq!(
            attempts,
            [
                (1, Some(0.5), None, Some(0)),
                (2, Some(0.75), None, Some(1000)),
                (3, None, Some("its evaluation gave no combined_score"), Some(2000)),
            ]
        );
        assert_eq!((run.record.submission, run.record.best_value()), (Some(2), Some(0.75)));
        assert_eq!((run.record.task.id.as_str(), run.record.usage.wall_ms), ("minimise", Some(10_500)));
        assert_eq!(run.record.ending.told.as_deref(), Some("checkpoint after iteration 4"));
        assert_eq!(
            run.record.left_out,
            [
                "1 copies that migrated between islands",
                "the checkpoint holds 3 programs of 5 iterations",
                "metrics that are no numbers: loss",
            ]
        );
        let step = StepRecord {
            observation: r#"{"artifacts":null,"metrics":{"combined_score":0.5}}"#.to_owned(),
            time: Some("2023-11-14T22:13:20.000Z".to_owned()),
            changes: vec![Change {
                path: "program.py".to_owned(),
                content: Some("x = 'a'".to_owned()),
                is_applied: true,
            }],
            ..StepRecord::new(1, Category::Edit, "evolve", "made a")
        };
        assert_eq!(run.steps[0], step);
    }

    #[test]
    fn without_a_combined_score_the_mean_counts() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.program(&program("a", 0, &json!({ "speed": 1, "quality": 2, "complexity": 90 }))).unwrap();
        checkpoint.metadata(br#"{"best_program_id": "gone", "feature_stats": {"complexity": {}}}"#).unwrap();
        let run = checkpoint.finish("t");
        assert_eq!(run.record.best_value(), Some(1.5));
        assert_eq!(run.record.left_out, ["the best program, gone, is not among the programs"]);
    }

    #[test]
    fn what_is_no_program_is_told() {
        let told = |text: &str| Checkpoint::default().program(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(told("{}"), "this is no program of OpenEvolve: there is no `id`");
        assert_eq!(told(r#"{"id": "a"}"#), "this is no program of OpenEvolve: there is no `code`");
        assert_eq!(told(r#"{"id": "#), "the program breaks off at line 1, column 7");
    }
}
