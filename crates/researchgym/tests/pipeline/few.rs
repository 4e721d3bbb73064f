//! A question that brings fewer ideas than were asked for, whose money is shared all the same.

use serde_json::{Value, json};

use crate::scene::{Scene, trajectories};
use crate::support::{World, can_isolate};

#[test]
fn a_candidate_without_an_idea_is_not_implemented_by_anybody() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = |name: &str, lines: &[Value]| {
        let first = json!({"script": 1, "price": {"input": "1.0", "output": "2.0"}});
        let lines: Vec<String> = std::iter::once(&first).chain(lines).map(Value::to_string).collect();
        world.file(name, &lines.join("\n"))
    };
    let idea =
        json!({"text": "[Experiment] Ten times the rate.\n[Code Changes] LEARNING_RATE = 0.05\n[End]"});
    let diff = json!({
        "text": "--- a/train.py\n+++ b/train.py\n@@ -9,1 +9,1 @@\n-LEARNING_RATE = 0.005\n+LEARNING_RATE = 0.05\n"
    });
    let flags = ["--policy-set", "epochs=1", "--policy-set", "batch=2", "--repairs", "0", "--slots", "2"];
    let (code, ideas) = (lines("code.jsonl", &[diff]), lines("ideas.jsonl", &[idea]));
    let finished = Scene::with("digits-classifier", &code, &ideas, &flags).finish(&world);
    let found = trajectories(&world, &finished.run(), "out").ideas;
    let of = |idea: &Value| {
        let keys = ["status", "attempts", "calls", "reason", "code_model"];
        Value::from(keys.map(|key| idea[key].clone()).to_vec())
    };
    let expected = [
        json!(["measured", 1, 2, null, format!("scripted/{code}")]),
        json!(["not_implemented", 0, 0, "the model had 1 of the 2 ideas that it was asked for", null]),
    ];
    assert_eq!(found.iter().map(of).collect::<Vec<_>>(), expected);
    // Half of the question's cost is the second one's.
    assert!(found[1]["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0), "{}", found[1]);
}
