//! From a name to addresses that may be connected to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::network::{HostName, Refusal};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dataset::lookup;
use crate::web::is_public;

/// How long a name may take to be resolved.
const RESOLVING: Duration = Duration::from_secs(15);
/// How long one address may take to answer.
const CONNECTING: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried.
const ADDRESSES: usize = 4;

/// How names are resolved.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// By this machine. All addresses of a name must be public.
    #[default]
    Machine,
    /// These alone lead somewhere, public or not. For tests and measurements: nothing that a user can set chooses it.
    Fixed(Arc<BTreeMap<(String, u16), SocketAddr>>),
}

impl Names {
    /// Connects to an address of the host that was looked at.
    pub(super) async fn connect(&self, host: &HostName, port: u16) -> Result<TcpStream, Refusal> {
        let mut late = false;
        for address in self.resolve(host, port).await?.into_iter().take(ADDRESSES) {
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

    async fn resolve(&self, host: &HostName, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        match self {
            Names::Machine => {
                let found = timeout(RESOLVING, lookup(host.as_str())).await.map_err(|_| Refusal::Late)?;
                let addresses = found.map_err(|_| Refusal::Unresolved)?;
                if !addresses.iter().all(|address| is_public(*address) && !is_own(*address)) {
                    return Err(Refusal::NotPublic);
                }
                Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
            }
            Names::Fixed(known) => {
                let address = known.get(&(host.as_str().to_owned(), port)).ok_or(Refusal::Unresolved)?;
                Ok(vec![*address])
            }
        }
    }
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
