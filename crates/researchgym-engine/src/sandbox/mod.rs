//! Sandboxes, seen from the host: starting one, running commands in it, ending it with all it started.
//!
//! [`SandboxHost`] is what this process knows of its machine; a [`Sandbox`] is one isolated (or, for
//! `--runtime host`, merely supervised) tree of processes behind one guest. What a guest sends is hostile input:
//! it is length-bounded, flow-controlled and never trusted for more than the outcome of its own commands.

mod capture;
pub(crate) mod cgroup;
pub mod docker;
mod enforced;
mod error;
mod host;
mod launch;
mod link;
mod local;
mod machine;
mod outcome;
mod ownership;
mod probe;
mod remains;
mod report;
mod running;
mod slots;
mod spawner;
mod specification;
pub(crate) mod sweeper;
pub(crate) mod unisolated;
pub(crate) mod user_namespace;
mod watch;

pub use capture::{Capture, Stream};
pub use error::SandboxError;
pub use host::SandboxHost;
pub(crate) use launch::KEPT_BYTES;
pub(crate) use local::GUEST;
pub use local::{GATEWAY_PORT, GATEWAY_SOCKET, PROXY_PORT, PROXY_SOCKET};
pub(crate) use machine::{find_program, remove_groups};
pub use outcome::{ExecOutcome, FileRefusal, SessionRequest, Usage};
pub(crate) use ownership::take_back;
pub use report::{Finding, MachineReport};
pub use running::Sandbox;
pub use specification::{ReadOnlyMount, SandboxSpec, WorkingFolder};
