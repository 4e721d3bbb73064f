//! What a sandbox keeps apart on this machine, and what it cannot.

use crate::network::NetworkPolicy;
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

/// Its name in [`Isolation::missing`] if a run reaches more of the network than its task says.
pub const WIDENED_NETWORK: &str = "task_network_policy";
/// Its name in [`Isolation::missing`] if blocked addresses cannot be told from others in what is let through.
pub const BLOCKED_ADDRESSES: &str = "blocked_addresses_over_https";

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

/// What a run lets its agent's sandbox reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The policy in force.
    pub policy: NetworkPolicy,
    /// Whether the user has widened the task's.
    pub is_widened: bool,
    /// Whether some of what the task blocks passes unseen.
    pub passes_blocked: bool,
}

impl Isolation {
    /// What is said of a sandbox, which by itself has no network, once the policy lets it reach something.
    pub fn reaching(mut self, reach: Reach) -> Isolation {
        let had_none = self.enforced.iter().any(|name| name == "no_network");
        if had_none && reach.policy.has_proxy() {
            self.enforced.retain(|name| name != "no_network");
            match reach.policy {
                NetworkPolicy::AllowList => self.enforced.push("network_allow_list".to_owned()),
                _ => self.missing.push("network".to_owned()),
            }
        }
        if reach.is_widened {
            self.missing.push(WIDENED_NETWORK.to_owned());
        }
        if reach.passes_blocked {
            self.missing.push(BLOCKED_ADDRESSES.to_owned());
        }
        if self.level == IsolationLevel::Full && !self.missing.is_empty() {
            self.level = IsolationLevel::Partial;
        }
        self
    }
}
