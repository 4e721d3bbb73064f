//! Evaluations: begun from the tree, run by the evaluator, taken in whenever they end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::score::{AttemptKind, Split};
use researchgym_core::search::context::feedback;
use researchgym_core::search::event::{Evaluated, EvaluationBegan, EvaluationOutcome};
use researchgym_core::search::{FULL, NodeId, Stage, Status};
use researchgym_core::task::{Task, ValidateOn};

use super::evaluator::{Evaluation, Job, JobGrading, Said, Verdict};
use super::{Message, Search, tree};
use crate::session::Session;

/// After so many evaluations in a row in which the machine failed the search gives up.
const MOST_BROKEN: u32 = 5;
/// Bytes of what an evaluation wrote that are kept for who improves the candidate.
const FEEDBACK: usize = 3_000;

impl Search {
    /// Begins with the next stage of a node's evaluation.
    pub(super) fn evaluate(&mut self, session: &mut Session, id: NodeId) -> Result<(), Failure> {
        let tree = tree(session);
        let Some(stage) = tree.next_stage(id) else { return Ok(()) };
        let evaluation = tree.evaluations() + 1;
        let name = stage.name().to_owned();
        let job = self.job(session, id, stage, evaluation)?;
        let began = EvaluationBegan { evaluation, node: id, stage: name };
        self.record(session, Event::EvaluationBegan(began))?;
        let (evaluator, teller) = (self.evaluator.clone(), self.teller.clone());
        self.beside.spawn(async move {
            let began = Instant::now();
            let result = Box::new(evaluator.evaluate(job).await);
            let wall_ms = began.elapsed().as_millis() as u64;
            // Who has gone has ended the search.
            let _ = teller.send(Message::Evaluated { evaluation, wall_ms, result });
        });
        Ok(())
    }

    fn job(
        &mut self,
        session: &Session,
        id: NodeId,
        stage: Stage<'_>,
        evaluation: u64,
    ) -> Result<Job, Failure> {
        let search = self.task.search.clone().unwrap_or_default();
        let usual = search.run.clone().or_else(|| {
            let tunable = self.task.tunable.as_ref()?;
            Some(vec!["/bin/bash".to_owned(), "-c".to_owned(), tunable.apply.clone()])
        });
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
        let files = self.contents.of(tree(session), id)?;
        let seed =
            Digest::of_parts(&[b"evaluation", &started.spec.seed.to_le_bytes(), &evaluation.to_le_bytes()]);
        let learned = search.genome.filter(|genome| genome.learned).map(|genome| genome.file);
        Ok(Job {
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
        let mut event = Evaluated { wall_ms, ..super::opening::stopped(evaluation, session.working_ms()) };
        match result {
            Ok(found) => {
                self.broken = 0;
                event.cpu_ms = found.cpu.as_millis() as u64;
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
                event.outcome = EvaluationOutcome::Broke { failure };
            }
        }
        self.record(session, Event::Evaluated(Box::new(event)))?;
        self.is_unsynced = true;
        let is_open = tree(session).get(node).is_some_and(|node| node.status == Status::Built);
        if is_open { self.evaluate(session, node) } else { Ok(()) }
    }
}

fn split(task: &Task) -> Split {
    match task.grader.validate_on {
        ValidateOn::Validation | ValidateOn::Fresh => Split::Validation,
        ValidateOn::Test => Split::Test,
    }
}
