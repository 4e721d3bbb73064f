//! What this machine offers to sandboxes, for `doctor`.

use std::collections::BTreeMap;

use researchgym_core::isolation::Isolation;
use serde::Serialize;

/// The sum of what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MachineReport {
    /// Whether `--runtime local` works here.
    pub isolation: bool,
    /// Whether we run as root.
    pub root: bool,
    /// One line per thing looked at, in the order to show.
    pub findings: Vec<Finding>,
    /// What each runtime would keep apart here, by its name; as results say it. Empty if that cannot be told.
    pub runtimes: BTreeMap<&'static str, Isolation>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What, such as `bubblewrap` or `memory limit`.
    pub name: String,
    /// Whether it is there.
    pub ok: bool,
    /// Whether `--runtime local` cannot do without.
    pub required: bool,
    /// Version, path, or what is wrong.
    pub detail: String,
    /// What to do if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
