//! Runs of others: `runs/YYYY-MM-DD/<id>/imported.jsonl`, the record as the first line, then a step a line.
//!
//! A run is written beside the days and moved to its place whole: whoever looks sees all of it or nothing. What a killed import
//! left is removed by the next one.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use researchgym_core::digest::Digest;
use researchgym_core::record::{Foreign, Origin, RECORD_SCHEMA, RunRecord, StepRecord};
use serde::de::DeserializeOwned;

use super::{RunFolder, StoreError};
use crate::hold;
use crate::scratch::{self, Scratch};

/// The file's name in the folder of an imported run.
pub const IMPORTED: &str = "imported.jsonl";
/// The longest line that is read.
const MAX_LINE_BYTES: u64 = 64 << 20;
/// What the names of folders begin with in which imports prepare runs.
pub(crate) const STAGING_PREFIX: &str = "researchgym-import-";
/// How many ids are tried for a run whose first ones others have by chance.
const MAX_IDS: u64 = 64;

/// Takes runs of others into a runs folder. Threads may share it.
#[derive(Debug)]
pub struct Importer {
    runs: PathBuf,
    staging: Scratch,
    today: String,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whose each id is.
    ids: HashMap<String, Owner>,
    /// Whether there is something whose place is not durable yet.
    has_written: bool,
}

#[derive(Debug)]
enum Owner {
    /// A run that was there before.
    There(PathBuf),
    /// A run of this import, by what it was made of.
    Here(Digest),
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is a run of this store now.
    New(RunFolder),
    /// It was there already, with this id.
    Duplicate(String),
}

impl Importer {
    /// Prepares a runs folder, and removes what killed imports left in it.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(runs: &Path) -> Result<Importer, StoreError> {
        fs::create_dir_all(runs).map_err(StoreError::io("create", runs))?;
        let runs = runs.canonicalize().map_err(StoreError::io("find", runs))?;
        clear_leftovers(&runs);
        let staging =
            scratch::named(&runs, STAGING_PREFIX, 0o700).map_err(StoreError::io("write in", &runs))?;
        let ids = RunFolder::list(&runs)
            .map(|folder| (folder.id().to_owned(), Owner::There(folder.root().to_owned())))
            .collect();
        let known = Mutex::new(Known { ids, has_written: false });
        Ok(Importer { runs, staging, today: Timestamp::now().strftime("%Y-%m-%d").to_string(), known })
    }

    /// Writes a run, unless it is there. Its record gets its id; `sample` tells it from others of the same source.
    ///
    /// # Errors
    /// The file system refused; nothing of the run is left.
    pub fn write(&self, foreign: &mut Foreign, sample: &str) -> Result<Written, StoreError> {
        let id = match self.claim(&foreign.record, sample) {
            Ok(id) => id,
            Err(id) => return Ok(Written::Duplicate(id)),
        };
        foreign.record.run_id.clone_from(&id);
        let written = self.place(foreign, &id);
        if !matches!(written, Ok(Written::New(_))) {
            self.known().ids.remove(&id);
        }
        written
    }

    /// Makes the places of what was written durable, all at once; the content was synced run by run.
    ///
    /// # Errors
    /// The file system refused.
    pub fn finish(self) -> Result<(), StoreError> {
        if !self.known().has_written {
            return Ok(());
        }
        let runs = File::open(&self.runs).map_err(StoreError::io("open", &self.runs))?;
        rustix::fs::syncfs(&runs).map_err(|errno| StoreError::io("sync", &self.runs)(errno.into()))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id for this run that no other has, or that of the run as which it is there.
    fn claim(&self, record: &RunRecord, sample: &str) -> Result<String, String> {
        let Origin::Foreign { program, digest, .. } = &record.origin else {
            return Err(record.run_id.clone());
        };
        let identity = Digest::of_parts(&[program.as_bytes(), digest.as_bytes(), sample.as_bytes()]);
        let mut known = self.known();
        let mut id = String::new();
        for number in 0..MAX_IDS {
            let named = match number {
                0 => identity,
                _ => Digest::of_parts(&[identity.as_bytes(), &number.to_le_bytes()]),
            };
            id = hex::encode(&named.as_bytes()[..4]);
            let is_same = match known.ids.get(&id) {
                None => {
                    known.ids.insert(id.clone(), Owner::Here(identity));
                    return Ok(id);
                }
                Some(Owner::Here(other)) => *other == identity,
                Some(Owner::There(root)) => is_of(root, program, digest),
            };
            if is_same {
                return Err(id);
            }
        }
        Err(id)
    }

    fn place(&self, foreign: &Foreign, id: &str) -> Result<Written, StoreError> {
        let staged = self.staging.path().join(id);
        make_folder(&staged)?;
        let day = self.runs.join(day_of(&foreign.record).unwrap_or(&self.today));
        let root = day.join(id);
        let placed = write_lines(&staged.join(IMPORTED), foreign).and_then(|()| {
            fs::create_dir_all(&day).map_err(StoreError::io("create", &day))?;
            match fs::rename(&staged, &root) {
                Ok(()) => Ok(true),
                // Another import was faster.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
                Err(error) => Err(StoreError::io("create", &root)(error)),
            }
        });
        if !matches!(placed, Ok(true)) {
            let _ = fs::remove_dir_all(&staged);
        }
        match placed? {
            false => Ok(Written::Duplicate(id.to_owned())),
            true => {
                self.known().has_written = true;
                RunFolder::open(&root).map(Written::New)
            }
        }
    }
}

/// The record of an imported run.
///
/// # Errors
/// There is none, or it is none that this version knows.
pub fn read_record(folder: &RunFolder) -> Result<RunRecord, StoreError> {
    let mut lines = Lines::open(folder)?;
    match lines.next() {
        Some(Ok(RunRecord { schema, .. })) if schema != RECORD_SCHEMA => Err(StoreError::Record {
            path: lines.path,
            number: 1,
            source: serde::de::Error::custom(format!(
                "it has schema {schema}; this version reads {RECORD_SCHEMA}"
            )),
        }),
        Some(record) => record,
        None => Err(StoreError::EmptyLog { path: lines.path }),
    }
}

/// The steps of an imported run, one after the other.
///
/// # Errors
/// There is no such file.
pub fn read_steps(
    folder: &RunFolder,
) -> Result<impl Iterator<Item = Result<StepRecord, StoreError>>, StoreError> {
    let mut lines = Lines::<StepRecord>::open(folder)?;
    lines.next_line()?;
    Ok(lines)
}

/// Lines of JSON, each of at most [`MAX_LINE_BYTES`].
struct Lines<T> {
    reader: BufReader<File>,
    path: PathBuf,
    number: u64,
    buffer: Vec<u8>,
    kind: std::marker::PhantomData<T>,
}

impl<T> Lines<T> {
    fn open(folder: &RunFolder) -> Result<Lines<T>, StoreError> {
        let path = folder.imported();
        let file = hold::open_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotImported { path: folder.root().to_owned() },
            _ => StoreError::io("open", &path)(error),
        })?;
        let reader = BufReader::with_capacity(256 * 1024, file);
        Ok(Lines { reader, path, number: 0, buffer: Vec::new(), kind: std::marker::PhantomData })
    }

    /// Whether there was another line; it is in the buffer.
    fn next_line(&mut self) -> Result<bool, StoreError> {
        self.buffer.clear();
        self.number += 1;
        let mut bounded = self.reader.by_ref().take(MAX_LINE_BYTES);
        let read = bounded.read_until(b'\n', &mut self.buffer);
        Ok(read.map_err(StoreError::io("read", &self.path))? > 0)
    }
}

impl<T: DeserializeOwned> Iterator for Lines<T> {
    type Item = Result<T, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_line() {
            Ok(false) => None,
            Ok(true) => Some(serde_json::from_slice(&self.buffer).map_err(|source| StoreError::Record {
                path: self.path.clone(),
                number: self.number,
                source,
            })),
            Err(error) => Some(Err(error)),
        }
    }
}

fn write_lines(path: &Path, foreign: &Foreign) -> Result<(), StoreError> {
    let written = || {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path)?;
        let mut writer = BufWriter::with_capacity(256 * 1024, file);
        serde_json::to_writer(&mut writer, &foreign.record)?;
        writer.write_all(b"\n")?;
        for step in &foreign.steps {
            serde_json::to_writer(&mut writer, step)?;
            writer.write_all(b"\n")?;
        }
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    written().map_err(StoreError::io("write", path))
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().mode(0o700).create(path).map_err(StoreError::io("create", path))
}

/// The day that a run began, if it is known and has the form of one.
fn day_of(record: &RunRecord) -> Option<&str> {
    let day = record.started_at.as_deref()?.get(..10)?;
    day.parse::<jiff::civil::Date>().ok().map(|_| day)
}

fn is_of(root: &Path, program: &str, digest: &Digest) -> bool {
    let record = RunFolder::open(root).and_then(|folder| read_record(&folder));
    record.is_ok_and(|record| {
        matches!(&record.origin, Origin::Foreign { program: other, digest: content, .. } if other == program && content == digest)
    })
}

fn clear_leftovers(runs: &Path) {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let is_staging =
        |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(STAGING_PREFIX));
    for entry in entries.filter(|entry| is_staging(&entry.file_name())) {
        // One that is held is another import's; one that cannot be removed is left to the next.
        let _ = scratch::remove_unheld(&entry.path());
    }
}
