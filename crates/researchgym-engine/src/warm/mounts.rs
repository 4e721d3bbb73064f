//! The host's side of the working folder: what is mounted over it, and its own mode.
//!
//! A file that is mounted over in a sandbox must stay the same file, or the mount is gone there without a word.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::sandbox::SandboxSpec;

/// The mount points of a sandbox below its working folder, as they were when it started.
pub(super) struct MountPoints(Vec<(PathBuf, Option<(u64, u64)>)>);

impl MountPoints {
    pub(super) fn of(spec: &SandboxSpec) -> MountPoints {
        let Some(folder) = spec.working_folder.writable_source() else { return MountPoints(Vec::new()) };
        let points = inside(spec).into_iter().map(|point| folder.join(point));
        MountPoints(points.map(|point| (point.clone(), identity(&point))).collect())
    }

    /// Whether all are still what they were.
    pub(super) fn are_there(&self) -> bool {
        self.0.iter().all(|(point, before)| before.is_some() && identity(point) == *before)
    }
}

/// What is mounted below the working folder, relative to it.
pub(super) fn inside(spec: &SandboxSpec) -> Vec<PathBuf> {
    let folder = spec.working_folder.target();
    let targets = spec.read_only.iter().map(|mount| Path::new(&mount.target));
    targets.filter_map(|target| Some(target.strip_prefix(folder).ok()?.to_path_buf())).collect()
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Takes back what a program can have done to the folder itself: its mode, access lists and other attributes.
pub(super) fn make_accessible(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    let mut names = vec![0_u8; 64 << 10];
    let length = match rustix::fs::listxattr(folder, &mut names[..]) {
        Ok(length) => length,
        // The file system has none.
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    for name in names[..length].split(|&byte| byte == 0) {
        if name.starts_with(b"user.") || name.starts_with(b"system.posix_acl") {
            rustix::fs::removexattr(folder, name)?;
        }
    }
    Ok(())
}
