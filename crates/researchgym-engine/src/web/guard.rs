//! Which addresses of the network pages may come from: public ones.
//!
//! A page's name is resolved by us, every address that it has is looked at, and the connection is made to one of those
//! that were looked at: a name that resolves to something else a moment later gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use researchgym_core::web::Address;

use crate::dataset::lookup;

/// What is said of such an address.
pub(super) const NOT_PUBLIC: &str = "this address is not on the public web";

/// Resolves names to public addresses alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct GuardedNames {
    /// One more address that is allowed, with its port: for tests.
    pub(super) exempt: Option<SocketAddr>,
}

/// A name leads to an address that is not public.
#[derive(Debug, thiserror::Error)]
#[error("{NOT_PUBLIC}")]
pub(super) struct NotPublic;

impl GuardedNames {
    /// What is wrong with host and port of an address, as far as its text tells.
    pub(super) fn refusal(&self, address: &Address) -> Option<&'static str> {
        let is_exempt = |exempt: SocketAddr| exempt.port() == address.port();
        if !matches!(address.port(), 80 | 443) && !self.exempt.is_some_and(is_exempt) {
            return Some("only the ports 80 and 443 can be read");
        }
        address.ip().filter(|ip| !self.allows(*ip)).map(|_| NOT_PUBLIC)
    }

    fn allows(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.exempt.is_some_and(|exempt| exempt.ip() == ip)
    }
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, name) = (*self, name.as_str().to_owned());
        Box::pin(async move {
            let addresses = lookup(&name).await?;
            if !addresses.iter().all(|address| guard.allows(*address)) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Whether an address is one of the public network, after the special-purpose registries of RFC 6890 and its successors.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    let is_special = match first {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..=127).contains(&second),
        169 => second == 254,
        172 => (16..=31).contains(&second),
        192 => {
            second == 168
                || matches!((second, third), (0, 0 | 2) | (31, 196) | (52, 193) | (88, 99) | (175, 48))
        }
        198 => matches!(second, 18 | 19) || (second, third) == (51, 100),
        203 => (second, third) == (0, 113),
        _ => false,
    };
    // Azure tells its machines about themselves there.
    !is_special && ip != Ipv4Addr::new(168, 63, 129, 16)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_v4(ip);
    }
    let segments = ip.segments();
    let [first, second, ..] = segments;
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        // Where a network has IPv6 alone, IPv4 addresses are reached through this prefix.
        let [.., high, low] = segments;
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Only 2000::/3 is given out. In it: protocol assignments with Teredo, documentation, 6to4, documentation.
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}
