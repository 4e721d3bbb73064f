use std::collections::BTreeMap;

use researchgym_core::model::{Input, Message, Part, Tool, ToolResult, Turn};
use researchgym_core::record::{AttemptRecord, Category, RunRecord, StepRecord, TaskRecord};
use researchgym_core::score::{AttemptKind, Direction, Finding, Primary, Severity};
use serde_json::{Value, json};

use super::{Conversation, Selection, Unfit};
use crate::Story;

/// A run that submitted `score` where the baseline is 2 and the noise 0.5.
fn run(direction: Direction, score: Option<f64>) -> RunRecord {
    let task = TaskRecord {
        primary: Some(Primary { name: "loss".to_owned(), direction }),
        baseline: Some(BTreeMap::from([("loss".to_owned(), 2.0)])),
        noise_floor: 0.5,
        ..TaskRecord::named("fit")
    };
    let mut run = RunRecord::foreign("mlgym", task, "agent");
    run.run_id = "0123abcd".to_owned();
    run.attempts = vec![AttemptRecord {
        number: 1,
        kind: Some(AttemptKind::Submit),
        split: None,
        metrics: score.map(|score| ("loss".to_owned(), score)).into_iter().collect(),
        invalid: score.is_none().then(|| "nothing there".to_owned()),
        after_steps: None,
        after_ms: None,
        after_cost: None,
        artefact: None,
    }];
    run.submission = Some(1);
    run
}

fn line(story: &Story) -> Value {
    let mut out = Vec::new();
    Conversation::of(story).expect("a conversation").write(&mut out).expect("memory takes it");
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1, "one line a run");
    serde_json::from_slice(&out).expect("JSON")
}

#[test]
fn a_known_conversation_is_kept_as_it_was() {
    let text = |text: &str| Input::Text { text: text.to_owned() };
    let turn = Turn {
        parts: vec![
            Part::Thinking { text: "hm".to_owned() },
            Part::Text { text: "Let me\nlook.".to_owned() },
            Part::Call {
                id: "c1".to_owned(),
                name: "bash".to_owned(),
                arguments: "{\"command\":\"ls\"}".to_owned(),
            },
        ],
        raw: None,
    };
    let picture = Input::ImageUrl { url: "https://example.org/a.png".to_owned() };
    let messages = vec![
        Message::System { text: "Be brief.".to_owned() },
        Message::User { content: vec![text("Fit it."), picture] },
        Message::Assistant(turn),
        Message::Tool {
            results: vec![ToolResult {
                call_id: "c1".to_owned(),
                name: "bash".to_owned(),
                content: vec![text("train.csv")],
                is_error: false,
            }],
        },
        Message::Assistant(Turn { parts: vec![Part::Thinking { text: "only".to_owned() }], raw: None }),
        Message::Assistant(Turn { parts: vec![Part::Text { text: "Done.".to_owned() }], raw: None }),
    ];
    let parameters = json!({ "type": "object", "properties": { "command": { "type": "string" } } });
    let tool =
        Tool { name: "bash".to_owned(), description: "Runs it.".to_owned(), parameters: parameters.clone() };
    let mut story = Story::of(run(Direction::Minimize, Some(1.0)), Vec::new());
    story.record.model = Some("m".to_owned());
    (story.messages, story.tools) = (Some(messages), vec![tool]);
    let expected = json!({
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Fit it." },
            { "role": "assistant", "content": "Let me\nlook.", "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "bash", "arguments": "{\"command\":\"ls\"}" } },
            ] },
            { "role": "tool", "tool_call_id": "c1", "content": "train.csv" },
            { "role": "assistant", "content": "Done." },
        ],
        "tools": [
            { "type": "function", "function": { "name": "bash", "description": "Runs it.", "parameters": parameters } },
        ],
        "metadata": {
            "schema": 1, "run_id": "0123abcd", "task": "fit", "variant": "default", "agent": "agent", "model": "m",
            "metric": "loss", "score": 1.0, "baseline": 2.0, "gain": 1.0, "is_flagged": false, "made_from": "messages",
            "left_out": { "thoughts": 2, "pictures": 1, "others": 0, "observation_bytes": 0 },
        },
    });
    assert_eq!(line(&story), expected);
}

#[test]
fn steps_become_calls_where_the_conversation_is_not_known() {
    let mut first = StepRecord::new(1, Category::Bash, "bash", "ls").seen("a b");
    first.thought = Some("Look.".to_owned());
    first.dropped_bytes = 7;
    let second = StepRecord::new(2, Category::Edit, "edit file", "{\"path\":\"x\"}").seen("");
    let third = StepRecord::new(3, Category::Talk, "", "I am stuck.").seen("Go on.");
    let story = Story::of(run(Direction::Minimize, None), vec![first, second, third]);
    let line = line(&story);
    let call = |id: &str, name: &str, arguments: &str| json!([{ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }]);
    let expected = json!([
        { "role": "user", "content": "Work on the task `fit`." },
        { "role": "assistant", "content": "Look.", "tool_calls": call("call_1", "bash", "{\"input\":\"ls\"}") },
        { "role": "tool", "tool_call_id": "call_1", "content": "a b" },
        { "role": "assistant", "content": null, "tool_calls": call("call_2", "edit_file", "{\"path\":\"x\"}") },
        { "role": "tool", "tool_call_id": "call_2", "content": "" },
        { "role": "assistant", "content": "I am stuck." },
        { "role": "user", "content": "Go on." },
    ]);
    assert_eq!(line["messages"], expected);
    let names: Vec<&Value> =
        line["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]["name"]).collect();
    assert_eq!(names, ["bash", "edit_file"]);
    assert_eq!((&line["metadata"]["made_from"], &line["metadata"]["score"]), (&json!("steps"), &Value::Null));
    assert_eq!(line["metadata"]["left_out"]["observation_bytes"], 7);
}

#[test]
fn a_run_without_anything_said_or_done_has_no_conversation() {
    assert_eq!(Conversation::of(&Story::of(run(Direction::Minimize, None), Vec::new())), None);
}

#[test]
fn runs_are_chosen_by_score_in_the_metrics_direction() {
    use Direction::{Maximize, Minimize};
    let improved = Selection { improved: true, ..Selection::default() };
    let at_least = |score| Selection { score: Some(score), ..Selection::default() };
    let cases = [
        (Selection::default(), run(Maximize, None), Ok(())),
        (improved, run(Maximize, None), Err(Unfit::NoScore)),
        (improved, run(Maximize, Some(2.6)), Ok(())),
        (improved, run(Maximize, Some(2.5)), Err(Unfit::NotImproved { gain: 0.5 })),
        (improved, run(Minimize, Some(1.25)), Ok(())),
        (improved, run(Minimize, Some(3.0)), Err(Unfit::NotImproved { gain: -1.0 })),
        (at_least(1.0), run(Maximize, Some(1.0)), Ok(())),
        (at_least(1.0), run(Maximize, Some(0.5)), Err(Unfit::Worse { score: 0.5 })),
        (at_least(1.0), run(Minimize, Some(0.5)), Ok(())),
        (at_least(1.0), run(Minimize, Some(1.5)), Err(Unfit::Worse { score: 1.5 })),
    ];
    for (selection, run, expected) in cases {
        assert_eq!(selection.admits(&run), expected, "{selection:?} {:?}", run.submission_value());
    }
    let mut unknown = run(Maximize, Some(9.0));
    unknown.task.baseline = None;
    assert_eq!(improved.admits(&unknown), Err(Unfit::NoBaseline));
}

#[test]
fn flagged_runs_are_left_out_when_that_is_asked() {
    let mut flagged = run(Direction::Maximize, Some(9.0));
    flagged.integrity.push(Finding {
        kind: "protected_file_changed".to_owned(),
        severity: Severity::Critical,
        events: Vec::new(),
        evidence: "it was changed".to_owned(),
    });
    let unflagged = Selection { unflagged: true, ..Selection::default() };
    assert_eq!(unflagged.admits(&flagged), Err(Unfit::Flagged));
    assert_eq!(Selection::default().admits(&flagged), Ok(()));
}
