//! Jobs that are over and that Slurm holds all the same: a controller that was killed may put a job back into its queue after
//! the job's result was there, and hold it until somebody comes.
//!
//! Whoever asks for the queue sees them, whichever process handed them over; those in whose folders nothing is left to do are
//! cancelled. One that is put back and not held ends by itself: it finds its result.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::super::folder::BATCHES;
use super::desk::{Desk, Stage};
use super::events::Event;
use super::follow::Followed;
use super::queue::{JobId, Queue};
use super::trace;

/// A run's own file: where it is, the run is there.
const LOG: &str = "events.jsonl";
/// Below a run's folder.
const JOBS: &str = "jobs";

/// Held jobs that were looked at.
#[derive(Debug, Default)]
pub(super) struct Strays {
    known: BTreeSet<JobId>,
    is_looking: bool,
}

impl Desk {
    /// Looks at held jobs of ours that nobody here waits for.
    pub(super) fn look_at_held(&mut self, queue: &Queue, now: Instant) {
        let held: Vec<(JobId, String, PathBuf)> =
            queue.held().map(|(id, mark, place)| (id, mark.to_owned(), PathBuf::from(place))).collect();
        // One that was released, or is gone, may be held again.
        self.strays.known.retain(|known| held.iter().any(|(id, ..)| id == known));
        if self.strays.is_looking {
            return;
        }
        let waited_for: BTreeSet<JobId> = self.jobs.values().filter_map(|job| id_of(&job.stage)).collect();
        let new: Vec<(JobId, String, PathBuf)> = held
            .into_iter()
            .filter(|(id, ..)| {
                !waited_for.contains(id) && !self.doomed.has(*id) && !self.strays.known.contains(id)
            })
            .collect();
        if new.is_empty() {
            return;
        }
        self.strays.known.extend(new.iter().map(|(id, ..)| *id));
        self.strays.is_looking = true;
        self.tasks.spawn_blocking(move || {
            let over = new.into_iter().filter_map(|(id, mark, place)| {
                let folder = over(&place, id.task)?;
                Some((Followed::new(id, mark, true, now), folder))
            });
            Event::Swept { over: over.collect() }
        });
    }

    /// Cancels those that are over.
    pub(super) fn on_swept(&mut self, over: Vec<(Followed, PathBuf)>, now: Instant) {
        self.strays.is_looking = false;
        for (followed, folder) in over {
            (self.warn)(&format!(
                "job {} was held in Slurm's queue although nothing is left to do in {}; it is cancelled",
                followed.id,
                folder.display()
            ));
            self.doomed.add(followed, folder, now);
        }
    }
}

/// The job that is waited for.
fn id_of(stage: &Stage) -> Option<JobId> {
    match stage {
        Stage::Followed(followed) | Stage::Accounting(followed) => Some(followed.id),
        Stage::Parked(id) => Some(*id),
        Stage::Reading | Stage::New { .. } | Stage::HandingOver | Stage::Unsure { .. } => None,
    }
}

/// The folder of a job that works at a place, if it is known that nothing is left to do there: its result is there, or it was
/// removed while its run is still there.
fn over(place: &Path, task: Option<u32>) -> Option<PathBuf> {
    let folder = match task {
        None => place.to_path_buf(),
        Some(task) => match std::fs::read_to_string(place.join("folders")) {
            Ok(list) => PathBuf::from(list.lines().nth(usize::try_from(task).ok()?)?),
            // Lists are removed when none of their jobs is left.
            Err(_) => place.to_path_buf(),
        },
    };
    let is_gone = || {
        let jobs = folder.parent()?;
        let jobs = if jobs.file_name()? == BATCHES { jobs.parent()? } else { jobs };
        let run = jobs.parent().filter(|_| jobs.file_name().is_some_and(|name| name == JOBS))?;
        (!folder.try_exists().ok()? && run.join(LOG).is_file()).then_some(())
    };
    (trace::has_result_by_listing(&folder) || is_gone().is_some()).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_done_with_when_its_result_is_there_or_it_alone_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("run");
        let jobs = run.join("jobs");
        for name in ["open", "done", "batches/two"] {
            std::fs::create_dir_all(jobs.join(name)).unwrap();
        }
        std::fs::write(jobs.join("done/result.json"), "{}").unwrap();
        let lines = ["open", "done", "gone"].map(|name| jobs.join(name).display().to_string());
        std::fs::write(jobs.join("batches/two/folders"), lines.join("\n")).unwrap();
        let check = |name: &str, task: Option<u32>, expected: Option<&str>| {
            let expected = expected.map(|name| jobs.join(name));
            assert_eq!(over(&jobs.join(name), task), expected, "{name} {task:?}");
        };
        // Nothing is known of a run that cannot be seen.
        check("gone", None, None);
        std::fs::write(run.join("events.jsonl"), "").unwrap();
        check("gone", None, Some("gone"));
        check("open", None, None);
        check("done", None, Some("done"));
        check("batches/two", Some(0), None);
        check("batches/two", Some(1), Some("done"));
        check("batches/two", Some(2), Some("gone"));
        check("batches/two", Some(3), None);
        check("batches/one", Some(0), Some("batches/one"));
        assert_eq!(over(Path::new("/"), None), None);
        assert_eq!(over(Path::new("/nowhere/at/all"), None), None);
    }
}
