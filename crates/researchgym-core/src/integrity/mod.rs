//! What speaks against trusting a run's scores and shows by itself: in what was printed, in how commands ended, in which
//! files lie in the workspace.
//!
//! Everything here is a pure function of the record, so that a run and its replay find the same. A finding never changes
//! a score; whether a score may be used is for whoever reads it. What only a person or a model can see (an invented
//! number, a constant in place of a computation) is no matter of this module.

mod files;
mod output;
mod signs;

pub use self::files::suspicious_files;
pub use self::signs::Signs;
