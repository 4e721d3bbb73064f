//! Messages made from steps, for runs whose conversation is not known: a user's message that names the task, then for each step
//! the agent's words with one call, and what came of it. What the model was told at the beginning is not known and not made up.

use std::collections::BTreeSet;

use researchgym_core::model::Tool;
use researchgym_core::record::{Category, StepRecord};
use serde_json::{Map, Value, json};

use super::{LeftOut, Made, from_messages};
use crate::story::Story;

/// The one parameter of a tool whose arguments are not an object.
const INPUT: &str = "input";
/// The longest name of a tool that providers take.
const MAX_NAME: usize = 64;

pub(super) fn made(story: &Story) -> Made {
    let task = format!("Work on the task `{}`.", story.record.task.id);
    let mut made = Made { messages: vec![json!({ "role": "user", "content": task })], ..Made::default() };
    let mut names = BTreeSet::new();
    for step in &story.steps {
        one(step, &mut made, &mut names);
    }
    made.tools = match story.tools.as_slice() {
        [] => names.into_iter().map(declared).collect(),
        tools => tools.iter().map(from_messages::tool).collect(),
    };
    made
}

fn one(step: &StepRecord, made: &mut Made, names: &mut BTreeSet<String>) {
    let LeftOut { observation_bytes, .. } = &mut made.left_out;
    *observation_bytes += step.dropped_bytes;
    if step.category == Category::Talk {
        let words = step.thought.as_deref().into_iter().chain([step.action.as_str()]);
        let words: Vec<&str> = words.filter(|words| !words.is_empty()).collect();
        made.messages.push(json!({ "role": "assistant", "content": words.join("\n") }));
        if !step.observation.is_empty() {
            made.messages.push(json!({ "role": "user", "content": step.observation }));
        }
        return;
    }
    let id = format!("call_{}", step.number);
    let name = name_of(&step.tool);
    let call = from_messages::call(&id, &name, &arguments(&step.action));
    names.insert(name);
    let content = step.thought.clone().map_or(Value::Null, Value::String);
    made.messages.push(json!({ "role": "assistant", "content": content, "tool_calls": [call] }));
    made.messages.push(json!({ "role": "tool", "tool_call_id": id, "content": step.observation }));
}

/// The arguments of a call are a JSON object as text: those that are one, else the action as the one argument.
fn arguments(action: &str) -> String {
    match serde_json::from_str::<Map<String, Value>>(action) {
        Ok(_) => action.to_owned(),
        Err(_) => json!({ INPUT: action }).to_string(),
    }
}

/// The name with nothing in it that providers refuse.
fn name_of(tool: &str) -> String {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let name: String = tool
        .chars()
        .map(|character| if is_allowed(character) { character } else { '_' })
        .take(MAX_NAME)
        .collect();
    if name.is_empty() { "tool".to_owned() } else { name }
}

/// A tool of which nothing but its name is known.
fn declared(name: String) -> Value {
    let parameters = json!({ "type": "object", "properties": { INPUT: { "type": "string" } } });
    from_messages::tool(&Tool { name, description: String::new(), parameters })
}
