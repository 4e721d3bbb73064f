use std::io::Write as _;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use researchgym_core::event::Event;

use super::*;
use crate::executor::runs::tests::started;
use crate::store::EventLog;

/// A log with its first event, and who is told of what is read.
fn world() -> (tempfile::TempDir, RunFolder, EventLog, Follower, Arc<Mutex<Vec<u64>>>) {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(place.path(), Timestamp::now()).unwrap();
    let mut log = EventLog::create(&folder).unwrap();
    log.append("2026-01-01T00:00:00.000Z", started(&folder)).unwrap();
    let told: Arc<Mutex<Vec<u64>>> = Arc::default();
    let observer: Observer = {
        let told = told.clone();
        Arc::new(move |line, _| told.lock().unwrap().push(line.seq))
    };
    let follower = Follower::new(folder.clone(), observer);
    (place, folder, log, follower, told)
}

fn note(log: &mut EventLog, text: &str) {
    log.append("2026-01-01T00:00:01.000Z", Event::Noted { text: text.to_owned() }).unwrap();
}

#[test]
fn each_whole_line_is_told_once() {
    let (_place, folder, mut log, mut follower, told) = world();
    follower.catch_up().unwrap();
    assert_eq!((told.lock().unwrap().clone(), follower.state().unwrap().events), (vec![], 1));
    note(&mut log, "one");
    note(&mut log, "two");
    follower.read().unwrap();
    follower.read().unwrap();
    assert_eq!(*told.lock().unwrap(), [1, 2]);
    // The beginning of a line, then its writer dies and another cuts it off and goes on.
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.events()).unwrap();
    file.write_all(b"{\"seq\":3,\"pre").unwrap();
    follower.read().unwrap();
    drop(log);
    let (mut log, _, torn) = EventLog::reopen(&folder).unwrap();
    assert!(torn.is_some());
    note(&mut log, "three");
    follower.read().unwrap();
    assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
    let result = follower.result().unwrap();
    assert_eq!((result.log_head, result.run), (log.head(), folder.root().display().to_string()));
}

#[test]
fn what_was_changed_is_no_log() {
    let (_place, folder, mut log, mut follower, _) = world();
    follower.read().unwrap();
    note(&mut log, "one");
    let text = std::fs::read_to_string(folder.events()).unwrap().replace("one", "two");
    std::fs::write(folder.events(), text).unwrap();
    follower.read().unwrap();
    note(&mut log, "three");
    let failure = follower.read().unwrap_err();
    assert_eq!(failure.boundary, Boundary::Store);
}
