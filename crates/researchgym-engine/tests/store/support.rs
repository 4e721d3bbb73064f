//! Run folders and events for the tests of the store.

use std::fs;
use std::path::Path;

use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::event::{Event, Line};
use researchgym_engine::store::{EventLog, RunFolder};
use tempfile::TempDir;

pub(crate) const TIME: &str = "2026-11-21T12:00:00.000Z";

/// A new run folder that goes with the test.
pub(crate) fn new_run() -> (TempDir, RunFolder) {
    let runs = TempDir::new().expect("the test needs a temporary folder");
    let folder = create_run(runs.path());
    (runs, folder)
}

pub(crate) fn create_run(runs: &Path) -> RunFolder {
    let now = "2026-11-21T12:00:00Z".parse().expect("a valid time");
    RunFolder::create(runs, now).expect("a run folder can be created")
}

/// The first event, with a schema of one's choice.
pub(crate) fn started_json(schema: u32) -> String {
    let zeros = "0".repeat(64);
    format!(
        r#"{{"type":"run_started","schema":{schema},"run_id":"0123abcd","version":"0.1.0",
        "spec":{{"schema":1,"task":"t","task_dir":"/t","variant":"default","agent":{{"name":"human"}},"model":null,"seed":7,
            "seed_given":true,"runtime":"local","limits":{{"working_ms":null,"steps":3,"budget":null}}}},
        "task":{{"schema":1,"id":"t","title":"T","domain":"d","description":"description.md",
            "metrics":[{{"name":"Score","direction":"maximize"}}],"workspace":{{"starter":"starter"}},
            "submission":{{"artefacts":["a.py"]}},
            "grader":{{"files":"grader","command":["python3","g.py"],"validate_on":"fresh"}}}},
        "digests":{{"task":"{zeros}","agent":"{zeros}"}},"grading_secret":"{zeros}"}}"#
    )
}

pub(crate) fn started() -> Event {
    serde_json::from_str(&started_json(1)).expect("the fixture is an event")
}

pub(crate) fn noted(text: &str) -> Event {
    Event::Noted { text: text.to_owned() }
}

pub(crate) fn said(action_id: u64, text: Body) -> Event {
    Event::Acted { action_id, origin: Origin::Agent, action: Action::Say { text } }
}

/// Starts a log and appends the events after `RunStarted`.
pub(crate) fn write_log(folder: &RunFolder, events: Vec<Event>) -> Vec<Line> {
    let mut log = EventLog::create(folder).expect("a new log");
    let events = std::iter::once(started()).chain(events);
    events.map(|event| log.append(TIME, event).expect("the event is appended")).collect()
}

/// Rewrites the lines of the log.
pub(crate) fn edit_log(folder: &RunFolder, edit: impl FnOnce(&mut Vec<String>)) {
    let text = fs::read_to_string(folder.events()).expect("the log is text");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    edit(&mut lines);
    fs::write(folder.events(), lines.join("\n") + "\n").expect("the log is written");
}

/// Whether the test runs as root; says that it is skipped otherwise.
pub(crate) fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED {test}: needs root");
    }
    root
}

/// Runs one test of this binary again under `command`, with a variable that tells it so, and checks that it passed
/// there. A machine that cannot run the command skips the test and says why.
pub(crate) fn again_under(command: &[&str], test: &str, variable: &str, value: &Path) {
    let me = std::env::current_exe().expect("a test knows its binary");
    let output = std::process::Command::new(command[0])
        .args(&command[1..])
        .arg(&me)
        .args(["--exact", test, "--nocapture"])
        .env(variable, value)
        .env("TMPDIR", value)
        .output();
    match output {
        Ok(output) if output.status.code() == Some(125) || output.status.code() == Some(126) => {
            eprintln!("SKIPPED {test}: `{command:?}`: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        Err(error) => eprintln!("SKIPPED {test}: needs `{}`: {error}", command[0]),
    }
}
