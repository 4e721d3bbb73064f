//! Copies of folders: out of trees that an agent wrote, into fresh ones, and hashes of trusted ones.
//!
//! A tree that an agent wrote is hostile: nothing here follows a link in it, opens anything but regular files, or
//! trusts a size, a name or a depth. Directories are opened one at a time by their path from the root.

pub(crate) mod beneath;
mod check_out;
mod clear;
mod copy;
mod error;
mod find;
mod links;
mod take;
mod walk;

pub use check_out::check_out;
pub use clear::clear_folder;
pub(crate) use clear::clear_folder_but;
pub use copy::{copy_in, hash_folder};
pub use error::{SnapshotError, Trouble};
pub(crate) use find::{Bounds, find_files};
pub use links::hard_linked;
pub use researchgym_core::manifest::{Manifest, ManifestEntry};
pub use take::{Caps, Snapshotter};
