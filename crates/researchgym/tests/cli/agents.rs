//! The agents besides `scripted`: replay, tuner, a person, and programs that use the session from inside.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Finished, World, answer, can_isolate, exec, of_type, submit, validate, wait};

/// Runs an external agent that is one shell command.
fn external(world: &World, command: &str, more: &[&str]) -> Finished {
    let text = format!("schema = 1\nname = \"outsider\"\ncommand = '''\n{command}\n'''\n");
    let path = world.file("outsider.toml", &text);
    world.finish(&[&["run", "tiny", &path], more].concat())
}

#[test]
fn another_runs_actions_are_done_again() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        exec("echo $((6 * 7)) > file; cat file"),
        json!({ "write": { "path": "bytes", "content_base64": "/wAB", "mode": "0600" } }),
        json!({ "write": { "path": "long", "content": "z".repeat(9000) } }),
        json!({ "read": { "path": "bytes" } }),
        answer(8),
        validate(),
        submit(),
    ];
    let first = world.scripted(&lines, &["--seed", "3"]);
    let id = first.object()["run_id"].as_str().expect("an id").to_owned();
    let again = world.finish(&["run", "tiny", "replay", "--from", &id, "--seed", "3"]);
    assert_eq!(again.outcome(), (0, json!("submitted"), json!(8.0)));
    assert_eq!(again.object()["agent"], "replay");
    assert_eq!(again.observations(), first.observations());
}

#[test]
fn the_tuner_finds_better_parameters_and_the_same_ones_for_a_seed() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tune = |more: &[&str]| world.finish(&[&["run", "tiny", "tuner", "--seed", "3"], more].concat());
    let first = tune(&[]);
    assert_eq!((first.code, &first.object()["ending"]), (0, &json!("submitted")), "{first:?}");
    let object = first.object();
    assert_eq!((&object["agent"], &object["validations"]), (&json!("tuner"), &json!(3)));
    assert_eq!(object["score"], object["best_score"], "the best candidate is submitted");
    assert!(object["score"]["score"].as_f64() >= Some(1.0), "{object}");
    assert_eq!(tune(&[]).object()["score"], object["score"]);
    let random = tune(&["--sampler", "random", "--trials", "2"]).object();
    assert_eq!((&random["ending"], &random["validations"]), (&json!("submitted"), &json!(2)));
    // A run that was cut off draws the same candidates and is answered from its record.
    let cut = tune(&["--steps", "5"]);
    assert_eq!(cut.object()["ending"], "step_limit");
    let path = cut.run().display().to_string();
    let resumed = world.finish(&["run", "--resume", &path, "--steps", "unlimited"]);
    assert_eq!((resumed.code, &resumed.object()["score"]), (0, &object["score"]), "{resumed:?}");
    assert_eq!(resumed.object()["validations"], 3);
}

#[test]
fn a_person_works_under_the_same_rules() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let human = |typed: &str, more: &[&str]| {
        let mut command = world.command(&[&["run", "tiny", "human"], more].concat());
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary starts");
        child.stdin.take().expect("piped").write_all(typed.as_bytes()).expect("it reads");
        wait(child)
    };
    let typed = "echo hello from $((40 + 2)); (exit 7)\n:status\n:unknown\n:read rules.txt\n\
                 echo '{\"answer\": 6}' > answer.json\n:validate\n:submit\n";
    let finished = human(typed, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(6.0)));
    assert_eq!((&finished.object()["agent"], &finished.object()["steps"]), (&json!("human"), &json!(5)));
    for shown in
        ["hello from 42", "validations_left", ":unknown", "Numbers up to 9.", "score 6.0000", "(status 7)"]
    {
        assert_eq!(finished.stderr.matches(shown).count(), 1, "{shown}: {finished:?}");
    }
    assert_eq!(human("echo a\n", &[]).outcome(), (0, json!("gave_up"), json!(1.0)));
    assert_eq!(human("echo a\necho b\n", &["--steps", "1"]).outcome(), (0, json!("step_limit"), json!(1.0)));
}

#[test]
fn programs_inside_use_the_session() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let command = "researchgym status > status.json
echo '{\"answer\": 4}' > answer.json
researchgym validate > validated.json
rm answer.json
researchgym validate 2> refused.txt; echo $? > code
echo '{\"answer\": 5}' > answer.json
researchgym submit";
    let finished = external(&world, command, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(5.0)), "{finished:?}");
    let object = finished.object();
    assert_eq!(
        (&object["agent"], &object["steps"], &object["validations"]),
        (&json!("outsider"), &json!(1), &json!(1))
    );
    let workspace = finished.run().join("workspace/input");
    let read = |name: &str| std::fs::read_to_string(workspace.join(name)).expect("a file");
    let status: Value = serde_json::from_str(&read("status.json")).expect("JSON");
    assert_eq!((&status["task"], &status["validations_left"]), (&json!("tiny"), &json!(3)));
    let validated: Value = serde_json::from_str(&read("validated.json")).expect("JSON");
    assert_eq!(validated, json!({ "attempt": 1, "metrics": { "score": 4.0 } }));
    assert!(read("code") == "1\n" && read("refused.txt").contains("answer.json"), "{}", read("refused.txt"));
    let events = finished.events();
    let origins: Vec<&Value> = of_type(&events, "acted").iter().map(|event| &event["origin"]).collect();
    assert_eq!(origins, ["agent", "sandbox", "sandbox", "sandbox"]);
}

#[test]
fn the_socket_speaks_json_lines() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let program = r#"import json, os, socket
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["RESEARCHGYM_SESSION"])
lines = link.makefile("rw", encoding="utf-8", newline="\n")
def ask(line):
    lines.write(line + "\n")
    lines.flush()
    return json.loads(lines.readline())
answers = [ask('{"method": "validate"}'), ask('{"method": "status"}'), ask('{"method": "steal"}'), ask("{")]
json.dump(answers, open("answers.json", "w"))
"#;
    let lines = [
        json!({ "write": { "path": "ask.py", "content": program } }),
        exec("python3 ask.py"),
        exec("researchgym validate; researchgym validate; researchgym validate; echo $?"),
        submit(),
    ];
    let finished = world.scripted(&lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
    let path = finished.run().join("workspace/input/answers.json");
    let answers: Value = serde_json::from_slice(&std::fs::read(path).expect("answers")).expect("JSON");
    assert_eq!(answers[0], json!({ "ok": true, "result": { "attempt": 1, "metrics": { "score": 1.0 } } }));
    assert_eq!(answers[1]["result"]["validations"], 1);
    assert!(answers[2]["ok"] == false && answers[3]["ok"] == false, "{answers}");
    assert_eq!(finished.object()["validations"], 3);
    assert!(finished.printed().last().is_some_and(|text| text.ends_with("\n1\n")), "the fourth is refused");
}

#[test]
fn an_agent_that_only_ends_has_given_up() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    assert_eq!(external(&world, "exit 5", &[]).outcome(), (0, json!("gave_up"), json!(1.0)));
    let cut = external(&world, "sleep 1000", &["--hours", "0.0001"]);
    assert_eq!(cut.outcome(), (0, json!("time_limit"), json!(1.0)));
    // Outside of a run there is no session.
    let outside = world.finish(&["validate"]);
    assert!(outside.code == 2 && outside.stderr.contains("inside a run"), "{outside:?}");
}
