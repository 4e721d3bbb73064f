//! A cassette: a file that records what providers answered, and answers in their place ever after.
//!
//! A file that is not there, or empty, is recorded, one that is there is played. Answers are found by the digest of their request,
//! whatever the order; of several answers to the same request each comes once, and the last one then stays. Requests are
//! not kept, only digests of their parts, to name what differs in one that is not on the cassette. Keys are cut out of
//! answers before they are written. One process records a file; a second one would play what is there so far. Answers
//! that did not come to their end are not recorded; one whose connection is held longer than it says anything is at its
//! end. A place that cannot be written is refused before anything is asked; if writing fails later, the answer, which is
//! paid for, still counts, the next question is refused, and [`Cassette::problem`] tells at the end.

mod shape;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use researchgym_core::action::Body;
use researchgym_core::digest::Digest;
use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{FailureKind, ModelFailure, Wire};
use serde::{Deserialize, Serialize};

use self::shape::Shape;

/// The version of the file's lines.
const VERSION: u32 = 1;
/// The headers of an answer that mean something to a client.
const KEPT_HEADERS: [&str; 6] =
    ["content-type", "retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id"];

/// How many of the parts are named in which a request differs from the nearest one.
const SHOWN_DIFFERENCES: usize = 5;

/// A cassette in its recorder or player.
#[derive(Debug)]
pub struct Cassette {
    path: PathBuf,
    secrets: Redactor,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Record(Mutex<Recorder>),
    Play(Mutex<Player>),
}

#[derive(Debug, Default)]
struct Recorder {
    /// Made when the first answer has come.
    file: Option<File>,
    /// Why an answer is missing.
    broken: Option<String>,
}

#[derive(Debug, Default)]
struct Player {
    recorded: BTreeMap<Digest, Vec<Recorded>>,
    played: BTreeMap<Digest, usize>,
}

/// One exchange: a line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    cassette: u32,
    request: Digest,
    wire: Wire,
    shape: Shape,
    status: u16,
    headers: BTreeMap<String, String>,
    body: Body,
}

/// A cassette cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    /// The file cannot be read, or could not be written.
    #[error("cassette {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the machine says.
        source: io::Error,
    },
    /// A line is no exchange.
    #[error("cassette {}, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// A request as a cassette knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    wire: Wire,
    digest: Digest,
    shape: Shape,
}

/// A recorded answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Played {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Cassette {
    /// Opens a file to be played; one that is not there or empty is to be recorded. `secrets` are never written.
    ///
    /// # Errors
    /// It cannot be read, or could not be written, or one of its lines is no exchange.
    pub fn open(path: &Path, secrets: Redactor) -> Result<Cassette, CassetteError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(CassetteError::File { path: path.to_owned(), source }),
        };
        let mode =
            if text.is_empty() {
                writable(path).map_err(|source| CassetteError::File { path: path.to_owned(), source })?;
                Mode::Record(Mutex::default())
            } else {
                Mode::Play(Mutex::new(Player::read(&text).map_err(|(line, problem)| {
                    CassetteError::Line { path: path.to_owned(), line, problem }
                })?))
            };
        Ok(Cassette { path: path.to_owned(), secrets, mode })
    }

    /// Goes on recording, after what a run that was cut off has recorded.
    ///
    /// # Errors
    /// The file is no cassette, cannot be read or written, or what a kill left of a last line cannot be cut off.
    pub fn record_on(path: &Path, secrets: Redactor) -> Result<Cassette, CassetteError> {
        let failed = |source| CassetteError::File { path: path.to_owned(), source };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(failed(source)),
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        // The record that names the file may be a stranger's, and the file any file of the user's.
        let before = bytes.get(..whole).unwrap_or_default();
        Player::read(&String::from_utf8_lossy(before)).map_err(|(line, problem)| CassetteError::Line {
            path: path.to_owned(),
            line,
            problem,
        })?;
        if before.is_empty() && !bytes.is_empty() && !bytes.starts_with(b"{\"cassette\":") {
            let problem = "is no exchange".to_owned();
            return Err(CassetteError::Line { path: path.to_owned(), line: 1, problem });
        }
        writable(path).map_err(failed)?;
        if whole < bytes.len() {
            let file = File::options().write(true).open(path).map_err(failed)?;
            file.set_len(whole as u64).map_err(failed)?;
        }
        Ok(Cassette { path: path.to_owned(), secrets, mode: Mode::Record(Mutex::default()) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it, if an answer could not be recorded.
    pub fn problem(&self) -> Option<String> {
        match &self.mode {
            Mode::Record(recorder) => locked(recorder).broken.clone(),
            Mode::Play(_) => None,
        }
    }

    /// Whether answers come from the file.
    pub fn is_played(&self) -> bool {
        matches!(self.mode, Mode::Play(_))
    }

    /// Makes out what is asked. `call` is the part of the address that names it.
    pub(super) fn question(&self, wire: Wire, call: &str, body: &[u8]) -> Question {
        let body = self.secrets.redact(&String::from_utf8_lossy(body)).into_owned();
        let shape = Shape::of(call, &body);
        Question { wire, digest: shape.digest(wire), shape }
    }

    /// The recorded answer; `None` if the provider is to be asked.
    ///
    /// # Errors
    /// The request is not on a cassette that is played, or an earlier answer could not be recorded.
    pub(super) fn play(&self, question: &Question) -> Result<Option<Played>, ModelFailure> {
        let mut player = match &self.mode {
            Mode::Play(player) => locked(player),
            Mode::Record(recorder) => {
                return match locked(recorder).broken.clone() {
                    Some(message) => Err(failure(FailureKind::BadRequest, message)),
                    None => Ok(None),
                };
            }
        };
        match player.next(question) {
            Some(recorded) => Ok(Some(Played {
                status: recorded.status,
                headers: recorded.headers.clone(),
                body: bytes_of(&recorded.body).unwrap_or_default(),
            })),
            None => Err(self.missing(&player, question)),
        }
    }

    /// Writes a whole exchange, if this cassette is recorded.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn record(
        &self,
        question: &Question,
        status: u16,
        headers: &reqwest::header::HeaderMap,
        body: &[u8],
    ) -> Result<(), ModelFailure> {
        let Mode::Record(recorder) = &self.mode else { return Ok(()) };
        let header = |name: &&str| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), self.secrets.redact(value).into_owned()))
        };
        let body = match std::str::from_utf8(body) {
            Ok(text) => Body::Text(self.secrets.redact(text).into_owned()),
            Err(_) => Body::Base64(base64::engine::general_purpose::STANDARD.encode(body)),
        };
        let recorded = Recorded {
            cassette: VERSION,
            request: question.digest,
            wire: question.wire,
            shape: question.shape.clone(),
            status,
            headers: KEPT_HEADERS.iter().filter_map(header).collect(),
            body,
        };
        let mut line = serde_json::to_vec(&recorded).expect("the keys of an exchange are texts");
        line.push(b'\n');
        let mut recorder = locked(recorder);
        self.append(&mut recorder.file, &line).map_err(|error| {
            let message = format!("cassette {} cannot be written: {error}", self.path.display());
            recorder.broken = Some(message.clone());
            failure(FailureKind::BadRequest, message)
        })
    }

    /// Writes a line, or nothing of it.
    fn append(&self, file: &mut Option<File>, line: &[u8]) -> io::Result<()> {
        let file = match file {
            Some(file) => file,
            empty => empty.insert(File::options().create(true).append(true).open(&self.path)?),
        };
        let before = file.metadata()?.len();
        file.write_all(line).or_else(|error| {
            file.set_len(before)?;
            Err(error)
        })
    }

    fn missing(&self, player: &Player, question: &Question) -> ModelFailure {
        let shapes = player.recorded.values().flatten().filter(|recorded| recorded.wire == question.wire);
        let nearest = shapes.map(|recorded| question.shape.differences(&recorded.shape)).min_by_key(Vec::len);
        let differs = match nearest {
            None => format!("it holds no exchange of the wire {}", question.wire.name()),
            Some(differences) => {
                let shown = differences.len().min(SHOWN_DIFFERENCES);
                let more = if shown < differences.len() { " and more" } else { "" };
                format!("the nearest one differs in {}{more}", differences[..shown].join(", "))
            }
        };
        let path = self.path.display();
        failure(
            FailureKind::BadRequest,
            format!(
                "the request is not on the cassette {path}: {differs}; delete the file to record it again"
            ),
        )
    }
}

impl Player {
    fn read(text: &str) -> Result<Player, (usize, String)> {
        let mut player = Player::default();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let recorded: Recorded =
                serde_json::from_str(line).map_err(|error| (index + 1, error.to_string()))?;
            if recorded.cassette != VERSION {
                return Err((
                    index + 1,
                    format!("`cassette` is {}, this program reads {VERSION}", recorded.cassette),
                ));
            }
            bytes_of(&recorded.body).map_err(|problem| (index + 1, problem))?;
            player.recorded.entry(recorded.request).or_default().push(recorded);
        }
        Ok(player)
    }

    fn next(&mut self, question: &Question) -> Option<&Recorded> {
        let recorded = self.recorded.get(&question.digest)?;
        let played = self.played.entry(question.digest).or_default();
        let chosen = (*played).min(recorded.len() - 1);
        *played += 1;
        recorded.get(chosen)
    }
}

fn bytes_of(body: &Body) -> Result<Vec<u8>, String> {
    match body {
        Body::Text(text) => Ok(text.clone().into_bytes()),
        Body::Base64(text) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|error| format!("`body` is not standard base64: {error}")),
        Body::Blob { .. } => Err("`body` must be a text or base64".to_owned()),
    }
}

/// Whether a file could be written, or made, without doing so.
fn writable(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = if path.exists() { path } else { folder };
    Ok(rustix::fs::access(place, rustix::fs::Access::WRITE_OK)?)
}

/// What a thread that panicked left behind is whole: all changes here are single steps.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(kind: FailureKind, message: String) -> ModelFailure {
    ModelFailure { kind, status: None, message }
}

#[cfg(test)]
mod tests;
