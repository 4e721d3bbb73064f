//! `basic-agent` with a model that follows a script: its tools, what it is told, how it is stopped, how it goes on.
//!
//! A line's `expect` is held against the whole request, and a run whose request does not meet it fails.

mod conversation;
mod going_on;
mod tasks;
mod tools;

use serde_json::{Value, json};

use crate::support::{Finished, World};

/// A turn with one call; `told` must have been told before it.
fn call(told: &[&str], name: &str, arguments: Value) -> Value {
    json!({ "calls": [{ "name": name, "arguments": arguments }], "expect": { "contains": told } })
}

fn bash(told: &[&str], cmd: &str) -> Value {
    call(told, "bash", json!({ "cmd": cmd }))
}

fn answered(told: &[&str], answer: u32) -> Value {
    let content = json!({ "answer": answer }).to_string();
    call(told, "write_file", json!({ "file_path": "answer.json", "content": content }))
}

fn submitted(told: &[&str]) -> Value {
    call(told, "submit", json!({}))
}

fn words<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "tiny", "basic-agent", "--model", model], more].concat()
}

/// Runs the lines on the fixture task `tiny`.
fn run(world: &World, lines: &[Value], more: &[&str]) -> Finished {
    world.finish(&words(&model(world, lines), more))
}

fn model(world: &World, lines: &[Value]) -> String {
    format!("scripted/{}", world.script(lines))
}
