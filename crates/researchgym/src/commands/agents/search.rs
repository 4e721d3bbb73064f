//! The agent `search` and its presets: from flags to what the log says of it.

use std::path::Path;

use researchgym_core::nearest::nearest;
use researchgym_core::search::policy::{External, PolicySpec};
use researchgym_core::search::{EditForm, Inheritance, Novelty, Operator, Repertoire, SearchSpec, Selection};
use researchgym_core::spec::AgentSpec;
use researchgym_core::task::Task;

use crate::arguments::{FormName, InheritName, RunArguments, SelectName};
use crate::error::CommandError;
use crate::settings::{Settings, absolute};

/// The agent's own name.
pub(super) const SEARCH: &str = "search";

/// Checks what was asked for against the task and the model.
pub(super) fn specification(
    name: &str,
    arguments: &RunArguments,
    settings: &Settings,
    task: &Task,
) -> Result<AgentSpec, CommandError> {
    let flags = &arguments.search;
    let has_model = arguments.model.is_some();
    let defaults = usual(name);
    let operators = match flags.operators.as_slice() {
        [] => usual_operators(task, has_model)?,
        given => Repertoire(given.iter().copied().collect()),
    };
    let spec = SearchSpec {
        policy: policy(flags.policy.as_deref(), settings, defaults.policy)?,
        operators,
        parallel: flags.slots.unwrap_or_else(|| slots(task)),
        target: flags.target,
        patience: flags.patience,
        measurements: flags.measurements.unwrap_or(defaults.measurements),
        novelty: Novelty {
            similarity: flags.similarity.unwrap_or(defaults.novelty.similarity),
            resamples: flags.resamples.unwrap_or(defaults.novelty.resamples),
        },
        form: flags.form.map_or(defaults.form, FormName::form),
        repairs: flags.repairs.unwrap_or(defaults.repairs),
        context_tokens: flags.context_tokens.unwrap_or(defaults.context_tokens),
        inheritance: flags.inherit.map_or(defaults.inheritance, InheritName::inheritance),
        temperature: arguments.temperature.or(defaults.temperature),
        model_weight: flags.model_weight.unwrap_or(defaults.model_weight),
        selection: flags.select.map_or(defaults.selection, SelectName::selection),
        ..defaults
    };
    check(&spec, task, has_model)?;
    Ok(AgentSpec::Search(Box::new(spec)))
}

fn usual(_name: &str) -> SearchSpec {
    SearchSpec {
        preset: None,
        policy: PolicySpec::HillClimb(Default::default()),
        operators: Repertoire::default(),
        parallel: 1,
        target: None,
        patience: None,
        measurements: 1,
        novelty: Novelty::default(),
        form: EditForm::default(),
        repairs: 2,
        context_tokens: 60_000,
        inheritance: Inheritance::default(),
        temperature: None,
        models: Vec::new(),
        model_weight: 1.0,
        selection: Selection::default(),
    }
}

/// What can work on this task, with or without a model.
fn usual_operators(task: &Task, has_model: bool) -> Result<Repertoire, CommandError> {
    let has_numbers =
        task.tunable.is_some() || task.search.as_ref().is_some_and(|search| search.genome.is_some());
    let names: &[Operator] = match (has_model, has_numbers) {
        (true, _) => &[Operator::Draft, Operator::Improve, Operator::Debug],
        (false, true) => &[Operator::Tune],
        (false, false) => &[Operator::Mutate],
    };
    Ok(Repertoire(names.iter().map(|operator| (*operator, 1.0)).collect()))
}

fn policy(name: Option<&str>, settings: &Settings, usual: PolicySpec) -> Result<PolicySpec, CommandError> {
    let Some(name) = name else { return Ok(usual) };
    if let Some(policy) = PolicySpec::named(name) {
        return Ok(policy);
    }
    if name.contains('/') || name.ends_with(".py") {
        let path = absolute(&settings.here, Path::new(name));
        if !path.is_file() {
            return Err(CommandError::input(format!("--policy {}: there is no such file", path.display())));
        }
        let program = path.display().to_string();
        let command = if name.ends_with(".py") { vec!["python3".to_owned(), program] } else { vec![program] };
        return Ok(PolicySpec::External(External { command }));
    }
    let names = PolicySpec::NAMES.map(|(name, _)| name);
    let meant = nearest(name, names).map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
    Err(CommandError::input(format!("--policy {name}: there is no policy of that name"))
        .hinted(format!("{meant}there are {}; a program of your own is named by its path", names.join(", "))))
}

/// As many candidates at once as the machine has room for.
fn slots(task: &Task) -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    ((cpus / task.resources.cpus.max(0.1)) as u32).max(1)
}

fn check(spec: &SearchSpec, task: &Task, has_model: bool) -> Result<(), CommandError> {
    if spec.operators.needs_model() && !has_model {
        let names: Vec<&str> =
            spec.operators.0.keys().filter(|operator| operator.needs_model()).map(|o| o.name()).collect();
        return Err(CommandError::input(format!("{} needs --model provider/model", names.join(", "))).hinted(
            "`researchgym model list` shows the models that are known; tune, cma-es, mutate and crossover need none",
        ));
    }
    let has_numbers =
        task.tunable.is_some() || task.search.as_ref().is_some_and(|search| search.genome.is_some());
    let numeric = [Operator::Tune, Operator::CmaEs].into_iter().find(|o| spec.operators.0.contains_key(o));
    if let Some(operator) = numeric.filter(|_| !has_numbers) {
        return Err(CommandError::input(format!(
            "the operator {operator} has no numbers to change in task {}",
            task.id
        ))
        .hinted("add [search.genome] or [tunable] to its task.toml, or choose other operators"));
    }
    Ok(())
}
