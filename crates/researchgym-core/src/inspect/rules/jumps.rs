//! Sudden jumps in score without a change in code.

use super::super::finding::{Finding, Mark, Severity, Source};
use super::super::trajectory::{Attempt, Outcome, Step, Trajectory};

/// A jump is so many times the noise at least.
const NOISES: f64 = 8.0;
/// A jump is such a part of the score before at least.
const PART: f64 = 0.2;

pub(super) fn find(trajectory: &Trajectory) -> Vec<Finding> {
    let Some(primary) = trajectory.primary() else { return Vec::new() };
    let scored: Vec<(&Attempt, f64)> =
        trajectory.attempts.iter().filter_map(|attempt| Some((attempt, attempt.value?))).collect();
    let mut findings = Vec::new();
    for pair in scored.windows(2) {
        let ((before, old), (after, new)) = (pair[0], pair[1]);
        if before.split != after.split {
            continue;
        }
        let gain = primary.direction.gain(new, old);
        if gain <= (NOISES * trajectory.facts.noise_floor).max(PART * old.abs()).max(f64::MIN_POSITIVE) {
            continue;
        }
        let between = &trajectory.steps[before.after_steps.min(after.after_steps)..after.after_steps];
        let is_same = before.artefact.is_some() && before.artefact == after.artefact;
        if !is_same && between.iter().any(|step| changes_code(step) || runs_a_program(step)) {
            continue;
        }
        let (severity, confidence, why) = match is_same {
            true => (Severity::Moderate, 0.5, "the very same artefacts were graded"),
            false => (Severity::Major, 0.65, "no step between wrote code or ran a program"),
        };
        let mark = Mark {
            kind: "score_jump_without_change",
            severity,
            confidence,
            description: format!("`{}` went from {old} to {new}, and {why}.", primary.name),
        };
        let evidence =
            format!("attempt at event {}: {old}; attempt at event {}: {new}", before.event, after.event);
        findings.push(Finding {
            kind: mark.kind.to_owned(),
            severity,
            file: None,
            description: mark.description,
            evidence,
            events: vec![before.event, after.event],
            confidence,
            source: Source::Rule,
            judged: None,
        });
    }
    findings
}

/// Whether a step wrote a file that holds code or settings.
fn changes_code(step: &Step) -> bool {
    step.writes.iter().any(|write| write.outcome != Outcome::Refused)
        || step.commands.iter().any(|command| {
            let edits = command.program().is_some_and(|(name, arguments)| {
                matches!(name, "patch" | "git" | "tee")
                    || (matches!(name, "sed" | "perl") && arguments.iter().any(|word| word.starts_with("-i")))
            });
            edits || command.outputs.iter().any(|path| !path.starts_with("/dev/"))
        })
}

/// Whether a step ran something that may compute: everything but what only shows or moves files.
fn runs_a_program(step: &Step) -> bool {
    const IDLE: [&str; 30] = [
        "ls",
        "cat",
        "cp",
        "mv",
        "rm",
        "ln",
        "echo",
        "printf",
        "cd",
        "pwd",
        "head",
        "tail",
        "grep",
        "find",
        "wc",
        "mkdir",
        "touch",
        "chmod",
        "chown",
        "true",
        "sleep",
        "date",
        "open",
        "goto",
        "scroll_up",
        "scroll_down",
        "search_file",
        "search_dir",
        "find_file",
        "validate",
    ];
    step.commands
        .iter()
        .filter_map(|command| command.program())
        .any(|(name, _)| !IDLE.contains(&name) && name != "submit")
}
