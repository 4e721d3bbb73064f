//! What a sandbox keeps apart on this machine, and what it cannot.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where commands run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// Bubblewrap, cgroups, seccomp; no network. The default.
    Local,
    /// A container of Docker or Podman on this machine; no network.
    Docker,
    /// No isolation: an explicit choice, marked in the result.
    Host,
}

impl Runtime {
    /// The name used in settings and results.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Local => "local",
            Runtime::Docker => "docker",
            Runtime::Host => "host",
        }
    }

    /// Whether commands are kept apart from the machine.
    pub fn is_isolated(self) -> bool {
        match self {
            Runtime::Local | Runtime::Docker => true,
            Runtime::Host => false,
        }
    }
}

/// The image of a run's containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// As it was asked for, or as it was named when it was built.
    pub name: String,
    /// What the name meant when the run began: the engine's identifier, a hash of the image's content.
    pub id: String,
}

/// How far isolation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IsolationLevel {
    /// Everything the runtime promises is in force.
    Full,
    /// Namespaces and seccomp are in force, some limits are not: see `missing`.
    Partial,
    /// Nothing is kept apart.
    None,
}

/// What is in force and what this machine cannot enforce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// The sum of it.
    pub level: IsolationLevel,
    /// Names of what is in force, such as `pid_namespace`, `no_network`, `seccomp`, `memory`, `pids`.
    pub enforced: Vec<String>,
    /// Names of what is not.
    pub missing: Vec<String>,
}
