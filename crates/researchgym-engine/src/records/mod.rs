//! Records of the runs in a store: each derived from its run's log, or read from what an import wrote.
//!
//! Reads run folders and keeps an index beside them; writes nothing into a run. A run that cannot be read is told, and does
//! not stop the others.

mod candidates;
mod ideas;
mod index;
mod islands;
mod library;
mod measured;
mod nodes;
mod own;
mod steps;
mod trials;

pub use self::candidates::Candidates;
pub use self::ideas::ideas_of;
pub use self::index::INDEX;
pub use self::islands::islands_of;
pub use self::library::{Broken, Kept, Library};
pub use self::measured::measured_of;
pub use self::nodes::nodes_of;
pub use self::own::{RecordError, record_of, verdict_of};
pub use self::steps::steps_of;
pub use self::trials::trials_of;
