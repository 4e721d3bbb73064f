//! Programs of the user's own as policies, and mutated programs as candidates.

use rustix::process::Signal;
use serde_json::json;

use crate::climb::{fates, search, tasks, words};
use crate::support::{World, can_isolate, eventually, of_type, signal, wait};

const POLICY: &str = r#"
import json, sys
nodes = {}
for message in map(json.loads, sys.stdin):
    if message["type"] == "node":
        nodes[message["id"]] = message
    elif message["type"] == "ask":
        best = max((node for node in nodes.values() if node["status"] == "measured"), key=lambda node: node["value"])
        plan = {"operator": "tune", "parents": [best["id"]]}
        print(json.dumps({"type": "plans", "plans": [plan] * message["free"]}), flush=True)
"#;

#[test]
fn a_program_of_ten_lines_is_a_policy_that_survives_its_search() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let policy = world.file("climber.py", POLICY);
    let finished = search(
        &world,
        &["--policy", &policy, "--operators", "tune", "--slots", "1", "--steps", "4", "--seed", "5"],
    );
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let ours = {
        let world = World::new();
        let words =
            ["--policy", "hill-climb", "--operators", "tune", "--slots", "1", "--steps", "6", "--seed", "5"];
        fates(&search(&world, &words).events())
    };
    // It climbs as our own control does, and goes on as if it had never been ended.
    assert_eq!(fates(&finished.events()), ours[..5]);
    let run = crate::support::name(&finished.run());
    let again = world.finish(&["run", "--output", "json", "--resume", &run, "--steps", "6"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(fates(&again.events()), ours);
}

#[test]
fn a_policy_may_complain_of_anything_in_any_bytes() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let complaints = "for message in map(json.loads, sys.stdin):\n    sys.stderr.buffer.write(b'\\xff\\xfe' + b'x' * 300000)\n    \
                      sys.stderr.flush()";
    let policy = POLICY.replace("for message in map(json.loads, sys.stdin):", complaints);
    let policy = world.file("loud.py", &policy);
    let finished =
        search(&world, &["--policy", &policy, "--operators", "tune", "--slots", "1", "--steps", "3"]);
    assert_eq!(finished.object()["ending"], json!("step_limit"), "{}", finished.stderr);
}

#[test]
fn a_policy_that_breaks_ends_its_run_with_its_own_words() {
    if !can_isolate() {
        return;
    }
    let cases = [
        (
            "import sys\nsys.exit('I cannot go on')",
            "it has ended (exit status: 1); it wrote:\nI cannot go on",
        ),
        (
            "import sys\nfor line in sys.stdin:\n    if 'ask' in line:\n        print('{}', flush=True)",
            "the answer is not",
        ),
        (
            "import sys\nfor line in sys.stdin:\n    if '\"ask\"' in line:\n        print('{\"type\": \"plans\", \"plans\": \
             [{\"operator\": \"breed\"}]}', flush=True)",
            "breed",
        ),
    ];
    for (program, expected) in cases {
        let world = World::new();
        let policy = world.file("policy.py", program);
        let finished =
            search(&world, &["--policy", &policy, "--operators", "tune", "--slots", "1", "--steps", "3"]);
        let result = finished.object();
        assert_eq!((&result["ending"], &result["boundary"]), (&json!("failed"), &json!("agent")), "{result}");
        let message = result["error"]["message"].as_str().expect("a message");
        assert!(message.contains(expected), "{message}");
        world.wait_until_nothing_is_left();
    }
}

#[test]
fn a_policy_that_hangs_ends_with_a_killed_search_and_so_does_what_it_has_started() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let sign = world.path("hangs");
    let program = format!(
        "import signal, subprocess, time\nsignal.signal(signal.SIGPIPE, signal.SIG_IGN)\n\
         subprocess.Popen(['sleep', '1000'], start_new_session=True)\nopen({:?}, 'w').close()\ntime.sleep(1000)\n",
        sign.display().to_string()
    );
    let policy = world.file("policy.py", &program);
    let tasks = tasks();
    let flags = ["--policy", &policy, "--operators", "tune", "--slots", "1", "--steps", "3"];
    let child = world.start(&words(&tasks, &flags));
    eventually("the policy hangs", || sign.exists().then_some(()));
    world.wait_for_log("the baseline is measured", |log| log.contains("\"type\":\"evaluated\""));
    signal(&child, Signal::KILL);
    wait(child);
    world.wait_until_nothing_is_left();
}

#[test]
fn mutated_programs_are_candidates_without_a_model() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = tasks();
    let finished = world.finish(&[
        "run",
        "climb",
        "search",
        "--output",
        "json",
        "--tasks-dir",
        &tasks,
        "--policy",
        "hill-climb",
        "--operators",
        "mutate",
        "--slots",
        "2",
        "--steps",
        "8",
        "--seed",
        "5",
        "--similarity",
        "1",
    ]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    let built = of_type(&events, "node_built");
    assert!(built.len() > 4, "{:?}", fates(&events));
    for candidate in &built[1..] {
        let changed: Vec<&String> = candidate["changes"].as_object().expect("changes").keys().collect();
        assert_eq!(changed, ["solve.py"]);
        assert!(candidate["idea"]["text"].is_string(), "it says what was changed: {candidate}");
    }
}
