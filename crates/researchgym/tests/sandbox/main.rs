//! One suite for sandboxes: `conformance` is what every runtime must do, the rest is what those that isolate keep
//! apart, which limits hold, and what is left after a crash of ours (nothing).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests: a panic is a failure, and what is skipped is said"
)]

mod bench;
mod conformance;
mod crash;
mod docker;
mod files;
mod gateway;
mod gpus;
mod isolation;
mod limits;
mod network;
mod session;
mod warm;
