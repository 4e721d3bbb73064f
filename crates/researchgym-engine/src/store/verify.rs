//! `researchgym verify`: everything that is wrong with a run folder, not only the first thing.

use std::collections::HashSet;
use std::io::Read as _;

use researchgym_core::chain::{ChainError, check_place, parse_line};
use researchgym_core::digest::Digest;
use researchgym_core::event::Line;
use researchgym_core::manifest::{NamedBlob, named_blobs};
use researchgym_core::state::RunState;

use super::read::{LogReader, TornTail};
use super::{Blobs, RunFolder, StoreError};
use crate::hold;

/// How many problems are listed; beyond that the folder is simply broken.
const MAX_PROBLEMS: usize = 100;

/// More than the longest result.
const MAX_STATUS: u64 = 4 << 20;
pub(crate) const CUT: &str = "`status.json` names a `log_head` that no line has: lines were cut off or changed after that result was \
                   told, or the machine lost power meanwhile";

/// What a check of a run folder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Whole lines in the log.
    pub lines: u64,
    /// The hash of the last whole line: `log_head`, to be compared with what a result printed.
    pub head: Digest,
    /// Different blobs that were checked.
    pub blobs: u64,
    /// A torn last line, which is also among the problems.
    pub torn: Option<TornTail>,
    /// All that is wrong, in the order of the log; at most a hundred.
    pub problems: Vec<Problem>,
    /// The run's id as the log tells it; nothing if its first line does not.
    pub run_id: Option<String>,
    /// What is worth knowing and is not wrong.
    pub notes: Vec<String>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something wrong with a run folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of `events.jsonl`, from 1.
    pub line: u64,
    /// What is wrong with it, or with what it names.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "events.jsonl:{}: {}", self.line, self.what)
    }
}

/// Checks chain, schema, the order of the events and the blobs that they name. Fails only if there is no log to check.
pub fn verify(folder: &RunFolder) -> Result<Verification, StoreError> {
    // Read first: a run that goes on meanwhile adds lines.
    let told = told_head(folder);
    let mut checker = Checker {
        told,
        blobs: folder.blobs(),
        checked: HashSet::new(),
        problems: Vec::new(),
        next_seq: 0,
        head: Digest::ZERO,
        is_newer: false,
        order: Order::Begins,
        run_id: None,
    };
    let mut reader = LogReader::open(folder)?;
    let mut lines = 0;
    loop {
        match reader.next_raw() {
            Ok(Some((number, bytes))) => {
                lines = number;
                checker.line(number, bytes);
            }
            Ok(None) => break,
            Err(StoreError::Line { number, source, .. }) => {
                lines = number;
                checker.problem(number, source.to_string());
                break;
            }
            Err(error) => return Err(error),
        }
        if checker.is_newer || checker.problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    let torn = reader.torn();
    if let Some(torn) = torn {
        checker.problem(torn.line, torn_message(torn));
    }
    // A log that is broken or newer has problems of its own.
    if checker.told.is_some() && checker.problems.is_empty() {
        checker.problem(lines, CUT.to_owned());
    }
    if lines == 0 && torn.is_none() {
        return Err(StoreError::EmptyLog { path: folder.events() });
    }
    Ok(Verification {
        lines,
        head: checker.head,
        blobs: checker.checked.len() as u64,
        torn,
        notes: checker.run_id.as_deref().and_then(|run_id| moved(folder, run_id)).into_iter().collect(),
        problems: checker.problems,
        run_id: checker.run_id,
    })
}

/// A folder under another name than its run was given is no fault: the record is the log.
fn moved(folder: &RunFolder, run_id: &str) -> Option<String> {
    let is_own = folder.id() == run_id;
    (!is_own).then(|| {
        format!("this is a copy of run `{run_id}`, or its folder was renamed: commands know it by its folder")
    })
}

fn torn_message(torn: TornTail) -> String {
    format!(
        "torn: {} bytes without an end of line; the program was stopped while it wrote, or is writing now. \
         Resuming the run cuts them off",
        torn.bytes
    )
}

/// The head that `status.json` tells, if it is there and can be read.
pub(crate) fn told_head(folder: &RunFolder) -> Option<Digest> {
    #[derive(serde::Deserialize)]
    struct Status {
        log_head: Digest,
    }
    let mut text = Vec::new();
    let file = hold::open_file(&folder.status()).ok()?;
    file.take(MAX_STATUS).read_to_end(&mut text).ok()?;
    Some(serde_json::from_slice::<Status>(&text).ok()?.log_head)
}

struct Checker {
    /// The head of the log that the last result told, until its line has come.
    told: Option<Digest>,
    blobs: Blobs,
    checked: HashSet<Digest>,
    problems: Vec<Problem>,
    next_seq: u64,
    head: Digest,
    /// The rest of the log follows rules that this program does not know.
    is_newer: bool,
    order: Order,
    run_id: Option<String>,
}

/// What the events so far make of the run, by which it is known which may come next.
enum Order {
    Begins,
    At(Box<RunState>),
    /// A line was no event, not at its place, or could not come there: what may follow is not known.
    Unknown,
}

impl Checker {
    fn line(&mut self, number: u64, bytes: &[u8]) {
        let digest = Digest::of(bytes);
        match parse_line(bytes) {
            Ok(line) => {
                match check_place(&line, self.next_seq, self.head) {
                    Ok(()) => self.fold(number, &line),
                    Err(error) => {
                        self.problem(number, error.to_string());
                        self.is_newer |= matches!(error, ChainError::Newer { .. });
                        self.order = Order::Unknown;
                    }
                }
                self.next_seq = line.seq.saturating_add(1);
                for named in named_blobs(&line.event) {
                    self.blob(number, named);
                }
            }
            Err(error) => {
                self.problem(number, error.to_string());
                self.next_seq += 1;
                self.order = Order::Unknown;
                self.is_newer |= matches!(error, ChainError::Newer { .. });
            }
        }
        self.head = digest;
        self.told = self.told.filter(|told| *told != digest);
    }

    /// Takes an event in; one that cannot come at its place is told, and what follows it is not judged.
    fn fold(&mut self, number: u64, line: &Line) {
        let order = match std::mem::replace(&mut self.order, Order::Unknown) {
            Order::Begins => RunState::start(line).map(Box::new),
            Order::At(mut state) => state.apply(line).map(|()| state),
            Order::Unknown => return,
        };
        match order {
            Ok(state) => {
                self.run_id.get_or_insert_with(|| state.started.run_id.clone());
                self.order = Order::At(state);
            }
            Err(error) => self.problem(number, error.to_string()),
        }
    }

    fn blob(&mut self, number: u64, named: NamedBlob) {
        match named {
            NamedBlob::Content(digest, length) => self.content(number, digest, length),
            NamedBlob::Manifest(snapshot) => {
                if !self.checked.insert(snapshot) {
                    return;
                }
                match self.blobs.manifest(snapshot) {
                    Ok(manifest) => {
                        for entry in manifest.files.values() {
                            self.content(number, entry.sha256, Some(entry.bytes));
                        }
                    }
                    Err(error) => self.problem(number, format!("snapshot: {error}")),
                }
            }
        }
    }

    fn content(&mut self, number: u64, digest: Digest, length: Option<u64>) {
        if !self.checked.insert(digest) {
            return;
        }
        match self.blobs.check(digest) {
            Ok(found) => {
                if let Some(length) = length
                    && length != found
                {
                    self.problem(number, format!("the blob `{digest}` has {found} bytes, not {length}"));
                }
            }
            Err(error) => self.problem(number, error.to_string()),
        }
    }

    fn problem(&mut self, line: u64, what: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { line, what });
        }
    }
}
