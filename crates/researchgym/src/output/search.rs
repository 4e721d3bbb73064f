//! Searches for people: what one has come to, one of its candidates, and the best as files.

use std::path::Path;

use researchgym_core::record::{IdeaRecord, NodeRecord, SearchRecord, SpentRecord, TrialRecord, epochs_of};
use researchgym_core::search::{Node, Repertoire, SearchSpec, Selection, Tree};
use researchgym_engine::search::Files;
use researchgym_engine::store::RunFolder;

use super::Printer;
use super::runs::named;
use super::trials::trial;
use super::words::{bytes, counted, duration, first_line, metrics, money, number, table};

/// How many of the best candidates, one after the other, are listed.
const MOST_RECORDS: usize = 20;
/// How many ideas are listed.
const MOST_IDEAS: usize = 100;
/// How many ancestors are listed.
const MOST_ANCESTORS: usize = 40;

/// One candidate with what belongs to it.
pub(crate) struct Candidate<'a> {
    pub(crate) run: &'a RunFolder,
    pub(crate) tree: &'a Tree,
    pub(crate) node: &'a Node,
    pub(crate) record: NodeRecord,
    pub(crate) feedback: Option<String>,
    pub(crate) trials: Vec<TrialRecord>,
}

impl Printer {
    /// `show RUN --node N`
    pub(crate) fn candidate(&self, shown: &Candidate<'_>) {
        for line in candidate(shown) {
            self.data(&line);
        }
        let (run, node) = (shown.run, shown.node.id);
        let root = run.root().display().to_string();
        let run = named(run.id(), &root);
        if shown.node.artefact.is_some() {
            self.talk(&format!("\nWhat it changes: researchgym show {run} --node {node} --diff"));
        }
    }

    /// The ideas of a search in `show RUN`, and its epochs.
    pub(crate) fn ideas(&self, ideas: &[IdeaRecord]) {
        for line in epochs(ideas).into_iter().chain(became(ideas)) {
            self.data(&line);
        }
    }

    /// `show RUN --node N --files`
    pub(crate) fn files(&self, files: &Files) {
        for (path, content) in files {
            self.data(&format!("==> {path} <=="));
            match std::str::from_utf8(content) {
                Ok(text) => self.document(text),
                Err(_) => self.data(&format!("({}, no text)", bytes(content.len() as u64))),
            }
            self.data("");
        }
    }

    /// `export RUN --best DIR`
    pub(crate) fn best_exported(&self, to: &Path, told: &serde_json::Value) {
        let what = match told["node"].as_u64() {
            Some(node) => format!("node {node}"),
            None => format!("attempt {}", told["attempt"]),
        };
        let metric = told["metric"].as_str().unwrap_or("value");
        let value = told["value"].as_f64().map_or_else(|| "unknown".to_owned(), number);
        self.data(&format!("{}: {what}, {metric} {value}", to.display()));
    }
}

/// The section of a search in `show`.
pub(super) fn section(spec: &SearchSpec, search: &SearchRecord) -> Vec<String> {
    let row = |name: &str, words: String| vec![name.to_owned(), words];
    let statuses: Vec<String> =
        search.statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let evaluating = spec.evaluation_slots.map(|slots| format!(", {slots} for evaluations"));
    let slots = counted(u64::from(spec.parallel), "slot");
    let mut rows = vec![
        row("policy", format!("{}, {slots}{}", search.policy, evaluating.unwrap_or_default())),
        row("operators", repertoire(&spec.operators)),
    ];
    if !spec.models.is_empty() {
        rows.push(row("models", ensemble(spec)));
    }
    if let Some(model) = &spec.idea_model {
        rows.push(row("ideas", format!("by {}", model.name)));
    }
    rows.extend([
        row("nodes", if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") }),
        row(
            "evaluations",
            format!("{}, {} in all", search.evaluations, duration(search.evaluation_ms as f64 / 1e3)),
        ),
        row(
            "best",
            match &search.best {
                Some(best) => {
                    format!("node {}: {}", best.node, how_sure(best.value, best.n, best.standard_error))
                }
                None => "nothing was measured".to_owned(),
            },
        ),
    ]);
    if let Some(inherited) = &search.inherited {
        let words = format!(
            "{} and {} of these",
            counted(inherited.candidates, "candidate"),
            counted(inherited.evaluations, "evaluation")
        );
        rows.push(row("taken over", words));
    }
    if let Some(baseline) = search.baseline {
        rows.push(row("its baseline", number(baseline)));
    }
    if search.spent.calls > 0 {
        rows.push(row("candidates cost", spent(&search.spent)));
    }
    if let (Some(cost), Some(embedding)) = (&search.embeddings, &spec.novelty.embedding) {
        rows.push(row("embeddings", format!("{}: {}", embedding.model.name, spent(cost))));
    }
    if !search.failures.is_empty() {
        rows.push(row("failures", failures(&search.failures)));
    }
    let mut lines = vec!["Search".to_owned()];
    lines.extend(table(&rows));
    lines.extend(records(search));
    if !search.operators.is_empty() {
        lines.push(String::new());
        lines.extend(operators(search));
    }
    lines
}

/// What epochs came to.
fn epochs(ideas: &[IdeaRecord]) -> Vec<String> {
    let heads =
        ["epoch", "ideas", "implemented", "measured", "better", "best", "mean", "similarity", "late", "cost"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let maybe = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    for epoch in epochs_of(ideas) {
        rows.push(vec![
            epoch.epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
            epoch.ideas.to_string(),
            epoch.implemented.to_string(),
            epoch.measured.to_string(),
            epoch.better_than_baseline.to_string(),
            maybe(epoch.best),
            maybe(epoch.mean),
            epoch.similarity.map_or_else(|| "-".to_owned(), |similarity| format!("{similarity:.3}")),
            epoch.late.to_string(),
            money(epoch.cost_usd),
        ]);
    }
    let heading = [String::new(), "Epochs".to_owned()];
    heading.into_iter().chain(table(&rows)).collect()
}

/// What became of each idea, the newest of them.
fn became(ideas: &[IdeaRecord]) -> Vec<String> {
    let mut rows = vec![
        ["node", "epoch", "kind", "what became of it", "value", "cost", "idea"].map(str::to_owned).to_vec(),
    ];
    let earlier = ideas.len().saturating_sub(MOST_IDEAS);
    for idea in &ideas[earlier..] {
        rows.push(vec![
            idea.node.to_string(),
            idea.epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
            idea.kind.clone(),
            format!("{}{}", first_line(&idea.outcome(), 60), if idea.late { ", late" } else { "" }),
            idea.value.map_or_else(|| "-".to_owned(), number),
            money(idea.cost_usd),
            first_line(idea.title(), 70),
        ]);
    }
    let heading = match earlier {
        0 => "Ideas".to_owned(),
        earlier => format!("Ideas ({earlier} earlier ones are in `export --format trajectories`)"),
    };
    [String::new(), heading].into_iter().chain(table(&rows)).collect()
}

/// Failures by kind, the most frequent first.
pub(super) fn failures<Name: AsRef<str>>(failures: &std::collections::BTreeMap<Name, u64>) -> String {
    let mut sorted: Vec<(&str, u64)> = failures.iter().map(|(kind, count)| (kind.as_ref(), *count)).collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let told: Vec<String> =
        sorted.into_iter().map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
    told.join(", ")
}

fn repertoire(operators: &Repertoire) -> String {
    let told = operators.0.iter().map(|(operator, weight)| match *weight {
        1.0 => operator.to_string(),
        weight => format!("{operator}={weight}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The models of an ensemble with their weights.
fn ensemble(spec: &SearchSpec) -> String {
    let own = format!("the run's own={}", spec.model_weight);
    let others = spec.models.iter().map(|share| format!("{}={}", share.model.name, share.weight));
    let models: Vec<String> = std::iter::once(own).chain(others).collect();
    let by = match spec.selection {
        Selection::Weights => "by their weights",
        Selection::Bandit => "by what they achieve",
    };
    format!("{}, {by}", models.join(", "))
}

/// A mean with its standard error.
fn how_sure(value: f64, n: u64, standard_error: Option<f64>) -> String {
    let error = standard_error.map(|error| format!(" ± {}", number(error))).unwrap_or_default();
    format!("{}{error} (n = {n})", number(value))
}

fn spent(spent: &SpentRecord) -> String {
    let (calls, tokens) = (counted(spent.calls, "call"), counted(spent.tokens, "token"));
    format!("{calls}, {tokens}, {}", money(spent.cost.as_usd()))
}

/// The best candidates one after the other, the newest of them.
fn records(search: &SearchRecord) -> Vec<String> {
    if search.moments.is_empty() {
        return Vec::new();
    }
    let heads = ["best so far", "operator", "value", "n", "candidates", "evaluations", "time", "money"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let earlier = search.moments.len().saturating_sub(MOST_RECORDS);
    for moment in &search.moments[earlier..] {
        rows.push(vec![
            format!("node {}", moment.node),
            moment.operator.to_string(),
            number(moment.value),
            moment.n.to_string(),
            moment.candidates.to_string(),
            moment.evaluations.to_string(),
            duration(moment.working_ms as f64 / 1e3),
            money(moment.cost.as_usd()),
        ]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table(&rows));
    if earlier > 0 {
        lines.insert(2, format!("({earlier} earlier ones are in --output json)"));
    }
    lines
}

fn operators(search: &SearchRecord) -> Vec<String> {
    let heads = ["operator", "tried", "built", "measured", "better than its parent", "best so far"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for used in &search.operators {
        let counts = [used.tried, used.built, used.measured, used.better, used.records];
        let cells = counts.map(|count| count.to_string());
        rows.push([used.operator.to_string()].into_iter().chain(cells).collect());
    }
    table(&rows)
}

fn candidate(shown: &Candidate<'_>) -> Vec<String> {
    let Candidate { tree, node, record, feedback, trials, .. } = shown;
    let row = |name: &str, words: String| vec![name.to_owned(), words];
    let failure = record.failure.as_deref().map(|kind| format!(" ({})", kind.replace('_', " ")));
    let mut rows = vec![
        row("node", format!("{}, {}", node.id, node.operator)),
        row("status", format!("{}{}", record.status, failure.unwrap_or_default())),
    ];
    if let Some(reason) = &record.reason {
        rows.push(row("reason", reason.clone()));
    }
    if let Some(value) = record.value {
        let value = match record.n {
            0 => format!("{} where it was screened out", number(value)),
            n => how_sure(value, n, record.standard_error),
        };
        rows.push(row(&tree.primary().name, value));
    }
    let marks = [
        record.tag.island.map(|island| format!("island {island}")),
        record.tag.epoch.map(|epoch| format!("epoch {epoch}")),
        record.tag.stage.map(|stage| format!("stage {stage}")),
        record.tag.kind.clone(),
    ];
    let marks: Vec<String> = marks.into_iter().flatten().collect();
    if !marks.is_empty() {
        rows.push(row("marks", marks.join(", ")));
    }
    if let Some(artefact) = record.artefact {
        rows.push(row("candidate", format!("{artefact}, {}", bytes(record.size))));
    }
    let tries = counted(u64::from(record.attempts), "attempt");
    rows.push(row(
        "made",
        match (&record.model, record.spent.calls) {
            (Some(model), _) => format!("by {model} in {tries}: {}", spent(&record.spent)),
            (None, 0) => format!("in {tries}"),
            (None, _) => format!("in {tries}: {}", spent(&record.spent)),
        },
    ));
    rows.push(row("evaluation", duration(record.evaluation_ms as f64 / 1e3)));
    let at = |ms: u64| duration(ms as f64 / 1e3);
    rows.push(row(
        "time",
        match record.settled_ms {
            Some(settled) => {
                format!("planned after {}, settled after {}", at(record.planned_ms), at(settled))
            }
            None => format!("planned after {}", at(record.planned_ms)),
        },
    ));
    let ids = |nodes: &[u32]| nodes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    if node.parents.len() > 1 {
        rows.push(row("other parents", ids(&node.parents[1..])));
    }
    if !node.shown.is_empty() {
        rows.push(row("was shown", ids(&node.shown)));
    }
    if !node.children.is_empty() {
        let first = &node.children[..node.children.len().min(20)];
        let more = if node.children.len() > first.len() { ", ..." } else { "" };
        rows.push(row("children", format!("{}: {}{more}", node.children.len(), ids(first))));
    }
    let mut lines = table(&rows);
    lines.extend(ancestors(tree, node));
    lines.extend(measurements(node));
    lines.extend(trials.iter().flat_map(trial));
    for (name, words) in [("idea", &record.idea), ("feedback", feedback)] {
        if let Some(words) = words.as_ref().filter(|words| !words.trim().is_empty()) {
            lines.push(String::new());
            lines.push(name.to_owned());
            lines.extend(words.lines().map(|line| format!("  {line}")));
        }
    }
    lines
}

/// What a candidate derives from, the nearest first.
fn ancestors(tree: &Tree, node: &Node) -> Vec<String> {
    let mut rows = vec![["derives from", "operator", "status", "value"].map(str::to_owned).to_vec()];
    let mut left_out = 0u64;
    for ancestor in tree.lineage(node.id) {
        if rows.len() > MOST_ANCESTORS && ancestor.id != 0 {
            left_out += 1;
            continue;
        }
        rows.push(vec![
            format!("node {}", ancestor.id),
            ancestor.operator.to_string(),
            ancestor.status.name().to_owned(),
            ancestor.aggregate().map_or_else(|| "-".to_owned(), |aggregate| number(aggregate.mean)),
        ]);
    }
    if rows.len() == 1 {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    lines.extend(table(&rows));
    if left_out > 0 {
        lines.insert(lines.len() - 1, format!("({left_out} more)"));
    }
    lines
}

fn measurements(node: &Node) -> Vec<String> {
    if node.measurements.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![["evaluation", "metrics"].map(str::to_owned).to_vec()];
    for measurement in &node.measurements {
        rows.push(vec![measurement.evaluation.to_string(), first_line(&metrics(&measurement.metrics), 200)]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table(&rows));
    lines
}
