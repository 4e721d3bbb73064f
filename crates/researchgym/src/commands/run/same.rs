//! What cannot be changed of a run that goes on or is forked.

use std::path::Path;

use researchgym_core::gpu::GpuRequest;
use researchgym_core::spec::{AgentSpec, BasicMode, RunSpec};

use super::start::runtime;
use crate::arguments::{ExecutorName, RunArguments};
use crate::commands::agents;
use crate::error::CommandError;

/// A resumed run keeps its task, its agent and all that was asked for; only its totals can be raised.
pub(super) fn same(arguments: &RunArguments, spec: &RunSpec) -> Result<(), CommandError> {
    let task_folder = Path::new(&spec.task_dir);
    // A search may go on in another way, as long as it measures the same.
    let forks_search = arguments.fork.is_some() && matches!(spec.agent, AgentSpec::Search(_));
    if let Some(task) = &arguments.task {
        let is_path = std::fs::canonicalize(task)
            .is_ok_and(|path| std::fs::canonicalize(task_folder).is_ok_and(|own| own == path));
        if task != &spec.task && !is_path {
            return Err(CommandError::input(format!("the run works on task {}, not on {task}", spec.task)));
        }
    }
    let changed = [
        ("--seed", arguments.seed.is_some_and(|seed| seed != spec.seed)),
        ("--variant", arguments.variant.as_ref().is_some_and(|variant| *variant != spec.variant)),
        ("--runtime", arguments.runtime.is_some_and(|name| runtime(name) != spec.runtime)),
        (
            "--executor",
            arguments.executor.is_some_and(|name| (name == ExecutorName::Local) != spec.executor.is_local()),
        ),
        ("--network", arguments.reach.network.is_some_and(|name| Some(name.policy()) != spec.network)),
        ("--tag", arguments.fork.is_none() && !arguments.tag.is_empty() && arguments.tag != spec.tags),
        (
            "--image",
            arguments.image.is_some()
                && arguments.image.as_ref() != spec.image.as_ref().map(|image| &image.name),
        ),
        ("--gpus", {
            let given = arguments.gpus.gpus.as_ref();
            given.is_some_and(|given| given != spec.gpus.as_ref().unwrap_or(&GpuRequest::Count(0)))
        }),
        (
            "--model",
            arguments.fork.is_none()
                && arguments.model.as_ref().is_some_and(|model| Some(model) != spec.model.as_ref()),
        ),
        ("--iterative", arguments.iterative && mode(spec) != Some(BasicMode::Iterative)),
        (
            "--no-submit",
            arguments.no_submit && !matches!(&spec.agent, AgentSpec::Basic(basic) if !basic.may_end),
        ),
        (
            "--idea-hint",
            arguments.idea_hint
                && !matches!(&spec.agent, AgentSpec::Basic(basic) if basic.idea_hint.is_some()),
        ),
        ("--reasoning-effort", arguments.reasoning_effort.is_some()),
        ("--reasoning-tokens", arguments.reasoning_tokens.is_some()),
        ("--temperature", arguments.temperature.is_some() && !forks_search),
        (arguments.search.given().unwrap_or("--policy"), arguments.search.given().is_some() && !forks_search),
        (
            "--trials",
            arguments.trials.is_some_and(
                |given| !matches!(spec.agent, AgentSpec::Tuner { trials, .. } if trials == given),
            ),
        ),
    ];
    if let Some((flag, _)) = changed.into_iter().find(|(_, changed)| *changed) {
        let (who, other) = match arguments.fork {
            Some(_) => ("a fork keeps what the other run was started with", ""),
            None if matches!(spec.agent, AgentSpec::Search(_)) => (
                "a search that goes on keeps what it was started with",
                "; a new search can go on from here with --fork RUN",
            ),
            None => {
                ("a run that goes on keeps what it was started with", "; another model can go on with --fork")
            }
        };
        return Err(CommandError::input(format!("{flag}: {who}"))
            .hinted(format!("leave {flag} out, or start a new run{other}")));
    }
    match &arguments.agent {
        Some(agent) if forks_search && agents::is_search(agent) => Ok(()),
        Some(agent) if agents::canonical(agent) != spec.agent.name() && !agent.ends_with(".toml") => {
            Err(CommandError::input(format!("the run's agent is {}, not {agent}", spec.agent.name()))
                .hinted("leave task and agent out: researchgym run --resume RUN"))
        }
        _ => Ok(()),
    }
}

fn mode(spec: &RunSpec) -> Option<BasicMode> {
    match &spec.agent {
        AgentSpec::Basic(basic) => Some(basic.mode),
        _ => None,
    }
}
