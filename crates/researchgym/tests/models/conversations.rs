//! Scripted models for the tests, and what a run's log and files say of their conversations.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{World, events, of_type};

/// What every script here costs, in US dollars per million tokens.
pub(crate) const PRICE: (u64, u64) = (1, 2);

/// A scripted model's first line.
pub(crate) fn header() -> Value {
    json!({ "script": 1, "price": { "input": PRICE.0, "output": PRICE.1 } })
}

/// An answer that calls one tool.
pub(crate) fn call(text: &str, tool: &str, arguments: Value) -> Value {
    json!({ "text": text, "calls": [{ "name": tool, "arguments": arguments }] })
}

/// An answer that runs a command; its text is the command's.
pub(crate) fn bash(command: &str) -> Value {
    call(command, "bash", json!({ "cmd": command }))
}

/// An answer that submits.
pub(crate) fn submits() -> Value {
    call("I submit.", "submit", json!({}))
}

/// The same answer after a while.
pub(crate) fn slow(mut answer: Value, delay_ms: u64) -> Value {
    answer["delay_ms"] = json!(delay_ms);
    answer
}

/// Writes a script of these answers; gives the model's name.
pub(crate) fn model(world: &World, name: &str, answers: &[Value]) -> String {
    let lines: Vec<String> =
        std::iter::once(header()).chain(answers.iter().cloned()).map(|l| format!("{l}\n")).collect();
    world.file(name, &lines.concat());
    format!("scripted/{name}")
}

/// The words that start the basic agent on the fixture task.
pub(crate) fn words<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "tiny", "basic-agent", "--model", model, "--seed", "1"], more].concat()
}

/// What the agent and the model said to each other, without the user's turns after the task: those tell of times and
/// breaks. Questions that were never answered are left out: they are asked again.
pub(crate) fn conversation(run: &Path) -> Vec<Value> {
    let path = run.join("logs/transcript.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let entries: Vec<Value> = serde_json::from_str(&text).expect("a transcript");
    let answered: Vec<u64> =
        entries.iter().filter(|e| e["role"] == "assistant").filter_map(call_of).collect();
    let mut users = 0;
    let is_kept = |entry: &Value| {
        users += u32::from(entry["role"] == "user");
        entry["role"] != "user" || users == 1
    };
    let mut kept: Vec<Value> = entries
        .into_iter()
        .filter(|entry| call_of(entry).is_some_and(|call| answered.contains(&call)))
        .filter(is_kept)
        .collect();
    for entry in &mut kept {
        entry.as_object_mut().expect("an entry").remove("place");
    }
    kept
}

fn call_of(entry: &Value) -> Option<u64> {
    entry["place"]["call"].as_u64()
}

/// What the user's turns of a run said, each as one text, those of unanswered questions left out.
pub(crate) fn told(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("logs/transcript.json")).expect("a transcript");
    let entries: Vec<Value> = serde_json::from_str(&text).expect("entries");
    let answered: Vec<u64> =
        entries.iter().filter(|e| e["role"] == "assistant").filter_map(call_of).collect();
    let users = entries.iter().filter(|entry| entry["role"] == "user");
    let users = users.filter(|entry| call_of(entry).is_some_and(|call| answered.contains(&call)));
    users
        .map(|entry| entry["content"].as_str().map_or_else(|| entry["content"].to_string(), str::to_owned))
        .collect()
}

/// Checks that the books of a run agree: every call has one end, what was lost is booked at its hold, and the result says
/// the sum.
pub(crate) fn check_books(run: &Path, cost_usd: &Value) {
    let events = events(run);
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"));
    let holds: BTreeMap<u64, u64> = of_type(&events, "model_asked")
        .iter()
        .map(|asked| (number(&asked["call"]), number(&asked["hold"]["cost"])))
        .collect();
    let mut booked: BTreeMap<u64, u64> = BTreeMap::new();
    for called in of_type(&events, "model_called") {
        let twice = booked.insert(number(&called["call"]), number(&called["cost"]));
        assert_eq!(twice, None, "a call ends once: {called}");
    }
    for lost in of_type(&events, "model_lost") {
        let call = number(&lost["call"]);
        assert_eq!(booked.insert(call, holds[&call]), None, "a call ends once: {lost}");
    }
    assert_eq!(booked.keys().collect::<Vec<_>>(), holds.keys().collect::<Vec<_>>(), "every call has an end");
    for (call, cost) in &booked {
        assert!(cost <= &holds[call], "call {call} cost {cost}, of which {} were set aside", holds[call]);
    }
    let sum: u64 = booked.values().sum();
    assert_eq!((cost_usd.as_f64().expect("a number") * 1e6).round() as u64, sum);
}

/// The ids of the scripted answers that were given, in order.
pub(crate) fn answers_given(run: &Path) -> Vec<String> {
    let path = run.join("logs/transcript.json");
    let entries: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a transcript")).expect("entries");
    let turns = entries.iter().filter(|entry| entry["role"] == "assistant");
    turns.map(|turn| turn["content"][0]["text"].as_str().unwrap_or_default().to_owned()).collect()
}
