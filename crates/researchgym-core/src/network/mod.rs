//! What of the network a sandbox may reach: policies, allowed hosts, verdicts, and what the log says of requests.
//!
//! Pure: nothing is resolved or connected here. What a name resolves to is looked at by who connects.

mod allow;
mod hello;
mod host;
mod policy;
mod request;
mod rules;
mod source;
mod suffix;
mod tally;

#[cfg(test)]
mod tests;

pub use self::allow::{AllowError, AllowList};
pub use self::hello::{Hello, MAX_HELLO_BYTES, read_hello};
pub use self::host::{HostName, NotAName};
pub use self::policy::NetworkPolicy;
pub use self::request::{NetworkRequested, NetworkUse, Phase, Refusal, Verdict, shown_url};
pub use self::rules::{Rules, Tunnel};
pub use self::source::{Source, sources};
pub use self::tally::Tally;
