//! The index of a store: records with what the files were like that they were derived from. Derived itself: it may be deleted,
//! and a line that does not fit its run any more is as good as none.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use researchgym_core::digest::Digest;
use researchgym_core::record::RunRecord;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::inspection::REPORT;
use crate::store::{RunFolder, StoreError};

/// The index's name in the runs folder.
pub const INDEX: &str = "index.jsonl";

/// What the files were like that a record was derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    log: FileStamp,
    report: Option<FileStamp>,
}

/// Size, inode, and time of the last change in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp(u64, u64, i64);

/// One run in the index.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// `YYYY-MM-DD/id`.
    pub(super) place: String,
    pub(super) stamp: Stamp,
    pub(super) record: RunRecord,
    /// The result object of a run of ours, as text: only listings as JSON look at it.
    pub(super) result: Option<Box<RawValue>>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Header {
    index: u32,
    version: String,
}

impl Header {
    fn own() -> Header {
        Header { index: 3, version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl Stamp {
    /// What a run's files are like now; `None` if it has no log.
    pub(super) fn of(folder: &RunFolder) -> Option<Stamp> {
        let stamp = |path: &Path| {
            let found = fs::metadata(path).ok()?;
            let nanoseconds = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
            Some(FileStamp(found.len(), found.ino(), nanoseconds))
        };
        let log = stamp(&folder.events()).or_else(|| stamp(&folder.imported()))?;
        Some(Stamp { log, report: stamp(&folder.root().join(REPORT)) })
    }
}

/// Before each line stands the beginning of its hash: a line that was changed by hand or by a failing disk is derived anew.
const SUM: usize = 16;

fn sum_of(text: &[u8]) -> String {
    let mut sum = Digest::of(text).to_string();
    sum.truncate(SUM);
    sum
}

/// Reads the index. Whatever is wrong with it, what can be used of it is given.
pub(super) fn read(runs: &Path) -> HashMap<String, Entry> {
    let Ok(file) = fs::File::open(runs.join(INDEX)) else { return HashMap::new() };
    let mut lines = BufReader::with_capacity(1 << 20, file).split(b'\n').map_while(Result::ok);
    let header = lines.next().and_then(|line| serde_json::from_slice::<Header>(&line).ok());
    if header != Some(Header::own()) {
        return HashMap::new();
    }
    let lines: Vec<Vec<u8>> = lines.collect();
    let entries = super::library::spread(&lines, |line| {
        let (sum, text) = line.split_at_checked(SUM)?;
        (sum == sum_of(text).as_bytes()).then(|| serde_json::from_slice::<Entry>(text).ok())?
    });
    entries.into_iter().flatten().map(|entry| (entry.place.clone(), entry)).collect()
}

/// Puts an index in the place of the old one.
///
/// # Errors
/// The file system refused; the old index is as it was.
pub(super) fn write<'a>(runs: &Path, entries: impl Iterator<Item = &'a Entry>) -> Result<(), StoreError> {
    let path = runs.join(INDEX);
    let draft = runs.join(format!(".{INDEX}.{}", std::process::id()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|file| {
            let mut writer = BufWriter::with_capacity(1 << 20, file);
            serde_json::to_writer(&mut writer, &Header::own())?;
            for entry in entries {
                let text = serde_json::to_vec(entry)?;
                writer.write_all(b"\n")?;
                writer.write_all(sum_of(&text).as_bytes())?;
                writer.write_all(&text)?;
            }
            writer.write_all(b"\n")?;
            writer.flush()
        })
        .and_then(|()| fs::rename(&draft, &path));
    written.map_err(|error| {
        let _ = fs::remove_file(&draft);
        StoreError::io("write", &path)(error)
    })
}
