//! The editable surface of a task: which files of the workspace are a candidate's own.

use researchgym_core::edit::Surface;
use researchgym_core::task::Task;

use crate::runner::DESCRIPTION;

/// What candidates of a task may change: what the task says, but nothing that a run lays out beside the starter.
pub(super) fn of(task: &Task) -> Surface {
    let editable = task.search.as_ref().map(|search| search.editable.clone()).unwrap_or_default();
    let mut protected = task.workspace.protected.clone();
    protected.extend(["data".to_owned(), DESCRIPTION.to_owned()]);
    Surface { editable, protected }
}

/// Whether a file of the workspace may be changed by candidates.
pub(crate) fn covers(task: &Task, path: &str) -> bool {
    of(task).covers(path)
}
