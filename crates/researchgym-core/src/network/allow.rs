//! The hosts that a task allows.

use super::host::{HostName, NotAName};
use super::source::sources;
use super::suffix::is_public;
use crate::nearest::nearest;

/// The ports of an entry that names none.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// The hosts that a task allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: HostName,
    /// Hosts below it too.
    below: bool,
    /// The only port; else the usual ones.
    port: Option<u16>,
}

/// An entry that allows nothing sensible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowError {
    /// A word without a dot that names no source.
    #[error("names no package source")]
    UnknownSource {
        /// The source that it may mean.
        near: Option<String>,
    },
    /// Not a host.
    #[error("{0}")]
    Host(#[from] NotAName),
    /// A star by itself, or before a whole top-level domain.
    #[error("would allow a whole top-level domain")]
    Wide,
    /// A star before a name below which anybody may have a host.
    #[error("would allow hosts of anybody: whoever asks for one gets a name below `{suffix}`")]
    Public {
        /// The name.
        suffix: String,
    },
    /// A package source with a port.
    #[error("gives the package source `{source_name}` a port; a source has the ports of its own hosts")]
    SourcePort {
        /// The source.
        source_name: String,
    },
    /// A scheme or a path: only hosts can be allowed.
    #[error("is more than a host; what is allowed is a host with all its addresses")]
    Path,
    /// Not a port.
    #[error("has no port between 1 and 65535 after its colon")]
    Port,
}

impl AllowList {
    /// Reads a task's entries.
    ///
    /// # Errors
    /// The first entry that is wrong, with its index.
    pub fn parse(entries: &[String]) -> Result<AllowList, (usize, AllowError)> {
        let mut read = Vec::new();
        for (index, text) in entries.iter().enumerate() {
            read.extend(of(text.trim()).map_err(|error| (index, error))?);
        }
        Ok(AllowList { entries: read })
    }

    /// Whether it allows the host at all, and then whether it allows the port.
    pub(super) fn allows(&self, host: &HostName, port: u16) -> Allowed {
        let mut allowed = Allowed::Neither;
        for entry in &self.entries {
            if *host != entry.host && !(entry.below && host.is_within(&entry.host)) {
                continue;
            }
            let is_port = entry.port.map_or(USUAL_PORTS.contains(&port), |only| only == port);
            if is_port {
                return Allowed::Both;
            }
            allowed = Allowed::HostAlone;
        }
        allowed
    }
}

/// See [`AllowList::allows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Neither,
    HostAlone,
    Both,
}

/// What one entry of a task stands for.
fn of(text: &str) -> Result<Vec<Entry>, AllowError> {
    if let Some(source) = sources().iter().find(|source| source.name == text) {
        return source.hosts.iter().map(|host| host_entry(host)).collect();
    }
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_word && !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let near = nearest(text, sources().iter().map(|source| source.name)).map(str::to_owned);
        return Err(AllowError::UnknownSource { near });
    }
    Ok(vec![host_entry(text)?])
}

fn host_entry(text: &str) -> Result<Entry, AllowError> {
    if text.contains(['/', '?', '#', '@']) {
        return Err(AllowError::Path);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => {
            let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(AllowError::Port)?;
            (host, Some(port))
        }
        _ => (text, None),
    };
    let (host, below) = host.strip_prefix("*.").map_or((host, false), |host| (host, true));
    if host == "*" {
        return Err(AllowError::Wide);
    }
    let host = HostName::parse(host)?;
    if below && !host.as_str().contains('.') {
        return Err(AllowError::Wide);
    }
    if below && is_public(&host) {
        return Err(AllowError::Public { suffix: host.as_str().to_owned() });
    }
    if port.is_some() && sources().iter().any(|source| source.name == host.as_str()) {
        return Err(AllowError::SourcePort { source_name: host.as_str().to_owned() });
    }
    Ok(Entry { host, below, port })
}
