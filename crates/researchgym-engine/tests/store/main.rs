//! The store: run folders, event logs, blobs and snapshots, with the damage and the malice they must stand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its own helpers too")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod disk;
mod folder;
mod hostile;
mod log;
mod snapshot;
mod support;
