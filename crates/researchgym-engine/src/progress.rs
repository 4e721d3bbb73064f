//! What slow preparations (downloads, environments) tell while they work. The engine prints nothing; the caller shows it.

/// A moment of a preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A new stage began: a fragment such as `fetching ames.csv`.
    Stage(&'a str),
    /// Bytes of the current stage that are done, of how many in total.
    Bytes {
        /// Done so far, including what an earlier attempt left.
        done: u64,
        /// In total.
        total: u64,
    },
    /// A line that a program wrote while it worked for the current stage.
    Line(&'a str),
}

/// Whom to tell. Called from the task that does the work: it must not block.
pub type Listener<'a> = &'a (dyn Fn(Progress<'_>) + Send + Sync);
