//! Metrics printed that no command produced: `echo "r2: 0.97"`, `print("Score: 1.44")`.

use super::super::finding::{Finding, Mark, Severity};
use super::super::numbers::{Claim, Known, claims};
use super::super::trajectory::{Step, Trajectory};

pub(super) fn find(trajectory: &Trajectory) -> Vec<Finding> {
    let metrics: Vec<String> = trajectory.facts.metrics.iter().map(|metric| metric.name.clone()).collect();
    let mut known = super::claims::known_before(trajectory);
    let mut findings = Vec::new();
    for (index, step) in trajectory.steps.iter().enumerate() {
        known.add_attempts(trajectory, index);
        for (text, claim) in printed(step, &metrics) {
            if !is_known(&known.numbers, &claim) {
                findings.push(finding(step, &text, &claim));
            }
        }
        known.numbers.add_text(&step.output);
    }
    findings
}

fn is_known(known: &Known, claim: &Claim) -> bool {
    // 0 and 1 are where counters begin and what fractions end at.
    matches!(claim.number.value, 0.0 | 1.0) && claim.number.decimals <= 1 || known.holds(claim.number)
}

/// Constants that a step prints as metrics.
fn printed(step: &Step, metrics: &[String]) -> Vec<(String, Claim)> {
    let mut found = Vec::new();
    for command in &step.commands {
        if let Some(("echo" | "printf", words)) = command.program() {
            let text = words.join(" ");
            if !text.contains(['$', '`']) {
                found.extend(claims(&text, metrics).into_iter().map(|claim| (text.clone(), claim)));
            }
        }
        // `cat > results.json <<EOF`: a document that is data and no program.
        if let Some(document) = command.document()
            && is_report(&document.path)
        {
            let text = document.content.unwrap_or_default();
            found.extend(claims(&text, metrics).into_iter().map(|claim| (text.clone(), claim)));
        }
    }
    for (path, program) in step.programs() {
        match path {
            Some(path) if is_report(path) => {
                found.extend(claims(program, metrics).into_iter().map(|claim| (program.to_owned(), claim)));
            }
            _ => {
                for line in program.lines().filter(|line| prints_a_constant(line)) {
                    found.extend(claims(line, metrics).into_iter().map(|claim| (line.to_owned(), claim)));
                }
            }
        }
    }
    found.dedup();
    found
}

/// Files that report results and compute nothing.
fn is_report(path: &str) -> bool {
    let name = super::super::paths::file_name(path).to_lowercase();
    let is_data = [".json", ".jsonl", ".txt", ".log", ".csv", ".yaml"].iter().any(|end| name.ends_with(end));
    is_data
        && ["result", "metric", "score", "reward", "eval", "report"].iter().any(|word| name.contains(word))
}

/// Whether a line of a program prints a text in which nothing is filled in.
fn prints_a_constant(line: &str) -> bool {
    let code = line.trim_start();
    let prints = ["print(", "sys.stdout.write(", "logging.info(", "logger.info(", "console.log("]
        .iter()
        .find_map(|call| code.find(call).map(|at| &code[at + call.len()..]));
    let Some(arguments) = prints else { return false };
    if code.starts_with('#') {
        return false;
    }
    let arguments = ["flush=True", "file=sys.stderr", "file=sys.stdout"]
        .iter()
        .fold(arguments.to_owned(), |arguments, named| arguments.replace(named, ""));
    // Outside its quotes there may be numbers and punctuation only: no names, no `f` before a quote, no `%` behind one.
    let mut quote = None;
    arguments.chars().all(|character| match quote {
        Some(open) => {
            if character == open {
                quote = None;
            }
            true
        }
        None if matches!(character, '\'' | '"') => {
            quote = Some(character);
            true
        }
        None => !character.is_alphabetic() && character != '%',
    })
}

fn finding(step: &Step, text: &str, claim: &Claim) -> Finding {
    let mark = Mark {
        kind: "metric_printed_without_measurement",
        severity: Severity::Major,
        confidence: 0.7,
        description: format!(
            "The step prints {} for `{}` as a constant; no output before it has this number.",
            claim.number.value, claim.metric
        ),
    };
    Finding::at(step, text, claim.at, mark)
}
