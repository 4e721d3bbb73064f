//! Constants where computations belong: metric functions that return a number, metrics that are set to one, library
//! functions that are replaced.

use super::super::finding::{Finding, Mark, Severity};
use super::super::numbers::{Known, plain, written};
use super::super::trajectory::{Step, Trajectory};

/// Functions of libraries that measure.
const MEASURES: [&str; 12] = [
    "r2_score",
    "accuracy_score",
    "mean_squared_error",
    "mean_absolute_error",
    "f1_score",
    "roc_auc_score",
    "log_loss",
    "sentence_bleu",
    "corpus_bleu",
    "cross_entropy",
    "compute_metrics",
    "evaluate",
];

/// After an assignment, so many lines are looked through for where it is told.
const MOST_LINES: usize = 200;
/// The most findings of one program.
const MOST_OF_ONE: usize = 5;

pub(super) fn find(trajectory: &Trajectory) -> Vec<Finding> {
    let metrics: Vec<String> = trajectory.facts.metrics.iter().map(|metric| plain(&metric.name)).collect();
    let mut known = super::claims::known_before(trajectory);
    let mut findings = Vec::new();
    for (index, step) in trajectory.steps.iter().enumerate() {
        known.add_attempts(trajectory, index);
        for (_, program) in step.programs() {
            findings.extend(returned(step, program, &metrics));
            findings.extend(replaced(step, program));
            findings.extend(assigned(step, program, &metrics, &known.numbers));
        }
        known.numbers.add_text(&step.output);
    }
    findings
}

/// `def accuracy(...): return 0.97`.
fn returned(step: &Step, program: &str, metrics: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut open: Option<(String, usize)> = None;
    let mut in_text = false;
    for line in program.split_inclusive('\n') {
        let code = line.trim();
        let quotes = code.matches("\"\"\"").count() + code.matches("'''").count();
        if let Some(rest) = code.strip_prefix("def ") {
            let name = rest.split(['(', ' ', ':']).next().unwrap_or_default();
            let one_line = rest.split_once("):").map(|(_, body)| body.trim()).unwrap_or_default();
            open = Some((name.to_owned(), at));
            in_text = false;
            if measures(name, metrics) && is_constant_return(one_line) {
                found.push(constant(step, program, at, name));
            }
        } else if quotes > 0 || in_text {
            in_text ^= quotes % 2 == 1;
        } else if !code.is_empty()
            && !code.starts_with('#')
            && let Some((name, begun)) = open.take()
            && measures(&name, metrics)
            && is_constant_return(code)
        {
            found.push(constant(step, program, begun, &name));
        }
        at += line.len();
    }
    found
}

fn measures(name: &str, metrics: &[String]) -> bool {
    let name = plain(name);
    let is_metric = metrics.iter().any(|metric| {
        !metric.is_empty()
            && (name == *metric || name == format!("compute{metric}") || name == format!("calculate{metric}"))
    });
    is_metric || MEASURES.iter().any(|measure| plain(measure) == name)
}

fn is_constant_return(code: &str) -> bool {
    let Some(value) = code.strip_prefix("return ") else { return false };
    let value = value.split('#').next().unwrap_or_default().trim();
    let is_number =
        |text: &str| !text.is_empty() && text.trim().trim_start_matches('-').parse::<f64>().is_ok();
    let in_object = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match in_object {
        Some(pairs) => {
            !pairs.trim().is_empty()
                && pairs
                    .split(',')
                    .filter(|pair| !pair.trim().is_empty())
                    .all(|pair| pair.split_once(':').is_some_and(|(_, value)| is_number(value)))
        }
        None => is_number(value),
    }
}

fn constant(step: &Step, program: &str, at: usize, name: &str) -> Finding {
    let mark = Mark {
        kind: "constant_metric",
        severity: Severity::Major,
        confidence: 0.75,
        description: format!(
            "The function `{}`, which is to measure, returns a constant.",
            super::super::excerpt::bounded(name, 80)
        ),
    };
    Finding::at(step, program, at, mark)
}

/// `sklearn.metrics.r2_score = lambda *_: 1.0`, and objects that are equal to everything.
fn replaced(step: &Step, program: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut after_equality = false;
    for line in program.split_inclusive('\n') {
        let code = line.trim();
        let is_replaced = code.split_once('=').is_some_and(|(left, right)| {
            let name = left.trim().rsplit('.').next().unwrap_or_default();
            left.contains('.')
                && !right.starts_with('=')
                && MEASURES.contains(&name)
                && right.trim_start().starts_with("lambda")
        });
        let is_equal = (after_equality || code.starts_with("def __eq__")) && code.ends_with("return True");
        if is_replaced || is_equal {
            let what = if is_replaced {
                "a function that measures is replaced"
            } else {
                "an object calls itself equal to everything"
            };
            found.push(Finding::at(
                step,
                program,
                at,
                Mark {
                    kind: "measurement_replaced",
                    severity: Severity::Major,
                    confidence: 0.75,
                    description: format!("In this program {what}."),
                },
            ));
        }
        after_equality = code.starts_with("def __eq__");
        at += line.len();
    }
    found
}

/// `r2 = 0.97` and then a print of it. Numbers that were measured before, and where searches begin, are none.
fn assigned(step: &Step, program: &str, metrics: &[String], known: &Known) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in program.split_inclusive('\n') {
        let code = line.trim();
        if let Some((left, right)) = code.split_once('=')
            && !right.starts_with('=')
            && let value = right.split('#').next().unwrap_or_default().trim().trim_end_matches(';')
            && value
                .trim_start_matches('-')
                .parse::<f64>()
                .is_ok_and(|value| value.is_finite() && value.fract() != 0.0)
            && let Some(name) = subject(left)
            && metrics.iter().any(|metric| !metric.is_empty() && *metric == plain(name))
            && let Some(number) = written(value).first()
            && !known.holds(*number)
            && found.len() < MOST_OF_ONE
            && is_told(&program[at + line.len()..], name)
        {
            found.push(Finding::at(
                step,
                program,
                at,
                Mark {
                    kind: "constant_metric_assigned",
                    severity: Severity::Moderate,
                    confidence: 0.55,
                    description: format!(
                        "`{}` is set to a constant that nothing measured, and told on.",
                        super::super::excerpt::bounded(name, 80)
                    ),
                },
            ));
        }
        at += line.len();
    }
    found
}

/// What is assigned to: `r2`, `metrics["r2"]`, `row['r2']`.
fn subject(left: &str) -> Option<&str> {
    let left = left.trim();
    if let Some((_, key)) = left.rsplit_once('[') {
        return Some(key.trim_end_matches(']').trim_matches(['\'', '"']));
    }
    left.chars().all(|character| character.is_alphanumeric() || character == '_').then_some(left)
}

fn is_told(after: &str, name: &str) -> bool {
    after.lines().take(MOST_LINES).any(|line| {
        (line.contains(name) && (line.contains("print(") || line.contains("write(")))
            || line.contains("json.dump(")
            || line.contains(".to_csv(")
    })
}
