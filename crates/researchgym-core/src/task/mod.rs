//! A task: a research problem with its starter, its hidden grader and its rules, read from `task.toml`.
//!
//! These types are exactly what the file says (see `docs/reference/task.schema.json`); `parse` reads and checks it.
//! All paths are relative to the task's folder unless a field says otherwise.

mod baseline;
mod document;
mod meaning;
mod parse;
mod problem;
mod search;
mod structure;
mod variant;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::network::NetworkPolicy;
use crate::score::{Direction, Primary};

pub use baseline::Baseline;
pub use meaning::check_id;
pub use parse::parse;
pub use problem::{Problem, TaskError};
pub use search::{Genome, SearchSection, SearchStage, Warm};
pub use structure::schema;
pub use variant::{DEFAULT_VARIANT, UnknownVariant};

/// The version of `task.toml` that this program reads.
pub const TASK_SCHEMA: u32 = 1;

/// A whole `task.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Version of this format: 1.
    pub schema: u32,
    /// Name in commands and results: lower-case letters, digits and hyphens. The folder has the same name.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Field of research, such as `game theory`.
    pub domain: String,
    /// Markdown file that the agent is given.
    pub description: String,
    /// Where the problem and its published numbers come from.
    #[serde(default)]
    pub source: Option<String>,
    /// What is measured; exactly one is primary.
    pub metrics: Vec<Metric>,
    /// Numbers to beat.
    #[serde(default)]
    pub baseline: Option<Baseline>,
    /// What the agent works in.
    pub workspace: Workspace,
    /// What is graded.
    pub submission: Submission,
    /// How it is graded.
    pub grader: Grader,
    /// What sandboxes may use.
    #[serde(default)]
    pub resources: Resources,
    /// What of the network the sandboxes of agent and grader may reach, and what of the web an agent's tools may.
    #[serde(default)]
    pub network: Network,
    /// When a run ends, unless the user says otherwise.
    #[serde(default)]
    pub limits: TaskLimits,
    /// Python packages, made into an environment by `uv` from a lock file.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// The image of the task's containers (`--runtime docker`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// Data that is fetched once, checked and mounted read-only.
    #[serde(default)]
    pub datasets: Vec<Dataset>,
    /// Values handed to the grader, such as the number of simulations.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Parameters of the starter that the `tuner` may search.
    #[serde(default)]
    pub tunable: Option<Tunable>,
    /// How a search over candidates works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchSection>,
    /// Known solutions, used by `task check` only and never shown to an agent.
    #[serde(default)]
    pub solutions: Option<Solutions>,
    /// Named changes to this task.
    #[serde(default)]
    pub variants: BTreeMap<String, Variant>,
}

impl Task {
    /// The primary metric. A parsed task has exactly one.
    pub fn primary(&self) -> Primary {
        let metric = self.metrics.iter().find(|metric| metric.primary).unwrap_or(&self.metrics[0]);
        Primary { name: metric.name.clone(), direction: metric.direction }
    }
}

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Free text; the grader reports under this name.
    pub name: String,
    /// Which way is better.
    pub direction: Direction,
    /// Whether it decides.
    #[serde(default)]
    pub primary: bool,
    /// What it is, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
}

/// What the agent works in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// Folder whose content is copied into the workspace.
    pub starter: String,
    /// Files of the starter that the agent may read but not change; mounted read-only and checked at every score.
    #[serde(default)]
    pub protected: Vec<String>,
}

/// What is graded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Files or folders, relative to the workspace. All must exist for a score.
    pub artefacts: Vec<String>,
    /// Largest total size in bytes.
    #[serde(default = "default_submission_bytes")]
    pub max_bytes: u64,
    /// Largest number of files.
    #[serde(default = "default_submission_files")]
    pub max_files: u64,
}

fn default_submission_bytes() -> u64 {
    64 << 20
}

fn default_submission_files() -> u64 {
    1000
}

/// How a submission is graded. The grader runs in a sandbox of its own and never imports agent code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grader {
    /// Hidden folder, mounted at `/grader` in the grader's sandbox alone.
    pub files: String,
    /// Program and arguments, started in `/grader`.
    pub command: Vec<String>,
    /// Seconds until a grading counts as failed.
    #[serde(default = "default_grader_timeout")]
    pub timeout_s: u64,
    /// What `validate` scores on.
    pub validate_on: ValidateOn,
    /// How many validations a run may ask for.
    #[serde(default = "default_validations")]
    pub validations: u64,
    /// Sandboxes in which agent-written code runs for the grader.
    #[serde(default)]
    pub players: Vec<Player>,
}

fn default_grader_timeout() -> u64 {
    600
}

fn default_validations() -> u64 {
    20
}

/// What `validate` scores on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValidateOn {
    /// A hidden split that the final score does not use.
    Validation,
    /// The split that counts, as published benchmarks do; the number of validations is what limits overfitting.
    Test,
    /// The final task with fresh random streams each time.
    Fresh,
}

impl ValidateOn {
    /// Whether validations are scored on something else than the final score.
    pub fn is_apart(self) -> bool {
        match self {
            ValidateOn::Validation | ValidateOn::Fresh => true,
            ValidateOn::Test => false,
        }
    }
}

/// A sandbox in which agent-written (or reference) code runs for the grader: no network, no hidden files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Player {
    /// How the grader calls it.
    pub name: String,
    /// Program and arguments. `/submission` holds the code, `/researchgym/lib` the support library.
    pub command: Vec<String>,
    /// Folder mounted at `/submission` instead of the agent's artefacts: a reference to measure beside.
    #[serde(default)]
    pub files: Option<String>,
}

/// What each sandbox of a run may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Memory in MiB.
    pub memory_mib: u64,
    /// CPUs.
    pub cpus: f64,
    /// Processes and threads.
    pub pids: u64,
    /// Size of the workspace in MiB.
    pub workspace_mib: u64,
    /// Size of `/tmp` in MiB; counts as memory.
    pub tmp_mib: u64,
    /// Whole GPUs of the agent's sandbox; graders and players never have one.
    #[serde(skip_serializing_if = "is_zero")]
    pub gpus: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Default for Resources {
    fn default() -> Resources {
        Resources { memory_mib: 2048, cpus: 2.0, pids: 256, workspace_mib: 1024, tmp_mib: 512, gpus: 0 }
    }
}

/// What of the network agent and grader may reach. Players have none, whatever stands here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// What the agent's sandbox reaches: `none`, `gateway`, `allow-list` or `open`. Absent: the gateway in a run with a
    /// model, else nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<NetworkPolicy>,
    /// What the grader's sandbox reaches: `none`, `allow-list` or `open`.
    pub grader: NetworkPolicy,
    /// `allow-list`: hosts (`example.org`, on ports 80 and 443, or `example.org:8443`), hosts with all below
    /// (`*.example.org`), and names of package sources (`pypi`, `debian`, `npm`, ...).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Hosts that are tunnelled (HTTPS) although some of their addresses are blocked; marked in the result, because the
    /// blocked addresses cannot be told from the others then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unchecked_paths: Vec<String>,
    /// MiB, both ways together, that the agent's sandbox of a run and the sandbox of one grading may move through the
    /// proxy.
    pub traffic_mib: u64,
    /// Whether the agent may search the web and read pages, if the user has set a search key.
    pub web: bool,
    /// Hosts (`example.org`), hosts with all below (`*.example.org`), beginnings of addresses (`example.org/paper`) and
    /// other texts of addresses that are refused. Never shown to an agent.
    pub blocked_urls: Vec<String>,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            agent: None,
            grader: NetworkPolicy::None,
            allow: Vec::new(),
            unchecked_paths: Vec::new(),
            traffic_mib: 10 << 10,
            web: false,
            blocked_urls: Vec::new(),
        }
    }
}

impl Network {
    /// What the agent's sandbox reaches at most unless the user widens it.
    pub fn agent_at_most(&self) -> NetworkPolicy {
        self.agent.unwrap_or(NetworkPolicy::Gateway)
    }
}

/// When a run ends, unless the user says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskLimits {
    /// Working time in hours.
    pub hours: f64,
    /// Seconds after which one command is killed, unless the action says otherwise.
    pub command_timeout_s: u64,
}

impl Default for TaskLimits {
    fn default() -> TaskLimits {
        TaskLimits { hours: 1.0, command_timeout_s: 1800 }
    }
}

/// A Python environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// File with pinned packages and hashes, as `uv pip compile --generate-hashes` writes it.
    pub requirements: String,
}

/// The image of a task's containers: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Container {
    /// A Dockerfile in a folder of its own, such as `container/Dockerfile`. The whole folder is what it can copy from, and
    /// nothing that is hidden may lie in it. Built once for each content of the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The name of an image, as `docker run` takes it; best with a digest (`NAME@sha256:..`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Data that a task needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Name within the task.
    pub name: String,
    /// File name that the download has.
    pub file: String,
    /// Where to get it without a login.
    pub url: String,
    /// Its hash.
    pub sha256: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its licence and origin.
    pub license: String,
    /// Program and arguments that turn it into the files below, run once in a sandbox with `/grader` read-only,
    /// the download in `/download` and the result written to the current folder; cached.
    pub prepare: Vec<String>,
    /// Files that the agent sees, in `data/` of its workspace and in `/data` of the grader.
    #[serde(default)]
    pub visible: Vec<String>,
    /// Files that only the grader sees, in `/data`.
    #[serde(default)]
    pub hidden: Vec<String>,
}

/// A value handed to the grader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Parameter {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A switch.
    Switch(bool),
    /// A text.
    Text(String),
}

/// Parameters that the `tuner` may search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tunable {
    /// JSON object in the workspace that holds the values.
    pub file: String,
    /// Shell text that turns the file into a submission.
    pub apply: String,
    /// How many candidates the tuner validates unless told otherwise.
    #[serde(default = "default_trials")]
    pub trials: u64,
    /// Name -> range.
    pub parameters: BTreeMap<String, Range>,
}

fn default_trials() -> u64 {
    10
}

/// The values that a tunable parameter may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Range {
    /// A number between two bounds, both possible.
    Float {
        /// Lowest.
        low: f64,
        /// Highest.
        high: f64,
        /// Whether to search on a logarithmic scale.
        #[serde(default)]
        log: bool,
    },
    /// A whole number between two bounds, both possible.
    Int {
        /// Lowest.
        low: i64,
        /// Highest.
        high: i64,
    },
    /// One of a list.
    Choice {
        /// The list.
        choices: Vec<Parameter>,
    },
}

/// Known solutions. Each is a folder copied over the starter; its `run.sh`, if any, is run in the workspace before grading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Solutions {
    /// Scores the measured baseline. Absent if the untouched starter is a valid submission that does.
    #[serde(default)]
    pub baseline: Option<String>,
    /// Beats the baseline beyond the noise floor.
    pub oracle: String,
    /// Folder of folders; each must be refused (no valid score) or flagged (a finding).
    #[serde(default)]
    pub cheats: Option<String>,
}

/// A named change to a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What is different.
    pub description: String,
    /// Replaced values.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Replaced baseline.
    #[serde(default)]
    pub baseline: Option<Baseline>,
    /// Replaced limits.
    #[serde(default)]
    pub limits: Option<TaskLimits>,
}
