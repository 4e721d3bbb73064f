//! A request of a program inside, as the log has it, and the sums over a run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest address that is recorded, in characters.
const LONGEST_URL: usize = 500;

/// Whose sandbox asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The agent's.
    Agent,
    /// The grader's.
    Grader,
}

/// A program asked the proxy for something. Written when it is over: a request under way when this program dies is not
/// on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkRequested {
    /// Whose sandbox asked.
    pub phase: Phase,
    /// The method: `CONNECT` for a tunnel (HTTPS), else that of plain HTTP. `*` if several requests are summed up.
    pub method: String,
    /// The host as it was asked for. `*` if requests to many hosts are summed up.
    pub host: String,
    /// The port; 0 if requests to many are summed up.
    pub port: u16,
    /// Plain HTTP: the address, its query replaced by `...`. Absent for tunnels, in which it is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it was let through.
    pub verdict: Verdict,
    /// Bytes of bodies and tunnels from the program.
    pub bytes_up: u64,
    /// Bytes of bodies and tunnels to the program.
    pub bytes_down: u64,
    /// Milliseconds from the request to its end.
    pub took_ms: u64,
    /// How many like it this line stands for; bytes and milliseconds are sums. 1 unless a program floods the log.
    pub times: u64,
}

/// Whether a request was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// It was.
    Allowed,
    /// It was not, or was ended.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why a request is refused or ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The host is not on the task's list.
    #[error("this task does not allow this host")]
    NotAllowed,
    /// The host is, its port is not.
    #[error("this task does not allow this port of the host")]
    Port,
    /// An IP address.
    #[error("hosts are reached by name, not by IP address")]
    IpAddress,
    /// The task blocks it.
    #[error("this address is blocked for this task")]
    Blocked,
    /// The task blocks addresses of this host, and in a tunnel they cannot be told apart.
    #[error(
        "this task blocks some addresses of this host; over HTTPS they cannot be told from the others, so the host is refused as a whole"
    )]
    BlockedPaths,
    /// The name leads to an address that is not public.
    #[error("this name does not lead to the public network")]
    NotPublic,
    /// The name is not known.
    #[error("this name cannot be resolved")]
    Unresolved,
    /// Nobody answers there, or not in HTTP.
    #[error("the host does not answer")]
    Unreachable,
    /// A tunnel that does not begin with TLS.
    #[error("a tunnel must carry TLS")]
    NotTls,
    /// The TLS greeting names another host than the tunnel.
    #[error("the TLS greeting names another host than the tunnel leads to")]
    ServerName,
    /// The TLS greeting hides which host it names.
    #[error("the TLS greeting hides the host that it names")]
    EncryptedHello,
    /// Not a request that a proxy understands in one way only.
    #[error("this is not a request that the proxy understands")]
    Malformed,
    /// Nothing came in time.
    #[error("nothing came in time")]
    Late,
    /// The traffic that the task allows is used up.
    #[error("the traffic that this task allows is used up")]
    Traffic,
}

/// The sums over a run's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkUse {
    /// Requests that were let through.
    pub allowed: u64,
    /// Requests that were refused or ended.
    pub refused: u64,
    /// The refused ones by reason.
    pub reasons: BTreeMap<Refusal, u64>,
    /// Bytes from programs.
    pub bytes_up: u64,
    /// Bytes to programs.
    pub bytes_down: u64,
}

impl NetworkUse {
    /// Adds one line.
    pub fn add(&mut self, request: &NetworkRequested) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        match request.verdict {
            Verdict::Allowed => add(&mut self.allowed, request.times),
            Verdict::Refused { reason } => {
                add(&mut self.refused, request.times);
                add(self.reasons.entry(reason).or_default(), request.times);
            }
        }
        add(&mut self.bytes_up, request.bytes_up);
        add(&mut self.bytes_down, request.bytes_down);
    }

    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.bytes_up.saturating_add(self.bytes_down)
    }
}

/// An address as the log has it: without credentials and without its query, which may hold keys, and not longer than
/// 500 characters.
pub fn shown_url(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, _)| (address, "?..."));
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let whole = if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") };
    let mut shown: String =
        whole.chars().filter(|character| !character.is_control()).take(LONGEST_URL).collect();
    if whole.chars().nth(LONGEST_URL).is_some() {
        shown.push_str("...");
    }
    shown + query
}
