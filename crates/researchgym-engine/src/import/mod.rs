//! Trajectories of other systems, from files.

mod mlgym;

pub use mlgym::{ImportError, Imported, MAX_BYTES, read, trajectories};
