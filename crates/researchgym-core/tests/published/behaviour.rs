//! Endings, failed runs and actions, beside an independent count in Python over the same files.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use researchgym_core::statistics::behaviour::{Named, Table, Tally};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{analysed, archive};

#[test]
fn endings_and_actions_are_those_that_python_counts() {
    let Some(data) = archive::data() else { return };
    let tar = archive::unpacked(&data);
    let Some(counted) = counted(&tar) else {
        eprintln!("SKIPPED: python3 is not there to count");
        return;
    };
    let behaviour = analysed(&archive::records(&tar, true), 0).behaviour;
    let exits = behaviour.exits.unwrap();
    let Table { all, by_contender, by_task } = &behaviour.outcomes;
    let steps: Vec<Value> =
        behaviour.actions_by_step.iter().map(|step| serde_json::to_value(&step.actions).unwrap()).collect();
    let ours = json!({
        "outcomes": groups(all, by_contender, by_task),
        "statuses": exits.statuses,
        "exits": tallied(&exits.categories),
        "actions": tallied(&behaviour.actions),
        "steps": steps,
    });
    assert_eq!((exits.runs, exits.unknown, behaviour.runs_with_steps), (155, 521, 155));
    assert_eq!(without_zeros(ours), without_zeros(counted));
}

/// What the Python program prints; `None` if there is no Python.
fn counted(tar: &[u8]) -> Option<Value> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/published/count.py");
    let mut child =
        Command::new("python3").arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    child.stdin.take().unwrap().write_all(tar).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn tallied<K: Ord + Serialize>(tally: &Tally<K>) -> Value {
    groups(&tally.all, &tally.by_contender, &tally.by_task)
}

fn groups<T: Serialize>(all: &T, by_contender: &[Named<T>], by_task: &[Named<T>]) -> Value {
    let mut groups = BTreeMap::from([("all".to_owned(), json!(all))]);
    groups.extend(by_contender.iter().map(|row| (format!("model {}", row.name), json!(row.row))));
    groups.extend(by_task.iter().map(|row| (format!("task {}", row.name), json!(row.row))));
    json!(groups)
}

/// The same without counts of zero and groups of nothing: Python's counters do not have them.
fn without_zeros(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept: Map<String, Value> = entries
                .into_iter()
                .map(|(key, value)| (key, without_zeros(value)))
                .filter(|(_, value)| *value != json!(0) && *value != json!({}))
                .collect();
            Value::Object(kept)
        }
        Value::Array(entries) => entries.into_iter().map(without_zeros).collect(),
        other => other,
    }
}
