//! All runs of a store as records, from the index where it is up to date.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use researchgym_core::record::{Origin, Query, RunRecord};
use researchgym_core::result::{Progress, RunResult};
use serde_json::value::RawValue;

use super::index::{self, Entry, Stamp};
use super::own::record_of;
use crate::store::RunFolder;

/// The runs of a store.
#[derive(Debug, Default)]
pub struct Library {
    /// Those that can be read, oldest first.
    pub runs: Vec<Kept>,
    /// Those that cannot.
    pub broken: Vec<Broken>,
    /// What went wrong without harm: the index could not be written.
    pub warnings: Vec<String>,
}

/// A run with its record.
#[derive(Debug)]
pub struct Kept {
    /// Where it is.
    pub folder: RunFolder,
    /// What it was.
    pub record: RunRecord,
    result: Option<Box<RawValue>>,
}

/// A run that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its folder.
    pub run: String,
    /// What is wrong.
    pub error: String,
}

impl Kept {
    /// Whether it is a run of ours.
    pub fn is_own(&self) -> bool {
        matches!(self.record.origin, Origin::Researchgym { .. })
    }

    /// The result object of a run of ours.
    pub fn result(&self) -> Option<RunResult> {
        let mut result: RunResult = serde_json::from_str(self.result.as_ref()?.get()).ok()?;
        // The store may have been moved since.
        result.run = self.folder.root().display().to_string();
        Some(result)
    }
}

impl Library {
    /// Reads the store: what the index does not know, or knows of an earlier state, is derived from the runs themselves.
    /// A folder that is not there holds no runs.
    pub fn read(runs: &Path) -> Library {
        let mut known = index::read(runs);
        let folders: Vec<RunFolder> = RunFolder::list(runs).collect();
        let stamps = spread(&folders, Stamp::of);
        let total = folders.len();
        let mut entries: Vec<(RunFolder, Entry)> = Vec::with_capacity(total);
        let mut stale: Vec<(RunFolder, Option<Stamp>)> = Vec::new();
        for (folder, stamp) in folders.into_iter().zip(stamps) {
            match known.remove(&place(&folder)) {
                Some(entry) if Some(entry.stamp) == stamp => entries.push((folder, entry)),
                _ => stale.push((folder, stamp)),
            }
        }
        let mut library = Library::default();
        let derived = spread(&stale, |(folder, _)| record_of(folder));
        let mut fresh = 0;
        let mut unended = Vec::new();
        for ((folder, stamp), derived) in stale.into_iter().zip(derived) {
            match (derived, stamp) {
                (Ok((record, result)), Some(stamp)) => {
                    let result = result.and_then(|result| serde_json::value::to_raw_value(&result).ok());
                    let entry = Entry { place: place(&folder), stamp, record, result };
                    // Whether somebody works on it is not in its files.
                    if entry.record.state == Progress::Ended {
                        fresh += 1;
                        entries.push((folder, entry));
                    } else {
                        unended.push((folder, entry));
                    }
                }
                (Err(error), _) => {
                    let run = folder.root().display().to_string();
                    library.broken.push(Broken { run, error: error.to_string() });
                }
                (Ok(_), None) => {}
            }
        }
        // Whatever is left of the index by now are runs that are gone.
        if fresh + known.len() > 0
            && let Err(error) = index::write(runs, entries.iter().map(|(_, entry)| entry))
        {
            library.warnings.push(format!("the index of the runs is not kept: {error}"));
        }
        entries.append(&mut unended);
        library.runs = entries
            .into_iter()
            .map(|(folder, entry)| Kept { folder, record: entry.record, result: entry.result })
            .collect();
        library.runs.sort_by(|one, other| {
            let key = |kept: &Kept| (kept.record.started_at.clone(), place(&kept.folder));
            key(one).cmp(&key(other))
        });
        library
    }

    /// Leaves only the runs that pass.
    pub fn select(&mut self, query: &Query) {
        self.runs.retain(|kept| query.matches(&kept.record));
    }

    /// The records alone.
    pub fn into_records(self) -> Vec<RunRecord> {
        self.runs.into_iter().map(|kept| kept.record).collect()
    }
}

fn place(folder: &RunFolder) -> String {
    let day = folder.root().parent().and_then(Path::file_name).unwrap_or_default();
    format!("{}/{}", day.to_string_lossy(), folder.id())
}

/// Does something with each of many things, on all cores, and keeps their order.
pub(super) fn spread<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(things.len() / 16 + 1);
    if workers < 2 {
        return things.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let work = &work;
        let next = &next;
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(move || {
                    let mut done = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(thing) = things.get(at) else { return done };
                        done.push((at, work(thing)));
                    }
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
