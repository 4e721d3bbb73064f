//! Where a run is kept: `runs/YYYY-MM-DD/<id>/`, open to its owner alone because its log holds the grading secret.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Blobs, IMPORTED, RunLock, StoreError};

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
    id: String,
}

/// How many candidates are named when a prefix is not unique.
const SHOWN_CANDIDATES: usize = 5;

impl RunFolder {
    /// Makes the folder of a new run below `runs`, with a new random id and the day (UTC) of `now`.
    pub fn create(runs: &Path, now: Timestamp) -> Result<RunFolder, StoreError> {
        let day = runs.join(now.strftime("%Y-%m-%d").to_string());
        fs::create_dir_all(&day).map_err(StoreError::io("create", &day))?;
        let day = day.canonicalize().map_err(StoreError::io("find", &day))?;
        loop {
            let mut random = [0; 4];
            getrandom::fill(&mut random).map_err(|error| {
                StoreError::io("name a new run in", &day)(io::Error::other(error.to_string()))
            })?;
            let id = hex::encode(random);
            let folder = RunFolder { root: day.join(&id), id };
            match fs::DirBuilder::new().mode(0o700).create(&folder.root) {
                Ok(()) => {
                    folder.create_inner()?;
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("create", &folder.root)(error)),
            }
        }
    }

    /// Makes the folders that every run has.
    pub(crate) fn create_inner(&self) -> Result<(), StoreError> {
        for inner in [self.blobs_path(), self.workspace(), self.submissions(), self.logs()] {
            fs::create_dir_all(&inner).map_err(StoreError::io("create", &inner))?;
        }
        let day = self.root.parent().unwrap_or(&self.root);
        sync_folder(&self.root)?;
        sync_folder(day)
    }

    /// The run in an existing folder. Whether there is a log in it is seen when the log is read.
    pub fn open(path: &Path) -> Result<RunFolder, StoreError> {
        let root = path.canonicalize().map_err(StoreError::io("open", path))?;
        let id = root.file_name().map(|name| name.to_string_lossy().into_owned());
        match id {
            Some(id) if root.is_dir() => Ok(RunFolder { root, id }),
            Some(_) | None => Err(StoreError::NotAFolder { path: path.to_owned() }),
        }
    }

    /// The run meant by a path, an id, or the beginning of an id that no other run below `runs` shares.
    pub fn find(runs: &Path, name: &str) -> Result<RunFolder, StoreError> {
        if name.contains('/')
            || ["events.jsonl", IMPORTED].iter().any(|log| Path::new(name).join(log).exists())
        {
            return RunFolder::open(Path::new(name));
        }
        let mut candidates: Vec<RunFolder> =
            RunFolder::list(runs).filter(|folder| !name.is_empty() && folder.id.starts_with(name)).collect();
        if let Some(exact) = candidates.iter().position(|folder| folder.id == name) {
            return Ok(candidates.swap_remove(exact));
        }
        match candidates.len() {
            0 => Err(StoreError::NoRun { name: name.to_owned(), runs: runs.to_owned() }),
            1 => Ok(candidates.swap_remove(0)),
            _ => {
                candidates.truncate(SHOWN_CANDIDATES);
                let candidates = candidates.into_iter().map(|folder| folder.id).collect();
                Err(StoreError::Ambiguous { name: name.to_owned(), candidates })
            }
        }
    }

    /// The runs below `runs`, day by day; within a day by id. What does not look like a run is passed over.
    pub fn list(runs: &Path) -> impl Iterator<Item = RunFolder> {
        let runs = runs.canonicalize().unwrap_or_else(|_| runs.to_owned());
        let days = sorted_names(&runs).into_iter().filter(|name| is_day(name)).map(move |day| runs.join(day));
        days.flat_map(|day| {
            let ids = sorted_names(&day).into_iter().filter(|name| is_id(name));
            ids.map(move |id| RunFolder { root: day.join(&id), id })
        })
        .filter(|folder| folder.root.is_dir())
    }

    /// Takes the run for this process until the lock is dropped or the process dies.
    pub fn lock(&self) -> Result<RunLock, StoreError> {
        RunLock::take(&self.root)
    }

    /// Whether a process works on the run at this moment.
    pub fn is_locked(&self) -> bool {
        RunLock::is_held(&self.root)
    }

    /// The blobs of this run.
    pub fn blobs(&self) -> Blobs {
        Blobs::at(self.blobs_path())
    }

    /// The run's id: the name of its folder.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The event log.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// What an import wrote, if the run is somebody else's: the record, then a step a line (decision 19).
    pub fn imported(&self) -> PathBuf {
        self.root.join(IMPORTED)
    }

    /// Whether the run was imported: then it has no event log.
    pub fn is_imported(&self) -> bool {
        self.imported().is_file()
    }

    /// Where torn lines that were cut off the log are kept.
    pub fn torn(&self) -> PathBuf {
        self.root.join("events.torn")
    }

    /// The folder of the blobs.
    pub fn blobs_path(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// What the agent works in.
    pub fn workspace(&self) -> PathBuf {
        self.root.join("workspace/input")
    }

    /// Parent of [`RunFolder::submission`].
    pub fn submissions(&self) -> PathBuf {
        self.root.join("submissions")
    }

    /// The checkout of what attempt `number` scored.
    pub fn submission(&self, number: u64) -> PathBuf {
        self.submissions().join(number.to_string())
    }

    /// The folder of the logs for people.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// `plan.json`.
    pub fn plan(&self) -> PathBuf {
        self.root.join("plan.json")
    }

    /// `metadata.json`.
    pub fn metadata(&self) -> PathBuf {
        self.root.join("metadata.json")
    }

    /// `status.json`.
    pub fn status(&self) -> PathBuf {
        self.root.join("status.json")
    }
}

/// A moment as the log writes it: RFC 3339 in UTC with milliseconds.
pub fn event_time(now: Timestamp) -> String {
    format!("{now:.3}")
}

/// This moment, likewise.
pub fn now() -> String {
    event_time(Timestamp::now())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = fs::File::open(path).map_err(StoreError::io("open", path))?;
    folder.sync_all().map_err(StoreError::io("sync", path))
}

fn sorted_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// Whether a name is that of a day's folder.
pub(crate) fn is_day(name: &str) -> bool {
    name.len() == 10
        && name.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// Whether a name is that of a run's folder.
pub(crate) fn is_id(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
