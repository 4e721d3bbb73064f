//! The task `climb` and what its searches leave behind.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Finished, World, of_type};

/// Where the fixture tasks are.
pub(crate) fn tasks() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks").display().to_string()
}

/// The words of a search on `climb`, its results as JSON.
pub(crate) fn words<'a>(tasks: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    ["run", "climb", "search", "--output", "json", "--tasks-dir", tasks].iter().chain(more).copied().collect()
}

/// One candidate after the other, each drafted by the model from the baseline.
pub(crate) fn drafting<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let flags = ["--model", model, "--policy", "best-of-n", "--operators", "draft", "--slots", "1"];
    flags.iter().chain(more).copied().collect()
}

/// A finished search on `climb`.
pub(crate) fn search(world: &World, more: &[&str]) -> Finished {
    world.finish(&words(&tasks(), more))
}

/// A scripted model in a file of the world.
pub(crate) fn model(world: &World, lines: &[Value]) -> String {
    let first = json!({"script": 1, "price": {"input": "1.0", "output": "2.0"}});
    let lines: Vec<String> = std::iter::once(&first).chain(lines).map(Value::to_string).collect();
    format!("scripted/{}", world.file("model.jsonl", &lines.join("\n")))
}

/// An answer that replaces the value of the program by another expression.
pub(crate) fn answer(expression: &str) -> Value {
    json!({ "text": format!(
        "Another value.\n\nFile: solve.py\n<<<<<<< SEARCH\n    return max(0.0, 9.0 - abs(first - 3.0) - abs(second - \
         5.0))\n=======\n    return {expression}\n>>>>>>> REPLACE\n"
    ) })
}

/// What became of each node, in their order: the operator, and its value or the kind of its failure.
pub(crate) fn fates(events: &[Value]) -> Vec<(String, String)> {
    let plans: Vec<&Value> =
        of_type(events, "planned").into_iter().flat_map(|e| e["plans"].as_array().expect("plans")).collect();
    let mut fates: Vec<(String, String)> = plans
        .iter()
        .map(|plan| (plan["operator"].as_str().expect("a name").to_owned(), "open".to_owned()))
        .collect();
    for dropped in of_type(events, "node_dropped") {
        let node = dropped["node"].as_u64().expect("a number") as usize;
        fates[node].1 = dropped["gate"].as_str().expect("a name").to_owned();
    }
    let began = of_type(events, "evaluation_began");
    for evaluated in of_type(events, "evaluated") {
        let number = evaluated["evaluation"].as_u64().expect("a number") as usize;
        let node = began[number - 1]["node"].as_u64().expect("a number") as usize;
        let outcome = &evaluated["outcome"];
        fates[node].1 = match outcome["type"].as_str().expect("a name") {
            "graded" => match outcome["score"]["metrics"]["score"].as_f64() {
                Some(value) => format!("{value}"),
                None => "invalid".to_owned(),
            },
            "failed" => outcome["kind"].as_str().expect("a name").to_owned(),
            other => other.to_owned(),
        };
    }
    fates
}
