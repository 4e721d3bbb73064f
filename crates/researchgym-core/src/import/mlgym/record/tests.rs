use serde_json::{Value, json};

use super::*;
use crate::record::{Category, Change, MAX_TEXT_BYTES};

const NAME: &str =
    "metagen-gpt4o2__blotto__default__t-0.00__p-0.95__c-4.00__install-0__parallel_agents_run_3";

fn told(score: &str) -> String {
    format!(
        "Your code produced a valid submission artefact at x.\nBaseline Score: {{'Score': -0.2}}\nEvaluation Score: {{'Score': {score}}}"
    )
}

fn trajectory(status: &str, scores: Value) -> Value {
    let state = json!({ "open_file": "/home/agent/workspace/strategy.py" }).to_string();
    let step = |action: &str, seen: &str| json!({ "action": format!("{action}\n"), "observation": seen, "response": "x", "state": state, "thought": "Think.\n", "execution_time": 0.5 });
    let said = |action: &str| json!({ "role": "assistant", "content": "c", "thought": "Last.", "action": action, "agent": "primary_3" });
    let demonstration = json!({ "role": "assistant", "content": "c", "action": "ls", "is_demo": true });
    json!({
        "environment": "mlgym_main",
        "trajectory": [
            step("edit 1:2\nx = 1\nend_of_edit", "[File: /home/agent/workspace/strategy.py (3 lines total)]\n1:x\nFile updated. Please review the changes"),
            step("edit 1:2\nx =\nend_of_edit", "Your changes have NOT been applied."),
            step("validate", &told("np.float64(0.25)")),
            step("cd src && python train.py", "done"),
        ],
        "history": [
            { "role": "system", "content": "s", "agent": "primary_3" },
            demonstration,
            said("edit 1:2"), said("edit 1:2"), said("validate"), said("cd"), said("validate\n"),
        ],
        "info": {
            "model_stats": { "total_cost": 9.0, "task_cost": 1.25, "tokens_sent": 1000, "tokens_received": 20, "api_calls": 6 },
            "exit_status": status,
            "submission": null,
            "score": scores,
            "summarizer": {},
        },
    })
}

fn read(results: Option<Value>, trajectory: Option<Value>) -> Foreign {
    let bytes = |value: Value| value.to_string().into_bytes();
    record(results.map(bytes).as_deref(), trajectory.map(bytes).as_deref(), NAME).unwrap()
}

#[test]
fn a_folder_becomes_a_record_with_steps() {
    let results = json!({ "agent": [{ "Score": 0.25 }, { "Score": 0.5 }], "baseline": { "Reward": -0.25 } });
    let scores = results["agent"].clone();
    let Foreign { record, steps } = read(Some(results), Some(trajectory("", scores)));
    let expected = json!({
        "schema": 1,
        "run_id": "",
        "origin": { "format": "foreign", "program": "mlgym", "source": "", "digest": crate::digest::Digest::of(b"") },
        "task": {
            "id": "blotto", "variant": "default", "primary": { "name": "Score", "direction": "maximize" },
            "baseline": { "Reward": -0.25 }, "noise_floor": 0.011, "digest": null,
        },
        "agent": "mlgym", "model": "gpt4o2", "seed": 3, "started_at": null, "state": "ended",
        "ending": { "cause": "evaluation", "told": "unknown_error (validate)" },
        "attempts": [
            { "number": 1, "kind": "validate", "split": null, "metrics": { "Score": 0.25 }, "after_steps": 3, "after_ms": null, "after_cost": null },
            { "number": 2, "kind": "validate", "split": null, "metrics": { "Score": 0.5 }, "after_steps": null, "after_ms": null, "after_cost": null },
        ],
        "submission": 2,
        "usage": {
            "working_ms": null, "wall_ms": null, "cost": 1_250_000,
            "models": { "gpt4o2": { "calls": 6, "usage": { "input": 1000, "output": 20 } } },
        },
        "actions": { "steps": "eetbt", "count": null, "took_ms": { "edit": 1000, "validate": 500, "bash": 500 }, "edits": 2, "edits_rejected": 1 },
    });
    assert_eq!(serde_json::to_value(&record).unwrap(), expected);
    assert_eq!(steps.len(), 5);
    assert_eq!(
        steps[1].changes,
        [Change {
            path: "/home/agent/workspace/strategy.py".to_owned(),
            content: Some("x =\n".to_owned()),
            is_applied: false,
        }]
    );
    let expected = json!({
        "number": 5, "category": "validate", "tool": "validate", "thought": "Last.", "action": "validate", "observation": "",
    });
    assert_eq!(serde_json::to_value(&steps[4]).unwrap(), expected);
}

#[test]
fn one_of_the_files_may_be_missing() {
    let scores = json!([{ "Score": 0.25 }, { "Score": 0.5 }]);
    let alone = read(None, Some(trajectory("submitted", scores.clone()))).record;
    assert_eq!(alone.task.baseline, Some(Metrics::from([("Score".to_owned(), -0.2)])));
    let kinds: Vec<_> = alone.attempts.iter().map(|attempt| (attempt.kind, attempt.after_steps)).collect();
    assert_eq!(kinds, [(Some(AttemptKind::Validate), Some(3)), (Some(AttemptKind::Submit), Some(5))]);
    assert_eq!(
        alone.left_out,
        ["there is no results.json: scores and baseline are those that the trajectory tells"]
    );
    let scored = read(Some(json!({ "agent": scores, "baseline": {} })), None).record;
    let kinds: Vec<_> = scored.attempts.iter().map(|attempt| (attempt.kind, attempt.after_steps)).collect();
    assert_eq!(kinds, [(Some(AttemptKind::Validate), None), (None, None)]);
    assert_eq!(
        (scored.ending.cause, scored.ending.told, scored.actions.count()),
        (Some(Cause::Unknown), None, None)
    );
    assert_eq!(
        scored.left_out,
        ["there is no trajectory: how the run ended, its steps and its usage are unknown"]
    );
    assert!(record(None, None, NAME).is_err());
}

#[test]
fn endings_have_causes() {
    let cases = [
        ("submitted", Cause::Submitted),
        ("autosubmission (max_steps)", Cause::StepLimit),
        ("autosubmission (exit_cost)", Cause::Budget),
        ("autosubmission (exit_context)", Cause::Context),
        ("autosubmission (exit_format)", Cause::Format),
        ("autosubmission (exit_api)", Cause::Provider),
        ("autosubmission (exit_error)", Cause::Failed),
        ("submission_not_found (exit_cost)", Cause::Evaluation),
        ("evaluation_format_error (submit)", Cause::Evaluation),
        ("KeyError, 'Score', (max_steps)", Cause::Evaluation),
        ("unknown_error (validate)", Cause::Evaluation),
        ("unknown_error (ls -R data/)", Cause::Failed),
        ("early_exit", Cause::Failed),
        ("exit_forfeit", Cause::GaveUp),
    ];
    for (told, expected) in cases {
        assert_eq!(cause(told), expected, "{told}");
    }
}

#[test]
fn what_is_damaged_is_told_and_the_rest_is_taken() {
    let parts = trajectory("submitted", json!([{ "Score": 0.25 }]));
    let whole = format!(
        r#"{{"trajectory": {}, "history": {}, "info": {}}}"#,
        parts["trajectory"], parts["history"], parts["info"]
    );
    let at = whole.find("cd src").unwrap();
    let results =
        br#"{"agent": [{"Score": NaN, "x": 1}, {"Score": 0.5, "y": Infinity}], "baseline": {"Score": -0.2}}"#;
    let cut = record(Some(results), Some(&whole.as_bytes()[..at]), NAME).unwrap();
    assert_eq!(cut.steps.len(), 3);
    let attempts: Vec<_> = cut
        .record
        .attempts
        .iter()
        .map(|attempt| (attempt.invalid.as_deref(), attempt.metrics.len()))
        .collect();
    assert_eq!(attempts, [(Some("Score is not a finite number"), 0), (None, 1)]);
    assert_eq!(
        cut.record.left_out,
        [
            "results.json: numbers that are not finite were taken as unknown (2 times)".to_owned(),
            format!(
                "the trajectory cannot be read to its end (EOF while parsing a string at line 1 column {at}): its first 3 steps were taken"
            ),
        ]
    );
    assert_eq!((cut.record.ending.cause, cut.record.submission), (Some(Cause::Unknown), Some(2)));

    let both = record(Some(b"{\"agent\": ["), Some(whole.as_bytes()), NAME).unwrap().record;
    assert_eq!(both.attempts.len(), 1);
    assert!(both.left_out[0].starts_with("results.json does not hold the scores"), "{:?}", both.left_out);
    for (results, trajectory) in [(&b"[]"[..], &b""[..]), (b"{}", b"{}"), (b"", b"{\"trajectory\": [")] {
        assert!(record(Some(results), Some(trajectory), NAME).is_err());
    }
}

#[test]
fn huge_observations_keep_head_and_tail() {
    let seen = "x".repeat(MAX_TEXT_BYTES + 10);
    let text = json!({ "trajectory": [{ "action": "cat big", "observation": seen }] });
    let Foreign { record, steps } = read(None, Some(text));
    assert_eq!((steps[0].category, steps[0].dropped_bytes), (Category::Bash, 10));
    assert!(record.left_out.contains(&"of 1 long texts only head and tail were kept".to_owned()));
}

#[test]
fn names_of_another_form_are_tasks() {
    let named = Named::read("titanicSurvival");
    assert_eq!((named.task.id.as_str(), named.model, named.seed), ("titanicSurvival", None, None));
    let named = Named::read("litellm-gpt-4o__x__default_memory__t-0.00_run_12");
    assert_eq!(
        (named.agent.as_str(), named.model.as_deref(), named.seed),
        ("mlgym (default_memory)", Some("gpt-4o"), Some(12))
    );
}

proptest::proptest! {
    #[test]
    fn damaged_files_never_panic(at in 0_usize..4000, byte: u8, cut in 0_usize..4000) {
        let mut bytes = trajectory("submitted", json!([{ "Score": 0.25 }])).to_string().into_bytes();
        bytes.truncate(cut.max(1));
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(foreign) = record(None, Some(&bytes), NAME) {
            proptest::prop_assert_eq!(foreign.record.actions.steps.len(), foreign.steps.len());
        }
    }
}
