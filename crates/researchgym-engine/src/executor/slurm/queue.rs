//! What `squeue --json` says, in the shapes of Slurm 21.08 and 22.05 (plain numbers and words) and of 23.02 and later
//! (numbers as `{set, infinite, number}`, states as lists).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::super::Cause;

/// What the comment of each of our jobs begins with.
pub(super) const MARK: &str = "researchgym-";

/// A job's number, and its place in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JobId {
    /// The number; of an array the array's.
    pub(super) job: u64,
    /// The place.
    pub(super) task: Option<u32>,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            Some(task) => write!(f, "{}_{task}", self.job),
            None => write!(f, "{}", self.job),
        }
    }
}

impl FromStr for JobId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<JobId, Self::Err> {
        Ok(match text.split_once('_') {
            Some((job, task)) => JobId { job: job.parse()?, task: Some(task.parse()?) },
            None => JobId { job: text.parse()?, task: None },
        })
    }
}

/// How a job stands for the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its comment.
    pub(super) mark: String,
    /// In which stage.
    pub(super) stage: Stage,
    /// The state in the cluster's word.
    pub(super) word: String,
    /// Why it stands so, in the cluster's words.
    pub(super) reason: String,
    /// On which node; empty if on none.
    pub(super) host: String,
    /// How its program ended, if it did.
    pub(super) exit: Option<Exit>,
    /// Where it works; empty if that is not told.
    pub(super) place: String,
    /// Whether it waits until somebody releases it.
    pub(super) is_held: bool,
}

impl Seen {
    /// Whether it bears a comment, as far as both are known.
    pub(super) fn is_marked(&self, mark: &str) -> bool {
        self.mark.is_empty() || mark.is_empty() || self.mark == mark
    }
}

/// Stages of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for its turn (again).
    Waiting,
    /// It has a node.
    Working,
    /// It has ended, and its processes are being removed.
    Ending(Cause),
    /// It has ended.
    Ended(Cause),
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// By itself, with this code.
    Code(u64),
    /// By this signal.
    Signal(u64),
}

/// The queue at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// Jobs, and tasks of arrays that have a record of their own.
    single: BTreeMap<JobId, Seen>,
    /// Tasks of arrays that have none.
    spans: Vec<Span>,
    /// The number of each job or array by its comment.
    marks: BTreeMap<String, u64>,
}

/// Tasks of an array that stand alike.
#[derive(Clone, Debug)]
struct Span {
    array: u64,
    /// Their places, from and to.
    places: Vec<(u32, u32)>,
    seen: Seen,
}

impl Queue {
    /// How a job stands; `None` if the cluster does not know it.
    pub(super) fn find(&self, id: JobId) -> Option<&Seen> {
        self.single.get(&id).or_else(|| {
            let task = id.task?;
            let holds =
                |span: &&Span| span.places.iter().any(|(first, last)| (*first..=*last).contains(&task));
            self.spans.iter().filter(|span| span.array == id.job).find(holds).map(|span| &span.seen)
        })
    }

    /// Jobs of this program's making that are held, and where they work.
    pub(super) fn held(&self) -> impl Iterator<Item = (JobId, &str, &str)> {
        let ours = |seen: &&Seen| seen.is_held && seen.mark.starts_with(MARK) && !seen.place.is_empty();
        let single = self.single.iter().filter(move |(_, seen)| ours(seen));
        single.map(|(id, seen)| (*id, seen.mark.as_str(), seen.place.as_str()))
    }

    /// The number of the job or array that bears a comment.
    pub(super) fn marked(&self, mark: &str) -> Option<u64> {
        self.marks.get(mark).copied()
    }
}

/// Reads the answer of `squeue --json`.
pub(super) fn parse(text: &str) -> Result<Queue, String> {
    let answer: Value =
        serde_json::from_str(text).map_err(|error| format!("`squeue --json` is not understood: {error}"))?;
    let jobs = answer["jobs"].as_array().ok_or("`squeue --json` names no `jobs`")?;
    // Without a controller Slurm 22.05 names no jobs, says so here, and succeeds.
    if let Some(error) = answer["errors"].as_array().and_then(|errors| errors.first()) {
        let words = ["description", "error", "source"].map(|name| text_of(&error[name]));
        return Err(words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": "));
    }
    let mut queue = Queue::default();
    for job in jobs {
        let Some(id) = number(&job["job_id"]) else { continue };
        let array = number(&job["array_job_id"]).filter(|array| *array != 0);
        let seen = seen(job);
        let mark = text_of(&job["comment"]);
        if !mark.is_empty() {
            queue.marks.insert(mark, array.unwrap_or(id));
        }
        match (array, number(&job["array_task_id"])) {
            (Some(array), Some(task)) => {
                let task = u32::try_from(task).unwrap_or(u32::MAX);
                queue.single.insert(JobId { job: array, task: Some(task) }, seen);
            }
            (Some(array), None) => {
                let places = spans(&text_of(&job["array_task_string"]));
                queue.spans.push(Span { array, places, seen });
            }
            (None, _) => {
                queue.single.insert(JobId { job: id, task: None }, seen);
            }
        }
    }
    Ok(queue)
}

/// A number in either shape; `None` if it is not set.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Object(fields) if fields.get("set").and_then(Value::as_bool) == Some(false) => None,
        Value::Object(fields) => number(fields.get("number")?),
        value => value.as_u64(),
    }
}

/// A text; some versions give `{comment: ...}` or a list with one.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(text_of).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The places in `0-3,5,7-9%2`, as Slurm writes them. A list that is cut off (`0-3,...`) stands for all from there.
fn spans(text: &str) -> Vec<(u32, u32)> {
    let list = text.trim_matches(['[', ']']).split('%').next().unwrap_or_default();
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for part in list.split(',') {
        if part == "..." {
            let next = spans.last().map_or(0, |(_, last)| last.saturating_add(1));
            spans.push((next, u32::MAX));
            continue;
        }
        // The step of `0-9:3` is left out: this program asks for none.
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse(), last.split(':').next().unwrap_or(last).parse()) {
            spans.push((first, last));
        }
    }
    spans
}

fn seen(job: &Value) -> Seen {
    let words: Vec<String> = match &job["job_state"] {
        Value::Array(items) => items.iter().map(text_of).collect(),
        one => text_of(one).split(['|', '+', ' ']).map(str::to_owned).collect(),
    };
    let word = words.first().cloned().unwrap_or_default();
    let stage = stage(&words);
    let mut host = text_of(&job["batch_host"]);
    if host.is_empty() {
        host = text_of(&job["nodes"]);
    }
    let reason = text_of(&job["state_reason"]);
    let reason = if reason == "None" { String::new() } else { reason };
    let exit = match stage {
        Stage::Ending(_) | Stage::Ended(_) => exit(&job["exit_code"]),
        Stage::Waiting | Stage::Working => None,
    };
    let held = |name: &str| {
        let words = text_of(&job[name]).to_lowercase();
        words.contains("held") || words.contains("hold")
    };
    // A job of priority 0 is held.
    let is_held = stage == Stage::Waiting
        && (number(&job["priority"]) == Some(0) || held("state_reason") || held("state_description"));
    let place = text_of(&job["current_working_directory"]);
    Seen { mark: text_of(&job["comment"]), stage, word, reason, host, exit, place, is_held }
}

/// What states mean, in the words of `slurm.h`: a base state, and flags.
fn stage(words: &[String]) -> Stage {
    let flagged = |flag: &str| words.iter().any(|word| word == flag);
    let waits = ["REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"];
    if waits.into_iter().any(flagged) {
        return Stage::Waiting;
    }
    let ended = words.iter().find_map(|word| ended(word));
    match ended {
        Some(cause) if flagged("COMPLETING") || flagged("STAGE_OUT") => Stage::Ending(cause),
        Some(cause) => Stage::Ended(cause),
        None if flagged("PENDING") || flagged("CONFIGURING") => Stage::Waiting,
        None => Stage::Working,
    }
}

/// The cause that a state of a job that has ended stands for.
pub(super) fn ended(word: &str) -> Option<Cause> {
    Some(match word {
        "CANCELLED" | "REVOKED" => Cause::Cancelled,
        "PREEMPTED" => Cause::Preempted,
        "NODE_FAIL" | "BOOT_FAIL" => Cause::NodeFailed,
        "OUT_OF_MEMORY" => Cause::OutOfMemory,
        "TIMEOUT" | "DEADLINE" => Cause::TimeOut,
        "COMPLETED" | "FAILED" | "LAUNCH_FAILED" => Cause::Failed,
        _ => return None,
    })
}

/// A wait status (22.05), `{number}` of one (23.02), or `{return_code, signal}` (24.05).
fn exit(value: &Value) -> Option<Exit> {
    if value["return_code"].is_object() || value["return_code"].is_number() {
        let signal =
            number(&value["signal"]["id"]).or_else(|| number(&value["signal"]["signal_id"])).unwrap_or(0);
        return match (signal, number(&value["return_code"])) {
            (0, code) => code.map(Exit::Code),
            (signal, _) => Some(Exit::Signal(signal)),
        };
    }
    let status = number(value)?;
    Some(match status & 0x7f {
        0 => Exit::Code(status >> 8),
        signal => Exit::Signal(signal),
    })
}

#[cfg(test)]
mod tests;
