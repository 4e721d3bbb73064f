//! Results, runs and logs as tables for people.

use std::path::Path;

use researchgym_core::event::Ending;
use researchgym_core::isolation::{IsolationLevel, Runtime};
use researchgym_core::result::{Progress, RunResult};
use researchgym_core::score::{Metrics, Split};
use researchgym_core::state::RunState;
use researchgym_engine::runner::Regraded;
use researchgym_engine::store::Verification;

use super::Printer;
use super::words::{counted, duration, metrics, number, table};

impl Printer {
    /// One run's result for people, on standard error so that the object stays the only data.
    pub(crate) fn summary(&self, result: &RunResult) {
        self.talk("");
        for line in summary(result) {
            self.talk(&line);
        }
        let id = &result.run_id;
        if let Some(hint) = result.error.as_ref().and_then(|error| error.hint.as_ref()) {
            self.talk(&format!("\nhint: {hint}"));
        }
        self.talk(&match result.ending {
            Some(Ending::Failed) => format!("\nWhen that is mended: researchgym run --resume {id}"),
            Some(Ending::Cancelled) | None => format!("\nGo on with it: researchgym run --resume {id}"),
            _ => format!("\nLook closer: researchgym show {id}"),
        });
    }

    /// Several results, one line each, and how many improved.
    pub(crate) fn summaries(&self, results: &[RunResult]) {
        self.talk("");
        self.rows(&listing(results));
        let improved = results.iter().filter(|result| result.improved == Some(true)).count();
        self.talk(&format!(
            "\n{improved} of {} beat the baseline\n\nLook closer: researchgym show RUN",
            results.len()
        ));
    }

    fn rows(&self, lines: &[String]) {
        for line in lines {
            self.talk(line);
        }
    }

    /// `list`
    pub(crate) fn list(&self, results: &[RunResult], broken: &[(String, String)], runs: &Path) {
        if results.is_empty() && broken.is_empty() {
            let runs = runs.display();
            self.talk(&format!("There are no such runs in {runs}. Make one: researchgym run blotto tuner"));
        }
        if !results.is_empty() {
            for line in listing(results) {
                self.data(&line);
            }
            if let Some(last) = results.last() {
                self.talk(&format!("\nLook closer: researchgym show {}", last.run_id));
            }
        }
        for (_, problem) in broken {
            self.warn(problem);
        }
    }

    /// `show`
    pub(crate) fn show(&self, result: &RunResult, state: &RunState) {
        for line in summary(result) {
            self.data(&line);
        }
        if !state.attempts.is_empty() {
            self.data("");
            let mut rows = vec![["attempt", "kind", "split", "score"].map(str::to_owned).to_vec()];
            for attempt in &state.attempts {
                let score = match &attempt.score.invalid {
                    None => metrics(&attempt.score.metrics),
                    Some(reason) => format!("not valid: {}", super::words::first_line(reason, 90)),
                };
                let kind = format!("{:?}", attempt.kind).to_lowercase();
                rows.push(vec![attempt.number.to_string(), kind, split(attempt.split).into(), score]);
            }
            for line in table(&rows) {
                self.data(&line);
            }
        }
        for finding in &result.integrity {
            self.data(&format!("\nfinding: {} ({:?}): {}", finding.kind, finding.severity, finding.evidence));
        }
        let id = &result.run_id;
        if let Some(hint) = result.error.as_ref().and_then(|error| error.hint.as_ref()) {
            self.data(&format!("\nhint: {hint}"));
        }
        self.talk(&format!(
            "\nWatch it again: researchgym replay {id}\nCheck its log: researchgym verify {id}"
        ));
        if !state.attempts.is_empty() {
            self.talk(&format!("Grade it again: researchgym grade {id}"));
        }
        if result.ending.is_none() || matches!(result.ending, Some(Ending::Failed | Ending::Cancelled)) {
            self.talk(&format!("Go on with it: researchgym run --resume {id}"));
        }
    }

    /// `verify`
    pub(crate) fn verification(&self, run: &str, verification: &Verification, problems: &[String]) {
        if problems.is_empty() {
            self.data(&format!("{run}: the log is whole; its head is {}", verification.head));
        }
        for problem in problems {
            self.data(&format!("{run}: {problem}"));
        }
    }

    /// `grade`
    pub(crate) fn regraded(&self, regraded: &Regraded) {
        let mut rows = vec![["attempt", "recorded", "graded again", ""].map(str::to_owned).to_vec()];
        for attempt in &regraded.attempts {
            let shown = |score: &researchgym_core::score::Score| match &score.invalid {
                None => metrics(&score.metrics),
                Some(_) => "not valid".to_owned(),
            };
            let verdict = if attempt.same { "same" } else { "DIFFERENT" };
            rows.push(vec![
                attempt.attempt.to_string(),
                shown(&attempt.recorded),
                shown(&attempt.regraded),
                verdict.to_owned(),
            ]);
        }
        for line in table(&rows) {
            self.data(&line);
        }
        if regraded.task_digest != regraded.task_digest_now {
            self.warn("the task's folder has changed since the run");
        }
        self.talk(&format!("Written to {}", regraded.file.display()));
    }
}

fn split(split: Split) -> &'static str {
    match split {
        Split::Validation => "validation",
        Split::Test => "test",
    }
}

fn listing(results: &[RunResult]) -> Vec<String> {
    let mut rows = vec![
        ["run", "task", "agent", "state", "score", "best", "baseline", "steps", "time", "USD"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for result in results {
        let value = |metrics: &Option<Metrics>| {
            let value = metrics.as_ref().and_then(|metrics| metrics.get(&result.primary.name));
            value.map_or_else(|| "-".to_owned(), |value| number(*value))
        };
        rows.push(vec![
            result.run_id.clone(),
            result.task.clone(),
            match &result.model {
                Some(model) => format!("{} ({model})", result.agent),
                None => result.agent.clone(),
            },
            state(result).to_owned(),
            value(&result.score),
            value(&result.best_score),
            value(&result.baseline),
            result.steps.to_string(),
            duration(result.seconds),
            format!("{:.2}", result.cost_usd),
        ]);
    }
    table(&rows)
}

fn state(result: &RunResult) -> &'static str {
    match (result.state, result.ending) {
        (Progress::Ended, Some(ending)) => ending.name(),
        (Progress::Running, _) => "running",
        (Progress::Interrupted | Progress::Ended, _) => "interrupted",
    }
}

fn summary(result: &RunResult) -> Vec<String> {
    let name = &result.primary.name;
    let of = |metrics: &Option<Metrics>| {
        metrics.as_ref().and_then(|metrics| metrics.get(name)).map(|value| number(*value))
    };
    let mut rows = vec![
        vec!["run".to_owned(), result.run.clone()],
        vec!["task".to_owned(), format!("{} ({})", result.task, result.variant)],
        vec!["agent".to_owned(), format!("{}, seed {}", result.agent, result.seed)],
        vec!["ending".to_owned(), ending(result)],
    ];
    if let Some(model) = &result.model {
        let calls = counted(result.model_calls, "call");
        rows.insert(3, vec!["model".to_owned(), format!("{model}, {calls}, {} tokens", result.tokens)]);
    }
    if let Some(from) = &result.forked_from {
        rows.push(vec!["forked from".to_owned(), format!("{from}, whose time and money are included")]);
    }
    if let Some(error) = &result.error {
        rows.push(vec!["error".to_owned(), error.message.clone()]);
    }
    let better = match result.improved {
        Some(true) => "  beats the baseline",
        Some(false) if is_above(result) => "  better than the baseline, but within its noise",
        Some(false) => "  does not beat the baseline",
        None => "",
    };
    rows.push(vec![
        name.clone(),
        format!("{}{better}", of(&result.score).unwrap_or_else(|| "no valid submission".into())),
    ]);
    if let (Some(best), Some(best_split)) = (of(&result.best_score), result.best_split) {
        rows.push(vec!["best attempt".to_owned(), format!("{best} ({})", split(best_split))]);
    }
    if let Some(baseline) = of(&result.baseline) {
        rows.push(vec!["baseline".to_owned(), baseline]);
    }
    if let Some(score) = result.score.as_ref().filter(|score| score.len() > 1) {
        rows.push(vec!["all metrics".to_owned(), metrics(score)]);
    }
    rows.push(vec!["isolation".to_owned(), isolation(result)]);
    for finding in &result.integrity {
        rows.push(vec!["finding".to_owned(), format!("{}: {}", finding.kind, finding.evidence)]);
    }
    table(&rows)
}

/// Whether the score is better than the baseline, if only by chance.
fn is_above(result: &RunResult) -> bool {
    let of = |metrics: &Option<Metrics>| metrics.as_ref()?.get(&result.primary.name).copied();
    match (of(&result.score), of(&result.baseline)) {
        (Some(score), Some(baseline)) => result.primary.direction.gain(score, baseline) > 0.0,
        _ => false,
    }
}

fn ending(result: &RunResult) -> String {
    let how = match result.boundary {
        Some(boundary) => format!("failed ({})", boundary.name()),
        None => state(result).to_owned(),
    };
    let spent = if result.cost_usd > 0.0 { format!(", {:.2} USD", result.cost_usd) } else { String::new() };
    format!(
        "{how} after {}, {}, {} of work{spent}",
        counted(result.steps, "step"),
        counted(result.validations, "validation"),
        duration(result.seconds)
    )
}

fn isolation(result: &RunResult) -> String {
    match (result.isolation.level, result.isolation.missing.as_slice()) {
        (IsolationLevel::Full, _) => "full".to_owned(),
        (IsolationLevel::Partial, missing) => format!("partial; not enforced: {}", missing.join(", ")),
        (IsolationLevel::None, _) if result.runtime == Runtime::Local => "nothing was started".to_owned(),
        (IsolationLevel::None, _) => "NONE: nothing was kept apart".to_owned(),
    }
}
