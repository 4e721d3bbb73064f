//! `[search]`: what a search over candidates may change in the task's workspace, and how a candidate is evaluated.
//!
//! All of it may be absent: then candidates change whatever the starter holds and is not protected, `tunable.apply`
//! makes the artefacts if there is one, and every candidate is graded in full.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a search works on the task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSection {
    /// Files and folders of the workspace that a candidate may change, add to or delete. Empty: all that is neither
    /// protected nor data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub editable: Vec<String>,
    /// Program and arguments that make the artefacts, started in a candidate's own copy of the workspace. Absent:
    /// `tunable.apply`; without that too the artefacts are files of the candidate as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Vec<String>>,
    /// Seconds after which a candidate's program is killed with all that it has started: 600 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// Cheaper steps before the full evaluation, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<SearchStage>,
    /// Numbers that operators without a model may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genome: Option<Genome>,
    /// Evaluations start from a Python that is warm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<Warm>,
}

impl SearchSection {
    /// Seconds for a candidate's program where the task names none.
    pub const USUAL_TIMEOUT_S: u64 = 600;

    /// The time limit of a candidate's program in seconds.
    pub fn timeout_s(&self) -> u64 {
        self.timeout_s.unwrap_or(SearchSection::USUAL_TIMEOUT_S)
    }
}

/// One step of an evaluation before the full one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchStage {
    /// `smoke`, `proxy` or any other name but `full`.
    pub name: String,
    /// Program and arguments instead of `run`. It must end with status 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Vec<String>>,
    /// Seconds after which it is killed.
    pub timeout_s: u64,
    /// The variant under which the artefacts are graded then; absent: they are not graded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The least good value of the primary metric with which a candidate goes on to the next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote: Option<f64>,
}

/// A JSON file of the workspace: an array of numbers, or of such arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Genome {
    /// The file.
    pub file: String,
    /// The lowest value of a number.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// Whether all numbers are whole.
    #[serde(default)]
    pub integer: bool,
    /// Whether a candidate's program may write a better genome, which its children inherit.
    #[serde(default)]
    pub learned: bool,
}

/// A Python process that has imported already what candidates need, and from which each evaluation is forked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warm {
    /// Modules to import once. None of the candidate's own.
    #[serde(default)]
    pub preload: Vec<String>,
    /// Whether the grader, whose command must be `python3 FILE`, is forked from such a process too.
    #[serde(default)]
    pub grader: bool,
}
