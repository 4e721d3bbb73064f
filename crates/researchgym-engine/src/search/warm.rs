//! Slots of warm evaluations: each a Python from which candidates are forked, and one from which gradings are.
//!
//! A slot serves one evaluation at a time; what it cannot serve is started cold.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::task::Warm;

use super::evaluator::{Job, JobGrading};
use super::local::Local;
use crate::grading::{WarmGrader, start_warm_grader};
use crate::scratch::Scratch;
use crate::warm::{Author, Imports, Script, WarmPython};

/// Slots that wait for an evaluation.
#[derive(Default)]
pub(crate) struct Pool {
    waiting: Mutex<Vec<Slot>>,
}

/// What stays from one evaluation to the next.
pub(super) struct Slot {
    pub(super) python: Option<WarmPython>,
    pub(super) grader: Option<WarmGrader>,
    scratch: Scratch,
}

impl Slot {
    /// For what is written while a program runs.
    pub(super) fn scratch(&self) -> PathBuf {
        self.scratch.path().to_path_buf()
    }

    /// The folder that is the candidate's workspace.
    pub(super) fn workspace(&self) -> PathBuf {
        self.scratch.path().join("workspace")
    }

    /// The folder that the grader sees as the submission.
    pub(super) fn submission(&self) -> PathBuf {
        self.scratch.path().join("submission")
    }
}

impl Pool {
    /// A slot for one evaluation; [`Pool::give_back`] takes it again. One that is not given back is taken down.
    pub(super) fn take(&self, local: &Local) -> Result<Slot, Failure> {
        if let Some(slot) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(slot);
        }
        let scratch = local.workbench.scratch_folder()?;
        let slot = Slot { python: None, grader: None, scratch };
        for folder in [slot.workspace(), slot.submission()] {
            std::fs::create_dir(&folder)
                .map_err(|error| Failure::new(Boundary::Store, format!("{}: {error}", folder.display())))?;
        }
        Ok(slot)
    }

    pub(super) fn give_back(&self, slot: Slot) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    }

    /// Takes all slots down.
    pub(super) async fn close(&self) {
        let slots = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for slot in slots {
            if let Some(python) = slot.python {
                python.stop().await;
            }
            if let Some(grader) = slot.grader {
                grader.stop().await;
            }
        }
    }
}

/// How the task's evaluations are warm, if this one can be.
pub(super) fn wanted<'l>(local: &'l Local, job: &Job) -> Option<&'l Warm> {
    let warm = local.task.search.as_ref()?.warm.as_ref().filter(|_| local.runtime.is_isolated())?;
    let runs = job.command.as_ref().is_none_or(|command| Script::parse(command).is_ok());
    runs.then_some(warm)
}

/// Whether a grading can be forked.
pub(super) fn can_grade(local: &Local, warm: &Warm) -> bool {
    let grader = &local.task.grader;
    warm.grader
        && grader.players.is_empty()
        && !local.task.network.grader.has_proxy()
        && Script::parse(&grader.command).is_ok()
}

impl Local {
    /// The slot's Python, started if there is none, and its grader, if there is one.
    pub(super) async fn warm_python<'s>(
        &self,
        slot: &'s mut Slot,
        job: &Job,
        warm: &Warm,
    ) -> Result<(&'s mut WarmPython, &'s mut Option<WarmGrader>), Failure> {
        if slot.python.is_none() {
            let workspace = slot.workspace();
            self.copy(job, &workspace)?;
            let specification = self.specification(job, &workspace);
            let imports = Imports { preload: warm.preload.clone(), ..Imports::default() };
            let imports = imports.and_those_of(&self.laid_out);
            let python =
                WarmPython::start(&self.workbench.sandboxes, specification, imports, Author::Agent).await?;
            slot.python = Some(python);
        }
        match &mut slot.python {
            Some(python) => Ok((python, &mut slot.grader)),
            None => Err(Failure::new(Boundary::Sandbox, "the warm Python was not kept")),
        }
    }

    /// The slot's grader, started if there is none.
    pub(super) async fn warm_grader<'s>(
        &self,
        slot: &'s mut Slot,
        job: &Job,
        asked: &JobGrading,
    ) -> Result<&'s mut WarmGrader, Failure> {
        if slot.grader.is_none() {
            let submission = slot.submission();
            let scratch = slot.scratch.path().to_path_buf();
            let template = self.grading(job, asked, &submission, &scratch);
            // What may be forked is for the task to say; what the grader does not import it need not have.
            let used =
                Imports::default().and_those_of(&self.task_folder.join(&self.task.grader.files)).likely;
            let warm = self.task.search.as_ref().and_then(|search| search.warm.as_ref());
            let preload = warm.iter().flat_map(|warm| &warm.preload).filter(|name| used.contains(*name));
            let preload = preload.cloned().collect();
            slot.grader = Some(start_warm_grader(&self.workbench.sandboxes, &template, preload).await?);
        }
        slot.grader.as_mut().ok_or_else(|| Failure::new(Boundary::Sandbox, "the warm grader was not kept"))
    }
}
