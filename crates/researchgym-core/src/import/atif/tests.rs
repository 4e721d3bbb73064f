//! Trajectories as agents of Harbor write them.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::record::{ActionsRecord, UsageRecord};
use crate::spec::MicroUsd;

fn trajectory() -> Value {
    json!({
        "schema_version": "ATIF-v1.7", "session_id": "s",
        "agent": { "name": "terminus-2", "version": "2.0", "model_name": "p/m" },
        "steps": [
            { "step_id": 1, "source": "user", "message": "Fix it", "timestamp": "2026-01-01T00:00:00Z" },
            { "step_id": 2, "source": "agent", "message": "old", "is_copied_context": true },
            {
                "step_id": 3, "source": "agent", "timestamp": "2026-01-01T00:00:10Z", "message": "I look",
                "reasoning_content": "hm",
                "tool_calls": [
                    { "tool_call_id": "a", "function_name": "bash_command", "arguments": { "keystrokes": "ls\n" } },
                    { "tool_call_id": "b", "function_name": "write_file", "arguments": { "path": "x", "content": "1" } },
                ],
                "observation": { "results": [
                    { "source_call_id": "b", "content": [{ "type": "text", "text": "ok" }, { "type": "image" }] },
                    { "source_call_id": "a", "content": "x y" },
                ] },
                "metrics": { "prompt_tokens": 100, "cached_tokens": 40, "completion_tokens": 10, "cost_usd": 0.5, "prompt_token_ids": [1] },
            },
            { "step_id": 4, "source": "agent", "message": "typed", "observation": { "results": [{ "content": "screen" }] } },
            { "step_id": 5, "source": "agent", "message": "done", "timestamp": "2026-01-01T00:01:00Z", "llm_call_count": 0 },
        ],
        "final_metrics": { "total_prompt_tokens": 120, "total_completion_tokens": 12, "total_cached_tokens": 40, "total_cost_usd": 0.6 },
        "subagent_trajectories": [{}],
    })
}

fn expected() -> Foreign {
    let time = |second: u32| Some(format!("2026-01-01T00:{:02}:{:02}.000Z", second / 60, second % 60));
    let model = Some("p/m".to_owned());
    let task = TaskRecord {
        primary: Some(Primary { name: "reward".to_owned(), direction: Direction::Maximize }),
        ..TaskRecord::named("org/fix-it")
    };
    let usage = Usage { input: 120, cache_read: 40, output: 12, ..Usage::default() };
    let record = RunRecord {
        model: model.clone(),
        started_at: time(0),
        ending: EndingRecord { cause: Some(Cause::Submitted), told: None, boundary: None, failure: None },
        attempts: vec![AttemptRecord {
            number: 1,
            kind: Some(AttemptKind::Submit),
            split: None,
            metrics: Metrics::from([("reward".to_owned(), 0.5), ("style".to_owned(), 1.0)]),
            invalid: None,
            after_steps: Some(4),
            after_ms: Some(60_000),
            after_cost: Some(MicroUsd(600_000)),
            artefact: None,
        }],
        submission: Some(1),
        usage: UsageRecord {
            working_ms: Some(60_000),
            wall_ms: None,
            cost: Some(MicroUsd(600_000)),
            models: BTreeMap::from([("p/m".to_owned(), ModelUse { calls: 1, usage })]),
        },
        actions: ActionsRecord { steps: "beok".to_owned(), edits: 1, ..ActionsRecord::default() },
        left_out: vec!["the steps of 1 sub-agents".to_owned()],
        ..RunRecord::foreign(PROGRAM, task, "terminus-2")
    };
    let change =
        crate::record::Change { path: "x".to_owned(), content: Some("1".to_owned()), is_applied: true };
    let steps = vec![
        StepRecord {
            thought: Some("hm\nI look".to_owned()),
            observation: "x y".to_owned(),
            time: time(10),
            model: model.clone(),
            ..StepRecord::new(1, Category::Bash, "bash_command", "ls\n")
        },
        StepRecord {
            observation: "ok\n[image]".to_owned(),
            time: time(10),
            model: model.clone(),
            changes: vec![change],
            ..StepRecord::new(2, Category::Edit, "write_file", r#"{"content":"1","path":"x"}"#)
        },
        StepRecord {
            thought: Some("typed".to_owned()),
            observation: "screen".to_owned(),
            model: model.clone(),
            ..StepRecord::new(3, Category::Other, "", "")
        },
        StepRecord {
            thought: Some("done".to_owned()),
            time: time(60),
            model,
            ..StepRecord::new(4, Category::Talk, "", "")
        },
    ];
    Foreign { record, steps }
}

#[test]
fn a_trial_is_a_run() {
    let trajectory = trajectory().to_string();
    let result =
        json!({ "task_name": "org/fix-it", "verifier_result": { "rewards": { "reward": 0.5, "style": 1 } } })
            .to_string();
    let trial =
        Trial { trajectory: trajectory.as_bytes(), result: Some(result.as_bytes()), ..Trial::default() };
    assert_eq!(read(trial, "folder"), Ok(expected()));
}

#[test]
fn rewards_are_read_from_their_files() {
    let trajectory = trajectory().to_string();
    let trajectory = trajectory.as_bytes();
    type Case = (Option<&'static [u8]>, Option<&'static [u8]>, Option<f64>, &'static str);
    let cases: [Case; 5] = [
        (None, Some(b" 0.25\n"), Some(0.25), ""),
        (Some(b"{\"reward\": 1}"), Some(b"0.25"), Some(1.0), ""),
        (None, Some(b"nan"), None, "rewards that are no numbers: reward"),
        (Some(b"{\"reward\": NaN}"), None, None, "rewards that are no numbers: reward"),
        (None, None, None, "no reward stands beside the trajectory"),
    ];
    for (reward_json, reward_text, value, left_out) in cases {
        let run = read(Trial { trajectory, reward_json, reward_text, result: None }, "folder").unwrap();
        let told = run.record.left_out.first().filter(|told| !told.contains("sub-agents"));
        assert_eq!((run.record.submission_value(), told.map_or("", String::as_str)), (value, left_out));
        assert_eq!(run.record.task.id, "folder");
    }
}

#[test]
fn endings_have_causes() {
    for (kind, cause, boundary) in [
        ("AgentTimeoutError", Cause::TimeLimit, None),
        ("VerifierTimeoutError", Cause::Evaluation, Some(Boundary::Grader)),
        ("EnvironmentStartTimeoutError", Cause::Failed, Some(Boundary::Sandbox)),
        ("RuntimeError", Cause::Failed, None),
    ] {
        let result =
            json!({ "exception_info": { "exception_type": kind, "exception_message": "why" } }).to_string();
        let trajectory = trajectory().to_string();
        let trial =
            Trial { trajectory: trajectory.as_bytes(), result: Some(result.as_bytes()), ..Trial::default() };
        let ending = read(trial, "t").unwrap().record.ending;
        let expected = EndingRecord {
            cause: Some(cause),
            told: Some(kind.to_owned()),
            boundary,
            failure: Some("why".to_owned()),
        };
        assert_eq!(ending, expected, "{kind}");
    }
}

#[test]
fn what_is_no_trajectory_is_told() {
    let told = |text: &str| {
        read(Trial { trajectory: text.as_bytes(), ..Trial::default() }, "t").unwrap_err().to_string()
    };
    assert_eq!(told("{}"), "this is no ATIF trajectory: there is no `schema_version` of ATIF");
    assert_eq!(
        told(r#"{"schema_version": "ATIF-v1.2"}"#),
        "this is no ATIF trajectory: there is no list of `steps`"
    );
    assert_eq!(told("{\"steps\": ["), "the trajectory breaks off at line 1, column 11");
    let trajectory = trajectory().to_string();
    let trial = Trial { trajectory: trajectory.as_bytes(), result: Some(b"\xff"), ..Trial::default() };
    assert_eq!(read(trial, "t").unwrap_err().to_string(), "result.json is no text in UTF-8 (byte 0)");
}
