//! Control groups: limits and measurement of whole sandboxes, where the machine lets us have them.
//!
//! Version 1, version 2 and both side by side (then v2 often has no controllers but can still kill whole groups). One
//! parent folder per process of ours, held and named so that a later process can tell whether its owner is gone. A setting
//! outside of folders that we made is never changed.

mod discovery;
mod group;
mod job;
mod removal;

pub(super) use discovery::{Cgroups, Controller};
pub(super) use group::{Counts, Group};
pub(crate) use job::JobMemory;
pub(crate) use removal::started;
pub(crate) use removal::{Parent, parents, remove};
