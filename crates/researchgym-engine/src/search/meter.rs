//! Follows what the program of an evaluation tells of itself: lines on its standard output, and TensorBoard files in its
//! workspace.
//!
//! Standard output is read as it comes. Files are looked for while the program works, the first time after [`EVERY`], and once
//! when it has ended; so an evaluation that is over before that costs one walk through the top of its workspace. The workspace
//! is hostile: nothing in it is opened by a path that could lead elsewhere, and names, depth, files and bytes are bounded.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use researchgym_core::search::event::MetricPoint;
use researchgym_core::search::reports::{EventFile, Lines, Reports, Source, Unread};

use super::evaluator::{Progress, ProgressTeller};
use crate::snapshot::beneath::{open_file, open_root};
use crate::snapshot::{Bounds, find_files};

/// How often something is told of a program at most; of one that has worked for long, less often.
const EVERY: Duration = Duration::from_secs(2);
/// A program of which was told so often is told of once in this share of its time.
const SHARE: u32 = 100;
/// What TensorBoard's files have in their names.
const EVENT_FILE: &[u8] = b"tfevents";
/// How far files are looked for.
const BOUNDS: Bounds = Bounds { names: 4_000, depth: 6, files: 64 };
/// Bytes of all files that are read of one evaluation.
const MOST_BYTES: u64 = 256 << 20;
const PIECE: usize = 64 << 10;

/// What follows one program.
pub(super) struct Meter {
    began: Instant,
    /// How often it looks at first.
    every: Duration,
    readings: Arc<Mutex<Readings>>,
    files: Option<Files>,
}

/// What a program has told of itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Metered {
    pub(super) points: Vec<MetricPoint>,
    pub(super) unread: Unread,
}

#[derive(Default)]
struct Readings {
    lines: Lines,
    reports: Reports,
}

/// TensorBoard's files in a workspace.
struct Files {
    workspace: PathBuf,
    /// When the program began, in seconds since 1970.
    began: f64,
    followed: BTreeMap<Vec<u8>, Followed>,
    /// The folder in which the first file was found.
    first: Option<Vec<u8>>,
    /// Bytes that may still be read.
    left: u64,
}

struct Followed {
    file: EventFile,
    /// How much of it was read.
    read: u64,
    /// What stands before its metrics' names.
    prefix: String,
}

impl Meter {
    /// Begins when the program is about to begin.
    pub(super) fn begin(workspace: &Path) -> Meter {
        Meter {
            began: Instant::now(),
            every: EVERY,
            readings: Arc::default(),
            files: Some(Files::of(workspace, SystemTime::now())),
        }
    }

    /// Takes the program's standard output.
    pub(super) fn tap(&self) -> impl FnMut(&[u8]) + Send + 'static {
        let (readings, began) = (self.readings.clone(), self.began);
        move |bytes| lock(&readings).print(bytes, began.elapsed())
    }

    /// Waits for the program, and tells meanwhile what it measures.
    pub(super) async fn follow<T>(&mut self, teller: &ProgressTeller, program: impl Future<Output = T>) -> T {
        let mut program = pin!(program);
        let mut wait = self.every;
        loop {
            if let Ok(ended) = tokio::time::timeout(wait, &mut program).await {
                return ended;
            }
            self.look().await;
            let news = lock(&self.readings).reports.news();
            if !news.is_empty() {
                teller.tell(Progress::Reported(news));
            }
            wait = self.every.max(self.began.elapsed() / SHARE);
        }
    }

    /// All that it has told. It has ended.
    pub(super) async fn finish(mut self) -> Metered {
        let has_files = self.files.as_mut().is_some_and(Files::find);
        if has_files {
            self.look().await;
        }
        let mut readings = std::mem::take(&mut *lock(&self.readings));
        readings.end(self.began.elapsed());
        let mut unread = readings.reports.unread;
        unread.damaged += readings.lines.overlong + self.files.as_ref().map_or(0, Files::damaged);
        Metered { points: readings.reports.into_points(), unread }
    }

    /// Reads what is new in the files.
    async fn look(&mut self) {
        let Some(mut files) = self.files.take() else { return };
        let (readings, seen) = (self.readings.clone(), self.began.elapsed());
        let looked = tokio::task::spawn_blocking(move || {
            files.find();
            files.read(&readings, seen);
            files
        });
        // If it panicked, files are not looked at any more.
        self.files = looked.await.ok();
    }
}

fn lock(readings: &Mutex<Readings>) -> MutexGuard<'_, Readings> {
    readings.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Readings {
    fn print(&mut self, bytes: &[u8], seen: Duration) {
        let Readings { lines, reports } = self;
        lines.push(bytes, &mut |reading| reports.add(Source::Printed, reading, milliseconds(seen)));
    }

    fn end(&mut self, seen: Duration) {
        let Readings { lines, reports } = self;
        lines.finish(&mut |reading| reports.add(Source::Printed, reading, milliseconds(seen)));
    }
}

impl Files {
    fn of(workspace: &Path, began: SystemTime) -> Files {
        let began = began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let workspace = workspace.to_path_buf();
        Files { workspace, began, followed: BTreeMap::new(), first: None, left: MOST_BYTES }
    }

    /// Looks for files. Whether there are any.
    fn find(&mut self) -> bool {
        let is_wanted = |name: &[u8]| name.windows(EVENT_FILE.len()).any(|part| part == EVENT_FILE);
        let found = open_root(&self.workspace).and_then(|root| find_files(&root, is_wanted, BOUNDS));
        for path in found.unwrap_or_default() {
            if self.followed.len() < BOUNDS.files && !self.followed.contains_key(&path) {
                let folder = folder_of(&path);
                let first = self.first.get_or_insert_with(|| folder.to_vec());
                let prefix = prefix(first, folder);
                self.followed.insert(path, Followed { file: EventFile::default(), read: 0, prefix });
            }
        }
        !self.followed.is_empty()
    }

    fn read(&mut self, readings: &Mutex<Readings>, seen: Duration) {
        let Ok(root) = open_root(&self.workspace) else { return };
        let mut buffer = vec![0; PIECE];
        for (path, followed) in &mut self.followed {
            // It may be anything by now.
            let Ok(file) = open_file(&root, path) else { continue };
            if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                continue;
            }
            while self.left > 0 && !followed.file.is_lost() {
                let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
                let Ok(read @ 1..) = file.read_at(&mut buffer[..room], followed.read) else { break };
                self.left -= read as u64;
                let Followed { file, prefix, .. } = &mut *followed;
                let mut readings = lock(readings);
                file.push(&buffer[..read], &mut |reading| {
                    let at_ms = at_ms(reading.wall_time, self.began, seen);
                    let name = format!("{prefix}{}", reading.name);
                    let reading = researchgym_core::search::reports::Reading { name: &name, ..reading };
                    readings.reports.add(Source::Written, reading, at_ms);
                });
                followed.read = followed.read.saturating_add(read as u64 + followed.file.pass_over());
            }
        }
    }

    fn damaged(&self) -> u64 {
        self.followed.values().map(|followed| followed.file.damaged).sum()
    }
}

fn folder_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |end| &path[..end])
}

/// Files in several folders would mix equal names up: metrics of all folders but the first have the folder before their names, by
/// its path below the first or by its own name.
fn prefix(first: &[u8], folder: &[u8]) -> String {
    if folder == first {
        return String::new();
    }
    let below = match folder.strip_prefix(first) {
        Some(rest) if first.is_empty() => rest,
        Some([b'/', rest @ ..]) => rest,
        _ => folder.rsplit(|byte| *byte == b'/').next().unwrap_or_default(),
    };
    format!("{}/", String::from_utf8_lossy(below))
}

/// When a value was written, as the program says; but neither before it began nor after it was seen.
fn at_ms(wall_time: Option<f64>, began: f64, seen: Duration) -> u64 {
    let seen = milliseconds(seen);
    match wall_time {
        // The conversion ends at 0 and at the largest number.
        Some(wall_time) if wall_time.is_finite() => (((wall_time - began) * 1000.0) as u64).min(seen),
        _ => seen,
    }
}

#[cfg(test)]
mod peers;
#[cfg(test)]
mod tests;
