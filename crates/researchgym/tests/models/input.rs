//! Bad input: models, keys and prices that are none, and models that make no sense.

use serde_json::{Value, json};

use crate::conversations::{answers_given, bash, call, check_books, header, model, submits, words};
use crate::support::{Finished, World, can_isolate, of_type};

#[test]
fn models_that_cannot_be_asked_are_refused_before_a_run_begins() {
    let check = |model: &str, more: &[&str], expected: &str| {
        let world = World::new();
        world.file("bad.jsonl", "{\"text\": 5}\n");
        world.file("empty.jsonl", "");
        world.file("prices.toml", "[\"x/y\"]\ninputt = 1\n");
        world.file("key", "sk-x\n");
        let refused = world.finish(&words(model, more));
        let error = refused.object()["error"].to_string();
        assert!(refused.code == 2 && error.contains(expected), "{model}: {expected}: {refused:?}");
        assert_eq!(world.runs().len(), 0, "{model}");
    };
    check("scriptd/m.jsonl", &[], "scripted");
    check("opnai/gpt-5", &[], "openai");
    check("nothing", &[], "provider/model");
    check("", &[], "provider/model");
    check("openai/gpt-4o", &[], "OPENAI_API_KEY");
    check("scripted/none.jsonl", &[], "none.jsonl");
    check("scripted/bad.jsonl", &[], "line 1");
    check("scripted/empty.jsonl", &[], "no answer");
    check("openai/gpt-4o", &["--prices", "prices.toml"], "prices.toml");
    check("openai/gpt-4o", &["--prices", "nowhere.toml"], "nowhere.toml");
    check("openai/gpt-4o", &["--price", "cheap"], "--price");
    check("openai/gpt-4o", &["--key-file", "nowhere"], "nowhere");
}

fn finish(answers: &[Value], more: &[&str]) -> (World, Finished) {
    let world = World::new();
    let finished = world.finish(&words(&model(&world, "m.jsonl", answers), more));
    check_books(&finished.run(), &finished.object()["cost_usd"]);
    assert_eq!(world.finish(&["verify", &finished.run().display().to_string()]).code, 0);
    world.wait_until_nothing_is_left();
    (world, finished)
}

#[test]
fn a_script_that_is_at_its_end_says_so() {
    if !can_isolate() {
        return;
    }
    let (_world, finished) = finish(&[bash("echo 1")], &[]);
    let object = finished.object();
    assert_eq!((&object["ending"], &object["boundary"]), (&json!("failed"), &json!("model")));
    assert_eq!(finished.code, 3);
    let message = object["error"]["message"].as_str().expect("a message");
    assert!(message.contains("the script is asked for more than its answers (1)"), "{message}");
    // Resuming would ask the same script again.
    assert!(finished.stderr.contains(" run --fork RUN@STEP --model scripted/FILE"), "{finished:?}");
    assert!(!finished.stderr.contains("--resume"), "{finished:?}");
}

#[test]
fn a_run_that_met_a_limit_says_how_it_goes_on_wherever_it_is() {
    if !can_isolate() {
        return;
    }
    let (world, finished) = finish(&[bash("echo 1"), bash("echo 2")], &["--steps", "2"]);
    let id = finished.object()["run_id"].as_str().expect("an id").to_owned();
    let advice = format!(" run --resume {id} --steps N");
    assert!(finished.stderr.contains(&advice), "{finished:?}");
    let elsewhere = format!(" show {}", finished.run().display());
    assert!(!finished.stderr.contains(&elsewhere), "{finished:?}");
    let copy = world.path("runs").display().to_string();
    std::fs::rename(&copy, world.path("other")).expect("a folder moves");
    let other = world.path("other").display().to_string();
    let shown = world.finish(&["show", &id, "--runs-dir", &other]);
    assert!(shown.stderr.contains(&format!(" replay {other}/")), "{shown:?}");
    let agents = [
        ("rg-agent", "ended at its step limit of 2"),
        ("tuner", "the run's agent is basic-agent, not tuner"),
    ];
    for (agent, expected) in agents {
        let refused = world.finish(&["run", "tiny", agent, "--resume", &id, "--runs-dir", &other]);
        assert!(refused.code == 2 && refused.stderr.contains(expected), "{refused:?}");
    }
}

/// An answer that is given for ever.
fn always(answer: &Value) -> (World, Finished) {
    let world = World::new();
    let mut first = header();
    first["repeat_last"] = json!(true);
    world.file("m.jsonl", &format!("{first}\n{answer}\n"));
    let finished = world.finish(&words("scripted/m.jsonl", &[]));
    (world, finished)
}

#[test]
fn a_model_that_gets_nowhere_gives_up_for_a_reason() {
    if !can_isolate() {
        return;
    }
    let check = |answer: Value, expected: &str| {
        let (_world, finished) = always(&answer);
        assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("gave_up")), "{finished:?}");
        let events = finished.events();
        let acted = of_type(&events, "acted");
        let reason = acted.last().expect("an action")["action"].to_string();
        assert!(reason.contains(expected), "{answer}: {reason}");
        let calls = answers_given(&finished.run()).len();
        assert!((2..60).contains(&calls), "{answer}: {calls} calls");
        check_books(&finished.run(), &finished.object()["cost_usd"]);
    };
    check(json!({ "text": "I think about it." }), "tool");
    check(call("What?", "fly", json!({})), "tool");
    check(json!({ "text": "So.", "calls": [{ "name": "bash", "arguments": "{\"cmd\": " }] }), "tool");
    check(bash("echo the same"), "same");
}

#[test]
fn an_output_of_100_megabytes_is_shown_in_part() {
    if !can_isolate() {
        return;
    }
    let (_world, finished) = finish(&[bash("head -c 100000000 /dev/zero | tr '\\0' x"), submits()], &[]);
    assert_eq!((finished.code, &finished.object()["ending"]), (0, &json!("submitted")), "{finished:?}");
    let transcript = finished.run().join("logs/transcript.json").metadata().expect("a transcript").len();
    assert!(transcript < 1_000_000, "{transcript}");
}

#[test]
fn a_workspace_that_the_agent_deletes_is_its_own_affair() {
    if !can_isolate() {
        return;
    }
    let (_world, finished) = finish(
        &[
            bash("rm -rf /workspace/* /workspace/.[!.]* 2>/dev/null; ls -A"),
            bash("echo still here"),
            submits(),
        ],
        &[],
    );
    // Without an answer there is no score.
    assert_eq!((finished.code, &finished.object()["ending"]), (1, &json!("submitted")), "{finished:?}");
    assert_eq!(finished.object()["score"], Value::Null);
}

#[test]
fn a_limit_that_ended_a_run_must_be_raised_before_it_goes_on() {
    if !can_isolate() {
        return;
    }
    let answers = [bash("echo 1 >> marks"), bash("echo 2 >> marks"), bash("echo 3 >> marks"), submits()];
    for (flag, limit, lower, more, expected) in [
        ("--budget", "0.006", "0.001", "0.5", "budget"),
        ("--tokens", "6000", "1", "unlimited", "token_limit"),
        ("--steps", "2", "1", "20", "step_limit"),
    ] {
        let (world, cut) = finish(&answers, &[flag, limit]);
        assert_eq!(cut.object()["ending"], expected, "{cut:?}");
        let path = cut.run().display().to_string();
        let before = cut.events();
        for more in [vec![], vec![flag, limit], vec![flag, lower]] {
            let refused = world.finish(&[&["run", "--resume", &path], more.as_slice()].concat());
            assert!(refused.code == 2 && refused.object()["error"].to_string().contains(flag), "{refused:?}");
        }
        assert_eq!(cut.events(), before);
        let resumed = world.finish(&["run", "--resume", &path, flag, more]);
        assert_eq!((resumed.code, &resumed.object()["ending"]), (0, &json!("submitted")), "{resumed:?}");
        let events = resumed.events();
        assert_eq!(of_type(&events, "run_ended").len(), 2);
        assert_eq!(of_type(&events, "run_extended").len(), 1);
        let marks = std::fs::read_to_string(cut.run().join("workspace/input/marks")).expect("marks");
        assert_eq!(marks, "1\n2\n3\n");
        check_books(&cut.run(), &resumed.object()["cost_usd"]);
        let over = world.finish(&["run", "--resume", &path]);
        assert_eq!((over.code, over.events()), (0, events));
    }
}

#[test]
fn a_limit_that_does_not_allow_the_first_question_says_what_it_takes() {
    if !can_isolate() {
        return;
    }
    for (flag, limit, left) in [
        ("--budget", "0.0001", " USD and 0.000100 USD of the budget are left; raise --budget"),
        ("--tokens", "5", " tokens and 5 are left; raise --tokens"),
    ] {
        let (_world, cut) = finish(&[submits()], &[flag, limit]);
        let events = cut.events();
        assert!(of_type(&events, "model_asked").is_empty(), "{events:?}");
        let notes = of_type(&events, "noted");
        let note = notes[0]["text"].as_str().expect("a text");
        assert!(note.starts_with("the model is not asked: this call can ") && note.ends_with(left), "{note}");
        assert!(notes.len() == 1 && cut.stderr.contains(note), "{cut:?}");
    }
}
