//! Folders that live as long as one grading, one check, one gateway.
//!
//! A folder is held by its owner and removed when dropped. What a killed process left is removed by its sweeper, else by
//! the next process, else by `doctor --clean`: the kernel has given its lock back, so that a folder in use is never taken
//! for a leftover.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags, openat};
use tempfile::TempDir;

use crate::hold;
use crate::snapshot::clear_folder;

/// A folder younger than this may be one whose owner is about to lock it.
const YOUNG: Duration = Duration::from_secs(60);
/// How often a folder is made anew if somebody takes it for a leftover between its making and its locking.
const ATTEMPTS: usize = 3;

/// What the names of all folders begin with that are made below the scratch folder of a home: whatever else lies there is
/// not ours.
pub(crate) const PREFIX: &str = "researchgym-";
/// The file in a folder among temporary files that says whose it is.
const MARK: &str = ".researchgym";
/// How its text begins; the rest is the path of a home.
const MADE: &[u8] = b"made by researchgym with the home ";
const LONGEST_MARK: u64 = 8 << 10;
/// What the names of folders for one grading, one check, one proxy begin with.
pub(crate) const FOLDER_PREFIX: &str = "researchgym-scratch-";

/// Told the path of a folder that is about to be made.
pub(crate) type Announce<'a> = dyn Fn(&Path) -> io::Result<()> + 'a;

/// A folder of this process's own.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves it where it is, held by nobody.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Makes a folder for our eyes only that is removed when dropped.
///
/// # Errors
/// `parent` cannot be made or written.
pub fn folder(parent: &Path) -> io::Result<Scratch> {
    named(parent, FOLDER_PREFIX, 0o700)
}

/// Makes a folder with that mode (but for the mask), whose name begins with `prefix`, that is removed when dropped.
///
/// # Errors
/// `parent` cannot be made or written.
pub(crate) fn named(parent: &Path, prefix: &str, mode: u32) -> io::Result<Scratch> {
    announced(parent, prefix, mode, &|_| Ok(()))
}

/// Tells of the folder's path before it is made, so that it has a remover from its first moment on.
fn announced(parent: &Path, prefix: &str, mode: u32, announce: &Announce<'_>) -> io::Result<Scratch> {
    std::fs::create_dir_all(parent)?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        // Short: the address of a socket in it holds 107 bytes.
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("{prefix}{}", hex::encode(random));
        announce(&parent.join(&name))?;
        let made = tempfile::Builder::new()
            .prefix(&name)
            .rand_bytes(0)
            .permissions(Permissions::from_mode(mode))
            .tempdir_in(parent);
        let folder = match made {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempts < ATTEMPTS => continue,
            Err(error) => return Err(without_path(error)),
        };
        match hold::take_own(folder.path()) {
            Ok(lock) => return Ok(Scratch { folder, _lock: lock }),
            Err(error) if attempts == ATTEMPTS => return Err(error),
            Err(_) => {}
        }
    }
}

/// What happened, without the path that errors of temporary files end with: whoever reports one names the path already.
pub(crate) fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.rsplit_once(" at path \"") {
        Some((what, _)) => io::Error::new(error.kind(), what.to_owned()),
        None => error,
    }
}

/// Like [`named`], in a folder that is everybody's, such as the one for temporary files: a file in it says that it is
/// ours, and whose. It is written once the folder is held, so that one with the file is either held or left. `announce` is
/// told the path first: whoever kills us between the making and the marking would leave what nobody recognises.
pub(crate) fn marked(
    parent: &Path,
    prefix: &str,
    mode: u32,
    home: &Path,
    announce: &Announce<'_>,
) -> io::Result<Scratch> {
    let scratch = announced(parent, prefix, mode, announce)?;
    let path = scratch.path().join(MARK);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&[MADE, home.as_os_str().as_bytes()].concat())?;
    Ok(scratch)
}

/// The home of the process that made a folder among temporary files, if it is one of ours: a folder and no link, with the
/// file of [`marked`] and no link to it, both this user's. Anything else is somebody else's, whatever its name.
pub(crate) fn home_of(folder: &Path) -> Option<PathBuf> {
    let user = rustix::process::geteuid();
    let owned = |file: &File| rustix::fs::fstat(file).ok().filter(|stat| stat.st_uid == user.as_raw());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty());
    let opened = File::from(opened.ok()?);
    owned(&opened)?;
    let file = File::from(openat(&opened, MARK, flags, Mode::empty()).ok()?);
    let stat = owned(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
        return None;
    }
    let mut text = Vec::new();
    file.take(LONGEST_MARK).read_to_end(&mut text).ok()?;
    Some(PathBuf::from(OsStr::from_bytes(text.strip_prefix(MADE)?)))
}

/// Removes what killed processes of ours left below `parent`. What cannot be removed is left to the next time.
pub(crate) fn clear_leftovers(parent: &Path) {
    clear_older_than(parent, YOUNG);
}

fn clear_older_than(parent: &Path, age: Duration) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let is_ours = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX))
    };
    let folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(is_ours).filter(|path| is_older(path, age)).collect();
    for path in folders.iter().filter(|path| !hold::is_held(path)) {
        let _ = remove_unheld(path);
    }
}

/// Removes a folder with all in it, unless somebody holds it. Follows no link.
pub(crate) fn remove_unheld(path: &Path) -> io::Result<()> {
    let _lock = hold::take_own(path)?;
    clear_folder(path).map_err(io::Error::other)?;
    std::fs::remove_dir(path)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let metadata = path.symlink_metadata();
    let modified = metadata.and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|elapsed| elapsed >= age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_temporary_files_are_told_without_their_path() {
        let error = tempfile::tempdir_in("/nowhere-at-all").expect_err("no such folder");
        assert!(error.to_string().contains("/nowhere-at-all"), "{error}");
        let plain = without_path(error);
        assert_eq!(plain.kind(), io::ErrorKind::NotFound);
        assert_eq!(plain.to_string(), "No such file or directory (os error 2)");
        let other = io::Error::from_raw_os_error(28);
        assert_eq!(without_path(other).raw_os_error(), Some(28), "others stay as they are");
    }

    #[test]
    fn a_folder_is_ours_by_its_mark_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        let home = Path::new("/home/x/.cache/researchgym");
        let told = std::cell::RefCell::new(None);
        let announce = |path: &Path| {
            assert!(!path.exists(), "it is told of before it is made");
            told.replace(Some(path.to_owned()));
            Ok(())
        };
        let ours = marked(parent.path(), "researchgym-host-", 0o755, home, &announce).expect("a folder");
        assert_eq!(home_of(ours.path()).as_deref(), Some(home));
        assert_eq!(told.take().as_deref(), Some(ours.path()));
        let mark = ours.path().join(MARK);
        let look_alike = |name: &str, make: &dyn Fn(&Path) -> io::Result<()>| {
            let folder = parent.path().join(name);
            std::fs::create_dir(&folder).and_then(|()| make(&folder.join(MARK))).expect("it can be made");
            assert_eq!(home_of(&folder), None, "{name}");
        };
        look_alike("researchgym-host-without", &|_| Ok(()));
        look_alike("researchgym-host-linked", &|path| std::os::unix::fs::symlink(&mark, path));
        look_alike("researchgym-host-other", &|path| std::fs::write(path, "notes"));
        look_alike("researchgym-host-folder", &|path| std::fs::create_dir(path));
        std::os::unix::fs::symlink(ours.path(), parent.path().join("researchgym-host-link")).expect("a link");
        assert_eq!(home_of(&parent.path().join("researchgym-host-link")), None);
        assert_eq!(home_of(&mark), None);
        look_alike("researchgym-host-hard", &|path| std::fs::hard_link(&mark, path));
    }

    #[test]
    fn leftovers_are_removed_and_folders_in_use_are_not() {
        let parent = tempfile::tempdir().expect("a folder");
        let used = folder(parent.path()).expect("a folder");
        let gateway = named(parent.path(), "researchgym-gateway-", 0o711).expect("a folder");
        let left = parent.path().join("researchgym-scratch-left");
        let foreign = parent.path().join("thesis");
        std::fs::create_dir(&foreign).expect("a folder");
        std::fs::create_dir_all(left.join("deep")).expect("a folder");
        std::fs::write(left.join("deep/file"), "x").expect("a file");
        clear_leftovers(parent.path());
        assert!(left.is_dir(), "it may be one that is about to be locked");
        clear_older_than(parent.path(), Duration::ZERO);
        assert_eq!((left.exists(), used.path().is_dir(), gateway.path().is_dir()), (false, true, true));
        assert!(foreign.is_dir(), "what is not ours stays");
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }
}
