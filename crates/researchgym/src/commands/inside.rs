//! `validate`, `submit` and `status` inside a run: one line to the session's socket, one line back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::error::{CommandError, Kind};
use crate::output::{Outcome, Printer};

/// The longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

pub(crate) fn request(method: &str, printer: &Printer) -> Outcome {
    let Some(path) = std::env::var_os("RESEARCHGYM_SESSION") else {
        return Err(CommandError::input(format!("`researchgym {method}` works inside a run only")).hinted(
            "start a run with `researchgym run TASK AGENT`; its agent finds this command on its PATH",
        ));
    };
    let lost = |what: &str| {
        let what = what.to_owned();
        move |error: std::io::Error| CommandError {
            kind: Kind::Infrastructure,
            message: format!("{what}: {error}"),
            hint: None,
        }
    };
    let mut stream = UnixStream::connect(&path).map_err(lost("the session cannot be reached"))?;
    writeln!(stream, "{}", json!({ "method": method })).map_err(lost("the session hung up"))?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream).take(MAX_ANSWER_BYTES);
    reader.read_line(&mut line).map_err(lost("the session hung up"))?;
    let answer: Value = serde_json::from_str(&line).map_err(|error| CommandError {
        kind: Kind::Infrastructure,
        message: format!("the session did not answer: {error}"),
        hint: None,
    })?;
    if printer.is_json() {
        printer.json(&answer);
    } else {
        printer.answer(&answer);
    }
    Ok(if answer["ok"] == true { 0 } else { 1 })
}
