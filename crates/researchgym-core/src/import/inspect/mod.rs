//! Logs of Inspect AI (`.json` whole, `.eval` member by member): one run for each sample and epoch.
//!
//! An `.eval` file is a zip archive. Whoever opens it gives the header first ([`header`] of the member [`HEADER`], or of
//! [`START`] where the log was never finished), then each member for which [`is_sample`] holds to [`sample`]; of two members with
//! one name the last counts. Keys are looked up one by one, so that logs of other versions are read as far as they go; what
//! is there and has no place in a record stands in its `left_out`.

mod scores;
mod scoring;
mod steps;
mod taken;

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::json::{Readable, Unreadable, Without, parse_without, text};
use crate::record::Foreign;

/// The name of the format.
pub const PROGRAM: &str = "inspect";
/// The member that holds the log without its samples.
pub const HEADER: &str = "header.json";
/// The member that stands in for it in a log that was not finished.
pub const START: &str = "_journal/start.json";

/// The key of a sample's metadata under which this program says in logs that it writes what Inspect has no place for.
pub const OURS: &str = "researchgym";

/// What of a sample is not looked at. It is the bulk of most logs.
const PASSED_OVER: [&[&str]; 12] = [
    &["events", "input"],
    &["events", "call"],
    &["events", "tools"],
    &["events", "sample"],
    &["events", "state"],
    &["events", "changes"],
    &["events", "events"],
    &["events_data"],
    &["store"],
    &["timelines"],
    &["error_retries", "events"],
    &["input"],
];

/// Bytes are no log of Inspect, or no part of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInspect {
    /// They cannot be read.
    #[error("the log {0}")]
    Unreadable(#[from] Unreadable),
    /// They are JSON of another kind.
    #[error("this is no log of Inspect: there is no {0}")]
    Other(&'static str),
}

/// What all samples of a log share.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    eval: Map<String, Value>,
    plan: Value,
    results: Value,
    status: Option<String>,
}

impl Header {
    fn of(mut log: Map<String, Value>) -> Result<Header, NotInspect> {
        let Some(Value::Object(eval)) = log.remove("eval") else { return Err(NotInspect::Other("`eval`")) };
        if !eval.get("task").is_some_and(Value::is_string) {
            return Err(NotInspect::Other("`eval.task`"));
        }
        let mut take = |key: &str| log.remove(key).unwrap_or(Value::Null);
        let (plan, results, status) = (take("plan"), take("results"), take("status"));
        Ok(Header { eval, plan, results, status: status.as_str().map(str::to_owned) })
    }

    /// `started`, `success`, `cancelled` or `error`; absent from logs that were not finished.
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }
}

/// Reads the header of an `.eval` file, or what stands in for it.
///
/// # Errors
/// It is not JSON, or not a header.
pub fn header(bytes: &[u8]) -> Result<Header, NotInspect> {
    match parse_without(bytes, &[&["samples"], &["reductions"], &["eval", "model_args"]])? {
        Value::Object(log) => Header::of(log),
        _ => Err(NotInspect::Other("`eval`")),
    }
}

/// Whether a member of an `.eval` file is a sample that [`sample`] reads.
pub fn is_sample(member: &str) -> bool {
    member.strip_prefix("samples/").is_some_and(|name| name.ends_with(".json") && !name.contains('/'))
}

/// Whether a member belongs to a sample in many pieces, which is not read.
pub fn is_piece(member: &str) -> bool {
    member.strip_prefix("samples/").is_some_and(|name| name.contains('/'))
}

/// Reads one sample of an `.eval` file.
///
/// # Errors
/// It is not JSON, or not a sample.
pub fn sample(header: &Header, bytes: &[u8]) -> Result<Foreign, NotInspect> {
    run(header, &parse_without(bytes, &PASSED_OVER)?)
}

/// Reads a log in one piece, and hands over each sample as soon as it is read. Samples that stand whole before damage have been
/// handed over when the damage is told.
///
/// # Errors
/// It is not JSON, or not a log.
pub fn log(bytes: &[u8], each: &mut dyn FnMut(Result<Foreign, NotInspect>)) -> Result<(), NotInspect> {
    let readable = Readable::new(bytes)?;
    let mut rest = readable.read(Log { each: &mut *each })??;
    // Samples may stand before what they need; then they were kept.
    let samples = rest.remove("samples");
    let header = Header::of(rest)?;
    if let Some(Value::Array(samples)) = samples {
        samples.iter().for_each(|sample| each(run(&header, sample)));
    }
    Ok(())
}

fn run(header: &Header, sample: &Value) -> Result<Foreign, NotInspect> {
    if !sample.is_object()
        || sample.get("id").is_none()
        || text(sample, "id").is_none() && !sample["id"].is_number()
    {
        return Err(NotInspect::Other("sample `id`"));
    }
    Ok(taken::run(header, sample))
}

/// Reads a log, all but its samples into an object.
struct Log<'s> {
    each: &'s mut dyn FnMut(Result<Foreign, NotInspect>),
}

impl<'de> DeserializeSeed<'de> for Log<'_> {
    type Value = Result<Map<String, Value>, NotInspect>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Log<'_> {
    type Value = Result<Map<String, Value>, NotInspect>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a log of Inspect")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut log = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "samples" if log.contains_key("eval") => {
                    let header = match Header::of(log.clone()) {
                        Ok(header) => header,
                        Err(error) => {
                            entries.next_value::<IgnoredAny>()?;
                            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                            return Ok(Err(error));
                        }
                    };
                    entries.next_value_seed(Samples { header: &header, each: &mut *self.each })?;
                }
                "samples" => {
                    let samples = entries.next_value_seed(Without::new(&PASSED_OVER))?;
                    log.insert(key, samples);
                }
                "reductions" => {
                    entries.next_value::<IgnoredAny>()?;
                }
                "eval" => {
                    let eval = entries.next_value_seed(Without::new(&[&["model_args"]]))?;
                    log.insert(key, eval);
                }
                _ => {
                    let value = entries.next_value()?;
                    log.insert(key, value);
                }
            }
        }
        Ok(Ok(log))
    }
}

/// Hands over samples one by one.
struct Samples<'h, 's> {
    header: &'h Header,
    each: &'s mut dyn FnMut(Result<Foreign, NotInspect>),
}

impl<'de> DeserializeSeed<'de> for Samples<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of samples")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut samples: A) -> Result<(), A::Error> {
        while let Some(sample) = samples.next_element_seed(Without::new(&PASSED_OVER))? {
            (self.each)(run(self.header, &sample));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
