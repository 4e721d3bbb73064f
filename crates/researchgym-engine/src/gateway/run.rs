//! The gateway of one run: a Unix socket that is mounted in the agent's sandbox.

/// The gateway of one run. Dropping it ends the server.
pub struct RunGateway {}

impl RunGateway {
    /// Takes no new connection any more; calls under way go on.
    pub(crate) fn stop_accepting(&self) {}
}
