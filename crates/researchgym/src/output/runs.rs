//! Results, runs and logs as tables for people.

use std::borrow::Cow;
use std::path::Path;

use researchgym_core::event::Ending;
use researchgym_core::inspect::Verdict;
use researchgym_core::isolation::IsolationLevel;
use researchgym_core::network::NetworkPolicy;
use researchgym_core::record::SearchRecord;
use researchgym_core::result::{NetworkResult, Progress, RunResult};
use researchgym_core::score::{Metrics, Split};
use researchgym_core::spec::AgentSpec;
use researchgym_core::state::RunState;
use researchgym_engine::runner::Regraded;
use researchgym_engine::store::{RunFolder, Verification};

use super::Printer;
use super::gpus::granted;
use super::search::section;
use super::words::{bytes, counted, duration, metrics, money, number, table};

impl Printer {
    /// One run's result for people, on standard error so that the object stays the only data.
    pub(crate) fn summary(&self, result: &RunResult) {
        self.talk("");
        for line in summary(result) {
            self.talk(&line);
        }
        let hint = result.error.as_ref().and_then(|error| error.hint.as_ref());
        if let Some(hint) = hint {
            self.talk(&format!("\nhint: {hint}"));
        }
        let run = spoken(result);
        match (result.state, result.ending) {
            (Progress::Queued, _) => {
                self.talk(&format!(
                    "\nIts job waits for its turn. Follow it: researchgym run --resume {run}"
                ));
            }
            (Progress::Running, _) => {
                self.talk(&format!("\nIt is at work; wait for it, or hold it: researchgym pause {run}"));
            }
            (Progress::Paused, _) => {
                self.talk(&format!("\nIt is paused. Go on with it: researchgym unpause {run}"));
            }
            // It has no folder with which anything could be done.
            (Progress::NotStarted, _) => {}
            // The hint knows better how to go on.
            (_, Some(Ending::Failed)) if hint.is_some_and(|hint| hint.contains("--fork")) => {}
            (_, Some(Ending::Failed)) => {
                self.talk(&format!("\nWhen that is mended: researchgym run --resume {run}"));
            }
            (_, Some(Ending::Cancelled) | None) => {
                self.talk(&format!("\nGo on with it: researchgym run --resume {run}"));
            }
            (_, Some(ending)) => {
                self.talk(&format!("\nLook closer: researchgym show {run}"));
                self.more(ending, &run);
            }
        }
    }

    /// How a run that met a limit goes on.
    fn more(&self, ending: Ending, run: &str) {
        if let Some(flag) = raised_by(ending) {
            self.talk(&format!("Go on under a higher total: researchgym run --resume {run} {flag}"));
        }
    }

    /// Several results, one line each, and how many improved.
    pub(crate) fn summaries(&self, results: &[RunResult]) {
        self.talk("");
        self.rows(&listing(results));
        let begun: Vec<&str> = results
            .iter()
            .filter(|result| result.state != Progress::NotStarted)
            .map(|result| result.run_id.as_str())
            .collect();
        if begun.len() < results.len() {
            let ids = if begun.is_empty() { String::new() } else { format!(": {}", begun.join(", ")) };
            self.talk(&format!("\n{} of {} runs were begun{ids}", begun.len(), results.len()));
        }
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

    /// `show`
    pub(crate) fn show(
        &self,
        result: &RunResult,
        state: &RunState,
        verdict: Option<Verdict>,
        search: Option<&SearchRecord>,
    ) {
        for line in summary(result) {
            self.data(&line);
        }
        if let (Some(search), AgentSpec::Search(spec)) = (search, &state.started.spec.agent) {
            self.data("");
            for line in section(spec, search) {
                self.data(&line);
            }
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
        if let Some(verdict) = verdict {
            self.data(&format!("\ninspection: {}", verdict.name()));
        }
        let run = spoken(result);
        let hint = result.error.as_ref().and_then(|error| error.hint.as_ref());
        if let Some(hint) = hint {
            self.data(&format!("\nhint: {hint}"));
        }
        self.talk(&format!(
            "\nWatch it again: researchgym replay {run}\nCheck its log: researchgym verify {run}"
        ));
        if let Some(best) = search.and_then(|search| search.best.as_ref()) {
            self.talk(&format!("Look at the best candidate: researchgym show {run} --node {}", best.node));
            self.talk(&format!("Take it as files: researchgym export {run} --best DIR"));
        }
        if !state.attempts.is_empty() {
            self.talk(&format!("Grade it again: researchgym grade {run}"));
        }
        match (result.state, result.ending) {
            (Progress::Paused, _) => {
                self.talk(&format!("It is paused. Go on with it: researchgym unpause {run}"));
            }
            (Progress::Queued, _) => {
                self.talk(&format!("Its job waits for its turn. Follow it: researchgym run --resume {run}"));
            }
            (Progress::Running, _) => {
                self.talk(&format!("It is at work. Hold it: researchgym pause {run}"));
            }
            (_, Some(Ending::Failed)) if hint.is_some_and(|hint| hint.contains("--fork")) => {}
            (_, None | Some(Ending::Failed | Ending::Cancelled)) => {
                self.talk(&format!("Go on with it: researchgym run --resume {run}"));
            }
            (_, Some(ending)) => self.more(ending, &run),
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
        for note in &verification.notes {
            self.talk(&format!("note: {note}"));
        }
    }

    /// `grade`
    pub(crate) fn regraded(&self, regraded: &Regraded) {
        if regraded.attempts.is_empty() {
            self.talk("Nothing was graded in this run.");
            return;
        }
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

/// The name of a run's folder, by which commands find it: its id, unless it was copied or renamed.
fn folder_name(result: &RunResult) -> &str {
    Path::new(&result.run).file_name().and_then(|name| name.to_str()).unwrap_or(&result.run_id)
}

/// What names a run in a command without `--runs-dir`: its folder's name where that leads to it, else its folder.
fn spoken(result: &RunResult) -> Cow<'_, str> {
    named(folder_name(result), &result.run)
}

/// The same of a run by its id and folder.
pub(super) fn named<'a>(name: &'a str, run: &'a str) -> Cow<'a, str> {
    let runs = std::env::var_os("RESEARCHGYM_RUNS").filter(|runs| !runs.is_empty());
    let runs = runs.unwrap_or_else(|| "runs".into());
    let usual = std::env::current_dir().map(|here| here.join(runs)).unwrap_or_default();
    let leads_to_it = |found: RunFolder| found.root() == Path::new(run);
    match RunFolder::find(&usual, name).is_ok_and(leads_to_it) {
        true => Cow::Borrowed(name),
        false if run.contains(char::is_whitespace) => Cow::Owned(format!("'{run}'")),
        false => Cow::Borrowed(run),
    }
}

/// The flag that lets a run go on beyond this ending.
fn raised_by(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::TimeLimit => Some("--hours H"),
        Ending::StepLimit => Some("--steps N"),
        Ending::Budget => Some("--budget USD"),
        Ending::TokenLimit => Some("--tokens N"),
        Ending::Submitted | Ending::GaveUp | Ending::Cancelled | Ending::Failed => None,
    }
}

fn split(split: Split) -> &'static str {
    match split {
        Split::Validation => "validation",
        Split::Test => "test",
    }
}

fn listing(results: &[RunResult]) -> Vec<String> {
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    for result in results {
        let value = |metrics: &Option<Metrics>| {
            let value = metrics.as_ref().and_then(|metrics| metrics.get(&result.primary.name));
            value.map_or_else(|| "-".to_owned(), |value| number(*value))
        };
        rows.push(vec![
            if result.run_id.is_empty() { "-".to_owned() } else { folder_name(result).to_owned() },
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
            money(result.cost_usd).trim_end_matches(" USD").to_owned(),
        ]);
    }
    table(&rows)
}

/// Of tables with a run in each line.
pub(super) const HEADINGS: [&str; 10] =
    ["run", "task", "agent", "state", "score", "best", "baseline", "steps", "time", "USD"];

fn state(result: &RunResult) -> &'static str {
    match (result.state, result.ending) {
        (Progress::Ended, Some(ending)) => ending.name(),
        (Progress::NotStarted, _) => "not started",
        (Progress::Queued, _) => "queued",
        (Progress::Running, _) => "running",
        (Progress::Paused, _) => "paused",
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
        vec![if result.ending.is_some() { "ending" } else { "state" }.to_owned(), ending(result)],
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
    if let Some(best) = result.search.as_ref().and_then(|search| search.best.as_ref()) {
        let words = format!("node {}: {} (validated, n = {})", best.node, number(best.value), best.n);
        rows.push(vec!["best candidate".to_owned(), words]);
    }
    if let Some(gap) = result.validation_gap {
        let words = match gap {
            gap if gap > 0.0 => format!("{} better than the submission", number(gap)),
            gap if gap < 0.0 => format!("{} worse than the submission", number(-gap)),
            _ => "as good as the submission".to_owned(),
        };
        rows.push(vec!["best validation".to_owned(), words]);
    }
    if let Some(baseline) = of(&result.baseline) {
        rows.push(vec!["baseline".to_owned(), baseline]);
    }
    if let Some(score) = result.score.as_ref().filter(|score| score.len() > 1) {
        rows.push(vec!["all metrics".to_owned(), metrics(score)]);
    }
    if let Some(image) = &result.image {
        let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
        rows.push(vec!["image".to_owned(), format!("{} ({})", image.name, &id[..id.len().min(12)])]);
    }
    rows.push(vec!["isolation".to_owned(), isolation(result)]);
    rows.extend(network(&result.network).map(|words| vec!["network".to_owned(), words]));
    if !result.gpus.is_empty() {
        rows.push(vec!["GPUs".to_owned(), granted(&result.gpus)]);
    }
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
    let spent = if result.cost_usd > 0.0 { format!(", {}", money(result.cost_usd)) } else { String::new() };
    format!(
        "{how} after {}, {}, {} of work{spent}",
        counted(result.steps, "step"),
        counted(result.validations, "validation"),
        duration(result.seconds)
    )
}

/// What was asked of the network; nothing of a run that had none and asked for none.
fn network(network: &NetworkResult) -> Option<String> {
    let NetworkResult { agent, grader, requests } = network;
    let graders = if grader.has_proxy() { format!(", grader {grader}") } else { String::new() };
    if !agent.has_proxy() && !grader.has_proxy() {
        return (*agent == NetworkPolicy::Gateway).then(|| "the model gateway".to_owned());
    }
    let reasons: Vec<String> =
        requests.reasons.iter().map(|(reason, times)| format!("{times}: {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    Some(format!(
        "{agent}{graders}; {} allowed, {} refused{reasons}, {} in all",
        counted(requests.allowed, "request"),
        requests.refused,
        bytes(requests.bytes())
    ))
}

fn isolation(result: &RunResult) -> String {
    match (result.isolation.level, result.isolation.missing.as_slice()) {
        (IsolationLevel::Full, _) => "full".to_owned(),
        (IsolationLevel::Partial, missing) => format!("partial; not enforced: {}", missing.join(", ")),
        (IsolationLevel::None, _) if result.runtime.is_isolated() => "nothing was started".to_owned(),
        (IsolationLevel::None, _) => "NONE: nothing was kept apart".to_owned(),
    }
}
