//! What a shoot-out consists of: a run of each policy with each seed, and nothing else that differs.

use std::collections::BTreeSet;

use researchgym_core::digest::Digest;
use researchgym_core::search::policy::PolicySpec;
use researchgym_core::spec::{AgentSpec, MicroUsd, RunSpec};
use serde_json::json;

use super::found::Standing;
use crate::arguments::{RunArguments, SearchArguments, ShootOutArguments};
use crate::commands::run::{DEFAULT_BUDGET_USD, Prepared, budget};
use crate::error::CommandError;
use crate::output::{Printer, ShootOutPlan};

/// The word that the runs of all shoot-outs have.
const TAG: &str = "shoot-out";

/// A shoot-out that is asked for.
pub(super) struct Asked {
    /// What all runs are made from.
    pub(super) prepared: Prepared,
    /// In the order in which they were named.
    pub(super) policies: Vec<Policy>,
    /// Seed by seed, so that one that is stopped early has something of each policy.
    pub(super) searches: Vec<Search>,
    /// The word that the runs of this setting have.
    pub(super) tag: String,
}

/// A policy as it was asked for.
pub(super) struct Policy {
    /// As it was written, with the constants that were set.
    pub(super) name: String,
    agent: AgentSpec,
}

/// One search that is asked for.
pub(super) struct Search {
    pub(super) policy: String,
    pub(super) spec: RunSpec,
}

impl Asked {
    pub(super) fn of(arguments: &ShootOutArguments, printer: &Printer) -> Result<Asked, CommandError> {
        let names = names(arguments)?;
        let mut policies = Vec::new();
        let mut first = None;
        for name in &names {
            // What is wrong with the first one is wrong with all of them, most often.
            let named = |error: CommandError| match first {
                None => error,
                Some(_) => CommandError { message: format!("{name}: {}", error.message), ..error },
            };
            let prepared = Prepared::of(&as_run(arguments, name), printer).map_err(named)?;
            policies.push(Policy { name: full_name(arguments, name), agent: prepared.spec.agent.clone() });
            first.get_or_insert(prepared);
        }
        let Some(mut prepared) = first else {
            return Err(CommandError::input("--policies names no policy"));
        };
        let searches = names.len() as u64 * arguments.seeds;
        prepared.spec.limits.budget = share(arguments, searches)?;
        let tag = tag(&prepared);
        prepared.spec.tags = vec![TAG.to_owned(), tag.clone()];
        let searches = (1..=arguments.seeds).flat_map(|seed| {
            let spec = &prepared.spec;
            policies.iter().map(move |policy| Search {
                policy: policy.name.clone(),
                spec: RunSpec { agent: policy.agent.clone(), seed, seed_given: true, ..spec.clone() },
            })
        });
        let searches = searches.collect();
        Ok(Asked { prepared, policies, searches, tag })
    }

    /// What there is of it, and what is to come.
    pub(super) fn plan(&self, standings: &[Standing]) -> ShootOutPlan {
        let count =
            |is: fn(&Standing) -> bool| standings.iter().filter(|standing| is(standing)).count() as u64;
        ShootOutPlan {
            task: self.prepared.task.id.clone(),
            tag: self.tag.clone(),
            policies: self.policies.iter().map(|policy| policy.name.clone()).collect(),
            searches: standings.len() as u64,
            over: count(|standing| matches!(standing, Standing::Over(_))),
            going_on: count(|standing| matches!(standing, Standing::GoesOn(..))),
            limits: self.prepared.spec.limits.clone(),
            has_model: self.prepared.spec.model.is_some(),
        }
    }
}

/// The policies by their names, each once.
fn names(arguments: &ShootOutArguments) -> Result<Vec<String>, CommandError> {
    let names: Vec<String> = match arguments.policies.as_slice() {
        [] => PolicySpec::NAMES.map(|(name, _)| name.to_owned()).to_vec(),
        given => given.iter().map(|name| name.trim().to_owned()).collect(),
    };
    let mut known = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !known.insert(name.as_str())) {
        return Err(CommandError::input(format!("--policies names {twice} twice")));
    }
    match arguments.policy_set.iter().find(|constant| !known.contains(constant.policy.as_str())) {
        Some(stray) => Err(CommandError::input(format!(
            "--policy-set {}.{}: {} is none of the policies that are compared",
            stray.policy, stray.key, stray.policy
        ))
        .hinted(format!("they are {}", names.join(", ")))),
        None => Ok(names),
    }
}

/// A policy's name with its constants: others make another contender.
fn full_name(arguments: &ShootOutArguments, name: &str) -> String {
    let own = arguments.policy_set.iter().filter(|constant| constant.policy == name);
    let set: Vec<String> = own.map(|constant| format!("{}={}", constant.key, constant.value)).collect();
    if set.is_empty() { name.to_owned() } else { format!("{name} {}", set.join(" ")) }
}

/// The search of a policy as `run` would be asked for it.
fn as_run(arguments: &ShootOutArguments, policy: &str) -> RunArguments {
    let own = arguments.policy_set.iter().filter(|constant| constant.policy == policy);
    RunArguments {
        task: Some(arguments.task.clone()),
        agent: Some("search".to_owned()),
        variant: arguments.variant.clone(),
        model: arguments.model.clone(),
        hours: arguments.hours.clone(),
        steps: Some(arguments.steps.to_string()),
        seed: Some(1),
        executor: arguments.executor,
        runtime: arguments.runtime,
        image: arguments.image.clone(),
        temperature: arguments.temperature,
        models: arguments.models.clone(),
        search: SearchArguments {
            policy: Some(policy.to_owned()),
            policy_set: own.map(|constant| (constant.key.clone(), constant.value.clone())).collect(),
            operators: arguments.operators.clone(),
            slots: Some(arguments.slots),
            form: arguments.form,
            inherit: arguments.inherit,
            ..SearchArguments::default()
        },
        data_dir: arguments.data_dir.clone(),
        places: arguments.places.clone(),
        ..RunArguments::default()
    }
}

/// What a search may spend: an equal part of what all may spend. Without a model nothing can be spent.
fn share(arguments: &ShootOutArguments, searches: u64) -> Result<Option<MicroUsd>, CommandError> {
    if arguments.model.is_none() {
        return Ok(None);
    }
    let whole = match &arguments.budget {
        Some(text) => budget(text)?,
        None => Some(MicroUsd((DEFAULT_BUDGET_USD * 1e6) as u64)),
    };
    Ok(whole.map(|whole| MicroUsd(whole.0 / searches.max(1))))
}

/// The word of a setting: two shoot-outs have the same one if their searches can be compared.
fn tag(prepared: &Prepared) -> String {
    let spec = &prepared.spec;
    let agent = match &spec.agent {
        AgentSpec::Search(search) => {
            let policy = PolicySpec::named("best-of-n").unwrap_or_else(|| search.policy.clone());
            AgentSpec::Search(Box::new(researchgym_core::search::SearchSpec { policy, ..(**search).clone() }))
        }
        other => other.clone(),
    };
    let spec =
        RunSpec { agent, seed: 0, tags: Vec::new(), image: None, task_dir: String::new(), ..spec.clone() };
    let image = prepared.image.as_ref().map(|image| image.name(&prepared.loaded));
    let whole = json!({ "spec": spec, "task": prepared.loaded.digest, "image": image });
    let digest = Digest::of(whole.to_string().as_bytes()).to_string();
    let word: String = digest.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    format!("{TAG}:{word}")
}
