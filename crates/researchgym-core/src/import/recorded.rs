//! Imported runs as trajectories, so that the rules of `inspect` look at them too.
//!
//! Findings name steps by their numbers. Of runs whose program is known well (MLGym's) the rules know the files that must not be
//! changed; of others they know what the record says.

use crate::inspect::trajectory::Metric;
use crate::inspect::{Attempt, Facts, FileWrite, Outcome, Step, StepKind, Trajectory};
use crate::record::{Category, Origin, RunRecord, StepRecord};

/// The trajectory of an imported run.
pub fn recorded(run: &RunRecord, steps: impl Iterator<Item = StepRecord>) -> Trajectory {
    match &run.origin {
        Origin::Foreign { program, .. } if program == "mlgym" => super::mlgym::recorded(run, steps),
        Origin::Foreign { .. } | Origin::Researchgym { .. } => of_any(run, steps),
    }
}

fn of_any(run: &RunRecord, steps: impl Iterator<Item = StepRecord>) -> Trajectory {
    let mut trajectory = Trajectory { facts: facts(run), ..Trajectory::default() };
    let mut attempts = run.attempts.iter().peekable();
    for record in steps {
        let number = record.number;
        trajectory.last_event = number;
        trajectory.steps.extend(step(record));
        while let Some(attempt) =
            attempts.next_if(|attempt| attempt.after_steps.is_some_and(|after| after <= number))
        {
            let after = trajectory.steps.len();
            trajectory.attempts.push(self::attempt(run, attempt, number, after));
        }
    }
    for attempt in attempts {
        let (event, after) = (trajectory.last_event, trajectory.steps.len());
        trajectory.attempts.push(self::attempt(run, attempt, event, after));
    }
    trajectory.standing.is_unscored = trajectory.attempts.iter().all(|attempt| attempt.numbers.is_empty());
    trajectory
}

fn facts(run: &RunRecord) -> Facts {
    let primary = run.task.primary.iter();
    Facts {
        metrics: primary
            .map(|primary| Metric { name: primary.name.clone(), direction: primary.direction, primary: true })
            .collect(),
        noise_floor: run.task.noise_floor,
        known_numbers: run.task.baseline.iter().flat_map(|baseline| baseline.values().copied()).collect(),
        ..Facts::default()
    }
}

/// What was said, and what was done.
fn step(record: StepRecord) -> impl Iterator<Item = Step> {
    let StepRecord { number, category, .. } = record;
    let kind = match category {
        Category::Python | Category::Bash => StepKind::Command,
        Category::Edit => StepKind::Write,
        Category::View => StepKind::Read,
        Category::Validate | Category::Submit => StepKind::Score,
        Category::Web => StepKind::Web,
        Category::Talk => StepKind::Say,
        Category::Search | Category::Other => StepKind::Other,
    };
    let said = record.thought.map(|thought| Step::new(number, number, StepKind::Say, thought));
    let outcome = if record.is_refused { Outcome::Refused } else { Outcome::Done };
    let mut done = Step {
        outcome,
        output_bytes: record.observation.len() as u64 + record.dropped_bytes,
        dropped_bytes: record.dropped_bytes,
        took_ms: record.took_ms.unwrap_or(0),
        output: record.observation,
        ..Step::new(number, number, kind, record.action)
    };
    for change in record.changes {
        let outcome = if change.is_applied { Outcome::Done } else { Outcome::Refused };
        done = done.with_write(FileWrite { path: change.path, content: change.content, outcome });
    }
    let is_done = category != Category::Talk;
    said.into_iter().chain(is_done.then_some(done))
}

fn attempt(
    run: &RunRecord,
    attempt: &crate::record::AttemptRecord,
    event: u64,
    after_steps: usize,
) -> Attempt {
    Attempt {
        event,
        after_steps,
        value: run.task.primary.as_ref().and_then(|primary| attempt.value(primary)),
        numbers: attempt.metrics.values().copied().collect(),
        artefact: attempt.artefact.clone(),
        split: attempt.split,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::inspect;
    use crate::record::{Change, TaskRecord};

    #[test]
    fn steps_keep_their_numbers() {
        let run = RunRecord::foreign("inspect", TaskRecord::named("t"), "a");
        let mut steps = vec![
            StepRecord::new(1, Category::Edit, "edit", "x"),
            StepRecord::new(2, Category::Bash, "bash", "ls"),
        ];
        steps[0].thought = Some("Now.".to_owned());
        steps[0].changes.push(Change { path: "a.py".to_owned(), content: None, is_applied: false });
        let trajectory = recorded(&run, steps.into_iter());
        let kinds: Vec<_> =
            trajectory.steps.iter().map(|step| (step.number, step.kind, step.writes.len())).collect();
        assert_eq!(kinds, [(1, StepKind::Say, 0), (1, StepKind::Write, 1), (2, StepKind::Command, 0)]);
        assert_eq!((trajectory.last_event, trajectory.standing.is_unscored), (2, true));
        assert!(inspect(&trajectory).iter().flat_map(|finding| &finding.events).all(|event| *event <= 2));
    }
}
