//! What a search would never use is refused before it starts: flags without what they are for, stages that a policy does not
//! have, axes of the grid that no candidate has.

use researchgym_core::search::policy::PolicySpec;
use researchgym_core::search::{Operator, SearchSpec};
use researchgym_core::task::Task;

use crate::arguments::SearchArguments;
use crate::error::CommandError;

/// Refuses the first flag that has no effect.
pub(super) fn check(
    flags: &SearchArguments,
    has_several: bool,
    spec: &SearchSpec,
    task: &Task,
) -> Result<(), CommandError> {
    let asks = spec.operators.needs_model();
    let implements = spec.operators.0.contains_key(&Operator::Implement);
    let no_model = "no operator of this search asks a model";
    let one_model = "there is one model only";
    let few = format!("there are at most {} candidates at once", spec.parallel);
    let unused = [
        (
            "--form",
            flags.form.is_some() && !asks,
            no_model,
            "add one that does, such as improve, with --model",
        ),
        (
            "--repairs",
            flags.repairs.is_some() && !asks,
            no_model,
            "add one that does, such as improve, with --model",
        ),
        (
            "--context-tokens",
            flags.context_tokens.is_some() && !asks,
            no_model,
            "add one that does, such as improve, with --model",
        ),
        (
            "--stage-budget, --stage-tokens",
            has_stage_limits(flags) && !asks,
            no_model,
            "add one that does, such as improve, with --model",
        ),
        ("--ensemble", !flags.ensemble.is_empty() && !asks, no_model, "add one that does, such as improve"),
        (
            "--embedding-model",
            flags.embedding_model.is_some() && !asks,
            no_model,
            "add one that does, such as improve",
        ),
        (
            "--evaluation-slots",
            flags.evaluation_slots.is_some_and(|slots| slots > spec.parallel),
            &few,
            "--slots says how many there are",
        ),
        ("--select", flags.select.is_some() && !has_several, one_model, "name others with --ensemble"),
        (
            "--model-weight",
            flags.model_weight.is_some() && !has_several,
            one_model,
            "name others with --ensemble",
        ),
        (
            "--idea-model",
            flags.idea_model.is_some() && !implements,
            "no operator of this search has ideas apart from their code",
            "add implement to --operators",
        ),
        (
            "--inherit",
            flags.inherit.is_some() && !implements,
            "it is about the operator implement, which this search has not",
            "add implement to --operators",
        ),
    ];
    if let Some((flag, _, reason, advice)) = unused.into_iter().find(|(_, is_unused, ..)| *is_unused) {
        return Err(CommandError::input(format!("{flag} would have no effect: {reason}")).hinted(advice));
    }
    stages(flags, &spec.policy)?;
    axes(&spec.policy, task)
}

fn has_stage_limits(flags: &SearchArguments) -> bool {
    !flags.stage_budget.is_empty() || !flags.stage_tokens.is_empty()
}

/// Refuses limits for stages that the policy does not have.
fn stages(flags: &SearchArguments, policy: &PolicySpec) -> Result<(), CommandError> {
    let limited = flags.stage_budget.iter().chain(&flags.stage_tokens).map(|(stage, _)| *stage);
    let (stages, name) = match policy {
        PolicySpec::Stages(constants) => (1..=constants.iterations.len() as u32, "stages"),
        PolicySpec::Epochs(constants) => (0..=constants.epochs.get() - 1, "epochs"),
        // What it marks is its own affair.
        PolicySpec::External(_) => return Ok(()),
        _ if has_stage_limits(flags) => {
            let problem =
                format!("--stage-budget, --stage-tokens: the policy {} has no stages", policy.name());
            return Err(CommandError::input(problem).hinted(
                "the policies stages and epochs have some; --budget and --tokens limit the whole search",
            ));
        }
        _ => return Ok(()),
    };
    match limited.into_iter().find(|stage| !stages.contains(stage)) {
        None => Ok(()),
        Some(stage) => {
            let (first, last) = (stages.start(), stages.end());
            Err(CommandError::input(format!(
                "--stage-budget, --stage-tokens: there is no {stage}; the {name} are {first} to {last}"
            )))
        }
    }
}

/// Refuses axes that no candidate has: all would lie in one niche.
fn axes(policy: &PolicySpec, task: &Task) -> Result<(), CommandError> {
    let PolicySpec::Islands(constants) = policy else { return Ok(()) };
    let mut known = vec!["complexity", "diversity", "score"];
    for metric in &task.metrics {
        if !known.contains(&metric.name.as_str()) {
            known.push(&metric.name);
        }
    }
    match constants.feature_dimensions.iter().find(|axis| !known.contains(&axis.as_str())) {
        None => Ok(()),
        Some(axis) => Err(CommandError::input(format!(
            "feature_dimensions: there is no `{axis}`; candidates of task {} have {}",
            task.id,
            known.join(", ")
        ))),
    }
}
