//! Who has which device: a locked file per device, in one folder for all programs of a user on this machine.
//!
//! The kernel frees a lock with the process that holds it, so nothing is left after `kill -9`. The file says who holds it,
//! for people only: without the lock its text means nothing. Root's folder is `/run/researchgym-gpus`, others have
//! theirs in `/tmp`; different users do not know of each other unless they name a common folder.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::GpuError;

/// Held while locks of devices are taken or looked at, so that a look disturbs nobody.
const ALLOCATION: &str = "allocation.lock";
/// It is held for some microseconds; a process that was stopped at that moment is not waited for.
const ALLOCATION_TIME: Duration = Duration::from_secs(10);
const PULSE: Duration = Duration::from_millis(5);
/// No holder's text is longer.
const MOST_BYTES: u64 = 4096;

/// Who holds a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process; null if it does not say.
    pub pid: Option<u32>,
    /// The run; null if it does not say.
    pub run: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.run, self.pid) {
            (Some(run), Some(pid)) => write!(formatter, "run {run} (process {pid})"),
            (None, Some(pid)) => write!(formatter, "process {pid}"),
            (_, None) => formatter.write_str("another process"),
        }
    }
}

/// A device that is ours until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of a device, or says who has it.
    pub(super) fn take(folder: &Path, uuid: &str) -> Result<Result<Lock, Holder>, GpuError> {
        let path = folder.join(format!("{uuid}.lock"));
        let mut file = open(&path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let lock = Lock { file, path };
                lock.write(&Holder { pid: Some(std::process::id()), run: None })?;
                Ok(Ok(lock))
            }
            Err(Errno::WOULDBLOCK) => Ok(Err(holder(&mut file))),
            Err(error) => Err(GpuError::Lock { path, source: error.into() }),
        }
    }

    /// Says for which run it is held.
    pub(super) fn name(&mut self, run_id: &str) -> Result<(), GpuError> {
        self.write(&Holder { pid: Some(std::process::id()), run: Some(run_id.to_owned()) })
    }

    fn write(&self, holder: &Holder) -> Result<(), GpuError> {
        let text = serde_json::to_vec(holder).unwrap_or_default();
        let mut file = &self.file;
        let written =
            file.set_len(0).and_then(|()| io::Seek::rewind(&mut file)).and_then(|()| file.write_all(&text));
        written.map_err(|source| GpuError::Lock { path: self.path.clone(), source })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // For those who look into the folder; what counts is the lock, which goes with the file.
        let _ = self.file.set_len(0);
    }
}

/// Keeps a folder in a place like `/tmp` from programs that remove what is old there: they leave locked ones alone.
pub(super) fn keep(folder: &Path) -> Result<File, GpuError> {
    let lost = |source| GpuError::Lock { path: folder.to_owned(), source };
    let opened = File::open(folder).map_err(lost)?;
    rustix::fs::flock(&opened, FlockOperation::NonBlockingLockShared).map_err(|error| lost(error.into()))?;
    Ok(opened)
}

/// The right to take and look at locks.
pub(super) fn allocation(folder: &Path) -> Result<File, GpuError> {
    let path = folder.join(ALLOCATION);
    let file = open(&path)?;
    let deadline = Instant::now() + ALLOCATION_TIME;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PULSE),
            Err(error) => return Err(GpuError::Lock { path, source: error.into() }),
        }
    }
}

/// All devices that are held now, by identity.
pub(super) fn holders(given: Option<&Path>) -> Result<Vec<(String, Holder)>, GpuError> {
    let folder = place(given);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let folder = self::folder(given)?;
    let lost = |source| GpuError::Lock { path: folder.clone(), source };
    let _allocation = allocation(&folder)?;
    let mut held = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(lost)? {
        let path = entry.map_err(lost)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(uuid) = name.strip_suffix(".lock").filter(|_| name != ALLOCATION) else { continue };
        let mut file = open(&path)?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            held.push((uuid.to_owned(), holder(&mut file)));
        }
    }
    Ok(held)
}

fn holder(file: &mut File) -> Holder {
    let mut text = Vec::new();
    let _ = file.take(MOST_BYTES).read_to_end(&mut text);
    serde_json::from_slice(&text).unwrap_or_default()
}

fn open(path: &Path) -> Result<File, GpuError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o666)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .map_err(|source| GpuError::Lock { path: path.to_owned(), source })
}

/// The folder, made if it is not there. The machine's own must be this user's alone: in a folder like `/tmp` somebody else
/// could have put it there.
pub(super) fn folder(given: Option<&Path>) -> Result<PathBuf, GpuError> {
    let path = place(given);
    let lost = |source| GpuError::Lock { path: path.clone(), source };
    if given.is_some() {
        std::fs::create_dir_all(&path).map_err(lost)?;
        return Ok(path);
    }
    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(lost(error)),
        _ => {}
    }
    let metadata = path.symlink_metadata().map_err(lost)?;
    let is_ours = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o022 == 0;
    if is_ours { Ok(path) } else { Err(GpuError::UnsafeFolder { path }) }
}

fn place(given: Option<&Path>) -> PathBuf {
    if let Some(folder) = given {
        return folder.to_owned();
    }
    let user = rustix::process::geteuid();
    match user.is_root() {
        true => "/run/researchgym-gpus".into(),
        // Not a folder of the environment, which differs between a user's programs.
        false => format!("/tmp/researchgym-gpus-{}", user.as_raw()).into(),
    }
}
