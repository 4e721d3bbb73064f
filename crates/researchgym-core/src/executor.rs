//! Where the jobs of a run are carried out: on this machine, or on a cluster that the user has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who carries out jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Executor {
    /// Processes of this machine. The default.
    #[default]
    Local,
    /// Jobs of a Slurm cluster.
    Slurm(Box<SlurmSpec>),
}

impl Executor {
    /// Whether jobs are processes of this machine.
    pub fn is_local(&self) -> bool {
        *self == Executor::Local
    }

    /// The name used in settings and results.
    pub fn name(&self) -> &'static str {
        match self {
            Executor::Local => "local",
            Executor::Slurm(_) => "slurm",
        }
    }
}

/// What jobs of a Slurm cluster ask for: `[slurm]` of the settings as it was when the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSpec {
    /// `--partition`; the cluster's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// `--account`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `--qos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// `--gres`, as Slurm writes it; else `gpu:N` if the run asks for N GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// `--cpus-per-task`; else the task's CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// `--mem` in MiB; else the task's memory and a little for what is beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// `--time` in minutes; else what the job may take by the task's limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
    /// Further options of `sbatch`, each as it is: `--constraint=a100`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// How often the queue is looked at, in seconds; 5 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_s: Option<u64>,
    /// This program as nodes find it; else its own path here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The cache folder as nodes find it; else the one used here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Where jobs reach the gateway for models: `socket` (a Unix socket in the run's folder: nodes of this very machine) or
    /// `HOST:PORT`, an address of the submitting side as nodes reach it, a tunnel's end among them; `socket` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Where the gateway listens on the submitting side, as `ADDRESS:PORT`; else the port of `gateway` on the loopback address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_listen: Option<String>,
}
