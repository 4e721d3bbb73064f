//! See [`EvaluationOrder`].

use std::path::Path;

use researchgym_core::failure::{Boundary, Failure};
use serde::{Deserialize, Serialize};

use crate::executor::folder::JobFolder;

/// What the node is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationOrder {}

/// Carries it out and puts the result into the folder.
pub(super) async fn work(
    _folder: &JobFolder,
    _run: &Path,
    _home: &Path,
    _order: EvaluationOrder,
) -> Result<(), Failure> {
    Err(Failure::new(Boundary::Executor, "not written yet"))
}
