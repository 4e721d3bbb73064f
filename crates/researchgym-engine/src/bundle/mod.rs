//! A whole run as one file: a tar archive compressed by Zstandard, with a manifest of hashes as its first entry.
//!
//! What is in it is what a run cannot be without, and what was derived for people: files of the run's folder itself and of its
//! folders `blobs`, `logs` and `regrades`. The workspace and the checkouts of submissions are not: blobs hold what was recorded
//! of them, and an agent wrote them. The same run gives the same bytes. A bundle holds the run's grading secret, as its log does.
//!
//! A bundle that is read is a stranger's: nothing but the regular files that its manifest names, in its order and of its lengths,
//! is taken from it, and nothing of it is given a name before all of it is whole.

mod error;
mod manifest;
mod pack;
#[cfg(test)]
mod tests;
mod unpack;

pub use self::error::BundleError;
pub use self::manifest::{BUNDLE_SCHEMA, BundleManifest, BundledFile, Contents, MANIFEST};
pub use self::pack::{Packed, pack};
pub use self::unpack::{Checked, Unpacked, check, is_bundle, unpack};

/// What the names of folders begin with in which bundles are unpacked, below the runs folder.
pub(crate) const UNPACKING: &str = ".unpacking-";
