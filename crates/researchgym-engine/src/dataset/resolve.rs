//! Names of hosts, resolved by the machine's own `getent`.
//!
//! The binary is static: the C library's `getaddrinfo` would load plug-ins of the machine's C library into it, which
//! works only by luck. `getent` is part of every Debian, and asks whatever the machine is set up to ask.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::process::Command;

/// Resolves as the machine is set up to.
pub(crate) struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let addresses = lookup(&name).await?;
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// The variables that `getent` and the C library's resolver read.
const READ: [&str; 5] = ["PATH", "LD_LIBRARY_PATH", "RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES"];

/// The addresses of a name, each once.
pub(crate) async fn lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut command = Command::new("getent");
    command.args(["ahosts", "--", name]).kill_on_drop(true).env_clear();
    // Other programs of the user can read its environment: none of ours that is a key may be in it.
    command.envs(READ.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let output = command
        .output()
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("`getent` resolves names, but: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut seen = BTreeSet::new();
    let addresses = text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let addresses: Vec<IpAddr> = addresses.filter(|address| seen.insert(*address)).collect();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("the name `{name}` is not known")));
    }
    Ok(addresses)
}
