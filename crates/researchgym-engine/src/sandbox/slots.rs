//! Unprivileged user ids for sandboxes started as root: one per sandbox at a time.
//!
//! A slot is a locked file in the home folder, so the kernel frees it when we die. Processes with different home
//! folders may use the same id at the same time; process-id, mount and user namespaces keep them apart then.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use researchgym_core::wire::User;
use rustix::fs::FlockOperation;

/// The first id of slots. Far above what distributions and containers hand out.
const FIRST_ID: u32 = 1_900_000_000;
const SLOTS: u32 = 60_000;

/// All slots that this process holds or may take.
pub(super) struct Slots {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: Vec<Slot>,
    next: u32,
}

/// One id, ours until dropped.
pub(super) struct Slot {
    pub user: User,
    /// A user namespace in which 0 is 0 and 1000 is this id, once one was made.
    pub namespace: Option<OwnedFd>,
    _lock: File,
}

impl Slots {
    pub(super) fn new(home: &Path) -> Slots {
        Slots { folder: home.join("slots"), state: Mutex::default() }
    }

    /// Takes a slot that nobody holds.
    pub(super) fn take(&self) -> io::Result<Slot> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(slot) = state.free.pop() {
            return Ok(slot);
        }
        std::fs::create_dir_all(&self.folder)?;
        let (first, count) = id_range()?;
        while state.next < count {
            let number = state.next;
            state.next += 1;
            let path = self.folder.join(number.to_string());
            let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    let user = User { uid: first + number, gid: first + number };
                    return Ok(Slot { user, namespace: None, _lock: lock });
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("all user ids for sandboxes are in use"))
    }

    /// Keeps a slot, with its namespace, for the next sandbox.
    pub(super) fn give_back(&self, slot: Slot) {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).free.push(slot);
    }
}

/// The ids that may be used: in a container with a user namespace of its own not all exist.
fn id_range() -> io::Result<(u32, u32)> {
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    let ranges = map.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let first = fields.next()?.parse::<u64>().ok()?;
        let count = fields.nth(1)?.parse::<u64>().ok()?;
        Some((first, first + count))
    });
    let usable = |(first, end): (u64, u64)| {
        let last_choice = end.saturating_sub(u64::from(SLOTS)).max(first).max(1);
        let start =
            if (first..end).contains(&u64::from(FIRST_ID)) { u64::from(FIRST_ID) } else { last_choice };
        let count = end.saturating_sub(start).min(u64::from(SLOTS));
        (count > 0).then_some((start as u32, count as u32))
    };
    ranges
        .filter_map(usable)
        .max_by_key(|&(_, count)| count)
        .ok_or_else(|| io::Error::other("no user id but 0 exists here"))
}
