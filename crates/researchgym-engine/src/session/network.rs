//! What programs in the sandboxes asked of the network, written into the log as it is reported.

use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::network::NetworkRequested;

use super::{Recorder, Session};
use crate::network::Proxy;

impl Session {
    /// Records what the agent's proxy has reported so far.
    pub(super) fn record_requests(&mut self) -> Result<(), Failure> {
        let requests = self.proxy.as_ref().map(Proxy::take).unwrap_or_default();
        record(requests, &mut self.recorder)
    }
}

/// Records each of them.
pub(super) fn record(requests: Vec<NetworkRequested>, recorder: &mut Recorder) -> Result<(), Failure> {
    for request in requests {
        recorder.append(Event::NetworkRequested(Box::new(request)))?;
    }
    Ok(())
}

/// Ends a proxy and records what it still has to say.
pub(super) async fn close(proxy: Option<Proxy>, recorder: &mut Recorder) -> Result<(), Failure> {
    match proxy {
        Some(proxy) => record(proxy.close().await, recorder),
        None => Ok(()),
    }
}
