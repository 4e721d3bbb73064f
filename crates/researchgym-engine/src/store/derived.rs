//! Files that are derived from the log for people and scripts. They may be deleted; a failure to write one is a
//! warning, never the end of a run.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{RunFolder, StoreError};

/// Writes `plan.json`: what was asked for.
pub fn write_plan(folder: &RunFolder, plan: &impl Serialize) -> Result<(), StoreError> {
    write_json(&folder.plan(), plan)
}

/// Writes `metadata.json`: versions, digests and times.
pub fn write_metadata(folder: &RunFolder, metadata: &impl Serialize) -> Result<(), StoreError> {
    write_json(&folder.metadata(), metadata)
}

/// Writes `status.json`: the result object so far.
pub fn write_status(folder: &RunFolder, status: &impl Serialize) -> Result<(), StoreError> {
    write_json(&folder.status(), status)
}

/// Writes a JSON file whole: a reader sees the old or the new one, never half.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| StoreError::io("write", path)(error.into()))?;
    bytes.push(b'\n');
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)
        .map_err(StoreError::io("write", path))?;
    file.write_all(&bytes).map_err(StoreError::io("write", path))?;
    // It stays readable for its owner alone, as temporary files are: seeds and paths are no agent's affair, and without
    // isolation an agent's user may walk through the run's folder.
    file.persist(path).map_err(|error| StoreError::io("write", path)(error.error))?;
    Ok(())
}

/// The logs for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFile {
    /// What ResearchGym did.
    Adapter,
    /// What an external agent printed.
    Agent,
    /// What the commands of the agent printed.
    ExecStdout,
}

impl LogFile {
    /// The name below `logs/`.
    pub fn name(self) -> &'static str {
        match self {
            LogFile::Adapter => "adapter.log",
            LogFile::Agent => "agent.log",
            LogFile::ExecStdout => "exec.stdout.log",
        }
    }
}

/// Appends to one of the logs. Its first failure is told once, then it keeps quiet and writes nothing more.
#[derive(Debug)]
pub struct LogAppender {
    path: PathBuf,
    file: Option<File>,
    failed: bool,
}

impl LogAppender {
    /// The log is opened at the first append.
    pub fn new(folder: &RunFolder, log: LogFile) -> LogAppender {
        LogAppender { path: folder.logs().join(log.name()), file: None, failed: false }
    }

    /// Appends the bytes as they are. Gives a warning the first time that it cannot.
    #[must_use = "the warning is for the user"]
    pub fn append(&mut self, bytes: &[u8]) -> Option<String> {
        if self.failed {
            return None;
        }
        let error = self.try_append(bytes).err()?;
        self.failed = true;
        self.file = None;
        Some(format!("{error}; nothing more is written to this log, the run goes on"))
    }

    fn try_append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let opened = OpenOptions::new().append(true).create(true).open(&self.path);
                self.file.insert(opened.map_err(StoreError::io("open", &self.path))?)
            }
        };
        file.write_all(bytes).map_err(StoreError::io("write", &self.path))
    }
}
