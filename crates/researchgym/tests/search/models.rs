//! Candidates that a model makes: what it is told, what becomes of answers that cannot be used, and duplicates.

use serde_json::{Value, json};

use crate::climb::{answer, drafting, fates, model, search};
use crate::support::{World, can_isolate, of_type};

fn texts(events: &[Value], call: usize) -> String {
    of_type(events, "model_asked")[call]["request"]["added"].to_string()
}

#[test]
fn answers_become_candidates_or_go_back_with_the_reason() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let prose = json!({"text": "I would change the second term."});
    let no_match = json!({"text": "File: solve.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"});
    let protected = json!({"text": "File: rules.txt\n<<<<<<< SEARCH\nThe answer\n=======\nAny answer\n>>>>>>> REPLACE\n"});
    let lines = [
        // Node 1: right at once.
        answer("6.5"),
        // Node 2: in prose, then with lines that are not there, then right.
        prose.clone(),
        no_match,
        answer("7.25"),
        // Node 3: outside the surface, three times.
        protected.clone(),
        protected.clone(),
        protected,
        // Node 4: a program that crashes. Node 5: what was made before, twice, then something new.
        answer("first / 0"),
        answer("6.5"),
        answer("7.25"),
        answer("8.0"),
        // Node 6: an answer that the grader refuses. Node 7: an empty answer.
        answer("'much'"),
        prose.clone(),
        prose.clone(),
        prose,
    ];
    let model = model(&world, &lines);
    let finished = search(&world, &drafting(&model, &["--steps", "7", "--similarity", "1"]));
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    let found: Vec<(String, String)> = fates(&events);
    let expected = [
        ("baseline", "3"),
        ("draft", "6.5"),
        ("draft", "7.25"),
        ("draft", "surface"),
        ("draft", "crash"),
        ("draft", "8"),
        ("draft", "invalid"),
        ("draft", "not_implemented"),
    ];
    let expected: Vec<(String, String)> =
        expected.iter().map(|(operator, fate)| ((*operator).to_owned(), (*fate).to_owned())).collect();
    assert_eq!(found, expected);
    assert_eq!(finished.object()["score"]["score"].as_f64(), Some(8.0));
    assert!(texts(&events, 2).contains("the reply holds no edits"), "{}", texts(&events, 2));
    assert!(texts(&events, 3).contains("return 1"), "{}", texts(&events, 3));
    assert!(texts(&events, 5).contains("may not be changed"), "{}", texts(&events, 5));
    assert!(texts(&events, 9).contains("node 1"), "{}", texts(&events, 9));
    let built = of_type(&events, "node_built");
    let spent: Vec<&Value> = built.iter().map(|built| &built["spent"]["calls"]).collect();
    assert_eq!(spent, [&Value::Null, &json!(1), &json!(3), &json!(1), &json!(3), &json!(1)]);
}

#[test]
fn ideas_are_had_first_and_then_implemented_on_the_baseline() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let idea = |words: &str| json!({"text": format!("[Experiment] {words}\n[Code Changes] one line\n[End]")});
    let diff = |value: &str| {
        json!({"text": format!(
            "--- a/solve.py\n+++ b/solve.py\n@@ -7,1 +7,1 @@\n-    return max(0.0, 9.0 - abs(first - 3.0) - abs(second - \
             5.0))\n+    return {value}\n"
        )})
    };
    let lines = [idea("Say four"), diff("4.0"), idea("Say five"), diff("5.0")];
    let model = model(&world, &lines);
    let finished = search(
        &world,
        &[
            "--model",
            &model,
            "--policy",
            "hill-climb",
            "--operators",
            "implement",
            "--slots",
            "1",
            "--steps",
            "2",
            "--inherit",
            "text",
            "--form",
            "unified-diff",
        ],
    );
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    let plans = of_type(&events, "planned");
    // The second idea was had from the first, and its code made from the baseline.
    assert_eq!(plans[2]["plans"][0], json!({"operator": "implement", "parents": [0], "shown": [1]}));
    let built = of_type(&events, "node_built");
    assert!(built[1]["idea"]["text"].as_str().is_some_and(|idea| idea.contains("Say four")), "{}", built[1]);
    let last: Vec<String> = fates(&events).into_iter().map(|(_, fate)| fate).collect();
    assert_eq!(last, ["3", "4", "5"]);
}

#[test]
fn several_models_share_the_work_and_every_call_is_booked() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let first = model(&world, &[answer("4.0"), answer("4.5"), answer("5.0"), answer("5.5")]);
    let lines: Vec<String> =
        [json!({"script": 1}), answer("6.0"), answer("6.5"), answer("7.0"), answer("7.5")]
            .map(|l| l.to_string())
            .into();
    let other = format!("scripted/{}", world.file("other.jsonl", &lines.join("\n")));
    let finished = search(
        &world,
        &[
            "--model",
            &first,
            "--ensemble",
            &other,
            "--policy",
            "best-of-n",
            "--operators",
            "draft",
            "--slots",
            "2",
            "--steps",
            "6",
            "--seed",
            "4",
            "--similarity",
            "1",
        ],
    );
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    let models: Vec<&str> =
        of_type(&events, "model_asked").iter().filter_map(|asked| asked["model"].as_str()).collect();
    assert_eq!(models.len(), 6);
    assert!(models.contains(&first.as_str()) && models.contains(&other.as_str()), "{models:?}");
    assert_eq!(of_type(&events, "model_called").len(), 6);
    assert_eq!(finished.object()["model_calls"].as_u64(), Some(6));
}
