//! The four policies, from the strictest to the widest.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What of the network a sandbox reaches. Each lets through what the one before it does, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPolicy {
    /// Nothing, not even the model gateway.
    None,
    /// The model gateway of a run that has a model.
    Gateway,
    /// Named hosts, by HTTP and HTTPS through a proxy of ours.
    AllowList,
    /// Every public host and port, through a proxy of ours.
    Open,
}

impl NetworkPolicy {
    /// All, from the strictest to the widest.
    pub const ALL: [NetworkPolicy; 4] =
        [NetworkPolicy::None, NetworkPolicy::Gateway, NetworkPolicy::AllowList, NetworkPolicy::Open];

    /// The name used in settings and results.
    pub fn name(self) -> &'static str {
        match self {
            NetworkPolicy::None => "none",
            NetworkPolicy::Gateway => "gateway",
            NetworkPolicy::AllowList => "allow-list",
            NetworkPolicy::Open => "open",
        }
    }

    /// Whether the model gateway may be reached.
    pub fn has_gateway(self) -> bool {
        self >= NetworkPolicy::Gateway
    }

    /// Whether there is a proxy.
    pub fn has_proxy(self) -> bool {
        self >= NetworkPolicy::AllowList
    }
}

impl fmt::Display for NetworkPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
