//! The agent `search` and its presets: from flags to what the log says of it.

mod idle;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use researchgym_core::nearest::nearest;
use researchgym_core::search::policy::{External, PolicySpec};
use researchgym_core::search::{
    Novelty, Operator, PRESETS, Repertoire, Role, SearchSpec, StageLimit, StageLimits, default_spec, preset,
};
use researchgym_core::spec::{AgentSpec, MicroUsd};
use researchgym_core::task::Task;

use crate::arguments::{ExecutorName, FormName, InheritName, RunArguments, SelectName};
use crate::error::CommandError;
use crate::settings::{Settings, absolute};

/// How many candidates are made and evaluated at once on a cluster, whose size nobody tells us.
const CLUSTER_SLOTS: u32 = 16;

/// The agent's own name.
pub(super) const SEARCH: &str = "search";

/// Checks what was asked for against the task and the model.
pub(super) fn specification(
    name: &str,
    arguments: &RunArguments,
    settings: &Settings,
    task: &Task,
) -> Result<AgentSpec, CommandError> {
    let has_model = arguments.model.is_some();
    let (is_here, has_room) = (!on_cluster(arguments), slots(task));
    let usual = usual(name, task, has_model, if is_here { has_room } else { CLUSTER_SLOTS });
    let evaluation_slots = (is_here && usual.parallel > has_room).then_some(has_room);
    let defaults = SearchSpec { evaluation_slots, ..usual };
    let spec = with_flags(defaults, arguments, settings, (task, has_model))?;
    check(&spec, task, has_model)?;
    idle::check(&arguments.search, !arguments.search.ensemble.is_empty(), &spec, task)?;
    Ok(AgentSpec::Search(Box::new(spec)))
}

/// What a fork of a search is asked to be: as the search was, or as the one of that name is, with what is given.
pub(in crate::commands) fn forked(
    old: &SearchSpec,
    arguments: &RunArguments,
    settings: &Settings,
    task: &Task,
    has_model: bool,
) -> Result<SearchSpec, CommandError> {
    let named = arguments.agent.as_deref().filter(|name| Some(*name) != old.preset.as_deref());
    let defaults = match named {
        Some(name) if name != SEARCH => SearchSpec {
            evaluation_slots: old.evaluation_slots,
            ..usual(name, task, has_model, old.parallel)
        },
        _ => SearchSpec { models: Vec::new(), idea_model: None, ..old.clone() },
    };
    let spec = with_flags(defaults, arguments, settings, (task, has_model))?;
    check(&spec, task, has_model)?;
    let has_several = !arguments.search.ensemble.is_empty() || !old.models.is_empty();
    idle::check(&arguments.search, has_several, &spec, task)?;
    Ok(spec)
}

/// A search with what the flags say of it, its models but for weights left aside.
fn with_flags(
    defaults: SearchSpec,
    arguments: &RunArguments,
    settings: &Settings,
    (task, has_model): (&Task, bool),
) -> Result<SearchSpec, CommandError> {
    let flags = &arguments.search;
    let preset_policy = defaults.policy.name();
    let policy = policy(flags.policy.as_deref(), settings, defaults.policy)?;
    let stage_limits = match stage_limits(&flags.stage_budget, &flags.stage_tokens) {
        given if given.is_empty() => defaults.stage_limits,
        given => given,
    };
    let operators = match flags.operators.as_slice() {
        [] if matches!(policy, PolicySpec::Stages(_)) && (defaults.preset.is_none() || !has_model) => {
            staged(defaults.operators, task, has_model)
        }
        [] => defaults.operators,
        given => repertoire(given)?,
    };
    if let Some(wrong) = arguments.temperature.filter(|degree| !degree.is_finite() || *degree < 0.0) {
        return Err(CommandError::input(format!("--temperature {wrong}: must be a number, not below 0")));
    }
    let spec = SearchSpec {
        policy: policy.with(&flags.policy_set).map_err(|error| CommandError::input(error.to_string()))?,
        operators,
        parallel: flags.slots.unwrap_or(defaults.parallel),
        evaluation_slots: flags.evaluation_slots.or(match flags.slots {
            // As many as was asked for.
            Some(_) => None,
            None => defaults.evaluation_slots,
        }),
        stage_limits,
        target: flags.target.or(defaults.target),
        patience: flags.patience.or(defaults.patience),
        measurements: flags.measurements.unwrap_or(defaults.measurements),
        novelty: Novelty {
            similarity: flags.similarity.unwrap_or(defaults.novelty.similarity),
            resamples: flags.resamples.unwrap_or(defaults.novelty.resamples),
            // Set once its model is resolved.
            embedding: None,
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
    // With another policy it is no longer what the name stands for.
    let is_preset = spec.policy.name() == preset_policy;
    Ok(SearchSpec { preset: spec.preset.filter(|_| is_preset), ..spec })
}

/// Whether evaluations are jobs of a cluster.
fn on_cluster(arguments: &RunArguments) -> bool {
    arguments.executor == Some(ExecutorName::Slurm)
}

/// The search of that name, with what can work on this task.
fn usual(name: &str, task: &Task, has_model: bool, slots: u32) -> SearchSpec {
    let spec = preset(name).unwrap_or_else(default_spec);
    let operators = match has_model {
        true => spec.operators,
        false => without_model(task),
    };
    let operators =
        Repertoire(operators.0.into_iter().filter(|(operator, _)| can(*operator, task)).collect());
    SearchSpec { operators, parallel: spec.parallel.max(slots), ..spec }
}

/// The operators that a user names.
fn repertoire(given: &[(Operator, f64)]) -> Result<Repertoire, CommandError> {
    let repertoire = Repertoire(given.iter().copied().collect());
    let is_named_twice =
        |operator: &Operator| given.iter().filter(|(named, _)| named == operator).count() > 1;
    match repertoire.0.keys().find(|operator| is_named_twice(operator)) {
        Some(operator) => Err(CommandError::input(format!("--operators names {operator} twice"))
            .hinted(format!("once is enough, with a weight if wanted: {operator}=2"))),
        None => Ok(repertoire),
    }
}

/// The usual operators, with those that stages of their own are for.
fn staged(usual: Repertoire, task: &Task, has_model: bool) -> Repertoire {
    let mut operators = usual;
    let own =
        [(Operator::Tune, has_numbers(task)), (Operator::Ablate, has_model), (Operator::Replicate, true)];
    for (operator, _) in own.into_iter().filter(|(_, is_possible)| *is_possible) {
        operators.0.entry(operator).or_insert(1.0);
    }
    operators
}

/// What makes candidates of this task without a model.
fn without_model(task: &Task) -> Repertoire {
    let main = if has_numbers(task) { Operator::Tune } else { Operator::Mutate };
    Repertoire([(main, 1.0), (Operator::Crossover, 0.2)].into())
}

fn has_numbers(task: &Task) -> bool {
    task.tunable.is_some() || task.search.as_ref().is_some_and(|search| search.genome.is_some())
}

fn can(operator: Operator, task: &Task) -> bool {
    !matches!(operator, Operator::Tune | Operator::CmaEs) || has_numbers(task)
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
        let is_executable = path.metadata().is_ok_and(|about| about.permissions().mode() & 0o111 != 0);
        if !name.ends_with(".py") && !is_executable {
            return Err(CommandError::input(format!("--policy {}: it is not executable", path.display()))
                .hinted("`chmod +x` it, and let it begin with `#!` and its interpreter; files that end in .py need neither"));
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

/// What single stages may spend.
fn stage_limits(budgets: &[(u32, u64)], tokens: &[(u32, u64)]) -> StageLimits {
    let mut limits: BTreeMap<String, StageLimit> = BTreeMap::new();
    for (stage, micro_usd) in budgets {
        limits.entry(stage.to_string()).or_default().micro_usd = Some(MicroUsd(*micro_usd));
    }
    for (stage, tokens) in tokens {
        limits.entry(stage.to_string()).or_default().tokens = Some(*tokens);
    }
    StageLimits(limits)
}

/// Whether an agent of that name is a search.
pub(in crate::commands) fn is_search(name: &str) -> bool {
    name == SEARCH || PRESETS.iter().any(|preset| preset.name == name)
}

/// As many candidates at once as the machine has room for.
fn slots(task: &Task) -> u32 {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let by_cpus = cpus / task.resources.cpus.max(0.1);
    let by_memory =
        free_memory_mib().map_or(f64::INFINITY, |free| free / task.resources.memory_mib.max(1) as f64);
    (by_cpus.min(by_memory) as u32).max(1)
}

/// Memory in MiB that programs can have now, where the kernel tells.
fn free_memory_mib() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

fn check(spec: &SearchSpec, task: &Task, has_model: bool) -> Result<(), CommandError> {
    if spec.operators.needs_model() && !has_model {
        let names: Vec<&str> =
            spec.operators.0.keys().filter(|operator| operator.needs_model()).map(|o| o.name()).collect();
        return Err(CommandError::input(format!("{} needs --model provider/model", names.join(", "))).hinted(
            "`researchgym model list` shows the models that are known; tune, cma-es, mutate and crossover need none",
        ));
    }
    let (drafts, improves) = (spec.operators.has(Role::Draft), spec.operators.has(Role::Improve));
    let can_begin = match spec.policy {
        PolicySpec::BestOfN(_) => drafts,
        PolicySpec::External(_) => true,
        _ => drafts || improves,
    };
    if !can_begin {
        return Err(CommandError::input(format!(
            "the policy {} can make nothing with these operators alone",
            spec.policy.name()
        ))
        .hinted("add one that drafts (draft, implement, tune, cma-es, mutate) or improves"));
    }
    if u64::from(spec.measurements) > task.grader.validations {
        return Err(CommandError::input(format!(
            "--measurements {}: task {} allows {} validations in all",
            spec.measurements, task.id, task.grader.validations
        )));
    }
    let numeric = [Operator::Tune, Operator::CmaEs].into_iter().find(|o| spec.operators.0.contains_key(o));
    if let Some(operator) = numeric.filter(|_| !has_numbers(task)) {
        return Err(CommandError::input(format!(
            "the operator {operator} has no numbers to change in task {}",
            task.id
        ))
        .hinted("add [search.genome] or [tunable] to its task.toml, or choose other operators"));
    }
    Ok(())
}
