//! A job's folder: the one truth of a job, on a file system that submitter and node share.
//!
//! Written by the submitter: `order.json`. Written on the node: `started.N`, made exclusively by the N-th incarnation of the job
//! (so that one that was handed over twice is carried out once), `result.json`, linked into place once and never replaced,
//! `failure.json`, why there is none, `metrics.jsonl`, which grows, and `program` while the order's program works. Open to
//! their owner alone: orders hold the grading secret.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use researchgym_core::failure::Failure;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::order::Order;

/// Beside the folders of jobs: what was handed over together.
pub(crate) const BATCHES: &str = "batches";

const ORDER: &str = "order.json";
pub(super) const RESULT: &str = "result.json";
const FAILURE: &str = "failure.json";
const METRICS: &str = "metrics.jsonl";
const PROGRAM: &str = "program";

/// The folder of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFolder(PathBuf);

/// Who carries a job out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The node's name.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// The cluster's name for the job.
    pub id: String,
    /// When, RFC 3339 in UTC.
    pub time: String,
}

impl JobFolder {
    /// The folder at an absolute path, there or not.
    pub fn at(path: impl Into<PathBuf>) -> JobFolder {
        JobFolder(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder with its order in it. An order that is there already stays.
    ///
    /// # Errors
    /// The file system.
    pub fn place(&self, order: &Order) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        if self.0.join(ORDER).exists() {
            return Ok(());
        }
        self.put(ORDER, order).map(drop)
    }

    /// What is to be done.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn order(&self) -> io::Result<Order> {
        self.read(ORDER)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no order"))
    }

    /// Takes the job for its `incarnation`; `false` if that works on it already.
    ///
    /// # Errors
    /// The file system.
    pub fn claim(&self, incarnation: u32, started: &Started) -> io::Result<bool> {
        self.put(&format!("started.{incarnation}"), started)
    }

    /// Who works on it: its newest incarnation's claim.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn started(&self) -> io::Result<Option<(u32, Started)>> {
        let mut newest = None;
        for incarnation in 0.. {
            match self.read(&format!("started.{incarnation}"))? {
                Some(started) => newest = Some((incarnation, started)),
                None if incarnation > 64 || newest.is_some() => break,
                None => {}
            }
        }
        Ok(newest)
    }

    /// Whether there is a result.
    pub fn has_result(&self) -> bool {
        self.0.join(RESULT).exists()
    }

    /// The result, if there is one.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn result<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        self.read(RESULT)
    }

    /// Puts the result into place; `false` if another incarnation was first.
    ///
    /// # Errors
    /// The file system.
    pub fn conclude(&self, result: &impl Serialize) -> io::Result<bool> {
        self.put(RESULT, result)
    }

    /// Says why the newest incarnation came to no result.
    ///
    /// # Errors
    /// The file system.
    pub fn fail(&self, failure: &Failure) -> io::Result<()> {
        let draft = self.0.join(format!(".{FAILURE}.{}", std::process::id()));
        fs::write(&draft, serde_json::to_vec(failure)?)?;
        fs::rename(&draft, self.0.join(FAILURE))
    }

    /// Why there is no result, if the job could say so.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn failure(&self) -> io::Result<Option<Failure>> {
        self.read(FAILURE)
    }

    /// Whether an incarnation has been claimed.
    pub fn has_started(&self, incarnation: u32) -> bool {
        self.0.join(format!("started.{incarnation}")).exists()
    }

    /// A file that is there while the program works for whose sake the job was asked for.
    pub fn program(&self) -> PathBuf {
        self.0.join(PROGRAM)
    }

    /// Removes the folder with all in it.
    ///
    /// # Errors
    /// The file system.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Where the job writes what its program measures, a JSON line a time.
    pub fn metrics(&self) -> PathBuf {
        self.0.join(METRICS)
    }

    /// Writes a file whole, or not at all, unless it is there: `false` then.
    fn put(&self, name: &str, value: &impl Serialize) -> io::Result<bool> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let draft = self.0.join(format!(".{name}.{}", hex::encode(random)));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            serde_json::to_writer(&mut file, value)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            // Unlike a rename, a link never replaces.
            fs::hard_link(&draft, self.0.join(name))
        })();
        let gone = fs::remove_file(&draft);
        match written {
            Ok(()) => {
                gone?;
                File::open(&self.0)?.sync_all()?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let path = self.0.join(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
}
