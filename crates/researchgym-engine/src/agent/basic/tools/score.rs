//! `validate`, `submit` and `end_task`.

use researchgym_core::action::Action;
use researchgym_core::observation::Observation;
use researchgym_core::state::RunState;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::notices::validations_left;
use super::bench::unexpected;
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Scores the artefacts that are in place, without ending the run. Their number is limited.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Validate {}

impl Tool for Validate {
    const NAME: &'static str = "validate";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let observation = bench.session.step(Action::Validate).await?;
        // What is told beside the observation may differ when a run is resumed: the recorded text holds then.
        Ok(graded(observation, bench.session.state()))
    }
}

/// Scores the artefacts that are in place for good and ends the run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Submit {}

impl Tool for Submit {
    const NAME: &'static str = "submit";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let observation = bench.session.step(Action::Submit).await?;
        Ok(graded(observation, bench.session.state()))
    }
}

/// Ends the run without submitting; what is in place is graded once. Prefer `submit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndTask {
    /// Why, and what was reached.
    end_message: String,
}

impl Tool for EndTask {
    const NAME: &'static str = "end_task";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        if self.end_message.trim().is_empty() {
            return Ok(Outcome::failed("`end_message` is empty: say what was reached"));
        }
        bench.session.step(Action::GiveUp { reason: self.end_message }).await.map(unexpected)
    }
}

fn graded(observation: Observation, state: &RunState) -> Outcome {
    let Observation::Graded { attempt, score } = observation else { return unexpected(observation) };
    let left = format!("{} validations left", validations_left(state));
    if let Some(reason) = score.invalid {
        return Outcome::failed(format!("attempt {attempt} is not valid: {reason}\n{left}"));
    }
    let mut text = format!("attempt {attempt} is valid\n");
    let task = &state.started.task;
    let baseline = task.baseline.as_ref().map(|baseline| baseline.shown(&task.primary()));
    for (name, value) in &score.metrics {
        text.push_str(&format!("{name} = {value}"));
        if let Some(baseline) = baseline.and_then(|baseline| baseline.get(name)) {
            text.push_str(&format!(" (baseline {baseline})"));
        }
        text.push('\n');
    }
    for finding in &score.findings {
        text.push_str(&format!("noted by the grader: {}\n", finding.evidence));
    }
    let primary = state.started.task.primary();
    let best = state.best().filter(|best| best.number != attempt).and_then(|best| best.score.value(&primary));
    if let Some(best) = best {
        text.push_str(&format!("the best attempt so far has {} = {best}\n", primary.name));
    }
    Outcome::done(text + &left)
}
