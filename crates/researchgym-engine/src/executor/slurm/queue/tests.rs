//! Answers of `squeue`, written by hand after those of Slurm 22.05 (seen) and of 23.11 and 24.05 (their documentation).

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn queue(jobs: &Value) -> Queue {
    parse(&json!({ "meta": {}, "errors": [], "jobs": jobs }).to_string()).unwrap()
}

fn found(jobs: &Value, id: &str) -> Option<Seen> {
    queue(jobs).find(id.parse().unwrap()).cloned()
}

fn old(state: &str) -> Value {
    json!([{
        "job_id": 7, "array_job_id": 0, "array_task_id": null, "array_task_string": "", "job_state": state, "name": "a",
        "comment": "token", "state_reason": "None", "nodes": "n1", "batch_host": "n1", "exit_code": 0
    }])
}

fn new(states: &[&str]) -> Value {
    let unset = json!({ "set": false, "infinite": false, "number": 0 });
    json!([{
        "job_id": 7, "array_job_id": { "set": true, "infinite": false, "number": 0 }, "array_task_id": unset,
        "array_task_string": "", "job_state": states, "name": "a", "comment": "token", "state_reason": "None", "nodes": "n1",
        "batch_host": "n1", "exit_code": { "set": true, "infinite": false, "number": 0 }
    }])
}

#[test]
fn states_mean_the_same_in_both_shapes() {
    let table: [(&str, &[&str], Stage); 16] = [
        ("PENDING", &["PENDING"], Stage::Waiting),
        ("CONFIGURING", &["RUNNING", "CONFIGURING"], Stage::Waiting),
        ("RUNNING", &["RUNNING"], Stage::Working),
        ("SUSPENDED", &["SUSPENDED"], Stage::Working),
        ("COMPLETING", &["RUNNING", "COMPLETING"], Stage::Working),
        ("REQUEUED", &["PENDING", "REQUEUED"], Stage::Waiting),
        ("SPECIAL_EXIT", &["FAILED", "SPECIAL_EXIT"], Stage::Waiting),
        ("COMPLETED", &["COMPLETED"], Stage::Ended(Cause::Failed)),
        ("FAILED", &["FAILED"], Stage::Ended(Cause::Failed)),
        ("CANCELLED", &["CANCELLED"], Stage::Ended(Cause::Cancelled)),
        ("TIMEOUT", &["TIMEOUT"], Stage::Ended(Cause::TimeOut)),
        ("DEADLINE", &["DEADLINE"], Stage::Ended(Cause::TimeOut)),
        ("NODE_FAIL", &["NODE_FAIL"], Stage::Ended(Cause::NodeFailed)),
        ("BOOT_FAIL", &["BOOT_FAIL"], Stage::Ended(Cause::NodeFailed)),
        ("PREEMPTED", &["PREEMPTED"], Stage::Ended(Cause::Preempted)),
        ("OUT_OF_MEMORY", &["OUT_OF_MEMORY"], Stage::Ended(Cause::OutOfMemory)),
    ];
    for (word, words, expected) in table {
        let one = found(&old(word), "7").unwrap();
        let other = found(&new(words), "7").unwrap();
        assert_eq!((one.stage, other.stage), (expected, expected), "{word}");
        assert_eq!((one.host.as_str(), one.reason.as_str()), ("n1", ""), "{word}");
        assert_eq!((one.host, one.reason, one.exit), (other.host, other.reason, other.exit), "{word}");
    }
    assert_eq!(
        found(&new(&["CANCELLED", "COMPLETING"]), "7").map(|seen| seen.stage),
        Some(Stage::Ending(Cause::Cancelled))
    );
}

#[test]
fn ends_of_programs_are_read_in_three_shapes() {
    let table = [
        (json!(0), Some(Exit::Code(0))),
        (json!(768), Some(Exit::Code(3))),
        (json!(15), Some(Exit::Signal(15))),
        (json!({ "set": true, "infinite": false, "number": 768 }), Some(Exit::Code(3))),
        (json!({ "set": false, "infinite": false, "number": 0 }), None),
        (
            json!({ "status": ["ERROR"], "return_code": { "set": true, "infinite": false, "number": 3 },
            "signal": { "id": { "set": false, "infinite": false, "number": 0 }, "name": "" } }),
            Some(Exit::Code(3)),
        ),
        (
            json!({ "status": ["SIGNALED"], "return_code": { "set": false, "infinite": false, "number": 0 },
            "signal": { "id": { "set": true, "infinite": false, "number": 9 }, "name": "KILL" } }),
            Some(Exit::Signal(9)),
        ),
    ];
    for (value, expected) in table {
        assert_eq!(exit(&value), expected, "{value}");
    }
}

#[test]
fn tasks_of_arrays_are_found_whether_they_have_records_or_not() {
    let jobs = json!([
        { "job_id": 12, "array_job_id": 10, "array_task_id": 2, "array_task_string": "", "job_state": "RUNNING", "name": "b",
          "comment": "token", "state_reason": "None", "nodes": "n2", "batch_host": "n2", "exit_code": 0 },
        { "job_id": 10, "array_job_id": 10, "array_task_id": null, "array_task_string": "3-5,8%2", "job_state": "PENDING",
          "name": "b", "comment": "token", "state_reason": "JobArrayTaskLimit", "nodes": "", "batch_host": "", "exit_code": 0 },
    ]);
    let stage = |id: &str| found(&jobs, id).map(|seen| (seen.stage, seen.host, seen.reason));
    let waiting = Some((Stage::Waiting, String::new(), "JobArrayTaskLimit".to_owned()));
    assert_eq!(stage("10_2"), Some((Stage::Working, "n2".to_owned(), String::new())));
    assert_eq!(stage("10_3"), waiting);
    assert_eq!(stage("10_8"), waiting);
    assert_eq!(stage("10_7"), None);
    assert_eq!(stage("10"), None);
    assert_eq!(queue(&jobs).marked("token"), Some(10));
    assert_eq!(queue(&jobs).marked("c"), None);
}

#[test]
fn lists_of_places() {
    let table: [(&str, &[(u32, u32)]); 6] = [
        ("", &[]),
        ("4", &[(4, 4)]),
        ("0-9%3", &[(0, 9)]),
        ("[1,3-5]", &[(1, 1), (3, 5)]),
        ("0-9:1", &[(0, 9)]),
        ("1-3,5,...", &[(1, 3), (5, 5), (6, u32::MAX)]),
    ];
    for (text, expected) in table {
        assert_eq!(spans(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_queue_is_an_error() {
    assert_eq!(["", "{}", "slurm_load_jobs error"].map(|text| parse(text).is_err()), [true, true, true]);
    assert!("12_x".parse::<JobId>().is_err());
    assert_eq!(["12", "12_3"].map(|text| text.parse::<JobId>().unwrap().to_string()), ["12", "12_3"]);
}

proptest! {
    #[test]
    fn no_list_of_places_is_a_fault(text in "[0-9,:%.\\[\\]-]{0,40}") {
        spans(&text);
    }

    #[test]
    fn no_answer_is_a_fault(state in "[A-Z_|+ ]{0,20}", task in "[0-9,%.-]{0,20}", code in any::<u64>()) {
        let job = json!({ "job_id": 1, "array_job_id": 1, "array_task_string": task, "job_state": state, "exit_code": code });
        let answer = json!({ "jobs": [job] }).to_string();
        prop_assert!(parse(&answer).is_ok());
    }
}
