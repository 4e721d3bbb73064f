//! Which requests a policy lets through, as far as their text tells.

use super::allow::{AllowList, Allowed};
use super::host::{HostName, NotAName};
use super::policy::NetworkPolicy;
use super::request::Refusal;
use crate::task::Network;
use crate::web::{Address, Blocklist, HostBlock};

/// The port on which a tunnel of the `open` policy must carry TLS.
const HTTPS: u16 = 443;

/// What a policy lets through for one task.
#[derive(Clone, Debug)]
pub struct Rules {
    policy: NetworkPolicy,
    allow: AllowList,
    blocklist: Blocklist,
    /// Hosts whose tunnels are not held against blocked addresses.
    unchecked: Vec<HostName>,
}

/// What a tunnel that is let through must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// TLS whose greeting names the host that was asked for.
    Tls,
    /// Anything.
    Any,
}

impl Rules {
    /// The rules of a task under a policy. A parsed task has no entry that is wrong; one that is wrong allows nothing
    /// and is an error here too.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn of(policy: NetworkPolicy, network: &Network) -> Result<Rules, String> {
        let entry =
            |key: &str, index: usize, what: String| format!("network.{key}, entry {}: {what}", index + 1);
        let allow = AllowList::parse(&network.allow)
            .map_err(|(index, error)| entry("allow", index, error.to_string()))?;
        let blocklist = Blocklist::parse(&network.blocked_urls)
            .map_err(|(index, error)| entry("blocked_urls", index, error.to_string()))?;
        let unchecked = network.unchecked_paths.iter().enumerate().map(|(index, host)| {
            HostName::parse(host).map_err(|error| entry("unchecked_paths", index, error.to_string()))
        });
        Ok(Rules { policy, allow, blocklist, unchecked: unchecked.collect::<Result<_, _>>()? })
    }

    /// The policy that they are of.
    pub fn policy(&self) -> NetworkPolicy {
        self.policy
    }

    /// Whether some of what the task blocks would pass unseen: texts that may stand in addresses of any host, and the
    /// blocked addresses of unchecked hosts.
    pub fn passes_blocked(&self) -> bool {
        let has_blocked_paths = |host: &HostName| {
            Address::parse(&format!("https://{host}/"))
                .is_ok_and(|address| self.blocklist.on_host(&address) == HostBlock::Paths)
        };
        self.policy.has_proxy()
            && (self.blocklist.has_texts() || self.unchecked.iter().any(has_blocked_paths))
    }

    /// Whether a tunnel (`CONNECT`) to host and port is let through.
    ///
    /// # Errors
    /// Why not.
    pub fn tunnel(&self, host: &HostName, port: u16) -> Result<Tunnel, Refusal> {
        self.host(host, port)?;
        let address = Address::parse(&format!("https://{host}/")).map_err(|_| Refusal::Malformed)?;
        let block = match self.blocklist.on_host(&address) {
            HostBlock::Paths if self.unchecked.contains(host) => HostBlock::Free,
            block => block,
        };
        match block {
            HostBlock::Whole => Err(Refusal::Blocked),
            HostBlock::Paths => Err(Refusal::BlockedPaths),
            HostBlock::Free if self.policy == NetworkPolicy::Open && port != HTTPS => Ok(Tunnel::Any),
            HostBlock::Free => Ok(Tunnel::Tls),
        }
    }

    /// Whether a request in plain HTTP is let through.
    ///
    /// # Errors
    /// Why not.
    pub fn plain(&self, address: &Address) -> Result<HostName, Refusal> {
        let host = match HostName::parse(address.url().host_str().unwrap_or_default()) {
            Ok(host) => host,
            Err(NotAName::Address) => return Err(Refusal::IpAddress),
            Err(NotAName::Malformed) => return Err(Refusal::Malformed),
        };
        self.host(&host, address.port())?;
        if self.blocklist.blocks(address) { Err(Refusal::Blocked) } else { Ok(host) }
    }

    fn host(&self, host: &HostName, port: u16) -> Result<(), Refusal> {
        match self.policy {
            NetworkPolicy::None | NetworkPolicy::Gateway => Err(Refusal::NotAllowed),
            NetworkPolicy::AllowList => match self.allow.allows(host, port) {
                Allowed::Neither => Err(Refusal::NotAllowed),
                Allowed::HostAlone => Err(Refusal::Port),
                Allowed::Both => Ok(()),
            },
            NetworkPolicy::Open => Ok(()),
        }
    }
}
