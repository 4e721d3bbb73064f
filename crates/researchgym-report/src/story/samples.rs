//! Stories for tests: one with a conversation, one whose submission is not valid, one of which only steps are known.

use std::collections::BTreeMap;

use serde_json::json;

use researchgym_core::model::{Input, Message, Part, Stop, Tool, ToolResult, Turn, Usage};
use researchgym_core::record::{
    AttemptRecord, Category, Cause, EndingRecord, ModelUse, RunRecord, StepRecord, TaskRecord,
};
use researchgym_core::score::{AttemptKind, Direction, Metrics, Primary, Split};
use researchgym_core::spec::MicroUsd;

use super::{Call, Story};

fn task() -> TaskRecord {
    TaskRecord {
        primary: Some(Primary { name: "score".to_owned(), direction: Direction::Maximize }),
        directions: BTreeMap::from([("loss".to_owned(), Direction::Minimize)]),
        baseline: Some(Metrics::from([("score".to_owned(), 0.25)])),
        ..TaskRecord::named("blotto")
    }
}

fn attempt(number: u64, kind: AttemptKind, metrics: &[(&str, f64)], after_steps: u64) -> AttemptRecord {
    AttemptRecord {
        number,
        kind: Some(kind),
        split: Some(Split::Test),
        metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        invalid: metrics.is_empty().then(|| "there is no strategy.py".to_owned()),
        after_steps: Some(after_steps),
        after_ms: Some(after_steps * 1000),
        after_cost: Some(MicroUsd(10_000 * after_steps)),
        artefact: None,
    }
}

fn record(run_id: &str) -> RunRecord {
    let mut record = RunRecord::foreign("inspect", task(), "basic-agent");
    record.run_id = run_id.to_owned();
    record.model = Some("p/m".to_owned());
    record.tags = vec!["test".to_owned()];
    record.started_at = Some("2026-11-25T16:00:00.000Z".to_owned());
    record.ending = EndingRecord { cause: Some(Cause::Submitted), told: None, boundary: None, failure: None };
    record.usage.working_ms = Some(12_500);
    record.usage.wall_ms = Some(13_000);
    record.usage.cost = Some(MicroUsd(20_000));
    let usage = Usage { input: 300, cache_read: 40, output: 60, ..Usage::default() };
    record.usage.models.insert("p/m".to_owned(), ModelUse { calls: 3, usage });
    record
}

fn text(text: &str) -> Vec<Input> {
    vec![Input::Text { text: text.to_owned() }]
}

fn turn(parts: Vec<Part>) -> Message {
    Message::Assistant(Turn { parts, raw: None })
}

fn asks(id: &str, name: &str, arguments: &str) -> Part {
    Part::Call { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn answers(call_id: &str, name: &str, content: &str, is_error: bool) -> Message {
    let result =
        ToolResult { call_id: call_id.to_owned(), name: name.to_owned(), content: text(content), is_error };
    Message::Tool { results: vec![result] }
}

fn call(second: u64, answer: Option<usize>, after_steps: u64) -> Call {
    Call {
        model: "p/m".to_owned(),
        time: Some(format!("2026-11-25T16:00:{second:02}.000Z")),
        answer,
        after_steps,
        stop: answer.map(|_| Stop::ToolCalls),
        failure: answer.is_none().then(|| "the provider was busy".to_owned()),
        usage: answer.map(|_| Usage { input: 100, cache_read: 40, output: 20, ..Usage::default() }),
        cost: answer.map(|_| MicroUsd(10_000)),
        took_ms: Some(500),
    }
}

/// A run with its conversation: two calls that were answered, one that failed, an edit that was refused.
pub(crate) fn rich() -> Story {
    let mut record = record("r1");
    record.attempts = vec![
        attempt(1, AttemptKind::Validate, &[("score", 0.5), ("loss", 2.0)], 1),
        attempt(2, AttemptKind::Submit, &[("score", 0.75), ("loss", 1.0)], 3),
    ];
    record.submission = Some(2);
    let mut steps = vec![
        StepRecord::new(1, Category::Bash, "bash", "ls").seen("strategy.py"),
        StepRecord::new(2, Category::Edit, "edit", r#"{"path":"strategy.py"}"#).seen("no"),
        StepRecord::new(3, Category::Submit, "submit", "").seen("submitted"),
    ];
    (steps[0].took_ms, steps[0].exit_code) = (Some(250), Some(0));
    steps[0].time = Some("2026-11-25T16:00:02.000Z".to_owned());
    steps[1].is_refused = true;
    for step in &steps {
        record.actions.push(step.category, step.took_ms);
    }
    let messages = vec![
        Message::System { text: "You do research.".to_owned() },
        Message::User { content: text("Win at Blotto.") },
        turn(vec![
            Part::Thinking { text: "hm".to_owned() },
            Part::Text { text: "I look".to_owned() },
            asks("c1", "bash", r#"{"command":"ls"}"#),
        ]),
        answers("c1", "bash", "strategy.py", false),
        turn(vec![asks("c2", "edit", "not json"), asks("c3", "submit", "")]),
        answers("c2", "edit", "no", true),
        answers("c3", "submit", "submitted", false),
    ];
    let tool = Tool {
        name: "bash".to_owned(),
        description: "Runs a command.".to_owned(),
        parameters: json!({ "type": "object", "properties": { "command": { "type": "string" } } }),
    };
    Story {
        messages: Some(messages),
        tools: vec![tool],
        calls: vec![call(1, Some(2), 0), call(3, None, 1), call(4, Some(4), 1)],
        version: Some("0.1.0".to_owned()),
        ..Story::of(record, steps)
    }
}

/// A run whose submission cannot be scored.
pub(crate) fn invalid() -> Story {
    let mut record = record("r2");
    record.attempts = vec![attempt(1, AttemptKind::Submit, &[], 0)];
    record.submission = Some(1);
    Story::of(record, Vec::new())
}

/// A run of others, of which only the steps are known; its money ran out.
pub(crate) fn foreign() -> Story {
    let mut record = record("f1");
    record.task.id = "imageClassification/cifar".to_owned();
    record.task.variant = "small".to_owned();
    record.agent = "mlgym".to_owned();
    record.ending.cause = Some(Cause::Budget);
    record.attempts = vec![attempt(1, AttemptKind::Validate, &[("score", 0.5)], 2)];
    let mut steps = vec![
        StepRecord::new(1, Category::Python, "bash", "python train.py").seen("loss 1"),
        StepRecord::new(2, Category::Edit, "edit", "edit 1:2\nx\nend_of_edit").seen("refused"),
        StepRecord::new(3, Category::Talk, "", ""),
    ];
    steps[0].thought = Some("train".to_owned());
    steps[1].is_refused = true;
    steps[2].thought = Some("that was it".to_owned());
    for step in &steps {
        record.actions.push(step.category, step.took_ms);
    }
    record.usage.models.clear();
    record.usage.models.insert("p/m".to_owned(), ModelUse::default());
    Story::of(record, steps)
}

/// A run of three steps that ended so.
pub(crate) fn counted(cause: Cause) -> Story {
    let mut story = rich();
    story.record.ending.cause = Some(cause);
    story
}
