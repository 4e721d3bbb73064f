//! Jobs that nobody wants any more: cancelled together, and watched until they are gone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::follow::Followed;
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
    /// The comment that it bears.
    mark: String,
    /// Whether its number means it: a controller that was killed gives numbers away again, so that one which an earlier process
    /// wrote down is looked up first.
    is_ours: bool,
    since: Instant,
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
    pub(super) fn add(&mut self, followed: Followed, folder: PathBuf, now: Instant) {
        let Followed { id, mark, is_ours, .. } = followed;
        self.jobs.entry(id).or_insert(One { folder, mark, is_ours, since: now, cancelled: None });
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

    /// Takes those out that were gone when the queue was asked at `asked`, and those whose numbers mean somebody else's jobs.
    pub(super) fn gone(&mut self, queue: &Queue, asked: Instant) -> Vec<(JobId, PathBuf)> {
        let is_gone = |id: &JobId, one: &mut One| {
            let seen = queue.find(*id).filter(|seen| seen.is_marked(&one.mark));
            let is_over = seen.is_none_or(|seen| matches!(seen.stage, Stage::Ended(_)));
            match one.cancelled {
                Some(cancelled) => cancelled <= asked && is_over,
                None if one.is_ours || asked < one.since => false,
                None => {
                    one.is_ours = !is_over;
                    is_over
                }
            }
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
        self.is_ours && self.cancelled.is_none_or(|cancelled| now.duration_since(cancelled) >= AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::queue::parse;
    use super::*;

    #[test]
    fn a_number_that_means_somebody_elses_job_is_never_cancelled() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let queue = |comment: &str| {
            let jobs = json!({ "jobs": [{ "job_id": 7, "job_state": "PENDING", "comment": comment }] });
            parse(&jobs.to_string()).unwrap()
        };
        let number: JobId = "7".parse().unwrap();
        let doomed = |is_ours| {
            let mut doomed = Doomed::default();
            let followed = Followed::new(number, "mine".to_owned(), is_ours, start);
            doomed.add(followed, PathBuf::from("/job"), start);
            doomed
        };
        // Handed over by this process: it is known whose it is.
        assert_eq!(doomed(true).due(start), [number]);
        // Noted down by an earlier one: not before the queue has shown it with its mark.
        let mut mine = doomed(false);
        assert_eq!(mine.due(start), []);
        assert_eq!(mine.gone(&queue("mine"), later), []);
        assert_eq!(mine.due(later), [number]);
        let mut other = doomed(false);
        assert_eq!(other.gone(&queue("somebody else"), later), [(number, PathBuf::from("/job"))]);
        assert!(other.is_empty());
    }
}
