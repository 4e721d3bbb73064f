//! What a job's folder says of its way to the cluster: `submitting.json` before it is handed over, `submitted.json` after.
//!
//! Between the two this process may die, or the controller's answer may be lost: then the queue is asked for the mark that
//! the intent names. If it knows none, the job is handed over again; should both arrive, the job's own claim lets one work.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::queue::JobId;

/// Written once by the job, and never replaced.
const RESULT: &str = "result.json";
const INTENT: &str = "submitting.json";
const SUBMITTED: &str = "submitted.json";
/// The last `submitted.json` of a job that the cluster has lost or that was cancelled.
const LOST: &str = "lost.json";

/// That a job is about to be handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// The comment that the job or its array will bear, and nothing else does.
    pub(super) mark: String,
    /// Its place, if an array is handed over.
    pub(super) task: Option<u32>,
    /// Where the array's list of folders lies.
    pub(super) batch: Option<PathBuf>,
}

/// That a job was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Submitted {
    /// As the cluster names it: `12` or `12_3`.
    pub(super) id: String,
    /// The comment that it or its array bears: a controller that was killed may give its number to another job.
    #[serde(default)]
    pub(super) mark: String,
    /// When this was written, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// Where the array's list of folders lies.
    pub(super) batch: Option<PathBuf>,
}

/// How far a job has come by its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// To its result.
    Done,
    /// To the cluster.
    Submitted(JobId, String),
    /// Perhaps to the cluster.
    Intended(Intent),
    /// Nowhere yet.
    New,
}

/// Reads how far a job has come. What is half written or unreadable counts as not there.
pub(super) fn read(folder: &Path) -> Trace {
    if has_result(folder) {
        return Trace::Done;
    }
    let id = stored::<Submitted>(&folder.join(SUBMITTED))
        .and_then(|submitted| Some((submitted.id.parse().ok()?, submitted.mark)));
    match (id, stored(&folder.join(INTENT))) {
        (Some((id, mark)), _) => Trace::Submitted(id, mark),
        (None, Some(intent)) => Trace::Intended(intent),
        (None, None) => Trace::New,
    }
}

/// Whether the result is there.
pub(super) fn has_result(folder: &Path) -> bool {
    folder.join(RESULT).is_file()
}

/// Looks for the result with the folder listed anew: a client of a shared file system may remember that a file was not there.
pub(super) fn has_result_by_listing(folder: &Path) -> bool {
    let listed = || Some(std::fs::read_dir(folder).ok()?.flatten().any(|entry| entry.file_name() == RESULT));
    has_result(folder) || (listed() == Some(true))
}

/// Says that a job is about to be handed over; on the disk when this returns.
pub(super) fn intend(folder: &Path, intent: &Intent) -> io::Result<()> {
    place(folder, INTENT, intent)
}

/// Says that a job was handed over; on the disk when this returns.
pub(super) fn submitted(folder: &Path, submitted: &Submitted) -> io::Result<()> {
    place(folder, SUBMITTED, submitted)
}

/// Lets the job be handed over again when it is asked for again.
pub(super) fn forget(folder: &Path) -> io::Result<()> {
    let missing_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    // In this order: an intent without a submission would have the queue asked in vain, and no more.
    missing_is_fine(std::fs::rename(folder.join(SUBMITTED), folder.join(LOST)))?;
    missing_is_fine(std::fs::remove_file(folder.join(INTENT)))
}

fn stored<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn place<T: Serialize>(folder: &Path, name: &str, value: &T) -> io::Result<()> {
    let mut file = NamedTempFile::with_prefix_in(".new-", folder)?;
    serde_json::to_writer(&mut file, value)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_how_far_its_job_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let intent = Intent { mark: "m".to_owned(), task: Some(3), batch: Some(PathBuf::from("/b")) };
        let id: JobId = "12_3".parse().unwrap();
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(read(folder), Trace::New);
        intend(folder, &intent).unwrap();
        assert_eq!(read(folder), Trace::Intended(intent.clone()));
        submitted(
            folder,
            &Submitted {
                id: id.to_string(),
                mark: "m".to_owned(),
                at_ms: 1,
                batch: Some(PathBuf::from("/b")),
            },
        )
        .unwrap();
        assert_eq!(read(folder), Trace::Submitted(id, "m".to_owned()));
        forget(folder).unwrap();
        assert_eq!((read(folder), names()), (Trace::New, vec!["lost.json".to_owned()]));
        forget(folder).unwrap();
        std::fs::write(folder.join("submitted.json"), "{\"id\":").unwrap();
        assert_eq!(read(folder), Trace::New);
        std::fs::write(folder.join("result.json"), "{}").unwrap();
        assert_eq!(read(folder), Trace::Done);
        assert!(has_result_by_listing(folder));
    }
}
