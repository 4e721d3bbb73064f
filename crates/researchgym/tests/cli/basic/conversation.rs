//! What the model is told, how it is stopped, and how a conversation that gets long goes on.

use serde_json::{Value, json};

use super::{answered, bash, call, run, submitted};
use crate::support::{World, can_isolate, of_type};

/// A first line: the last answer is given again and again.
fn repeating() -> Value {
    json!({ "script": 1, "repeat_last": true })
}

/// The reason with which the agent gave up, after so many answers.
fn given_up(lines: &[Value]) -> (String, usize) {
    let world = World::new();
    let finished = run(&world, lines, &[]);
    assert_eq!(finished.object()["ending"], "gave_up", "{finished:?}");
    let events = finished.events();
    let acted = of_type(&events, "acted");
    let action = &acted.last().expect("an action")["action"];
    assert_eq!(action["type"], "give_up");
    (action["reason"].as_str().expect("a reason").to_owned(), of_type(&events, "model_called").len())
}

#[test]
fn a_call_that_cannot_be_understood_is_answered_and_the_run_goes_on() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let unusable = |told: &[&str], name: &str, arguments: Value, stop: Value| json!({ "calls": [{ "name": name, "arguments": arguments }], "stop": stop, "expect": { "contains": told } });
    let lines = [
        unusable(&[], "write", json!({}), json!("tool_calls")),
        unusable(
            &["There is no tool `write`", "Did you mean `write_file`?"],
            "bash",
            json!("{\"cmd\": \"ec"),
            json!("max_tokens"),
        ),
        unusable(
            &["`bash` was not called: its arguments are not JSON", "Your answer reached the limit"],
            "bash",
            json!({ "cmd": 5 }),
            json!("tool_calls"),
        ),
        json!({ "text": "", "expect": { "contains": "`bash` was not called: invalid type: integer `5`, expected a string" } }),
        json!({ "text": "I cannot", "stop": "refusal", "expect": { "contains": "You called no tool" } }),
        json!({ "text": "So long that", "stop": "max_tokens", "expect": { "contains": "You declined to go on" } }),
        submitted(&["Your answer reached the limit on its length"]),
    ];
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
    let told: Vec<&str> = finished
        .stderr
        .lines()
        .filter(|line| line.contains("a tool call of the model was not done"))
        .collect();
    let not_done = "  note: a tool call of the model was not done:";
    assert_eq!(
        told,
        [
            format!("{not_done} There is no tool `write`"),
            format!(
                "{not_done} `bash` was not called: its arguments are not JSON (EOF while parsing a string at line 1 column 11)"
            ),
            format!("{not_done} `bash` was not called: invalid type: integer `5`, expected a string"),
        ]
    );
    let replayed = world.finish(&["replay", &finished.run().display().to_string()]);
    assert!(told.iter().all(|line| replayed.stderr.contains(line)), "{}", replayed.stderr);
}

#[test]
fn whoever_may_not_submit_cannot_do_so_by_a_command() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        answered(&[], 4),
        bash(&[], "researchgym submit; echo code $?"),
        bash(&["this run was started with --no-submit: it ends at a limit", "code 1"], "echo on"),
        answered(&["on"], 5),
        bash(&[], "echo never"),
    ];
    let finished = run(&world, &lines, &["--no-submit", "--steps", "5"]);
    assert_eq!(finished.outcome(), (0, json!("step_limit"), json!(5.0)), "{finished:?}");
    let events = finished.events();
    assert_eq!(of_type(&events, "scored").len(), 1, "only what was in place at the end is graded");
}

#[test]
fn a_model_that_gets_nowhere_is_stopped() {
    if !can_isolate() {
        return;
    }
    let text = json!({ "text": "Let me think." });
    assert_eq!(given_up(&[repeating(), text]), ("the model called no tool in 20 turns in a row".into(), 20));
    let unknown = json!({ "calls": [{ "name": "fly", "arguments": {} }] });
    assert_eq!(
        given_up(&[repeating(), unknown]),
        ("the model made no usable tool call in 10 turns in a row".into(), 10)
    );
    let refusal = json!({ "text": "No.", "stop": "refusal" });
    assert_eq!(given_up(&[repeating(), refusal]), ("the model refused 3 times in a row".into(), 3));
    let mut same = vec![bash(&[], "true"); 11];
    same.insert(0, repeating());
    same.push(bash(&["You have made this very call 11 times in a row"], "true"));
    assert_eq!(given_up(&same), ("the model made the same call of `bash` 30 times in a row".into(), 30));
    let end = call(&[], "end_task", json!({ "end_message": "out of ideas" }));
    assert_eq!(given_up(&[end]), ("out of ideas".into(), 1));
}

#[test]
fn a_long_conversation_is_handed_over_with_its_notes() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let long = |mut line: Value| {
        line["usage"] = json!({ "input": 140_000, "output": 100 });
        line
    };
    let lines = [
        bash(&[], "echo first secret"),
        bash(&["first secret"], "x=kept"),
        bash(&[], "true"),
        long(bash(&[], "false")),
        json!({ "text": "The first notes.", "expect": { "contains": "This conversation is about to be closed" } }),
        json!({
            "calls": [{ "name": "bash", "arguments": { "cmd": "echo $x" } }],
            "expect": { "contains": ["# The task", "## Notes 1\n\nThe first notes."], "not_contains": "first secret" },
        }),
        bash(&["exit code 0\nkept\n"], "true"),
        bash(&[], "true"),
        long(bash(&[], "false")),
        json!({ "text": "The second notes." }),
        submitted(&["## Notes 1\n\nThe first notes.\n\n## Notes 2\n\nThe second notes."]),
    ];
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
}

#[test]
fn a_full_context_is_pruned_and_one_that_stays_too_small_fails_the_run() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let full = json!({ "error": { "status": 400, "message": "maximum context length exceeded" } });
    let lines = [
        bash(&[], "echo the oldest"),
        bash(&["exit code 0\nthe oldest"], "echo the middle"),
        bash(&[], "echo the newest"),
        full.clone(),
        json!({
            "calls": [{ "name": "submit", "arguments": {} }],
            "expect": { "contains": ["# The task", "Earlier messages were left out", "the newest"], "not_contains": "the oldest" },
        }),
    ];
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
    let finished = run(
        &world,
        &[json!({ "script": 1, "context_window": 2000, "repeat_last": true }), bash(&[], "true")],
        &[],
    );
    let object = finished.object();
    assert_eq!(object["ending"], "failed", "{finished:?}");
    let message = object["error"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("the task does not fit into the model's context"), "{object}");
}

#[test]
fn what_is_running_out_is_told_in_time() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let told = |told: Value, not_told: Value| json!({ "calls": [{ "name": "bash", "arguments": { "cmd": "true" } }], "expect": { "contains": told, "not_contains": not_told } });
    let mut lines =
        vec![answered(&[], 4), call(&["Steps (uses of the workspace by tools): 20"], "validate", json!({}))];
    lines.extend(vec![bash(&[], "echo a"); 3]);
    lines.push(told(
        json!([
            "Status after 5 turns: ",
            "; steps 6 of 20; 2 validations left; best score so far: score = 4"
        ]),
        json!([]),
    ));
    lines.extend((0..8).map(|number| bash(&[], &format!("echo {number}"))));
    lines.push(told(json!([]), json!("A limit is coming near")));
    lines.push(told(
        json!("A limit is coming near: of the steps, 16 of 20 are used and 4 are left."),
        json!("Almost over"),
    ));
    lines.extend([bash(&[], "echo c"), bash(&[], "echo d")]);
    lines.push(told(
        json!("Almost over: of the steps, 19 of 20 are used and 1 are left."),
        json!("`submit`: it"),
    ));
    let finished =
        run(&world, &[lines, vec![bash(&[], "echo never")]].concat(), &["--steps", "20", "--no-submit"]);
    assert_eq!(finished.outcome(), (0, json!("step_limit"), json!(4.0)), "{finished:?}");
}

#[test]
fn the_iterative_loop_asks_for_each_step_and_keeps_no_sentence_of_it() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let sentence = "Take the next step";
    let lines =
        [bash(&[sentence], "echo a"), answered(&[sentence], 6), submitted(&[sentence, "exit code 0\na"])];
    let finished = run(&world, &lines, &["--iterative"]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(6.0)), "{finished:?}");
    let events = finished.events();
    let shapes: Vec<(u64, usize)> = of_type(&events, "model_asked")
        .iter()
        .map(|asked| {
            let request = &asked["request"];
            (request["kept"].as_u64().expect("a number"), request["added"].as_array().expect("a list").len())
        })
        .collect();
    // System, task, sentence; then answer, result, sentence each time in the sentence's place.
    assert_eq!(shapes, [(0, 3), (2, 3), (4, 3)]);
}
