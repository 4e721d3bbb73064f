//! Event logs that were torn, edited or written by others.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use researchgym_core::digest::Digest;
use researchgym_core::event::{Ending, Event};
use researchgym_core::score::{AttemptKind, Score, Split};
use researchgym_engine::store::{EventLog, RunFolder, StoreError, TornTail, event_time, read_log, verify};

fn five_lines() -> (tempfile::TempDir, RunFolder) {
    let (runs, folder) = new_run();
    write_log(&folder, ["one", "two", "three", "four"].map(noted).to_vec());
    (runs, folder)
}

/// What reading says, and all that verifying says.
fn check_edited(edit: impl FnOnce(&mut Vec<String>), read: &str, verified: &[&str]) {
    let (_runs, folder) = five_lines();
    edit_log(&folder, edit);
    let error = read_log(&folder).unwrap_err().to_string();
    assert_eq!(error, format!("{}:{read}", folder.events().display()));
    let bytes = fs::read(folder.events()).unwrap();
    assert_eq!(EventLog::reopen(&folder).unwrap_err().to_string(), error);
    assert_eq!(fs::read(folder.events()).unwrap(), bytes, "a refused log is left as it is");
    let problems: Vec<String> = verify(&folder).unwrap().problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, verified);
}

#[test]
fn what_is_written_is_read() {
    let (_runs, folder) = new_run();
    let lines = write_log(&folder, vec![noted("one"), Event::RunResumed, noted("two\nlines \u{1f600} \0")]);
    let reading = read_log(&folder).unwrap();
    assert_eq!(reading.lines, lines);
    assert_eq!(reading.torn, None);
    let text = fs::read(folder.events()).unwrap();
    let last = text[..text.len() - 1].rsplit(|byte| *byte == b'\n').next().unwrap();
    assert_eq!(reading.head, Digest::of(last));
    let verification = verify(&folder).unwrap();
    assert!(verification.is_whole());
    assert_eq!((verification.lines, verification.head), (4, reading.head));
}

#[test]
fn what_is_gathered_is_written_with_what_follows() {
    let (_runs, folder) = new_run();
    let mut log = EventLog::create(&folder).unwrap();
    let mut lines = vec![log.append(TIME, started()).unwrap()];
    let before = fs::read(folder.events()).unwrap();
    for text in ["one", "two"] {
        lines.push(log.gather(TIME, noted(text)).unwrap());
    }
    assert_eq!(fs::read(folder.events()).unwrap(), before);
    lines.push(log.append(TIME, noted("three")).unwrap());
    assert_eq!(read_log(&folder).unwrap().lines, lines);
    lines.push(log.gather(TIME, noted("four")).unwrap());
    log.sync().unwrap();
    let reading = read_log(&folder).unwrap();
    assert_eq!((reading.lines, reading.head), (lines, log.head()));
    assert!(verify(&folder).unwrap().is_whole());
}

#[test]
fn an_event_that_cannot_come_at_its_place_is_a_problem() {
    let ended =
        || Event::RunEnded { ending: Ending::Cancelled, failure: None, working_ms: 1, segment_wall_ms: 1 };
    let check = |events: Vec<Event>, expected: &[&str]| {
        let (_runs, folder) = new_run();
        write_log(&folder, events);
        let problems: Vec<String> =
            verify(&folder).unwrap().problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, expected);
    };
    check(vec![noted("one"), ended(), Event::RunResumed, ended()], &[]);
    // What follows is not judged: it may be the first one's doing.
    check(
        vec![ended(), ended(), Event::ModelLost { call: 7 }],
        &["events.jsonl:3: event 2: the run had ended"],
    );
    check(
        vec![Event::Interrupted { action_id: 3 }],
        &["events.jsonl:2: event 1: an interruption of an action that is not in flight"],
    );
}

#[test]
fn a_folder_of_another_name_is_told_and_no_problem() {
    let (_runs, folder) = five_lines();
    let note = "this is a copy of run `0123abcd`, or its folder was renamed: commands know it by its folder";
    let verification = verify(&folder).unwrap();
    assert!(verification.is_whole());
    assert_eq!(
        (verification.run_id.as_deref(), verification.notes),
        (Some("0123abcd"), vec![note.to_owned()])
    );
    let named = folder.root().with_file_name("0123abcd");
    fs::rename(folder.root(), &named).unwrap();
    assert_eq!(verify(&RunFolder::open(&named).unwrap()).unwrap().notes, Vec::<String>::new());
}

#[test]
fn an_edited_line_is_found() {
    check_edited(
        |lines| lines[1] = lines[1].replace("one", "ONE"),
        "3: its `prev` is not the hash of the line before it: one of the two was changed after it was written",
        &[
            "events.jsonl:3: its `prev` is not the hash of the line before it: one of the two was changed after it was \
           written",
        ],
    );
}

#[test]
fn a_removed_line_is_found() {
    check_edited(
        |lines| {
            lines.remove(2);
        },
        "3: holds event 3 where event 2 belongs: lines were removed, added or reordered",
        &["events.jsonl:3: holds event 3 where event 2 belongs: lines were removed, added or reordered"],
    );
}

#[test]
fn swapped_lines_are_found() {
    let problem = |at: u64, found: u64, expected: u64| {
        format!(
            "{at}: holds event {found} where event {expected} belongs: lines were removed, added or reordered"
        )
    };
    let verified =
        [problem(3, 3, 2), problem(4, 2, 4), problem(5, 4, 3)].map(|text| format!("events.jsonl:{text}"));
    check_edited(|lines| lines.swap(2, 3), &problem(3, 3, 2), &verified.each_ref().map(String::as_str));
}

#[test]
fn a_line_that_is_no_event_is_found() {
    check_edited(
        |lines| lines[4] = "{}".to_owned(),
        "5: not an event: missing field `seq` at line 1 column 2",
        &["events.jsonl:5: not an event: missing field `seq` at line 1 column 2"],
    );
}

#[test]
fn a_newer_schema_is_refused_even_with_unknown_keys() {
    let newer = "written by a newer version of researchgym (schema 2); this one reads 1: update researchgym";
    for line in [
        started_json(2).replace('\n', ""),
        r#"{"type":"run_started","schema":2,"new_key":{"unknown":[]}}"#.to_owned(),
    ] {
        let zeros = "0".repeat(64);
        check_edited(
            |lines| lines[0] = format!(r#"{{"seq":0,"prev":"{zeros}","time":"{TIME}","event":{line}}}"#),
            &format!("1: {newer}"),
            &[&format!("events.jsonl:1: {newer}")],
        );
    }
}

#[test]
fn no_log_and_an_empty_log_are_named() {
    let (_runs, folder) = new_run();
    let no_log = format!("`{}`: there is no event log here", folder.events().display());
    assert_eq!(read_log(&folder).unwrap_err().to_string(), no_log);
    assert_eq!(verify(&folder).unwrap_err().to_string(), no_log);
    assert_eq!(EventLog::reopen(&folder).unwrap_err().to_string(), no_log);
    fs::write(folder.events(), "").unwrap();
    let empty = format!("`{}`: the event log is empty: the run never started", folder.events().display());
    assert_eq!(read_log(&folder).unwrap_err().to_string(), empty);
    assert_eq!(verify(&folder).unwrap_err().to_string(), empty);
    assert_eq!(EventLog::reopen(&folder).unwrap_err().to_string(), empty);
}

#[test]
fn a_torn_line_is_told_and_cut_off() {
    let (_runs, folder) = five_lines();
    let whole = fs::read(folder.events()).unwrap();
    for torn in [&br#"{"seq":5,"pr"#[..], &[0; 5000]] {
        OpenOptions::new().append(true).open(folder.events()).unwrap().write_all(torn).unwrap();
        let tail = TornTail { line: 6, bytes: torn.len() as u64 };
        let reading = read_log(&folder).unwrap();
        assert_eq!((reading.lines.len(), reading.torn), (5, Some(tail)));
        let problems = verify(&folder).unwrap().problems;
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().starts_with("events.jsonl:6: torn: "), "{}", problems[0]);
        let (log, lines, found) = EventLog::reopen(&folder).unwrap();
        assert_eq!((lines.len(), found, log.next_seq()), (5, Some(tail), 5));
        assert_eq!(fs::read(folder.events()).unwrap(), whole);
    }
    let kept = fs::read(folder.torn()).unwrap();
    assert_eq!(kept, [&br#"{"seq":5,"pr"#[..], b"\n", &[0; 5000], b"\n"].concat());
}

#[test]
fn an_endless_torn_line_does_not_fill_the_memory() {
    let (_runs, folder) = five_lines();
    let file = OpenOptions::new().write(true).open(folder.events()).unwrap();
    let whole = file.metadata().unwrap().len();
    file.set_len(whole + (64 << 20)).unwrap();
    assert_eq!(read_log(&folder).unwrap().torn, Some(TornTail { line: 6, bytes: 64 << 20 }));
    OpenOptions::new().append(true).open(folder.events()).unwrap().write_all(b"\n").unwrap();
    let error = read_log(&folder).unwrap_err().to_string();
    assert!(error.ends_with(":6: longer than the 16777216 bytes that a line may have"), "{error}");
}

#[test]
fn what_cannot_be_read_back_is_refused_without_harm() {
    let (_runs, folder) = new_run();
    let mut log = EventLog::create(&folder).unwrap();
    assert!(matches!(log.append(TIME, noted("first")), Err(StoreError::Line { number: 1, .. })));
    log.append(TIME, started()).unwrap();
    assert!(matches!(log.append(TIME, started()), Err(StoreError::Line { number: 2, .. })));
    for name in ["Score", "invalid", "}", "},\"invalid\":null"] {
        let metrics = [("A".to_owned(), 1.0), (name.to_owned(), f64::NAN)].into();
        let scored = Event::Scored {
            attempt: 1,
            kind: AttemptKind::Submit,
            split: Split::Test,
            score: Score { metrics, invalid: None, findings: Vec::new() },
            submission: Digest::ZERO,
            grading_ms: 1,
        };
        let error = log.append(TIME, scored).unwrap_err().to_string();
        assert!(error.ends_with("the event holds a number that is not finite"), "{error}");
    }
    assert!(matches!(log.append(TIME, noted(&"x".repeat(17 << 20))), Err(StoreError::Encode { .. })));
    log.append(TIME, noted("null")).unwrap();
    assert_eq!(read_log(&folder).unwrap().lines.len(), 2);
}

#[test]
fn a_log_is_created_once() {
    let (_runs, folder) = five_lines();
    assert!(EventLog::create(&folder).is_err());
}

#[test]
fn times_have_milliseconds() {
    let time = "2026-11-21T22:47:32.1239Z".parse().unwrap();
    assert_eq!(event_time(time), "2026-11-21T22:47:32.123Z");
    assert_eq!(event_time("2026-11-21T22:47:32Z".parse().unwrap()), "2026-11-21T22:47:32.000Z");
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        ".{0,60}".prop_map(|text| Event::Noted { text }),
        any::<u64>().prop_map(|action_id| Event::Interrupted { action_id }),
        Just(Event::RunResumed),
        (any::<f64>(), ".{0,9}").prop_filter("finite", |(value, _)| value.is_finite()).prop_map(
            |(value, name)| {
                Event::Scored {
                    attempt: 1,
                    kind: AttemptKind::Validate,
                    split: Split::Validation,
                    score: Score { metrics: [(name, value)].into(), invalid: None, findings: Vec::new() },
                    submission: Digest::of(b"not checked here"),
                    grading_ms: 0,
                }
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_log_is_a_prefix_and_goes_on(events in vec(any_event(), 0..8), more in vec(any_event(), 1..4), cut: prop::sample::Index) {
        let (_runs, folder) = new_run();
        let written = write_log(&folder, events);
        let bytes = fs::read(folder.events()).unwrap();
        let keep = cut.index(bytes.len() + 1);
        OpenOptions::new().write(true).open(folder.events()).unwrap().set_len(keep as u64).unwrap();
        let whole = bytes[..keep].iter().filter(|byte| **byte == b'\n').count();
        if whole == 0 {
            let empty = matches!(EventLog::reopen(&folder), Err(StoreError::EmptyLog { .. }));
            prop_assert!(empty);
            return Ok(());
        }
        let (mut log, mut lines, torn) = EventLog::reopen(&folder).unwrap();
        prop_assert_eq!(&lines[..], &written[..whole]);
        prop_assert_eq!(torn.is_some(), keep > 0 && bytes[keep - 1] != b'\n');
        for event in more {
            lines.push(log.append(TIME, event).unwrap());
        }
        log.sync().unwrap();
        let reading = read_log(&folder).unwrap();
        prop_assert_eq!(reading.lines, lines);
        prop_assert_eq!((reading.head, reading.torn), (log.head(), None));
    }

    /// In all lines but the last any change is seen; in the last one at least the head is another.
    #[test]
    fn a_changed_byte_is_detected(events in vec(any_event(), 1..5), at: prop::sample::Index, bit in 0..8u32) {
        let (_runs, folder) = new_run();
        write_log(&folder, events);
        let head = read_log(&folder).unwrap().head;
        let mut bytes = fs::read(folder.events()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(folder.events(), &bytes).unwrap();
        match read_log(&folder) {
            Err(StoreError::Line { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
            Ok(reading) => {
                let last_line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                prop_assert!(at >= last_line, "a change at {at} before {last_line} was not seen");
                prop_assert_ne!(reading.head, head);
            }
        }
    }
}

#[test]
fn a_killed_writer_leaves_a_log_that_goes_on() {
    const WRITER: &str = "RESEARCHGYM_TEST_WRITER";
    let test = "log::a_killed_writer_leaves_a_log_that_goes_on";
    if let Some(path) = std::env::var_os(WRITER) {
        let folder = RunFolder::open(path.as_ref()).unwrap();
        let _lock = folder.lock().unwrap();
        let mut log = EventLog::create(&folder).unwrap();
        log.append(TIME, started()).unwrap();
        loop {
            log.append(TIME, noted(&"x".repeat(5000))).unwrap();
            folder.blobs().put(&log.next_seq().to_le_bytes()).unwrap();
        }
    }
    for events in [1, 7, 40] {
        let (_runs, folder) = new_run();
        let mut writer = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(WRITER, folder.root())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while fs::metadata(folder.events()).map_or(0, |metadata| metadata.len()) < events * 5000 {
            assert!(writer.try_wait().unwrap().is_none(), "the writer ended by itself");
            std::thread::yield_now();
        }
        assert!(matches!(folder.lock(), Err(StoreError::Locked { .. })));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let _lock = folder.lock().unwrap();
        let (mut log, lines, _) = EventLog::reopen(&folder).unwrap();
        assert!(lines.len() as u64 >= events);
        log.append(TIME, Event::RunResumed).unwrap();
        assert!(verify(&folder).unwrap().is_whole());
        let unfinished = fs::read_dir(folder.blobs_path()).unwrap().flatten();
        assert_eq!(
            unfinished.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count(),
            0
        );
    }
}
