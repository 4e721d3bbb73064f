//! The store: run folders, event logs, blobs and snapshots, with the damage and the malice they must stand.

mod disk;
mod folder;
mod hostile;
mod log;
mod snapshot;
mod support;
