//! What the user lets the agent's sandbox reach.

use clap::{Args, ValueEnum};
use researchgym_core::network::NetworkPolicy;

#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct NetworkArguments {
    /// What the agent's sandbox reaches, if less than the task allows; more needs --widen-network [default: the task's]
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) network: Option<PolicyName>,
    /// Let --network go beyond the task's policy; marked in the result
    #[arg(long, requires = "network")]
    pub(crate) widen_network: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyName {
    /// Nothing, not even the model gateway
    None,
    /// The model gateway of a run with a model
    Gateway,
    /// The hosts that the task allows, by HTTP and HTTPS
    AllowList,
    /// Every public host
    Open,
}

impl PolicyName {
    /// The policy of that name.
    pub(crate) fn policy(self) -> NetworkPolicy {
        match self {
            PolicyName::None => NetworkPolicy::None,
            PolicyName::Gateway => NetworkPolicy::Gateway,
            PolicyName::AllowList => NetworkPolicy::AllowList,
            PolicyName::Open => NetworkPolicy::Open,
        }
    }
}
