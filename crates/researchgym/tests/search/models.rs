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

/// What is long is read beside the loop and comes to the same.
#[test]
fn long_answers_become_candidates_as_short_ones_do() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    // A stated usage, or the answer would be cut at the tokens that it may have.
    let short = |answer: Value| json!({"text": answer["text"], "usage": {"input": 100, "output": 50}});
    let long = |expression: &str| short(answer(&format!("{expression}  # {}", "x".repeat(300_000))));
    let no_match = short(json!({"text": format!(
        "File: solve.py\n<<<<<<< SEARCH\n    return 1\n=======\n{}>>>>>>> REPLACE\n", "    pass\n".repeat(40_000)
    )}));
    let model = model(&world, &[long("6.5"), no_match, long("7.25"), answer("8.0")]);
    let finished = search(&world, &drafting(&model, &["--steps", "3", "--similarity", "1"]));
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let fates: Vec<String> = fates(&finished.events()).into_iter().map(|(_, fate)| fate).collect();
    assert_eq!(fates, ["3", "6.5", "7.25", "8"]);
    let verified = world.finish(&["verify", &crate::support::name(&finished.run())]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
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

#[test]
fn others_go_on_without_a_model_that_cannot_be_asked() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    // Both have the weight 1; this one has nothing to say after its first answer.
    let short = model(&world, &[answer("4.0")]);
    let lines: Vec<String> = std::iter::once(json!({"script": 1}))
        .chain((0..6).map(|number| answer(&format!("5.{number}"))))
        .map(|line| line.to_string())
        .collect();
    let other = format!("scripted/{}", world.file("other.jsonl", &lines.join("\n")));
    let flags = ["--model", &short, "--ensemble", &other, "--policy", "best-of-n", "--operators", "draft"];
    let more = ["--slots", "1", "--steps", "6", "--seed", "4", "--similarity", "1"];
    let finished = search(&world, &[&flags[..], &more[..]].concat());
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    let values: Vec<String> = fates(&events).into_iter().map(|(_, fate)| fate).collect();
    assert_eq!(values, ["3", "5", "4", "5.1", "5.2", "5.3", "5.4"]);
    let noted: Vec<&str> =
        of_type(&events, "noted").iter().filter_map(|noted| noted["text"].as_str()).collect();
    let about =
        noted.iter().filter(|text| text.contains("go on without it until the run is resumed")).count();
    assert_eq!(about, 1, "{noted:?}");
    let failed = of_type(&events, "model_called")
        .iter()
        .filter(|called| called["outcome"]["type"] == "failed")
        .count();
    assert_eq!(failed, 1);
    // Whoever resumes gives it another chance; what was answered is asked of nobody again.
    let id = crate::support::name(&finished.run());
    let resumed = world.finish(&["run", "--output", "json", "--resume", &id, "--steps", "7"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    let after = finished.events();
    assert_eq!(fates(&after).last().map(|(_, fate)| fate.as_str()), Some("5.5"));
    let answers = |events: &[Value]| {
        of_type(events, "model_called")
            .iter()
            .filter(|called| called["outcome"]["type"] == "answered")
            .count()
    };
    assert_eq!(answers(&after), answers(&events) + 1);
}
