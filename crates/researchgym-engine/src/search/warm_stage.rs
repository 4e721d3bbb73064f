//! One stage of an evaluation from warm Pythons: program, artefacts, grade.
//!
//! A program that exits closes its outputs first. That it has ended, with what status and with nobody left behind, is known only
//! a millisecond later, when its memory is taken down; what it has made is graded meanwhile. That score counts only if the
//! program has ended well and has left the same, to the byte. Otherwise what it has left is graded, as if nothing had been.
//!
//! Limits: only small artefacts are graded so early, because they are read twice; and none before a slot's grader was started.

use std::path::Path;
use std::pin::pin;

use futures_util::future::maybe_done;
use researchgym_core::digest::Digest;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::manifest::Manifest;
use researchgym_core::score::Score;
use researchgym_core::task::Warm;
use tokio::sync::oneshot;

use super::evaluator::{Evaluation, Job, JobGrading, Verdict};
use super::faults::fault;
use super::local::{KEPT_OUTPUT, Local, Ran, heard, own_environment};
use super::meter::Meter;
use super::warm::{self, Slot};
use crate::grading::{self, Grading, WarmGrader};
use crate::sandbox::Capture;
use crate::session::lay_out;
use crate::snapshot::{Caps, Snapshotter, clear_folder};

/// Artefacts of more bytes than this are graded when their program has ended.
const SMALL: u64 = 1 << 20;

/// A program that has ended. Its workspace is empty.
struct Ended {
    ran: Ran,
    /// What is to be graded from a warm Python, if anything; or what the evaluation has come to without it.
    left: Result<Option<Left>, Evaluation>,
    early: Option<Early>,
}

/// What a program has left.
struct Left {
    outputs: Digest,
    manifest: Manifest,
    learned: Option<Vec<u8>>,
}

/// The score of what a program had made when it closed its outputs.
struct Early {
    outputs: Digest,
    score: Score,
}

impl Local {
    /// One stage from warm Pythons, in a slot of its own.
    pub(super) async fn warm_stage(
        &self,
        slot: &mut Slot,
        job: &Job,
        warm: &Warm,
    ) -> Result<Evaluation, Failure> {
        let asked = job.grading.as_ref().filter(|_| warm::can_grade(self, warm));
        let Ended { ran, left, early } = match &job.command {
            Some(command) => self.warm_program(slot, job, warm, command, asked).await?,
            None => self.no_program(slot, job, asked).await?,
        };
        let left = match left {
            Ok(Some(left)) => left,
            Ok(None) => return Ok(ran.came_to(Evaluation::of(Verdict::Passed))),
            Err(found) => return Ok(ran.came_to(found)),
        };
        let score = match (early, asked) {
            (Some(early), _) if early.outputs == left.outputs => early.score,
            (_, Some(asked)) => {
                let (submission, scratch) = (slot.submission(), slot.scratch());
                let grader = self.warm_grader(slot, job, asked).await?;
                let grading = self.grading(job, asked, &submission, &scratch);
                self.grade_laid_out(grader, &grading, &left.manifest).await?
            }
            (_, None) => return Err(Failure::new(Boundary::Grader, "nobody asked for a grade")),
        };
        let Left { outputs, learned, .. } = left;
        let found = Evaluation { outputs: Some(outputs), learned, ..Evaluation::of(Verdict::Graded(score)) };
        Ok(ran.came_to(found))
    }

    /// Runs the program. What it has made is graded as soon as it has closed its outputs, if `asked`.
    async fn warm_program(
        &self,
        slot: &mut Slot,
        job: &Job,
        warm: &Warm,
        command: &[String],
        asked: Option<&JobGrading>,
    ) -> Result<Ended, Failure> {
        let (workspace, submission, scratch) = (slot.workspace(), slot.submission(), slot.scratch());
        if slot.python.is_some() {
            self.copy(job, &workspace)?;
        }
        let (python, grader) = self.warm_python(slot, job, warm).await?;
        let (told, quiet) = oneshot::channel();
        let mut early = pin!(maybe_done(async {
            let (asked, grader) = (asked?, grader.as_mut()?);
            quiet.await.ok()?;
            self.grade_early(grader, &self.grading(job, asked, &submission, &scratch), &workspace).await
        }));
        let mut meter = Meter::begin(&workspace);
        let mut capture = Capture::new(&scratch).at_most(KEPT_OUTPUT).tapped(meter.tap());
        let outcome = {
            let environment = own_environment(job);
            let program =
                python.run_with(command, environment, job.timeout, Vec::new(), &mut capture, Some(told));
            let mut program = pin!(meter.follow(&job.teller, program));
            let mut is_graded = false;
            loop {
                tokio::select! {
                    outcome = &mut program => break outcome?,
                    () = &mut early, if !is_graded => is_graded = true,
                }
            }
        };
        let ran =
            Ran { said: heard(capture)?, cpu: outcome.cpu, gpus: Vec::new(), metered: meter.finish().await };
        let left = match fault(&outcome.ended, &ran.said, job.timeout) {
            Some((kind, reason)) => Err(Evaluation::failed(kind, reason)),
            None => self.left(job, asked, &workspace, &scratch).await?,
        };
        let (cleared, ()) = tokio::join!(python.clear(), &mut early);
        cleared?;
        Ok(Ended { ran, left, early: early.take_output().flatten() })
    }

    /// What a candidate is that has no program.
    async fn no_program(
        &self,
        slot: &mut Slot,
        job: &Job,
        asked: Option<&JobGrading>,
    ) -> Result<Ended, Failure> {
        let workspace = slot.workspace();
        clear_folder(&workspace)?;
        self.copy(job, &workspace)?;
        let left = self.left(job, asked, &workspace, &slot.scratch()).await?;
        if let Some(python) = &mut slot.python {
            python.clear().await?;
        }
        Ok(Ended { ran: Ran::default(), left, early: None })
    }

    /// Takes what is to be graded out of a workspace. What cannot be graded from a warm Python is graded here.
    async fn left(
        &self,
        job: &Job,
        asked: Option<&JobGrading>,
        workspace: &Path,
        scratch: &Path,
    ) -> Result<Result<Option<Left>, Evaluation>, Failure> {
        let asked = match (&job.grading, asked) {
            (None, _) => return Ok(Ok(None)),
            (Some(cold), None) => return Ok(Err(self.grade(job, cold, workspace, scratch).await?)),
            (Some(_), Some(asked)) => asked,
        };
        let mut snapshotter = Snapshotter::new();
        let (outputs, manifest) = match self.artefacts(asked, workspace, &mut snapshotter)? {
            Ok(taken) => taken,
            Err(found) => return Ok(Err(found)),
        };
        let learned = self.learned(job, workspace, &mut snapshotter)?;
        Ok(Ok(Some(Left { outputs, manifest, learned })))
    }

    /// Grades what a program has made that may still be there. Whatever is wrong is found again when it has ended.
    async fn grade_early(
        &self,
        grader: &mut WarmGrader,
        grading: &Grading<'_>,
        workspace: &Path,
    ) -> Option<Early> {
        let submission = &grading.task.submission;
        let caps = Caps { max_bytes: submission.max_bytes.min(SMALL), max_files: submission.max_files };
        let taken = Snapshotter::new().take_paths(workspace, &submission.artefacts, caps, &self.blobs);
        let (outputs, manifest) = taken.ok()?;
        let score = self.grade_laid_out(grader, grading, &manifest).await.ok()?;
        Some(Early { outputs, score })
    }

    async fn grade_laid_out(
        &self,
        grader: &mut WarmGrader,
        grading: &Grading<'_>,
        manifest: &Manifest,
    ) -> Result<Score, Failure> {
        lay_out(manifest, &self.blobs, grading.submission)?;
        grading::grade_warm(grader, grading).await
    }
}
