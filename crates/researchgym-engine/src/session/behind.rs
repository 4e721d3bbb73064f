//! Waiting for the disk beside a run that goes on.
//!
//! A search books calls faster than a disk takes them in. What is booked is in the kernel's hands at once, which a kill of
//! this process does not undo; a power cut does, until the disk has it. [`Behind`] brings it there beside the loop, all
//! that has come meanwhile together, and lets the loop get ahead by [`MOST_BEHIND`] requests or [`LONGEST_BEHIND`], no
//! more. No event reaches the disk before the blobs that it names.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Blobs, StoreError};

/// So many requests may wait for the disk.
const MOST_BEHIND: u64 = 64;
/// What comes within this time goes to the disk together: while the disk is at it, the file system lets nobody write much.
const GATHERED: Duration = Duration::from_millis(100);
/// A loop that finds the disk at work for longer waits for it.
const LONGEST_BEHIND: Duration = Duration::from_millis(250);

/// What a run has handed over and its disk may not have yet.
#[derive(Clone)]
pub(super) struct Behind {
    shared: Arc<Shared>,
}

struct Shared {
    blobs: Blobs,
    log: File,
    /// Closed while the disk takes in the log: no event that names a new blob is appended then.
    gate: Mutex<()>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    asked: u64,
    done: u64,
    /// Since when somebody is at it.
    at_work: Option<Instant>,
    /// Somebody waits.
    is_awaited: bool,
    failed: Option<StoreError>,
}

impl Behind {
    /// For a log that is open as `log` too.
    pub(super) fn new(blobs: Blobs, log: File) -> Behind {
        let (gate, progress, changed) = (Mutex::new(()), Mutex::default(), Condvar::new());
        Behind { shared: Arc::new(Shared { blobs, log, gate, progress, changed }) }
    }

    /// Has all that was appended so far brought to the disk, and does not wait for it. Says whether the run is far ahead
    /// of the disk and should [wait](Behind::settle).
    ///
    /// # Errors
    /// What was asked for before has failed: nothing may build on it.
    pub(super) fn ask(&self) -> Result<bool, StoreError> {
        let mut progress = self.progress();
        progress.asked += 1;
        let is_far = progress.asked - progress.done > MOST_BEHIND
            || progress.at_work.is_some_and(|began| began.elapsed() > LONGEST_BEHIND);
        if progress.at_work.is_none() && progress.failed.is_none() {
            progress.at_work = Some(Instant::now());
            let shared = self.shared.clone();
            tokio::task::spawn_blocking(move || shared.work());
        }
        progress.failed.take().map_or(Ok(is_far), Err)
    }

    /// Waits until nobody is at it any more.
    ///
    /// # Errors
    /// As [`Behind::ask`].
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        let mut progress = self.progress();
        progress.is_awaited = true;
        self.shared.changed.notify_all();
        while progress.at_work.is_some() {
            progress = self.shared.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        progress.is_awaited = false;
        progress.failed.take().map_or(Ok(()), Err)
    }

    /// Does something that appends: if blobs are not on the disk yet, not while it takes in the log.
    pub(super) fn appending<T>(&self, append: impl FnOnce() -> T) -> T {
        let closed = || self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let _closed = self.shared.blobs.are_behind().then(closed);
        append()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Until there is nothing left to do.
    fn work(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        while progress.done < progress.asked && progress.failed.is_none() {
            let is_early = |progress: &mut Progress| !progress.is_awaited;
            let gathered = self.changed.wait_timeout_while(progress, GATHERED, is_early);
            progress = gathered.unwrap_or_else(PoisonError::into_inner).0;
            let asked = progress.asked;
            drop(progress);
            let synced = self.sync();
            progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            match synced {
                Ok(()) => progress.done = asked,
                Err(error) => progress.failed = Some(error),
            }
            progress.at_work = Some(Instant::now());
        }
        progress.at_work = None;
        drop(progress);
        self.changed.notify_all();
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.blobs.sync_pending()?;
        let _closed = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that were put meanwhile.
        self.blobs.sync_pending()?;
        self.log.sync_data().map_err(|source| StoreError::io("sync", self.blobs.folder())(source))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn behind(folder: &std::path::Path) -> (Behind, Blobs, File) {
        let blobs = Blobs::at(folder.join("blobs"));
        std::fs::create_dir(blobs.folder()).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        (Behind::new(blobs.clone(), log.try_clone().unwrap()), blobs, log)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_left_behind_once_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (behind, blobs, mut log) = behind(folder.path());
        for number in 0..300_u32 {
            let digest = blobs.put(&number.to_le_bytes()).unwrap();
            assert!(blobs.are_behind());
            behind.appending(|| writeln!(log, "{digest}").unwrap());
            if behind.ask().unwrap() {
                tokio::task::block_in_place(|| behind.settle()).unwrap();
                assert!(!blobs.are_behind());
            }
        }
        tokio::task::block_in_place(|| behind.settle()).unwrap();
        let progress = behind.progress();
        assert_eq!((progress.asked, progress.done, progress.at_work), (300, 300, None));
        assert!(!blobs.are_behind());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_disk_has_not_taken_in_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let (behind, blobs, _log) = behind(folder.path());
        let digest = blobs.put(b"a blob that goes before the disk has it").unwrap();
        std::fs::remove_file(blobs.path(digest)).unwrap();
        let first = behind.ask();
        let then = tokio::task::block_in_place(|| behind.settle());
        let told: Vec<String> =
            [first.err(), then.err()].into_iter().flatten().map(|error| error.to_string()).collect();
        assert_eq!(told, [format!("the blob `{}` is missing", blobs.path(digest).display())]);
    }
}
