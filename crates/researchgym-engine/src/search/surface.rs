//! The editable surface of a task: which files of the workspace are a candidate's own.

use researchgym_core::task::Task;

use crate::runner::DESCRIPTION;

/// Whether a file of the workspace may be changed by candidates.
pub(crate) fn covers(task: &Task, path: &str) -> bool {
    let lies_in = |place: &String| {
        let place = place.trim_end_matches('/');
        path == place || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
    };
    let is_given = path == DESCRIPTION || path == "data" || path.starts_with("data/");
    let editable = task.search.as_ref().map(|search| search.editable.as_slice()).unwrap_or_default();
    !is_given
        && !task.workspace.protected.iter().any(lies_in)
        && (editable.is_empty() || editable.iter().any(lies_in))
}

/// What may be changed, in words.
pub(crate) fn described(task: &Task) -> String {
    match task.search.as_ref().map(|search| search.editable.as_slice()).unwrap_or_default() {
        [] => "everything may be changed but protected files and data".to_owned(),
        editable => format!("what may be changed is {}", editable.join(", ")),
    }
}
