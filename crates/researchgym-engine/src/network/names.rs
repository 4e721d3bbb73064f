//! From a name to addresses that may be connected to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use researchgym_core::network::{HostName, Refusal};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::dataset::lookup;
use crate::web::is_public;

/// How long a name may take to be resolved.
const RESOLVING: Duration = Duration::from_secs(15);
/// How long one address may take to answer.
const CONNECTING: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried.
const ADDRESSES: usize = 4;
/// How many names are looked up at a time.
const LOOKING: usize = 8;
/// How long what was found holds.
const FOUND: Duration = Duration::from_secs(60);
/// How long it holds that nothing was.
const NOT_FOUND: Duration = Duration::from_secs(5);
/// How many names are remembered.
const REMEMBERED: usize = 256;

/// How names are resolved.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// By this machine. All addresses of a name must be public.
    #[default]
    Machine,
    /// These alone lead somewhere, public or not. For tests and measurements: nothing that a user can set chooses it.
    Fixed(Arc<BTreeMap<(String, u16), SocketAddr>>),
}

/// Resolves and connects. Remembers what it found for a while, and looks few names up at a time: each takes a process,
/// which is outside of the sandbox's limits.
pub(super) struct Resolver {
    names: Names,
    looking: Semaphore,
    known: Mutex<BTreeMap<HostName, Known>>,
}

/// What was found under a name, and until when it holds.
#[derive(Clone)]
struct Known {
    until: Instant,
    found: Result<Vec<IpAddr>, Refusal>,
}

impl Resolver {
    pub(super) fn new(names: Names) -> Resolver {
        Resolver { names, looking: Semaphore::new(LOOKING), known: Mutex::default() }
    }

    /// Connects to an address of the host that was looked at.
    pub(super) async fn connect(&self, host: &HostName, port: u16) -> Result<TcpStream, Refusal> {
        connect_to(&self.resolve(host, port).await?).await
    }

    /// The addresses of a host, all of which may be connected to.
    pub(super) async fn resolve(&self, host: &HostName, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        if let Names::Fixed(known) = &self.names {
            let address = known.get(&(host.as_str().to_owned(), port)).ok_or(Refusal::Unresolved)?;
            return Ok(vec![*address]);
        }
        let addresses = self.look_up(host).await?;
        // Looked at each time: this machine may have got a new one.
        if !addresses.iter().all(|address| is_public(*address) && !is_own(*address)) {
            return Err(Refusal::NotPublic);
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    async fn look_up(&self, host: &HostName) -> Result<Vec<IpAddr>, Refusal> {
        if let Some(found) = self.remembered(host) {
            return found;
        }
        // The semaphore is never closed.
        let _permit = self.looking.acquire().await;
        // Another connection may have asked for the same meanwhile.
        if let Some(found) = self.remembered(host) {
            return found;
        }
        let found = match timeout(RESOLVING, lookup(host.as_str())).await {
            Err(_) => Err(Refusal::Late),
            Ok(found) => found.map_err(|_| Refusal::Unresolved),
        };
        let holds = if found.is_ok() { FOUND } else { NOT_FOUND };
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(host.clone(), Known { until: Instant::now() + holds, found: found.clone() });
        found
    }

    fn remembered(&self, host: &HostName) -> Option<Result<Vec<IpAddr>, Refusal>> {
        self.known().get(host).filter(|known| known.until > Instant::now()).map(|known| known.found.clone())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<HostName, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects to the first address that answers.
pub(super) async fn connect_to(addresses: &[SocketAddr]) -> Result<TcpStream, Refusal> {
    let mut late = false;
    for address in addresses.iter().take(ADDRESSES) {
        match timeout(CONNECTING, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small messages are not to wait for each other. Refused only by a connection that is gone.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(_)) => {}
            Err(_) => late = true,
        }
    }
    Err(if late { Refusal::Late } else { Refusal::Unreachable })
}

/// Whether an address is one of this machine's own, which may be public too: only those can be bound to.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_are_known() {
        assert_eq!(["127.0.0.1", "192.0.2.1"].map(|text| is_own(text.parse().expect("one"))), [true, false]);
    }
}
