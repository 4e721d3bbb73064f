//! Runs of other systems, from files: read-only runs of the store for `import`, trajectories for `inspect`.
//!
//! The files are somebody else's: they are bounded, links are not followed, archives are not unpacked, and nothing in them is
//! run.

mod budget;
mod group;
mod mlgym;
mod parse;
mod place;
mod waiting;
mod work;

pub use self::mlgym::{ImportError, Imported, MAX_BYTES, read, trajectories};
pub use self::work::{Broken, Observer, Options, Summary, Taken, Told, import};

/// Whose files are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// MLGym: `results.json` and `.traj`.
    Mlgym,
    /// The ResearchGym of 2026 on which this project's first tasks were tried: its run folders.
    ResearchgymSeed,
    /// Inspect: `.eval` and `.json`.
    Inspect,
    /// Harbor's trajectories.
    Atif,
    /// OpenEvolve: checkpoints.
    Openevolve,
    /// Ideas with what came of them.
    Ideas,
}
