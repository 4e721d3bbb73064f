//! The network policy that the user asks for, held against the task's.

use researchgym_core::network::NetworkPolicy;
use researchgym_core::task::Task;

use crate::arguments::{NetworkArguments, PolicyName};
use crate::error::CommandError;

/// What the run's specification says of it; nothing if the task's policy holds.
pub(super) fn asked(
    arguments: &NetworkArguments,
    task: &Task,
) -> Result<Option<NetworkPolicy>, CommandError> {
    let Some(asked) = arguments.network.map(PolicyName::policy) else { return Ok(None) };
    let allowed = task.network.agent_at_most();
    if asked > allowed && !arguments.widen_network {
        let message = format!("--network {asked}: task {} allows its agent `{allowed}` at most", task.id);
        return Err(CommandError::input(message)
            .hinted("leave --network out, or add --widen-network: the result is marked then"));
    }
    if asked == NetworkPolicy::AllowList && task.network.allow.is_empty() {
        let message = format!("--network {asked}: task {} has no list of allowed hosts", task.id);
        return Err(CommandError::input(message).hinted("add `allow` to the `[network]` of its task.toml"));
    }
    Ok(Some(asked))
}
