//! Sandboxes, seen from the host: starting one, running commands in it, ending it with all it started.
//!
//! [`SandboxHost`] is what this process knows of its machine; a [`Sandbox`] is one isolated (or, for
//! `--runtime host`, merely supervised) tree of processes behind one guest. What a guest sends is hostile input:
//! it is length-bounded, flow-controlled and never trusted for more than the outcome of its own commands.

mod capture;
mod error;
mod host;
mod outcome;
mod report;
mod running;
mod specification;

pub use capture::{Capture, Stream};
pub use error::SandboxError;
pub use host::SandboxHost;
pub use outcome::{ExecOutcome, FileRefusal, SessionRequest, Usage};
pub use report::{Finding, MachineReport};
pub use running::Sandbox;
pub use specification::{ReadOnlyMount, SandboxSpec, WorkingFolder};
