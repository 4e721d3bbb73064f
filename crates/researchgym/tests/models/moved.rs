//! A run that goes on where the settings have moved its provider: the key goes where the settings say, never where the
//! record says, for the record may be a stranger's.

use serde_json::json;

use crate::conversations::{bash, check_books, model, slow, submits, words};
use crate::faults::{KEY, introduce, provider};
use crate::support::{Finished, World, can_isolate, of_type};

fn with_key(world: &World, words: &[&str]) -> Finished {
    Finished::of(world.command(words).env("FAKE_KEY", KEY).output().expect("the binary starts"))
}

#[test]
fn a_resumed_run_sends_its_key_where_the_settings_say_and_not_where_the_record_says() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let answers = [bash("echo one"), submits()];
    let strangers = provider(&answers, &[]);
    introduce(&world, &strangers, ("chat", "v1"));
    let words = ["run", "tiny", "basic-agent", "--model", "fake/m", "--seed", "1", "--steps", "1"];
    let first = with_key(&world, &words);
    assert_eq!(first.object()["ending"], json!("step_limit"), "{first:?}");
    let run = first.run().display().to_string();
    let asked = strangers.bill().requests;

    let own = provider(&answers, &[]);
    introduce(&world, &own, ("chat", "v1"));
    let resumed = with_key(&world, &["run", "--resume", &run, "--steps", "9"]);
    assert_eq!((resumed.code, &resumed.object()["ending"]), (0, &json!("submitted")), "{resumed:?}");
    assert_eq!(strangers.bill().requests, asked, "the address of the record was asked");
    assert!(own.bill().requests > 0);
    let (old, new) = (format!("{}/v1", strangers.url), format!("{}/v1", own.url));
    let warning = format!("the run asked `fake/m` at {old}; as the settings are now, it goes on at {new}");
    assert!(resumed.stderr.contains(&warning), "{resumed:?}");
    let noted: Vec<_> = of_type(&resumed.events(), "noted").into_iter().cloned().collect();
    let text = format!("the model was asked at {old}; from here it is asked at {new}");
    assert!(noted.iter().any(|event| event["text"] == text), "{noted:?}");
    check_books(&first.run(), &resumed.object()["cost_usd"]);
}

#[test]
fn a_run_whose_model_never_answers_is_the_providers_failure_and_not_a_score_of_the_starter() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let model = model(&world, "m.jsonl", &[slow(bash("echo late"), 1_000_000), submits()]);
    let finished = world.finish(&words(&model, &["--hours", "0.0002"]));
    let object = finished.object();
    assert_eq!((finished.code, &object["ending"]), (3, &json!("failed")), "{finished:?}");
    assert_eq!((&object["boundary"], &object["score"]), (&json!("model"), &json!(null)));
    let message = "the model answered none of 1 questions until the run's limit";
    assert_eq!(object["error"]["message"], json!(message));
    assert!(of_type(&finished.events(), "scored").is_empty());
}

#[test]
fn a_provider_that_the_settings_do_not_know_is_not_asked() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let strangers = provider(&[bash("echo one"), submits()], &[]);
    introduce(&world, &strangers, ("chat", "v1"));
    let words = ["run", "tiny", "basic-agent", "--model", "fake/m", "--seed", "1", "--steps", "1"];
    let run = with_key(&world, &words).run().display().to_string();
    let asked = strangers.bill().requests;
    world.file("researchgym.toml", "");
    let refused = with_key(&world, &["run", "--resume", &run, "--steps", "9"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("there is no provider `fake`"), "{refused:?}");
    assert_eq!(strangers.bill().requests, asked);
}
