//! The GPUs of runs: `--gpus`, else what the task declares.

use std::path::PathBuf;
use std::sync::Arc;

use researchgym_core::failure::Failure;
use researchgym_core::gpu::GpuRequest;
use researchgym_core::task::Task;
use researchgym_engine::gpu::{GpuError, GpuPlaces, Gpus};

use crate::error::CommandError;

/// Another folder for the locks of devices, such as one that several users share.
const LOCKS: &str = "RESEARCHGYM_GPU_LOCKS";

/// Where GPUs are on this machine.
pub(crate) fn places() -> GpuPlaces {
    let locks = std::env::var_os(LOCKS).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    GpuPlaces::of_machine(locks.as_deref())
}

/// What a run of a task is to have.
pub(crate) fn wanted(given: Option<&GpuRequest>, task: &Task) -> Option<GpuRequest> {
    let declared = GpuRequest::Count(task.resources.gpus);
    Some(given.cloned().unwrap_or(declared)).filter(|request| *request != GpuRequest::Count(0))
}

/// Looks for devices if a run asks for some, and that `at_once` runs can have theirs.
pub(crate) fn find(request: Option<&GpuRequest>, at_once: u64) -> Result<Option<Arc<Gpus>>, CommandError> {
    let Some(request) = request else { return Ok(None) };
    let gpus = Gpus::find(places()).map_err(said)?;
    gpus.check(request, at_once).map_err(said)?;
    Ok(Some(Arc::new(gpus)))
}

fn said(error: GpuError) -> CommandError {
    let is_request = error.is_request();
    let failure = Failure::from(error);
    match (is_request, failure.hint.clone()) {
        (false, _) => failure.into(),
        (true, Some(hint)) => CommandError::input(failure.message).hinted(hint),
        (true, None) => CommandError::input(failure.message),
    }
}
