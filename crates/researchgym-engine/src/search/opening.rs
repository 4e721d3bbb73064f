//! Opening a search: from the log to a policy that has seen it, the contents of candidates, and an evaluator.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::manifest::Manifest;
use researchgym_core::search::event::{Evaluated, EvaluationOutcome};
use researchgym_core::search::policy::external::Message;
use researchgym_core::search::similarity::{Index, Shingles};
use researchgym_core::search::{NodeId, Operator, SearchSpec, Status, Tree};
use researchgym_core::task::Task;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::contents::Contents;
use super::evaluator::{Evaluator, Files};
use super::local::Local;
use super::mutator::Mutator;
use super::past::{Known, SearchPast};
use super::warm::Pool;
use super::{Search, surface, tree, unusable};
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
        evaluator: Option<Arc<dyn Evaluator>>,
        ensemble: &[Arc<Door>],
    ) -> Result<Search, Failure> {
        let past = match session.take_search_past() {
            Some(past) => *past,
            None => SearchPast::of(session.folder())?,
        };
        let (Known { starter, mut contents, numbers, memory, ensemble: models, spending }, answers) =
            past.known()?;
        let task = Arc::new((*session.state().started.task).clone());
        let seed = session.state().started.spec.seed;
        let started = &session.state().started;
        let first = Message::begin(&task, spec, seed, session.limits().steps);
        let mind = memory.at_work(&first, session.workbench())?;
        let (run_id, runtime, image) = (&started.run_id, started.spec.runtime, started.spec.image.clone());
        let mutator = Arc::new(Mutator::new(session.workbench().clone(), run_id, runtime, image));
        give_up_evaluations(session)?;
        let doors = doors(session, spec, ensemble)?;
        if spec.operators.needs_model() && doors.is_empty() {
            return Err(unusable("an operator of this search needs a model")
                .hinted("name one with --model provider/model, or choose operators that need none"));
        }
        let evaluator = match evaluator {
            Some(evaluator) => evaluator,
            None => local(session, &task, starter.clone())?,
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
            ensemble: models,
            spending,
            mutator,
            evaluator,
            doors,
            description,
            protected,
            messages,
            teller,
            entries,
            entry_teller,
            beside: JoinSet::new(),
            calls: BTreeMap::new(),
            parked: VecDeque::new(),
            answers,
            queued: BTreeSet::new(),
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

/// Evaluations that were under way when the program died: their nodes are evaluated again.
fn give_up_evaluations(session: &mut Session) -> Result<(), Failure> {
    let lost: Vec<u64> = tree(session).under_way().keys().copied().collect();
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
        queued_ms: 0,
        wall_ms: 0,
        cpu_ms: 0,
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

fn local(session: &Session, task: &Arc<Task>, starter: Manifest) -> Result<Arc<dyn Evaluator>, Failure> {
    let started = &session.state().started;
    let base = session.workbench().scratch_folder()?;
    let laid_out = base.path().join("starter");
    check_out(&starter, session.blobs(), &laid_out, None)?;
    Ok(Arc::new(Local {
        workbench: session.workbench().clone(),
        task: task.clone(),
        task_folder: PathBuf::from(&started.spec.task_dir),
        run_id: started.run_id.clone(),
        runtime: started.spec.runtime,
        image: started.spec.image.clone(),
        blobs: session.blobs().clone(),
        starter,
        laid_out,
        _base: base,
        pool: Pool::default(),
    }))
}
