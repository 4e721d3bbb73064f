//! From an agent's name and the flags beside it to its specification.

mod search;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use researchgym_core::action::Body;
use researchgym_core::event::Event;
use researchgym_core::model::Reasoning;
use researchgym_core::nearest::nearest;
use researchgym_core::script;
use researchgym_core::spec::{AgentSpec, BasicMode, BasicSpec, Sampler};
use researchgym_core::task::Task;
use researchgym_engine::agent::Declaration;
use researchgym_engine::catalogue::{Catalogue, Entry, LoadedTask};
use researchgym_engine::store::{RunFolder, read_log};

use self::search::SEARCH;
pub(super) use self::search::{forked, is_search};
use crate::arguments::{RunArguments, SamplerName};
use crate::error::{CommandError, input};
use crate::settings::{Settings, absolute, given};

const BUILT_IN: [&str; 6] = [BASIC, SEARCH, "tuner", "scripted", "human", "replay"];
const BASIC: &str = "basic-agent";
/// The seed project's name for it.
const BASIC_ALIAS: &str = "rg-agent";

/// The file of a task's folder with its hint at an idea.
pub(super) const IDEA_HINT: &str = "idea_hint.txt";

/// An agent by its own name.
pub(super) fn canonical(name: &str) -> &str {
    if name == BASIC_ALIAS { BASIC } else { name }
}

/// Names the agent that is asked for, checks its flags and reads its files.
pub(super) fn specification(
    name: &str,
    arguments: &RunArguments,
    settings: &Settings,
    loaded: &LoadedTask,
) -> Result<AgentSpec, CommandError> {
    let name = canonical(name);
    let stray = [
        ("--script", arguments.script.is_some(), "scripted"),
        ("--from", arguments.from.is_some(), "replay"),
        ("--trials", arguments.trials.is_some(), "tuner"),
        ("--sampler", arguments.sampler.is_some(), "tuner"),
        ("--idea-hint", arguments.idea_hint, BASIC),
        ("--iterative", arguments.iterative, BASIC),
        ("--no-submit", arguments.no_submit, BASIC),
        ("--reasoning-effort", arguments.reasoning_effort.is_some(), BASIC),
        ("--reasoning-tokens", arguments.reasoning_tokens.is_some(), BASIC),
        ("--temperature", arguments.temperature.is_some() && !is_search(name), BASIC),
    ];
    if let Some((flag, _, owner)) = stray.into_iter().find(|(_, given, owner)| *given && *owner != name) {
        return Err(CommandError::input(format!("{flag} belongs to the agent `{owner}`, not to `{name}`")));
    }
    if let Some(flag) = arguments.search.given().filter(|_| !is_search(name)) {
        return Err(CommandError::input(format!("{flag} belongs to the agent `{SEARCH}`, not to `{name}`")));
    }
    match name {
        BASIC => basic(arguments, settings, loaded),
        "scripted" => scripted(arguments, settings),
        "replay" => replay(arguments, settings),
        "human" => Ok(AgentSpec::Human),
        "tuner" => tuner(arguments, &loaded.task),
        _ if is_search(name) => search::specification(name, arguments, settings, &loaded.task),
        _ => external(name, arguments, settings),
    }
}

fn basic(
    arguments: &RunArguments,
    settings: &Settings,
    loaded: &LoadedTask,
) -> Result<AgentSpec, CommandError> {
    if arguments.model.is_none() {
        return Err(CommandError::input("the agent `basic-agent` needs --model provider/model")
            .hinted("`researchgym model list` shows the models that are known and which have a key here"));
    }
    if let Some(wrong) = arguments.temperature.filter(|degree| !degree.is_finite() || *degree < 0.0) {
        return Err(CommandError::input(format!("--temperature {wrong}: must be a number, not below 0")));
    }
    let idea_hint = match arguments.idea_hint {
        true => Some(Body::Text(idea_hint(settings, loaded)?)),
        false => None,
    };
    let (effort, budget_tokens) = (arguments.reasoning_effort.clone(), arguments.reasoning_tokens);
    let reasoning = Reasoning { effort, budget_tokens };
    Ok(AgentSpec::Basic(BasicSpec {
        mode: if arguments.iterative { BasicMode::Iterative } else { BasicMode::Plus },
        may_end: !arguments.no_submit,
        idea_hint,
        reasoning: Some(reasoning).filter(|reasoning| *reasoning != Reasoning::default()),
        temperature: arguments.temperature,
    }))
}

/// The task's hint at an idea.
fn idea_hint(settings: &Settings, loaded: &LoadedTask) -> Result<String, CommandError> {
    let path = loaded.folder.join(IDEA_HINT);
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let problem = format!("--idea-hint: task {} has no hint", loaded.task.id);
            return Err(CommandError::input(problem).hinted(format!(
                "leave --idea-hint out, or write the hint into {shown}; {}",
                hinted_tasks(settings)
            )));
        }
        Err(error) => return Err(CommandError::input(format!("--idea-hint: {shown}: {error}"))),
    };
    match text.trim() {
        "" => Err(CommandError::input(format!("--idea-hint: {shown} is empty"))
            .hinted("write the hint into it, or leave --idea-hint out")),
        text => Ok(text.to_owned()),
    }
}

/// Which of the known tasks have a hint.
fn hinted_tasks(settings: &Settings) -> String {
    let entries = Catalogue::new(settings.tasks.clone()).list();
    let has_hint = |entry: &&Entry| entry.folder.join(IDEA_HINT).is_file();
    let names: Vec<String> = entries.iter().filter(has_hint).map(|entry| entry.name.clone()).collect();
    match names.as_slice() {
        [] => "no task that `task list` shows has one".to_owned(),
        names => format!("tasks with one: {}", names.join(", ")),
    }
}

fn scripted(arguments: &RunArguments, settings: &Settings) -> Result<AgentSpec, CommandError> {
    let Some(path) = &arguments.script else {
        return Err(CommandError::input("the agent `scripted` needs --script FILE"));
    };
    let path = absolute(&settings.here, path);
    let bytes = std::fs::read(&path)
        .map_err(|error| CommandError::input(format!("--script {}: {error}", path.display())))?;
    script::parse(&bytes).map_err(|error| {
        CommandError::input(format!("{}: {error}", path.display()))
            .hinted("the format is in docs/reference/script.md")
    })?;
    // Checked to be UTF-8 above.
    Ok(AgentSpec::Scripted { script: Body::Text(String::from_utf8_lossy(&bytes).into_owned()) })
}

fn replay(arguments: &RunArguments, settings: &Settings) -> Result<AgentSpec, CommandError> {
    let Some(source) = &arguments.from else {
        return Err(CommandError::input("the agent `replay` needs --from RUN"));
    };
    let folder = RunFolder::find(&settings.runs, source).map_err(input)?;
    let lines = read_log(&folder).map_err(input)?.lines;
    let is_search = matches!(
        lines.first().map(|line| &line.event),
        Some(Event::RunStarted(started)) if matches!(started.spec.agent, AgentSpec::Search(_))
    );
    if is_search {
        return Err(CommandError::input(format!(
            "--from {source}: a search has no actions that could be done again"
        ))
        .hinted("the same seed and one slot make the same candidates again"));
    }
    let script = researchgym_engine::agent::actions_as_script(&lines, &folder.blobs()).map_err(input)?;
    Ok(AgentSpec::Replay { script: Body::Text(script), source: folder.id().to_owned() })
}

fn tuner(arguments: &RunArguments, task: &Task) -> Result<AgentSpec, CommandError> {
    let Some(tunable) = &task.tunable else {
        return Err(CommandError::input(format!(
            "task {} declares no parameters that the tuner could search",
            task.id
        ))
        .hinted("add a [tunable] section to its task.toml, or choose another agent"));
    };
    let trials = arguments.trials.unwrap_or(tunable.trials);
    if trials > task.grader.validations {
        return Err(CommandError::input(format!(
            "--trials {trials}: a run of task {} has {} validations",
            task.id, task.grader.validations
        )));
    }
    let sampler = match arguments.sampler.unwrap_or(SamplerName::Tpe) {
        SamplerName::Tpe => Sampler::Tpe,
        SamplerName::Random => Sampler::Random,
    };
    Ok(AgentSpec::Tuner { sampler, trials })
}

fn external(name: &str, arguments: &RunArguments, settings: &Settings) -> Result<AgentSpec, CommandError> {
    let path = declaration_path(name, arguments, settings)?;
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|error| CommandError::input(format!("agent {shown}: {error}")))?;
    let declaration = Declaration::parse(&text, &shown).map_err(|error| {
        CommandError::input(error.to_string()).hinted("the form is in docs/guide/agents.md")
    })?;
    let files = match &declaration.files {
        None => None,
        Some(files) => {
            let folder = path.parent().unwrap_or(Path::new("/")).join(files);
            let folder = std::fs::canonicalize(&folder).map_err(|error| {
                CommandError::input(format!("{shown}: `files`: {}: {error}", folder.display()))
            })?;
            if !folder.is_dir() {
                return Err(CommandError::input(format!("{shown}: `files` must be a folder")));
            }
            Some(folder.display().to_string())
        }
    };
    Ok(AgentSpec::External { agent: declaration.name, declaration: text, files })
}

/// The names of the agents that a folder declares.
fn declared(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect()
}

/// A `.toml` file as it is, or `<name>.toml` in the agents' folders.
fn declaration_path(
    name: &str,
    arguments: &RunArguments,
    settings: &Settings,
) -> Result<PathBuf, CommandError> {
    if name.ends_with(".toml") {
        return Ok(absolute(&settings.here, Path::new(name)));
    }
    let own = given(&arguments.agents_dir).map(|folder| absolute(&settings.here, folder));
    let folders: Vec<PathBuf> =
        own.into_iter().chain([settings.here.join("agents"), settings.home.join("agents")]).collect();
    let found = folders.iter().map(|folder| folder.join(format!("{name}.toml"))).find(|path| path.is_file());
    found.ok_or_else(|| {
        let places: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let declared = folders.iter().flat_map(|folder| declared(folder));
        let known: Vec<String> = BUILT_IN.map(str::to_owned).into_iter().chain(declared).collect();
        let meant = nearest(name, known.iter().map(String::as_str))
            .map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
        CommandError::input(format!("there is no agent `{name}`")).hinted(format!(
            "{meant}built in are {}; external agents are .toml files in {}",
            BUILT_IN.join(", "),
            places.join(", ")
        ))
    })
}
