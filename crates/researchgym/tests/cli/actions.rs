//! Every kind of action of `scripted`, and what it may not do.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{World, answer, can_isolate, exec, of_type, submit, validate};

/// Runs the lines and returns what they led to. The run must end by itself with everything recorded.
fn outcomes(lines: &[Value]) -> (World, Vec<Value>) {
    let world = World::new();
    let finished = world.scripted(lines, &[]);
    assert!([0, 1].contains(&finished.code), "{finished:?}");
    let observations = finished.observations();
    (world, observations)
}

fn text(text: &str) -> Value {
    json!({ "text": text, "bytes": text.len() })
}

fn refusal(observation: &Value) -> &str {
    assert_eq!(observation["type"], "refused", "{observation}");
    observation["reason"].as_str().expect("a reason")
}

#[test]
fn each_kind_of_action_is_one_step_but_sleeping() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        exec("echo out; echo err >&2; false"),
        json!({ "sleep_ms": 1 }),
        json!({ "write": { "path": "a.txt", "content": "one\n" } }),
        json!({ "read": { "path": "a.txt" } }),
        json!({ "say": "a word" }),
        answer(4),
        validate(),
        answer(5),
        submit(),
        exec("touch never"),
    ];
    let finished = world.scripted(&lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(5.0)));
    let object = finished.object();
    assert_eq!((&object["steps"], &object["validations"]), (&json!(8), &json!(1)));
    assert!(!finished.run().join("workspace/input/never").exists());
    let mut observations = finished.observations();
    assert_eq!(observations[0]["stdout"], text("out\n"));
    observations[0]["stdout"].take();
    assert_eq!(
        observations,
        [
            json!({ "type": "exec", "exit_code": 1, "ending": "exited", "new_shell": false, "stdout": null,
                "stderr": text("err\n") }),
            json!({ "type": "wrote", "bytes": 4 }),
            json!({ "type": "read", "content": text("one\n") }),
            json!({ "type": "said" }),
            json!({ "type": "wrote", "bytes": 12 }),
            json!({ "type": "graded", "attempt": 1, "score": { "metrics": { "score": 4.0 }, "invalid": null } }),
            json!({ "type": "wrote", "bytes": 12 }),
            json!({ "type": "graded", "attempt": 2, "score": { "metrics": { "score": 5.0 }, "invalid": null } }),
        ]
    );
}

#[test]
fn the_shell_persists_until_it_ends_or_its_time_is_over() {
    if !can_isolate() {
        return;
    }
    let (_world, seen) = outcomes(&[
        exec("cd /tmp; name=value; f() { echo \"function $1\"; }"),
        exec("echo \"$PWD $name\"; f x"),
        exec("exit 7"),
        exec("echo \"${name-unset}\""),
        // A shell that cannot be interrupted.
        json!({ "exec": "name=value; trap '' INT; while :; do :; done", "timeout_s": 0.2 }),
        exec("echo \"${name-unset}\""),
        json!({ "exec": "name=value; sleep 100", "timeout_s": 0.2 }),
        exec("echo \"${name-unset}\""),
    ]);
    let brief = |observation: &Value| {
        json!([
            observation["exit_code"],
            observation["ending"],
            observation["new_shell"],
            observation["stdout"]["text"]
        ])
    };
    assert_eq!(
        seen[..6].iter().map(brief).collect::<Vec<_>>(),
        [
            json!([0, "exited", false, ""]),
            json!([0, "exited", false, "/tmp value\nfunction x\n"]),
            json!([7, "shell_ended", true, ""]),
            json!([0, "exited", false, "unset\n"]),
            json!([null, "timed_out", true, ""]),
            json!([0, "exited", false, "unset\n"]),
        ]
    );
    // Whether a time-out cost the shell is said, and true.
    assert_eq!(seen[6]["ending"], "timed_out");
    let is_lost = seen[7]["stdout"]["text"] == "unset\n";
    assert_eq!(seen[6]["new_shell"], is_lost);
}

#[test]
fn the_middle_of_a_long_output_is_a_blob() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = world.scripted(&[exec("seq 1 20000")], &[]);
    let whole: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    let stdout = &finished.observations()[0]["stdout"];
    let (shown, blob) = (stdout["text"].as_str().expect("text"), stdout["blob"].as_str().expect("a blob"));
    assert_eq!(stdout["bytes"], whole.len());
    assert!(shown.len() < 16 << 10 && shown.starts_with("1\n2\n") && shown.ends_with("\n20000\n"), "{shown}");
    assert!(shown.contains("bytes left out ...]"), "{shown}");
    assert_eq!(std::fs::read_to_string(finished.run().join("blobs").join(blob)).expect("a blob"), whole);
}

#[test]
fn files_are_written_as_asked_and_nowhere_else() {
    if !can_isolate() {
        return;
    }
    let write = |path: &str| json!({ "write": { "path": path, "content": "x" } });
    let (world, seen) = outcomes(&[
        json!({ "write": { "path": "deep/er/tool.sh", "content": "#!/bin/sh\necho runs\n", "mode": "0750" } }),
        json!({ "write": { "path": "bytes", "content_base64": "/wAB" } }),
        json!({ "write": { "path": "long", "content": "y".repeat(10_000) } }),
        exec(
            "./deep/er/tool.sh; stat -c '%a %s' deep/er/tool.sh bytes long; ln -s / out; ln -s bytes link; mkdir d",
        ),
        write("../outside"),
        write("/tmp/outside"),
        write("a/../../outside"),
        write("out/tmp/outside"),
        write("d"),
        write("rules.txt"),
        write(""),
        write("nul\0"),
    ]);
    assert_eq!(seen[3]["stdout"]["text"], "runs\n750 20\n644 3\n644 10000\n");
    for observation in &seen[4..8] {
        assert!(refusal(observation).ends_with("is outside of the workspace"), "{observation}");
    }
    for observation in &seen[8..] {
        refusal(observation);
    }
    let workspace = world.runs()[0].join("workspace/input");
    let mode = workspace.join("deep/er/tool.sh").metadata().expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    assert_eq!(std::fs::read(workspace.join("bytes")).expect("written"), [0xff, 0, 1]);
    assert!(!world.path("outside").exists());
}

#[test]
fn only_regular_files_of_the_workspace_are_read() {
    if !can_isolate() {
        return;
    }
    let read = |path: &str| json!({ "read": { "path": path } });
    let (_world, seen) = outcomes(&[
        exec(
            "ln -s /etc/passwd out; ln -s /proc/1/environ env; mkfifo pipe; mkdir folder; touch secret; chmod 0 secret",
        ),
        read("out"),
        read("env"),
        read("pipe"),
        read("folder"),
        read("secret"),
        read("nothing"),
        read("../../events.jsonl"),
        read("/etc/passwd"),
        read("task_description.md"),
    ]);
    for observation in &seen[1..9] {
        refusal(observation);
    }
    assert_eq!(seen[9]["content"]["text"], include_str!("../fixtures/tasks/tiny/description.md"));
}

#[test]
fn a_script_that_stops_has_given_up_and_is_graded() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    for (last, steps) in [(json!({ "sleep_ms": 0 }), 1), (json!({ "give_up": "no idea" }), 2)] {
        let finished = world.scripted(&[answer(6), last, json!({ "sleep_ms": 0 })], &[]);
        assert_eq!(finished.outcome(), (0, json!("gave_up"), json!(6.0)));
        assert_eq!(finished.object()["steps"], steps);
        assert_eq!(of_type(&finished.events(), "scored")[0]["kind"], "auto");
    }
}

#[test]
fn nothing_after_giving_up_is_done() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = world.scripted(&[json!({ "give_up": "" }), exec("touch never"), submit()], &[]);
    assert_eq!(finished.outcome(), (0, json!("gave_up"), json!(1.0)));
    assert!(!finished.run().join("workspace/input/never").exists());
}

#[test]
fn a_submission_that_is_not_valid_has_no_score() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    for spoil in ["rm answer.json", "echo '{}' > answer.json", "ln -sf rules.txt answer.json"] {
        let finished = world.scripted(&[exec(spoil), submit()], &[]);
        assert_eq!(finished.outcome(), (1, json!("submitted"), json!(null)), "{spoil}");
    }
    // Nothing is there to be graded for somebody who gives up.
    let finished = world.scripted(&[exec("rm answer.json")], &[]);
    assert_eq!(finished.outcome(), (1, json!("gave_up"), json!(null)));
}
