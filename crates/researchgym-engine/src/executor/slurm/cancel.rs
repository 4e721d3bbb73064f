//! Jobs that nobody wants any more: cancelled together, and watched until they are gone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::{JobId, Queue, Stage};

/// So many jobs in one `scancel`.
const AT_ONCE: usize = 200;
/// One that is not gone by then is cancelled once more: it may have been put back into the queue meanwhile.
const AGAIN: Duration = Duration::from_secs(60);

/// Jobs on their way out.
#[derive(Debug, Default)]
pub(super) struct Doomed {
    jobs: BTreeMap<JobId, One>,
}

#[derive(Debug)]
struct One {
    folder: PathBuf,
    /// When it was cancelled; `None`: it is to be.
    cancelled: Option<Instant>,
}

impl Doomed {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether a job is among them.
    pub(super) fn has(&self, id: JobId) -> bool {
        self.jobs.contains_key(&id)
    }

    /// Adds one.
    pub(super) fn add(&mut self, id: JobId, folder: PathBuf) {
        self.jobs.entry(id).or_insert(One { folder, cancelled: None });
    }

    /// Whether any is to be cancelled now.
    pub(super) fn has_due(&self, now: Instant) -> bool {
        self.jobs.values().any(|one| one.is_due(now))
    }

    /// Those to cancel now.
    pub(super) fn due(&self, now: Instant) -> Vec<JobId> {
        self.jobs.iter().filter(|(_, one)| one.is_due(now)).map(|(id, _)| *id).take(AT_ONCE).collect()
    }

    /// Notes that they were cancelled.
    pub(super) fn cancelled(&mut self, ids: &[JobId], now: Instant) {
        for id in ids {
            if let Some(one) = self.jobs.get_mut(id) {
                one.cancelled = Some(now);
            }
        }
    }

    /// Takes those out that were gone when the queue was asked at `asked`.
    pub(super) fn gone(&mut self, queue: &Queue, asked: Instant) -> Vec<(JobId, PathBuf)> {
        let is_gone = |id: &JobId, one: &mut One| {
            one.cancelled.is_some_and(|cancelled| cancelled <= asked)
                && queue.find(*id).is_none_or(|seen| matches!(seen.stage, Stage::Ended(_)))
        };
        self.jobs.extract_if(.., is_gone).map(|(id, one)| (id, one.folder)).collect()
    }

    /// Their names.
    pub(super) fn names(&self) -> String {
        self.jobs.keys().map(JobId::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl One {
    fn is_due(&self, now: Instant) -> bool {
        self.cancelled.is_none_or(|cancelled| now.duration_since(cancelled) >= AGAIN)
    }
}
