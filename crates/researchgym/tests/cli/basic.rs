//! `basic-agent` with a model that follows a script: its tools, what it is told, how it is stopped, how it goes on.
//!
//! A line's `expect` is held against the whole request, and a run whose request does not meet it fails.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Finished, World, can_isolate, events, of_type, signal, wait};

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
fn every_tool_does_what_it_says() {
    if !can_isolate() {
        return;
    }
    let patch = "*** Begin Patch\n*** Add File: new dir/added.txt\n+one\n*** Update File: it's.py\n@@ b = 2\n-c = 3\n+c = 30\n\
                 *** Delete File: settings.json\n*** End Patch";
    let lines = [
        bash(
            &["# The task", "largest number", "Baseline to beat: score = 1"],
            "cd /tmp; x=5; echo out; echo err >&2; false",
        ),
        bash(&["exit code 1\nout\n[stderr]\nerr\n"], "echo $x in $PWD"),
        call(
            &["exit code 0\n5 in /tmp\n"],
            "python",
            json!({ "code": "import sys\nprint('END', sys.version_info[0])\nsys.exit(4)" }),
        ),
        call(
            &["exit code 4\nEND 3\n"],
            "write_file",
            json!({ "file_path": "/workspace/it's.py", "content": "a = 1\nb = 2\nc = 3\n" }),
        ),
        bash(&["wrote 18 bytes to it's.py"], "chmod 750 /workspace/it\\'s.py"),
        call(&[], "read_file_chunk", json!({ "file": "it's.py", "start_line": 2, "max_lines": 1 })),
        call(
            &["     2\tb = 2\nFile has 3 lines.\n"],
            "search_file",
            json!({ "file": "/workspace/it's.py", "query": "C =", "context_lines": 0 }),
        ),
        call(&[">>>      3\tc = 3\n1 lines match"], "read_file_chunk", json!({ "file": "missing" })),
        call(
            &["[stderr]\nmissing does not exist"],
            "replace",
            json!({ "file_path": "it's.py", "old_string": "a = 1", "new_string": "a = 10" }),
        ),
        call(
            &["it's.py: 1 replaced"],
            "replace",
            json!({ "file_path": "rules.txt", "old_string": "", "new_string": "x" }),
        ),
        call(&["rules.txt was not changed: `old_string` is empty"], "apply_patch", json!({ "patch": patch })),
        call(
            &["added new dir/added.txt\nchanged it's.py\ndeleted settings.json"],
            "apply_patch",
            json!({ "patch": "*** Begin Patch\n*** Update File: it's.py\n@@\n-nothing\n+x\n*** End Patch" }),
        ),
        bash(
            &["nothing was changed: it's.py, hunk 1: these lines are not together in the file:\nnothing"],
            "cd /workspace; stat -c %a it\\'s.py; cat it\\'s.py 'new dir/added.txt'; ls settings.json",
        ),
        call(
            &["750\na = 10\nb = 2\nc = 30\none\n[stderr]\n"],
            "start_async",
            json!({ "cmd": "echo \"it's\" done; exit 3" }),
        ),
        bash(&["job-1 is running as process "], "until [ -e async_jobs/job-1/exit ]; do sleep 0.01; done"),
        call(&[], "check_async", json!({ "job_id": "job-1", "sleep_minutes": 0.0001 })),
        call(
            &["job-1: ended with exit code 3\n", "\nit's done\n"],
            "start_async",
            json!({ "cmd": "sleep 600", "workdir": "input" }),
        ),
        call(
            &["not started: input is no folder"],
            "start_async",
            json!({ "cmd": "sleep 600", "workdir": "new dir" }),
        ),
        call(&["job-2 is running"], "cancel_async", json!({ "job_id": "job-2" })),
        call(&["job-2 is cancelled"], "check_async", json!({ "job_id": "job-7" })),
        answered(&["there is no job `job-7`; jobs are job-1, job-2"], 7),
        call(&[], "validate", json!({})),
        json!({
            "calls": [{ "name": "submit", "arguments": "" }, { "name": "bash", "arguments": { "cmd": "touch never" } }],
            "expect": { "contains": ["attempt 1 is valid\nscore = 7 (baseline 1)\n2 validations left"]  },
        }),
    ];
    let world = World::new();
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(7.0)), "{finished:?}");
    assert!(!finished.run().join("workspace/input/never").exists());
    world.wait_until_nothing_is_left();
}

#[test]
fn long_output_is_shown_as_its_ends_and_kept_in_a_file() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        bash(&[], "echo begin; seq 1 200000; echo end; printf '\\377' >&2"),
        bash(
            &[
                "exit code 0\nbegin\n1\n2\n",
                "bytes left out; everything is in .outputs/2.txt ...]",
                "\nend\n[stderr]\n\u{fffd}",
            ],
            "wc -l < .outputs/2.txt; sed -n 100001p .outputs/2.txt",
        ),
        submitted(&["exit code 0\n200003\n100000\n"]),
    ];
    let finished = run(&world, &lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
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

#[test]
fn a_killed_run_goes_on_from_its_record_and_says_so() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        bash(&[], "echo x >> marks; x=1"),
        call(&[], "start_async", json!({ "cmd": "sleep 600" })),
        bash(&["job-1 is running"], "sleep 600"),
        call(
            &[
                "The run was interrupted and goes on now",
                "the program was interrupted while this was under way",
            ],
            "check_async",
            json!({ "job_id": "job-1" }),
        ),
        bash(&["job-1: lost: its process is gone"], "cat marks; echo ${x-unset}"),
        submitted(&["exit code 0\nx\nunset\n"]),
    ];
    let model = model(&world, &lines);
    let child = world.start(&words(&model, &[]));
    let run = world.wait_for_log("the last command runs", |log| log.contains("\"action_id\":4"));
    signal(&child, Signal::KILL);
    wait(child);
    world.wait_until_nothing_is_left();
    let killed = events(&run);
    let resumed = world.finish(&["run", "--resume", &run.display().to_string()]);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(1.0)), "{resumed:?}");
    let events = events(&run);
    assert_eq!(events[..killed.len()], killed[..], "what was recorded stays");
    assert_eq!(of_type(&events, "noted").len(), 0, "{:?}", of_type(&events, "noted"));
    assert_eq!(of_type(&events, "model_called").len(), 6);
}

#[test]
fn a_run_at_its_limit_goes_on_under_a_higher_one() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let mut lines = vec![answered(&[], 2)];
    lines.extend((0..4).map(|number| bash(&[], &format!("echo {number} >> marks"))));
    lines.push(answered(&["The run was interrupted and goes on now"], 8));
    lines.push(bash(&[], "cat marks"));
    lines.push(submitted(&["exit code 0\n0\n1\n2\n3\n"]));
    for mode in [[].as_slice(), &["--iterative"]] {
        let cut = run(&world, &lines, &[mode, &["--steps", "6"]].concat());
        assert_eq!(cut.outcome(), (0, json!("step_limit"), json!(2.0)), "{cut:?}");
        let path = cut.run().display().to_string();
        let resumed = world.finish(&["run", "--resume", &path, "--steps", "20"]);
        assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(8.0)), "{resumed:?}");
        let events = resumed.events();
        assert_eq!(of_type(&events, "noted"), [&json!(null); 0]);
        assert_eq!(of_type(&events, "model_called").len(), lines.len());
    }
}

#[test]
fn files_and_jobs_work_without_isolation_too() {
    let world = World::new();
    let lines = [
        call(&[], "read_file_chunk", json!({ "file": "rules.txt" })),
        call(&["File has 1 lines."], "start_async", json!({ "cmd": "echo done > made" })),
        bash(&["job-1 is running"], "until [ -e async_jobs/job-1/exit ]; do sleep 0.01; done; cd /"),
        call(&[], "replace", json!({ "file_path": "made", "old_string": "done", "new_string": "made" })),
        call(&["made: 1 replaced"], "python", json!({ "code": "print(open('made').read())" })),
        submitted(&["exit code 0\nmade\n"]),
    ];
    let finished = run(&world, &lines, &["--runtime", "host"]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
}
