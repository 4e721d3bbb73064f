//! Opening a search: from the log to a policy that has seen it, the contents of candidates, and an evaluator.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use futures_util::stream::FuturesUnordered;
use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::executor::{Executor, SlurmSpec};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::gpu::GpuRequest;
use researchgym_core::manifest::Manifest;
use researchgym_core::search::context::Memory;
use researchgym_core::search::event::{Evaluated, EvaluationOutcome};
use researchgym_core::search::policy::external::Message;
use researchgym_core::search::similarity::{Index, Shingles};
use researchgym_core::search::{NodeId, Operator, SearchSpec, Status, Tree};
use researchgym_core::task::Task;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::cluster::OnCluster;
use super::contents::Contents;
use super::evaluator::{Evaluator, Files};
use super::local::{GpuSlots, InJob, Local};
use super::mutator::Mutator;
use super::past::{Known, SearchPast};
use super::warm::Pool;
use super::{Places, Search, Ways, surface, tree, unusable};
use crate::executor::Cluster;
use crate::gpu::Gpus;
use crate::model::Door;
use crate::runner::DESCRIPTION;
use crate::session::Session;
use crate::snapshot::check_out;

/// Protected files that are longer than this are not told to models.
const MOST_SHOWN: u64 = 256 << 10;

impl Search {
    /// Opens the search of a run that begins or goes on.
    pub(super) fn open(
        session: &mut Session,
        spec: &SearchSpec,
        places: Places,
        ways: &Ways,
    ) -> Result<Search, Failure> {
        let past = match session.take_search_past() {
            Some(past) => *past,
            None => SearchPast::of(session.folder())?,
        };
        let (
            Known { snapshot, starter, mut contents, numbers, memory, ensemble: models, spending },
            answers,
            embedded,
        ) = past.known()?;
        let task = Arc::new((*session.state().started.task).clone());
        let seed = session.state().started.spec.seed;
        let started = &session.state().started;
        let first = Message::begin(&task, spec, seed, session.limits().steps);
        let mind = memory.at_work(&first, session.workbench())?;
        let (run_id, runtime, image) = (&started.run_id, started.spec.runtime, started.spec.image.clone());
        let mutator = Arc::new(Mutator::new(session.workbench().clone(), run_id, runtime, image));
        let executor = session.state().started.spec.executor.clone();
        let evaluator = match (places.evaluator, executor) {
            (Some(evaluator), _) => evaluator,
            (None, Executor::Local) => local(session, &task, starter.clone(), places.gpus)?,
            (None, Executor::Slurm(slurm)) => on_cluster(session, &task, *slurm, snapshot, places.cluster)?,
        };
        give_up_evaluations(session, &*evaluator)?;
        let doors = doors(session, spec, &ways.ensemble)?;
        if ways.ideas.is_some() != spec.idea_model.is_some() {
            return Err(unusable("the search has a model for ideas, and the way to it is not known"));
        }
        if spec.operators.needs_model() && doors.is_empty() {
            return Err(unusable("an operator of this search needs a model")
                .hinted("name one with --model provider/model, or choose operators that need none"));
        }
        let embeddings = match (spec.novelty.embedding.as_deref(), embedded, &ways.embeddings) {
            (Some(spec), Some(embedded), Some(door)) => {
                Some(embedded.at_work(spec, door.clone(), session.blobs())?)
            }
            (None, _, None) => None,
            _ => {
                return Err(unusable(
                    "the search has a model for embeddings, and the way to it is not known",
                ));
            }
        };
        let known = known(tree(session));
        let similar = similar(spec, tree(session), &known, &mut contents)?;
        let (description, protected) = told(session, &task, &starter)?;
        let (teller, messages) = mpsc::unbounded_channel();
        let (entry_teller, entries) = mpsc::unbounded_channel();
        Ok(Search {
            spec: spec.clone(),
            seed,
            surface: Arc::new(surface::of(&task)),
            task,
            mind,
            numbers,
            contents,
            known,
            looks: BTreeMap::new(),
            similar,
            embeddings,
            ensemble: models,
            spending,
            mutator,
            evaluator,
            idea_door: ways.ideas.clone(),
            waiting_for_ideas: BTreeSet::new(),
            asking_for_ideas: BTreeSet::new(),
            doors,
            silent: BTreeSet::new(),
            rounds: HashMap::new(),
            description,
            protected,
            told: Memory::default(),
            messages,
            teller,
            entries,
            entry_teller,
            beside: JoinSet::new(),
            making: FuturesUnordered::new(),
            calls: BTreeMap::new(),
            parked: VecDeque::new(),
            answers,
            awaiting: VecDeque::new(),
            queued: BTreeSet::new(),
            told_waits: BTreeSet::new(),
            finished: Vec::new(),
            broken: 0,
            nothing: (0, String::new()),
            winding: None,
            is_waiting: false,
            synced: Instant::now(),
            is_unsynced: false,
        })
    }
}

/// The ways to all models of the search, with their weights.
fn doors(
    session: &Session,
    spec: &SearchSpec,
    ensemble: &[Arc<Door>],
) -> Result<Vec<(Arc<Door>, f64)>, Failure> {
    if ensemble.len() != spec.models.len() {
        return Err(unusable(format!(
            "the search has {} further models, and the way is known to {}",
            spec.models.len(),
            ensemble.len()
        )));
    }
    let own = session.door().map(|door| (door.clone(), spec.model_weight));
    let others = ensemble.iter().cloned().zip(spec.models.iter().map(|share| share.weight));
    Ok(own.into_iter().chain(others).collect())
}

/// The description and the protected files, which models are told of.
fn told(session: &Session, task: &Task, starter: &Manifest) -> Result<(String, Files), Failure> {
    let blobs = session.blobs();
    let description = match starter.files.get(DESCRIPTION) {
        Some(entry) => String::from_utf8_lossy(&blobs.get(entry.sha256)?).into_owned(),
        None => task.title.clone(),
    };
    let lies_in = |path: &str, place: &String| path == place || path.starts_with(&format!("{place}/"));
    let protected = starter.files.iter().filter(|(path, entry)| {
        entry.bytes <= MOST_SHOWN && task.workspace.protected.iter().any(|place| lies_in(path, place))
    });
    let protected = protected
        .map(|(path, entry)| Ok((path.clone(), blobs.get(entry.sha256)?)))
        .collect::<Result<Files, Failure>>()?;
    Ok((description, protected))
}

/// Evaluations that were under way when the program died and of which nothing is kept: their nodes are evaluated again.
fn give_up_evaluations(session: &mut Session, evaluator: &dyn Evaluator) -> Result<(), Failure> {
    let under_way = tree(session).under_way().keys().copied();
    let lost: Vec<u64> = under_way.filter(|evaluation| !evaluator.has_kept(*evaluation)).collect();
    for evaluation in lost {
        session.record_node(Event::Evaluated(Box::new(stopped(evaluation, session.working_ms()))))?;
    }
    Ok(())
}

/// An evaluation that came to nothing.
pub(super) fn stopped(evaluation: u64, working_ms: u64) -> Evaluated {
    Evaluated {
        evaluation,
        outcome: EvaluationOutcome::Stopped,
        feedback: None,
        outputs: None,
        learned: BTreeMap::new(),
        reported: None,
        unread: Default::default(),
        queued_ms: 0,
        wall_ms: 0,
        cpu_ms: 0,
        gpus: Vec::new(),
        working_ms,
    }
}

/// Candidates by the hash of their files; of equals the first.
fn known(tree: &Tree) -> HashMap<Digest, NodeId> {
    let built = tree.nodes().iter().rev().filter(|node| node.is_candidate());
    built
        .filter(|node| !matches!(node.status, Status::Dropped { .. }))
        .filter_map(|node| Some((node.artefact?, node.id)))
        .collect()
}

/// The index of near duplicates, if such are refused.
fn similar(
    spec: &SearchSpec,
    tree: &Tree,
    known: &HashMap<Digest, NodeId>,
    contents: &mut Contents,
) -> Result<Option<Index>, Failure> {
    let writes_code = spec.operators.needs_model() || spec.operators.0.contains_key(&Operator::Mutate);
    if !writes_code || spec.novelty.similarity >= 1.0 {
        return Ok(None);
    }
    let mut index = Index::new(spec.novelty.similarity);
    let mut nodes: Vec<NodeId> = known.values().copied().collect();
    nodes.sort_unstable();
    for node in nodes {
        index.insert(node, &Shingles::of(&*contents.of(tree, node)?));
    }
    Ok(Some(index))
}

fn local(
    session: &Session,
    task: &Arc<Task>,
    starter: Manifest,
    gpus: Option<Arc<Gpus>>,
) -> Result<Arc<dyn Evaluator>, Failure> {
    let started = &session.state().started;
    let mut task = task.clone();
    let gpus = match (&started.spec.gpus, gpus) {
        (None, _) => None,
        (Some(request), Some(gpus)) => Some(GpuSlots { gpus, request: request.clone() }),
        (Some(_), None) => {
            return Err(Failure::new(
                Boundary::Sandbox,
                "the search asks for GPUs, and nobody has looked for any",
            ));
        }
    };
    if let (Some(_), Some(search)) = (&gpus, &mut Arc::make_mut(&mut task).search) {
        // What stays warm would keep its devices.
        search.warm = None;
    }
    let base = session.workbench().scratch_folder()?;
    let laid_out = base.path().join("starter");
    check_out(&starter, session.blobs(), &laid_out, None)?;
    Ok(Arc::new(Local {
        workbench: session.workbench().clone(),
        task,
        task_folder: PathBuf::from(&started.spec.task_dir),
        run_id: started.run_id.clone(),
        runtime: started.spec.runtime,
        image: started.spec.image.clone(),
        blobs: session.blobs().clone(),
        starter,
        laid_out,
        _base: base,
        pool: Pool::default(),
        gpus,
        job: InJob::default(),
    }))
}

fn on_cluster(
    session: &mut Session,
    task: &Arc<Task>,
    slurm: SlurmSpec,
    starter: Digest,
    cluster: Option<Arc<dyn Cluster>>,
) -> Result<Arc<dyn Evaluator>, Failure> {
    let cluster = cluster.ok_or_else(|| {
        Failure::new(Boundary::Executor, "the run's candidates are evaluated on a cluster, and none is known")
    })?;
    let started = &session.state().started;
    let run = std::path::absolute(session.folder().root())
        .map_err(|error| Failure::new(Boundary::Store, error.to_string()))?;
    let evaluator = OnCluster {
        cluster,
        home: slurm.home.as_ref().map_or_else(|| session.workbench().home().to_path_buf(), PathBuf::from),
        slurm,
        run,
        task: task.clone(),
        task_folder: PathBuf::from(&started.spec.task_dir),
        run_id: started.run_id.clone(),
        runtime: started.spec.runtime,
        image: started.spec.image.clone(),
        data_dir: started.spec.data_dir.as_ref().map(PathBuf::from),
        blobs: session.blobs().clone(),
        starter,
        gpus: gpus(session)?,
        under_way: AtomicUsize::new(0),
    };
    // What the log says is over is over, once the disk has it.
    session.sync_nodes()?;
    evaluator.tidy(tree(session).under_way());
    Ok(Arc::new(evaluator))
}

/// How many GPUs each evaluation has.
fn gpus(session: &Session) -> Result<u64, Failure> {
    match &session.state().started.spec.gpus {
        None => Ok(0),
        Some(GpuRequest::Count(count)) => Ok(*count),
        Some(_) => Err(Failure::new(
            Boundary::Executor,
            "a cluster is asked for a number of GPUs, not for certain ones",
        )
        .hinted("give a number with --gpus")),
    }
}
