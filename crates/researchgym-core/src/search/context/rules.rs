//! The system message: who the model is, what holds for all candidates of a task, and the form of its answers.

use super::room::{inline, listed, number};
use super::template::{FORMATS, RULES, SYSTEM, fill, part};
use super::{Asked, Step};
use crate::score::Direction;
use crate::search::EditForm;
use crate::task::Task;

/// On what the system message of a search depends: whether code is asked for, the form of changes, and the bits of what the
/// baseline has.
pub(super) type Depends = (bool, EditForm, Option<u64>);

/// The text of the system message.
pub(super) fn system(asked: &Asked<'_>) -> String {
    let asks_for_code = matches!(asked.step, Step::Code { .. });
    let baseline = baseline(asked);
    let depends = (asks_for_code, asked.form, baseline.map(f64::to_bits));
    asked.memory.system(depends, || written(asked, baseline))
}

fn written(asked: &Asked<'_>, baseline: Option<f64>) -> String {
    let rules: Vec<String> = rules(asked, baseline).into_iter().map(|rule| format!("- {rule}")).collect();
    let form = match asked.step {
        Step::Ideas { .. } => "",
        Step::Code { .. } => format_words(asked.form),
    };
    fill(SYSTEM, &[("rules", &rules.join("\n")), ("form", form)])
}

/// How answers are written in this form.
pub(super) fn format_words(form: EditForm) -> &'static str {
    let name = match form {
        EditForm::SearchReplace => "search-replace",
        EditForm::UnifiedDiff => "unified-diff",
        EditForm::WholeFiles => "whole-files",
    };
    part(&FORMATS, name)
}

fn rules(asked: &Asked<'_>, baseline: Option<f64>) -> Vec<String> {
    let task = asked.task;
    let editable = task.search.as_ref().map(|search| search.editable.as_slice()).unwrap_or_default();
    let mut rules = Vec::new();
    if editable.is_empty() {
        rules.push(part(&RULES, "open").to_owned());
    } else {
        let paths = listed(editable.iter().map(String::as_str));
        rules.push(fill(part(&RULES, "listed"), &[("paths", &paths)]));
    }
    if !task.workspace.protected.is_empty() {
        let paths = listed(task.workspace.protected.iter().map(String::as_str));
        rules.push(fill(part(&RULES, "protected"), &[("paths", &paths)]));
    }
    rules.push(run(task));
    rules.push(metric(task));
    if let Some(value) = baseline {
        rules.push(fill(part(&RULES, "baseline"), &[("value", &number(value))]));
    }
    let floor = task.baseline.as_ref().map_or(0.0, |baseline| baseline.noise_floor);
    if floor > 0.0 {
        rules.push(fill(part(&RULES, "noise"), &[("floor", &number(floor))]));
    }
    rules.extend(["honest", "single", "text"].map(|name| part(&RULES, name).to_owned()));
    rules
}

/// How a candidate's artefacts come about.
fn run(task: &Task) -> String {
    let artefacts = listed(task.submission.artefacts.iter().map(String::as_str));
    let quoted = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
    let own = task.search.as_ref().and_then(|search| search.run.as_ref());
    let own = own.map(|command| command.iter().map(quoted).collect::<Vec<_>>().join(" "));
    let Some(command) = own.or_else(|| Some(task.tunable.as_ref()?.apply.clone())) else {
        return fill(part(&RULES, "as-is"), &[("artefacts", &artefacts)]);
    };
    let command = inline(&command);
    let seconds = task.search.clone().unwrap_or_default().timeout_s().to_string();
    let gpus = match task.resources.gpus {
        0 => String::new(),
        1 => " and 1 GPU".to_owned(),
        several => format!(" and {several} GPUs"),
    };
    let values = [
        ("command", command.as_str()),
        ("artefacts", &artefacts),
        ("cpus", &number(task.resources.cpus)),
        ("memory", &task.resources.memory_mib.to_string()),
        ("gpus", &gpus),
        ("seconds", &seconds),
    ];
    fill(part(&RULES, "run"), &values)
}

fn metric(task: &Task) -> String {
    let primary = task.primary();
    let direction = match primary.direction {
        Direction::Maximize => "more",
        Direction::Minimize => "less",
    };
    let described = task.metrics.iter().find(|metric| metric.name == primary.name);
    let meaning = described.and_then(|metric| metric.description.as_ref());
    let meaning = meaning.map(|words| format!(" It is: {words}")).unwrap_or_default();
    let values = [("name", inline(&primary.name)), ("direction", direction.to_owned()), ("meaning", meaning)];
    fill(part(&RULES, "metric"), &values.each_ref().map(|(name, value)| (*name, value.as_str())))
}

/// What the baseline has: as this search measured it, else as the task tells.
fn baseline(asked: &Asked<'_>) -> Option<f64> {
    let measured = asked.tree.get(0).and_then(|node| node.aggregate()).map(|aggregate| aggregate.mean);
    let primary = asked.tree.primary();
    let told = || asked.task.baseline.as_ref()?.shown(primary).get(&primary.name).copied();
    measured.or_else(told)
}
