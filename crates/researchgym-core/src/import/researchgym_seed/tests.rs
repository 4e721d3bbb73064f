use serde_json::{Value, json};

use super::*;

fn read(files: &[(&str, String)]) -> Foreign {
    let files: Files =
        files.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into_bytes())).collect();
    record("0123abcd", &files).unwrap()
}

fn metadata() -> (&'static str, String) {
    let text = json!({ "task_dir": "/home/me/tasks/test/continual-learning", "run_group": "2026-04-09", "run_id": "0123abcd" });
    ("metadata.json", text.to_string())
}

/// What a record says beside what all of this kind say.
fn told(run: &Foreign) -> Value {
    let mut record = serde_json::to_value(&run.record).unwrap();
    for key in ["schema", "run_id", "origin", "state", "attempts", "submission", "seed"] {
        record.as_object_mut().unwrap().remove(key);
    }
    record
}

const NOT_GRADED: &str =
    "that program did not grade runs: scores that the agent computed itself were not taken over";

fn task() -> Value {
    json!({ "id": "continual-learning", "variant": "default", "primary": null, "baseline": null, "noise_floor": 0.0, "digest": null })
}

#[test]
fn messages_of_rg_agent_are_steps() {
    let transcript = json!([
        { "id": "1", "role": "system", "content": "You propose." },
        { "id": "2", "role": "user", "content": "Task" },
        { "id": "3", "role": "assistant", "model": "gpt-5", "content": [{ "type": "reasoning", "reasoning": "Look first." }, { "type": "text", "text": "I look." }],
          "tool_calls": [{ "id": "c1", "function": "bash", "arguments": { "cmd": "ls" }, "type": "function" }] },
        { "id": "4", "role": "tool", "tool_call_id": "c1", "function": "bash", "content": "grading\nrun.py" },
        { "id": "5", "role": "assistant", "model": "gpt-5", "content": "",
          "tool_calls": [{ "id": "c2", "function": "write_file", "arguments": { "file_path": "a.py", "content": "x" } }] },
        { "id": "6", "role": "tool", "tool_call_id": "c2", "content": "", "error": { "type": "permission", "message": "no" } },
        { "id": "7", "role": "assistant", "content": "Nothing to do." },
        { "id": "8", "role": "assistant", "content": "", "tool_calls": [{ "id": "c3", "function": "end_task", "arguments": { "end_message": "done" } }] },
    ]);
    let stream = [
        json!({ "timestamp": "2026-04-09T10:00:05+00:00", "run_started_at": "2026-04-09T10:00:00+00:00", "elapsed_seconds": 5.0, "status": "running" }),
        json!({ "elapsed_seconds": 65.5, "status": "completed", "model_usage": { "gpt-5": { "input_tokens": 100, "output_tokens": 20, "total_tokens": 150, "input_tokens_cache_read": 30, "reasoning_tokens": 7 } } }),
    ];
    let stream = format!("{}\n{}\n{{cut", stream[0], stream[1]);
    let run = read(&[
        metadata(),
        ("status.json", json!({ "status": "submitted" }).to_string()),
        ("transcript.json", transcript.to_string()),
        ("logs/metadata_stream.jsonl", stream),
        ("usage_summary.json", json!({ "hours_spent": 0.5, "budget_spent": 1.5 }).to_string()),
    ]);
    let expected = json!({
        "task": task(), "agent": "rg-agent", "model": "gpt-5", "started_at": "2026-04-09T10:00:00.000Z",
        "ending": { "cause": "submitted", "told": "end_task" },
        "usage": {
            "working_ms": 65500, "wall_ms": null, "cost": 1_500_000,
            "models": { "gpt-5": { "calls": 4, "usage": { "input": 130, "cache_read": 30, "output": 20, "reasoning": 7 } } },
        },
        "actions": { "steps": "beko", "count": null, "took_ms": {}, "edits": 1, "edits_rejected": 1 },
        "left_out": ["logs/metadata_stream.jsonl: 1 lines cannot be read", NOT_GRADED],
    });
    assert_eq!(told(&run), expected);
    let expected = json!({
        "number": 1, "category": "bash", "tool": "bash", "thought": "Look first.\n\nI look.", "action": "ls",
        "observation": "grading\nrun.py", "model": "gpt-5",
    });
    assert_eq!(serde_json::to_value(&run.steps[0]).unwrap(), expected);
}

#[test]
fn printed_blocks_of_claude_code_are_steps() {
    let transcript = json!([
        { "type": "SystemMessage", "timestamp": "2026-04-09T10:00:00Z", "content": "init", "subtype": "init" },
        { "type": "AssistantMessage", "timestamp": "2026-04-09T10:00:01Z", "model": "claude-opus-4-5",
          "content": ["ThinkingBlock(thinking='Hm.', signature='x')", "TextBlock(text=\"Let's look.\")", "ToolUseBlock(id='t1', name='Bash', input={'command': 'python3 run.py'})"] },
        { "type": "UserMessage", "timestamp": "2026-04-09T10:00:02Z",
          "content": ["ToolResultBlock(tool_use_id='t1', content='acc 0.5\\n', is_error=False)"] },
        { "type": "AssistantMessage", "timestamp": "2026-04-09T10:00:03Z", "content": ["TextBlock(text='Done.')", "OddBlock(at <1>)"] },
        { "type": "ResultMessage", "timestamp": "2026-04-09T10:00:04Z", "content": "", "subtype": "success", "is_error": false, "total_cost_usd": 2.5 },
    ]);
    let costs = json!({
        "total_cost_usd": 2.5, "inherited_cost_usd": 0.0, "model": "claude-opus-4-5", "total_turns": 2,
        "total_tokens": { "input": 10, "output": 5, "cache_read": 100, "cache_write": 50, "reasoning": 0 },
        "time": { "wall_clock_seconds": 4.0, "active_seconds": 3.5 },
    });
    let run = read(&[
        metadata(),
        ("status.json", json!({ "status": "failed", "returncode": 1 }).to_string()),
        ("logs/transcript.json", transcript.to_string()),
        ("logs/cost_summary.json", costs.to_string()),
        (
            "logs/session.json",
            json!({ "session_id": "s", "status": "graceful_stop", "end_time": "x" }).to_string(),
        ),
    ]);
    let expected = json!({
        "task": task(), "agent": "claude-code", "model": "claude-opus-4-5", "started_at": "2026-04-09T10:00:00.000Z",
        "ending": { "cause": "time_limit", "told": "graceful_stop" },
        "usage": {
            "working_ms": 3500, "wall_ms": 4000, "cost": 2_500_000,
            "models": { "claude-opus-4-5": { "calls": 2, "usage": { "input": 160, "cache_read": 100, "cache_write_5m": 50, "output": 5 } } },
        },
        "actions": { "steps": "pk", "count": null, "took_ms": {}, "edits": 0, "edits_rejected": 0 },
        "left_out": ["logs/transcript.json: 1 blocks cannot be read", NOT_GRADED],
    });
    assert_eq!(told(&run), expected);
    let expected = json!({
        "number": 1, "category": "python", "tool": "Bash", "thought": "Hm.\n\nLet's look.", "action": "python3 run.py",
        "observation": "acc 0.5\n", "time": "2026-04-09T10:00:01.000Z", "model": "claude-opus-4-5",
    });
    assert_eq!(serde_json::to_value(&run.steps[0]).unwrap(), expected);
}

#[test]
fn events_of_codex_are_steps() {
    let events = [
        json!({ "type": "thread.started", "thread_id": "t" }),
        json!({ "type": "item.completed", "item": { "id": "i0", "type": "reasoning", "text": "First." } }),
        json!({ "type": "item.started", "item": { "id": "i1", "type": "command_execution", "command": "bash -lc 'ls'" } }),
        json!({ "type": "item.completed", "item": { "id": "i1", "type": "command_execution", "command": "bash -lc 'ls'", "aggregated_output": "a\n", "exit_code": 2, "status": "failed" } }),
        json!({ "type": "item.completed", "item": { "id": "i2", "type": "file_change", "changes": [{ "path": "a.py", "kind": "add" }, { "path": "b.py", "kind": "update" }], "status": "completed" } }),
        json!({ "type": "item.completed", "item": { "id": "i3", "type": "agent_message", "text": "Done." } }),
        json!({ "type": "turn.completed", "usage": { "input_tokens": 10, "cached_input_tokens": 5, "output_tokens": 2 } }),
    ];
    let events: String = events.iter().map(|event| format!("{event}\n")).collect();
    let costs = json!({
        "total_cost_usd": 0.25, "total_input_tokens": 10, "total_output_tokens": 2, "total_cached_tokens": 5,
        "model": "gpt-5.2-codex", "total_turns": 1, "time": { "active_seconds": 7.0 }, "status": "completed",
    });
    let run = read(&[
        metadata(),
        ("logs/codex_output.jsonl", events),
        ("logs/cost_summary.json", costs.to_string()),
    ]);
    let expected = json!({
        "task": task(), "agent": "codex", "model": "gpt-5.2-codex", "started_at": "2026-04-09T00:00:00.000Z",
        "ending": { "cause": "gave_up", "told": "completed" },
        "usage": {
            "working_ms": 7000, "wall_ms": null, "cost": 250_000,
            "models": { "gpt-5.2-codex": { "calls": 1, "usage": { "input": 10, "cache_read": 5, "output": 2 } } },
        },
        "actions": { "steps": "beek", "count": null, "took_ms": {}, "edits": 2, "edits_rejected": 0 },
        "left_out": [NOT_GRADED],
    });
    assert_eq!(told(&run), expected);
    let expected = json!({
        "number": 1, "category": "bash", "tool": "bash", "thought": "First.", "action": "ls", "observation": "a\n", "exit_code": 2,
    });
    assert_eq!(serde_json::to_value(&run.steps[0]).unwrap(), expected);
}

#[test]
fn what_is_missing_or_broken_is_told() {
    let run = read(&[
        ("transcript.json", "[{\"role\": \"assistant\"".to_owned()),
        ("status.json", "[1".to_owned()),
    ]);
    assert_eq!(run.record.task.id, "unknown");
    assert_eq!(run.record.ending.cause, Some(Cause::Unknown));
    assert_eq!(run.record.left_out.len(), 4, "{:?}", run.record.left_out);
    assert!(record("x", &Files::from([("status.json".to_owned(), b"{}".to_vec())])).is_err());
    assert!(
        is_read("logs/cost_summary.json")
            && !is_read("plan.json")
            && !is_read("workspace/input/transcript.json")
    );
}

proptest::proptest! {
    #[test]
    fn damaged_files_never_panic(text in "\\PC{0,200}", cut in 0_usize..60) {
        let whole = r#"[{"type": "AssistantMessage", "content": ["ToolUseBlock(id='t1', name='Bash', input={'command': 'ls'})"]}]"#;
        for name in ["transcript.json", "logs/transcript.json", "logs/codex_output.jsonl", "metadata.json"] {
            for bytes in [text.as_bytes(), &whole.as_bytes()[..cut]] {
                let _ = record("x", &Files::from([(name.to_owned(), bytes.to_vec())]));
            }
        }
    }
}
