//! Evaluations: begun from the tree, run by the evaluator, taken in whenever they end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::score::{AttemptKind, Split};
use researchgym_core::search::context::feedback;
use researchgym_core::search::event::{
    Evaluated, EvaluationBegan, EvaluationOutcome, MetricPoint, TrialReported,
};
use researchgym_core::search::{FULL, NodeId, Stage, Status, Tree};
use researchgym_core::task::{Task, ValidateOn};

use super::evaluator::{Evaluation, Files, Job, JobGrading, Progress, ProgressTeller, Said, Verdict};
use super::{Message, Search, tree};
use crate::session::Session;

/// After so many evaluations in a row in which the machine failed the search gives up.
const MOST_BROKEN: u32 = 5;
/// So many reasons for waiting in a queue are told of in a segment.
const MOST_REASONS: usize = 16;
/// Bytes of what an evaluation wrote that are kept for who improves the candidate.
const FEEDBACK: usize = 3_000;

impl Search {
    /// Begins with the next stage of a node's evaluation, or has it wait until others are over.
    pub(super) fn evaluate(&mut self, session: &mut Session, id: NodeId) -> Result<(), Failure> {
        let tree = tree(session);
        let Some(stage) = tree.next_stage(id) else { return Ok(()) };
        if !self.has_room(tree) {
            self.awaiting.push_back(id);
            return Ok(());
        }
        let evaluation = tree.evaluations() + 1;
        let name = stage.name().to_owned();
        let job = self.job(session, id, stage, evaluation)?;
        let began = EvaluationBegan { evaluation, node: id, stage: name };
        self.record(session, Event::EvaluationBegan(began))?;
        self.begin(job);
        Ok(())
    }

    /// Whether one more may be evaluated beside those that are.
    fn has_room(&self, tree: &Tree) -> bool {
        let slots = self.spec.evaluation_slots.and_then(|slots| usize::try_from(slots).ok());
        slots.is_none_or(|slots| tree.under_way().len() < slots)
    }

    /// Goes on with an evaluation that was begun before the program died and is kept.
    pub(super) fn await_again(
        &mut self,
        session: &mut Session,
        id: NodeId,
        evaluation: u64,
    ) -> Result<(), Failure> {
        let tree = tree(session);
        let Some(stage) = tree.next_stage(id) else { return Ok(()) };
        let job = self.job(session, id, stage, evaluation)?;
        self.begin(job);
        Ok(())
    }

    /// What is judged at once is judged here: handing it to another thread and back takes longer than many a judgement.
    fn begin(&mut self, job: Job) {
        let evaluation = job.evaluation;
        let evaluator = self.evaluator.clone();
        let mut judged = Box::pin(async move {
            let began = Instant::now();
            let result = Box::new(evaluator.evaluate(job).await);
            let wall_ms = began.elapsed().as_millis() as u64;
            Message::Evaluated { evaluation, wall_ms, result }
        });
        let teller = self.teller.clone();
        // Who has gone has ended the search.
        match judged.as_mut().now_or_never() {
            Some(message) => drop(teller.send(message)),
            None => drop(self.beside.spawn(async move { drop(teller.send(judged.await)) })),
        }
    }

    fn job(
        &mut self,
        session: &Session,
        id: NodeId,
        stage: Stage<'_>,
        evaluation: u64,
    ) -> Result<Job, Failure> {
        let search = self.task.search.clone().unwrap_or_default();
        let files = self.contents.of(tree(session), id)?;
        let usual = search.run.clone().or_else(|| self.applied(&files));
        let (command, seconds, variant) = match stage {
            Stage::Full => (usual, search.timeout_s(), Some(None)),
            Stage::Earlier(stage) => {
                (stage.run.clone().or(usual), stage.timeout_s, stage.variant.as_ref().map(Some))
            }
        };
        let started = &session.state().started;
        let grading = variant.map(|variant| -> Result<JobGrading, Failure> {
            let (task, variant) = match variant {
                None => (self.task.clone(), started.spec.variant.clone()),
                Some(name) => {
                    let task = self.task.with_variant(name);
                    (Arc::new(task.map_err(|error| super::unusable(error.to_string()))?), name.clone())
                }
            };
            let keys = started.grading_secret.attempt(AttemptKind::Validate, evaluation);
            let split = split(&task);
            Ok(JobGrading { task, variant, keys, split })
        });
        let seed =
            Digest::of_parts(&[b"evaluation", &started.spec.seed.to_le_bytes(), &evaluation.to_le_bytes()]);
        let learned = search.genome.filter(|genome| genome.learned).map(|genome| genome.file);
        let told = self.teller.clone();
        let teller = ProgressTeller::new(move |progress| {
            // Who has gone has ended the search.
            let _ = told.send(Message::Progressed { evaluation, progress });
        });
        Ok(Job {
            teller,
            evaluation,
            node: id,
            stage: stage.name().to_owned(),
            files,
            command,
            timeout: Duration::from_secs(seconds),
            grading: grading.transpose()?,
            learned: learned.filter(|_| stage.name() == FULL),
            seed: u64::from_le_bytes(seed.as_bytes()[..8].try_into().unwrap_or_default()) >> 11,
        })
    }

    /// Takes in how an evaluation under way stands.
    pub(super) fn progressed(
        &mut self,
        session: &mut Session,
        evaluation: u64,
        progress: Progress,
    ) -> Result<(), Failure> {
        let Some(node) = tree(session).under_way().get(&evaluation).copied() else { return Ok(()) };
        match progress {
            Progress::Queued { reason } => {
                self.queued.insert(evaluation);
                self.tell_of_queue(session, reason)?;
            }
            Progress::Running => drop(self.queued.remove(&evaluation)),
            Progress::Reported(points) => {
                let told = TrialReported { evaluation, node, points };
                self.record(session, Event::TrialReported(Box::new(told)))?;
            }
        }
        Ok(())
    }

    /// Says why evaluations wait in the cluster's queue: each reason once.
    fn tell_of_queue(&mut self, session: &mut Session, reason: String) -> Result<(), Failure> {
        let is_new = !reason.is_empty()
            && reason != "None"
            && self.told_waits.len() < MOST_REASONS
            && self.told_waits.insert(reason.clone());
        if !is_new {
            return Ok(());
        }
        let way_on = match reason.to_lowercase().contains("held") {
            true => "; `scontrol release JOB` lets a held job go on",
            false => "",
        };
        session.remark(&format!("evaluations wait in the cluster's queue: {reason}{way_on}"))
    }

    /// All that a program has told of itself, as JSON lines.
    fn reported(session: &Session, points: &[MetricPoint]) -> Result<Option<Body>, Failure> {
        if points.is_empty() {
            return Ok(None);
        }
        let lines = points.iter().filter_map(|point| serde_json::to_string(point).ok());
        let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
        session.keep(text.as_bytes()).map(Some)
    }

    /// Says what is wrong with a baseline that has no score; if the machine or the task is, nothing can be compared.
    fn judge_baseline(&self, session: &mut Session, lost: Option<Failure>) -> Result<(), Failure> {
        let Some(baseline) = tree(session).get(0) else { return Ok(()) };
        let what = match &baseline.status {
            Status::Lost => return Err(lost.unwrap_or_else(|| super::unusable("the baseline was lost"))),
            Status::Failed { kind, reason } => format!("{}: {reason}", kind.name()),
            Status::Screened { stage, .. } => format!("it does not get beyond the stage `{stage}`"),
            Status::Quarantined { reason } => reason.clone(),
            _ => return Ok(()),
        };
        session.remark(&format!("the baseline has no score: {what}"))
    }

    /// The task's own way from parameters to artefacts, where it has no `[search] run`: if the parameters are not the starter's,
    /// or if there are no artefacts otherwise.
    fn applied(&self, files: &Files) -> Option<Vec<String>> {
        let tunable = self.task.tunable.as_ref()?;
        let baseline = self.contents.baseline();
        let has_own = files.get(&tunable.file) != baseline.get(&tunable.file);
        let is_there = |artefact: &String| {
            files.contains_key(artefact) || self.task.workspace.protected.contains(artefact)
        };
        let is_made = has_own || !self.task.submission.artefacts.iter().all(is_there);
        is_made.then(|| vec!["/bin/bash".to_owned(), "-c".to_owned(), tunable.apply.clone()])
    }

    /// Takes in what an evaluation came to, and goes on with its node.
    pub(super) fn evaluated(
        &mut self,
        session: &mut Session,
        evaluation: u64,
        wall_ms: u64,
        result: Result<Evaluation, Failure>,
    ) -> Result<(), Failure> {
        let Some(node) = tree(session).under_way().get(&evaluation).copied() else { return Ok(()) };
        let learned_path = self.task.search.as_ref().and_then(|search| search.genome.as_ref());
        let learned_path = learned_path.map(|genome| genome.file.clone());
        self.queued.remove(&evaluation);
        let mut lost = None;
        let mut event = Evaluated { wall_ms, ..super::opening::stopped(evaluation, session.working_ms()) };
        match result {
            Ok(found) => {
                if matches!(found.verdict, Verdict::Graded(_)) {
                    self.broken = 0;
                }
                event.cpu_ms = found.cpu.as_millis() as u64;
                event.gpus = found.gpus;
                if let Some(queued) = found.queued {
                    event.queued_ms = queued.waited.as_millis() as u64;
                    event.wall_ms = queued.took.as_millis() as u64;
                }
                event.reported = Search::reported(session, &found.reported)?;
                event.unread = found.unread;
                event.outputs = found.outputs;
                if let (Some(path), Some(content)) = (learned_path, &found.learned) {
                    event.learned = BTreeMap::from([(path, session.keep(content)?)]);
                }
                event.outcome = match found.verdict {
                    Verdict::Graded(score) => EvaluationOutcome::Graded { score },
                    Verdict::Passed => EvaluationOutcome::Passed,
                    Verdict::Failed { kind, reason } => EvaluationOutcome::Failed { kind, reason },
                };
                let Said { stdout, stderr } = &found.said;
                if !(stdout.trim().is_empty() && stderr.trim().is_empty()) {
                    let said = feedback(stdout.as_bytes(), stderr.as_bytes(), &event.outcome, FEEDBACK);
                    event.feedback = Some(session.keep(said.as_bytes())?);
                }
            }
            Err(failure) => {
                self.broken += 1;
                if self.broken >= MOST_BROKEN {
                    return Err(failure);
                }
                lost = Some(failure.clone());
                event.outcome = EvaluationOutcome::Broke { failure };
            }
        }
        self.record(session, Event::Evaluated(Box::new(event)))?;
        self.finished.push(evaluation);
        self.is_unsynced = true;
        if node == 0 {
            self.judge_baseline(session, lost)?;
        }
        let is_open = tree(session).get(node).is_some_and(|node| node.status == Status::Built);
        // Its next stage before others' first.
        if is_open {
            self.evaluate(session, node)?;
        }
        while self.has_room(tree(session)) {
            let Some(next) = self.awaiting.pop_front() else { break };
            self.evaluate(session, next)?;
        }
        Ok(())
    }
}

fn split(task: &Task) -> Split {
    match task.grader.validate_on {
        ValidateOn::Validation | ValidateOn::Fresh => Split::Validation,
        ValidateOn::Test => Split::Test,
    }
}
