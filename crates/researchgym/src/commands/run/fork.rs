//! `run --fork RUN@STEP`: a new run with the history of another; of a search also `--fork RUN`, and with other settings.

use std::path::Path;
use std::sync::Arc;

use researchgym_core::event::{Event, RunStarted};
use researchgym_core::executor::Executor;
use researchgym_core::search::{ModelShare, Novelty, SearchSpec};
use researchgym_core::spec::{AgentSpec, RunSpec};
use researchgym_engine::catalogue::LoadedTask;
use researchgym_engine::materials::Place;
use researchgym_engine::model::settings::Merged;
use researchgym_engine::model::{Door, Registry};
use researchgym_engine::search;
use researchgym_engine::store::{LogReader, RunFolder};

use super::running::{Table, Ways, console, runner, sandboxes};
use super::same::same;
use super::{cluster, conclude, limits, web};
use crate::arguments::RunArguments;
use crate::commands::model::declared;
use crate::commands::{agents, gpus, image, models};
use crate::error::{CommandError, input};
use crate::output::{Outcome, Printer};
use crate::settings::Settings;

/// What is known before anything is set up.
struct Fork<'f> {
    arguments: &'f RunArguments,
    settings: &'f Settings,
    merged: &'f Merged,
    folder: &'f RunFolder,
    spec: &'f RunSpec,
    printer: &'f Printer,
}

pub(super) async fn fork(place: &str, arguments: &RunArguments, printer: &Printer) -> Outcome {
    if arguments.repeat.is_some() || arguments.dry_run {
        return Err(CommandError::input("--fork makes one run; leave --repeat and --dry-run out"));
    }
    let settings = Settings::resolve(&arguments.places)?;
    let merged = declared(&settings.here, printer)?;
    let (name, step) = parse(place)?;
    let folder = RunFolder::find(&settings.runs, name).map_err(input)?;
    let started = started(&folder)?;
    let spec = &started.spec;
    same(arguments, spec)?;
    let old_search = match &spec.agent {
        AgentSpec::Search(search) => Some(&**search),
        _ if step.is_none() => return Err(no_place(place)),
        _ => None,
    };
    if cluster::is_job(spec) {
        return Err(CommandError::input(format!(
            "run {name} was carried out by a cluster, where forks cannot be made yet"
        ))
        .hinted("begin a new run, or go on with this one by --resume"));
    }
    let loaded = LoadedTask::open(Path::new(&spec.task_dir)).map_err(input)?;
    if loaded.digest != started.digests.task {
        let changed = format!("the folder of task {} has changed since the run began", spec.task);
        if old_search.is_some() {
            return Err(CommandError::input(format!("{changed}: what it has measured is of another task"))
                .hinted("begin a new search, or bring the folder back to what it was"));
        }
        printer.warn(&changed);
    }
    let parts = Fork { arguments, settings: &settings, merged: &merged, folder: &folder, spec, printer };
    let door = match &arguments.model {
        Some(_) => models::named(arguments, (&settings, &merged), printer)?,
        None => models::recorded(spec, &folder, arguments, (&settings, &merged), printer)?,
    };
    let (new_search, models) = match old_search {
        Some(search) => parts.search(search, &loaded, door.as_ref())?,
        None => (None, search::Ways::default()),
    };
    let changes = limits::changes(arguments)?;
    let data_dir = settings.data_dir(&arguments.data_dir)?.map(|path| path.display().to_string());
    let data_dir = data_dir.or(spec.data_dir.clone());
    let show = || console(&spec.agent, 1, printer);
    let (cluster, gpus) = match &spec.executor {
        Executor::Local => (None, gpus::find(spec.gpus.as_ref(), 1)?),
        // The cluster grants them.
        Executor::Slurm(_) => {
            let slurm = cluster::asked(arguments, &merged, &settings.here)?;
            (Some(cluster::connect(slurm, printer)?), None)
        }
    };
    let web = web::recorded(&started, &settings, printer)?;
    let ways = Ways { door: door.clone(), web, models, cluster };
    let sandboxes = sandboxes(&settings)?;
    image::recorded(spec.image.as_ref(), &sandboxes).await?;
    let place = Place { sandboxes: &sandboxes, image: spec.image.as_ref() };
    let table = Table { settings: &settings, loaded: &loaded, data_dir: data_dir.as_deref(), place, gpus };
    let running = runner(table, ways, show, printer).await?;
    let change = |old: RunSpec| RunSpec {
        tags: if arguments.tag.is_empty() { old.tags.clone() } else { arguments.tag.clone() },
        data_dir,
        model: door.as_ref().map(|door| door.endpoint.target.name.clone()),
        model_spec: door.as_ref().map(|door| Box::new(Registry::spec_of(&door.endpoint))),
        agent: new_search.map_or_else(|| old.agent.clone(), |search| AgentSpec::Search(Box::new(search))),
        ..old
    };
    let open = match (old_search, step) {
        (None, Some(step)) => running.runner.fork(&settings.runs, &folder, step, &changes, change)?,
        (_, candidates) => {
            running.runner.fork_search(&settings.runs, &folder, candidates, &changes, change)?
        }
    };
    let result = running.one(open, printer).await;
    running.console.finish();
    Ok(conclude(&[result], false, printer))
}

impl Fork<'_> {
    /// What the new search is asked to be, and the ways to its further models.
    fn search(
        &self,
        old: &SearchSpec,
        loaded: &LoadedTask,
        door: Option<&Arc<Door>>,
    ) -> Result<(Option<SearchSpec>, search::Ways), CommandError> {
        let Fork { arguments, settings, merged, folder, spec, printer } = self;
        let task = loaded.task.with_variant(&spec.variant);
        let task = task.map_err(|error| CommandError::input(error.to_string()))?;
        let search = agents::forked(old, arguments, settings, &task, door.is_some())?;
        let named = models::further(arguments, (settings, merged), printer)?;
        let before = models::recorded_further(spec, folder, arguments, (settings, merged), printer)?;
        let weights = old.models.iter().map(|share| share.weight);
        let ensemble: Vec<(Arc<Door>, f64)> = match named.ensemble.is_empty() {
            true => before.ensemble.into_iter().zip(weights).collect(),
            false => named.ensemble,
        };
        let ideas = named.ideas.or(before.ideas);
        if door.is_none() && (!ensemble.is_empty() || ideas.is_some()) {
            return Err(CommandError::input(
                "--ensemble and --idea-model add to a model, and the search has none",
            )
            .hinted("name one with --model"));
        }
        let cosines = (arguments.search.embedding_similarity, arguments.search.idea_similarity);
        let embeddings = embeddings(old, named.embeddings, before.embeddings, cosines)?;
        let spec_of = |door: &Arc<Door>| Box::new(Registry::spec_of(&door.endpoint));
        let embedding = embeddings.as_ref().map(models::embedding_novelty);
        let novelty = Novelty { embedding, ..search.novelty };
        let embeddings = embeddings.map(|(door, ..)| door);
        let shares =
            ensemble.iter().map(|(door, weight)| ModelShare { model: spec_of(door), weight: *weight });
        let search = SearchSpec {
            models: shares.collect(),
            idea_model: ideas.as_ref().map(spec_of),
            novelty,
            ..search
        };
        let ensemble = ensemble.into_iter().map(|(door, _)| door).collect();
        Ok((Some(search), search::Ways { ensemble, ideas, embeddings }))
    }
}

/// The model of the fork's embeddings with its two cosines: that of before unless another is named, where there was none.
fn embeddings(
    old: &SearchSpec,
    named: Option<(Arc<Door>, f64, f64)>,
    before: Option<Arc<Door>>,
    (similarity, idea_similarity): (Option<f64>, Option<f64>),
) -> Result<Option<(Arc<Door>, f64, f64)>, CommandError> {
    let name = |door: &Arc<Door>| door.endpoint.target.name.clone();
    match (named, before, old.novelty.embedding.as_deref()) {
        (Some((door, ..)), Some(before), _) if name(&door) != name(&before) => {
            Err(CommandError::input(format!(
                "--embedding-model {}: the vectors of this search are those of {}, and vectors of two models cannot be compared",
                name(&door),
                name(&before)
            )))
        }
        (Some(named), ..) => Ok(Some(named)),
        (None, Some(door), Some(spec)) => {
            let ideas = idea_similarity.unwrap_or(spec.idea_similarity);
            Ok(Some((door, similarity.unwrap_or(spec.similarity), ideas)))
        }
        (None, ..) if similarity.or(idea_similarity).is_some() => Err(CommandError::input(
            "--embedding-similarity and --idea-similarity belong to an --embedding-model, and this search has none",
        )),
        (None, ..) => Ok(None),
    }
}

/// What the other run began with; its log may be long.
fn started(folder: &RunFolder) -> Result<RunStarted, CommandError> {
    let first = LogReader::open(folder).and_then(|mut log| log.next().transpose()).map_err(input)?;
    match first.map(|line| line.event) {
        Some(Event::RunStarted(started)) => Ok(*started),
        _ => Err(CommandError::input(format!(
            "{}: a log begins with `run_started`",
            folder.events().display()
        ))),
    }
}

/// The run, and how much of it.
fn parse(place: &str) -> Result<(&str, Option<u64>), CommandError> {
    let Some((run, step)) = place.rsplit_once('@') else { return Ok((place, None)) };
    match step.parse() {
        Ok(step) if !run.is_empty() => Ok((run, Some(step))),
        _ => Err(no_place(place)),
    }
}

fn no_place(place: &str) -> CommandError {
    CommandError::input(format!("--fork {place}: write RUN@STEP")).hinted(
        "steps are numbered in `researchgym replay RUN`, step 0 is before the first; of a search STEP is how many of its \
         candidates were settled, and RUN alone is all of it",
    )
}
