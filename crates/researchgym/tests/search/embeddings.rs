//! Embeddings against candidates and ideas that mean what earlier ones mean: with a provider over HTTP that keeps a bill, and
//! with a scripted model. Both make vectors of the words of a text, so that `5.6` is `6.5` in other words.

use std::collections::BTreeMap;

use researchgym_engine::model::fake_provider::{Conduct, FakeProvider, Fault};
use researchgym_engine::model::scripted::Script;
use researchgym_engine::store::Blobs;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::climb::{answer, fates, model, search, tasks, words};
use crate::support::{Finished, World, can_isolate, events, of_type, signal, wait};

const KEY: &str = "sk-fake-0123456789abcdefghijklmnopqrstuv";
/// The first line of a script that makes embeddings.
const EMBEDS: &str =
    r#"{"script": 1, "price": {"input": "0.5", "output": "0"}, "embedding": {"dimensions": 512}}"#;

fn provider(script: &str, faults: &[(u64, Fault)]) -> FakeProvider {
    let script = Script::parse(script).expect("a script");
    let faults = faults.iter().cloned().collect::<BTreeMap<_, _>>();
    FakeProvider::start(Conduct { script, faults, key: Some(KEY.to_owned()) }).expect("a provider")
}

/// Makes the provider known in a world as `fake`, its model as `fake/e`.
fn introduce(world: &World, provider: &FakeProvider, (wire, version, auth): (&str, &str, &str)) {
    world.file(
        "researchgym.toml",
        &format!(
            "[providers.fake]\nbase_url = \"{}/{version}\"\nwire = \"{wire}\"\nauth = \"{auth}\"\nkey_env = \"FAKE_KEY\"\n\
             [models.\"fake/e\"]\ninput = 0.5\nembedding = true\n",
            provider.url
        ),
    );
}

const CHAT: (&str, &str, &str) = ("chat", "v1", "bearer");

/// A search for drafts, one at a time, whose candidates `fake/e` embeds.
fn drafts(world: &World, model: &str, more: &[&str]) -> Finished {
    let tasks = tasks();
    let flags = [
        "--model",
        model,
        "--embedding-model",
        "fake/e",
        "--embedding-similarity",
        "0.999",
        "--policy",
        "best-of-n",
        "--operators",
        "draft",
        "--slots",
        "1",
        "--similarity",
        "1",
    ];
    let all: Vec<&str> = flags.iter().chain(more).copied().collect();
    let words = words(&tasks, &all);
    Finished::of(world.command(&words).env("FAKE_KEY", KEY).output().expect("the binary starts"))
}

/// A search whose candidates and ideas the model `embeds` judges.
fn judged(world: &World, model: &str, embeds: &str, flags: &str) -> Finished {
    let models = ["--model", model, "--embedding-model", embeds];
    search(world, &models.into_iter().chain(flags.split_ascii_whitespace()).collect::<Vec<&str>>())
}

fn embedding_calls(events: &[Value]) -> Vec<&Value> {
    let asked = of_type(events, "model_asked");
    asked.into_iter().filter(|asked| asked["request"]["type"] == "embedding").collect()
}

fn kinds(events: &[Value]) -> Vec<String> {
    fates(events).into_iter().map(|(_, fate)| fate).collect()
}

#[test]
fn what_means_the_same_is_refused_resampled_and_costs_no_evaluation() {
    if !can_isolate() {
        return;
    }
    for wire in [CHAT, ("responses", "v1", "bearer"), ("gemini", "v1beta", "x-goog-api-key")] {
        let world = World::new();
        let provider = provider(EMBEDS, &[]);
        introduce(&world, &provider, wire);
        // Node 1; node 2 in other words, then another; node 3 twice in other words.
        let answers = [answer("6.5"), answer("5.6"), answer("7.25"), answer("5.6"), answer("25.7")];
        let finished = drafts(&world, &model(&world, &answers), &["--resamples", "1", "--steps", "3"]);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        let events = finished.events();
        assert_eq!(kinds(&events), ["3", "6.5", "7.25", "near_duplicate"]);
        let dropped = &of_type(&events, "node_dropped")[0];
        let reason = "it is nearly the same by its embedding, cosine 1.000 with node 2";
        assert_eq!(
            (&dropped["reason"], &dropped["of"], &dropped["node"]),
            (&json!(reason), &json!(2), &json!(3))
        );
        // The model was told why.
        let told: Vec<String> = of_type(&events, "model_asked")
            .iter()
            .filter_map(|asked| Some(asked["request"].get("added")?.to_string()))
            .filter(|added| added.contains("by its embedding"))
            .collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("embedding, cosine 1.000 with node 1"), "{}", told[0]);
        // The task's title first, then every text once: `5.6` was embedded before.
        assert_eq!(provider.violations(), [""; 0], "{wire:?}");
        assert_eq!((provider.bill().requests, embedding_calls(&events).len()), (1 + 4, 1 + 4));
        let embedded: Vec<&Value> = of_type(&events, "model_called")
            .into_iter()
            .filter(|called| called["outcome"]["type"] == "embedded")
            .collect();
        let cost: u64 = embedded.iter().map(|called| called["cost"].as_u64().expect("a number")).sum();
        // Half a micro-dollar a token, rounded up each time.
        let usage = provider.bill().usage.input;
        assert!((usage.div_ceil(2)..usage.div_ceil(2) + 5).contains(&cost), "{cost} for {usage} tokens");
        for called in &embedded {
            assert_eq!(called["outcome"]["dimensions"], 512);
            let vector = called["outcome"]["vectors"][0].as_str().expect("a digest");
            let blobs = Blobs::at(finished.run().join("blobs"));
            assert_eq!(blobs.get(vector.parse().expect("a digest")).expect("a blob").len(), 4 * 512);
        }
        let log = std::fs::read_to_string(finished.run().join("events.jsonl")).expect("a log");
        assert!(!log.contains(KEY));
        // What candidates cost has their embeddings in it.
        let built = of_type(&events, "node_built");
        let calls: Vec<&Value> = built.iter().map(|built| &built["spent"]["calls"]).collect();
        assert_eq!(calls, [&Value::Null, &json!(2), &json!(4)]);
        assert!(built[1]["embedding"].is_string() && built[0].get("embedding").is_none());
        let verified = world.finish(&["verify", &crate::support::name(&finished.run())]);
        assert_eq!(verified.code, 0, "{}", verified.stderr);
        let shown = world.finish(&["show", &crate::support::name(&finished.run())]);
        let row = shown.stdout.lines().find(|line| line.contains("fake/e: 5 calls"));
        assert!(row.is_some(), "{}", shown.stdout);
    }
}

#[test]
fn a_killed_search_embeds_no_text_twice() {
    if !can_isolate() {
        return;
    }
    let values: Vec<Value> = (0..12).map(|step| answer(&format!("{}", 4 + step))).collect();
    for moment in ["\"type\":\"embedding\"", "\"type\":\"embedded\"", "\"type\":\"node_built\""] {
        let world = World::new();
        let model = model(&world, &values);
        let embeds = format!("scripted/{}", world.file("embeds.jsonl", EMBEDS));
        let tasks = tasks();
        let words = words(
            &tasks,
            &[
                "--model",
                &model,
                "--embedding-model",
                &embeds,
                "--embedding-similarity",
                "0.9999",
                "--policy",
                "best-of-n",
                "--operators",
                "draft",
                "--slots",
                "1",
                "--steps",
                "6",
            ],
        );
        let child = world.start(&words);
        let run = world.wait_for_log("the third of its kind", |log| log.matches(moment).count() >= 3);
        signal(&child, Signal::KILL);
        wait(child);
        let finished = world.finish(&["run", "--output", "json", "--resume", &crate::support::name(&run)]);
        assert_eq!(finished.code, 0, "{moment}: {}", finished.stderr);
        let events = events(&run);
        assert_eq!(kinds(&events), ["3", "4", "5", "6", "7", "8", "9"], "{moment}");
        let lost: Vec<&Value> = of_type(&events, "model_lost").iter().map(|lost| &lost["call"]).collect();
        let asked = embedding_calls(&events);
        let answered = asked.iter().filter(|asked| !lost.contains(&&asked["call"]));
        let mut texts: Vec<String> = answered.map(|asked| asked["request"]["texts"].to_string()).collect();
        assert_eq!(texts.len(), 7, "{moment}");
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 7, "{moment}");
        // A call that was lost is repeated by name.
        for call in asked.iter().filter(|asked| lost.contains(&&asked["call"])) {
            assert!(asked.iter().any(|asked| asked["retry_of"] == call["call"]), "{moment}");
        }
        // What was built before the kill speaks against what is made after it.
        world.wait_until_nothing_is_left();
    }
}

#[test]
fn earlier_segments_speak_against_later_candidates() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let provider = provider(EMBEDS, &[]);
    introduce(&world, &provider, CHAT);
    let model = model(&world, &[answer("6.5"), answer("5.6"), answer("8.5")]);
    let first = drafts(&world, &model, &["--steps", "1"]);
    assert_eq!(kinds(&first.events()), ["3", "6.5"]);
    let name = crate::support::name(&first.run());
    let again = ["run", "--output", "json", "--resume", &name, "--steps", "2"];
    let again = Finished::of(world.command(&again).env("FAKE_KEY", KEY).output().expect("the binary starts"));
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(kinds(&again.events()), ["3", "6.5", "8.5"]);
    // The title and `6.5` are not embedded again.
    assert_eq!((provider.bill().requests, provider.violations()), (4, Vec::new()));
}

#[test]
fn a_provider_that_fails_does_not_count_against_the_candidate() {
    if !can_isolate() {
        return;
    }
    let status =
        |status, message: &str| Fault::Status { status, headers: Vec::new(), message: message.into() };
    let faults = [
        (1, status(400, "not today")),
        (2, Fault::Vectors(vec![json!([1.0, 2.0])])),
        (3, Fault::Vectors(vec![json!([1.0, null])])),
        (4, Fault::Vectors(vec![json!([0.0, 0.0])])),
        (5, Fault::Vectors(vec![json!([1.0]), json!([2.0])])),
        (6, Fault::Garbage),
        (7, status(503, "busy")),
        // Sent once more, because it was paid for.
        (8, Fault::HangUp),
        (9, Fault::NoUsage),
    ];
    let world = World::new();
    let provider = provider(EMBEDS, &faults);
    introduce(&world, &provider, CHAT);
    let answers: Vec<Value> = (0..10).map(|step| answer(&format!("4.{step}"))).collect();
    let finished = drafts(&world, &model(&world, &answers), &["--steps", "9"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    assert_eq!(kinds(&events), ["3", "4", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8"]);
    let failures: Vec<String> = of_type(&events, "model_called")
        .iter()
        .filter_map(|called| called["outcome"]["failure"]["message"].as_str().map(str::to_owned))
        .collect();
    let expected = [
        "not today",
        "the embeddings have 2 numbers where earlier ones of this run have 512",
        "embedding 1 of the answer holds null at position 1, which is no finite number",
        "embedding 1 of the answer is all zeros",
        "2 embeddings came for 1 text",
        "the answer is not JSON",
        "busy",
        "no answer began after the request was sent",
    ];
    assert_eq!(failures.len(), expected.len(), "{failures:?}");
    for (failure, expected) in failures.iter().zip(expected) {
        assert!(failure.contains(expected), "{failure}: {expected}");
    }
    let notes: Vec<&str> = of_type(&events, "noted")
        .iter()
        .filter_map(|note| note["text"].as_str())
        .filter(|text| text.contains("embedding"))
        .collect();
    assert_eq!(notes, ["node 1 is not judged by its embedding: fake/e: not today"]);
    let built = of_type(&events, "node_built");
    let judged = built.iter().filter(|built| built["embedding"].is_string()).count();
    assert_eq!((judged, built.len()), (2, 10));
    // Nothing that the provider bills is missing in the books.
    let booked: u64 =
        of_type(&events, "model_called").iter().filter_map(|called| called["cost"].as_u64()).sum();
    assert_eq!(finished.object()["cost_usd"].as_f64().map(|cost| (cost * 1e6).round() as u64), Some(booked));
    let tokens: u64 = {
        let calls: Vec<&Value> = embedding_calls(&events).iter().map(|asked| &asked["call"]).collect();
        let called = of_type(&events, "model_called");
        let embeddings = called.iter().filter(|called| calls.contains(&&called["call"]));
        embeddings.filter_map(|called| called["usage"]["input"].as_u64()).sum()
    };
    assert!(tokens >= provider.bill().usage.input, "{tokens} of {}", provider.bill().usage.input);
}

#[test]
fn who_has_no_embeddings_is_refused_at_the_start() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let answers = provider("{\"text\": \"I answer.\"}", &[]);
    introduce(&world, &answers, CHAT);
    let model = model(&world, &[answer("6.5")]);
    let finished = drafts(&world, &model, &["--steps", "1"]);
    let error = &finished.object()["error"]["message"];
    let expected = "no embeddings can be had: fake/e (status 400): the request breaks an invariant: the script makes no \
                    embeddings: its first line has no `embedding`";
    assert_eq!((error, finished.object()["cost_usd"].as_f64()), (&json!(expected), Some(0.0)));
    assert!(of_type(&finished.events(), "planned").is_empty());
    let refused = |more: &[&str], expected: &str| {
        let flags: Vec<&str> = ["--operators", "draft"].iter().chain(more).copied().collect();
        let finished = search(&world, &flags);
        assert_eq!(finished.code, 2, "{more:?}");
        assert!(finished.stderr.contains(expected), "{more:?}: {}", finished.stderr);
    };
    let script = ["--model", &model];
    let with = |more: &[&'static str]| [&script[..], more].concat();
    refused(
        &with(&["--embedding-model", "anthropic/claude-sonnet-4-5"]),
        "`anthropic/claude-sonnet-4-5` makes no embeddings: its provider makes none",
    );
    refused(&["--model", &model, "--embedding-model", &model], "the script's first line has no `embedding`");
    refused(
        &["--model", "openai/text-embedding-3-small"],
        "`openai/text-embedding-3-small` makes embeddings and answers no questions",
    );
    refused(&["--embedding-model", "fake/e"], "--embedding-model adds to the model that --model names");
    refused(&with(&["--idea-similarity", "0.8"]), "--idea-similarity belongs to an --embedding-model");
    let nothing = ["--embedding-model", "fake/e", "--embedding-similarity", "1", "--idea-similarity", "1"];
    refused(&with(&nothing), "nothing is embedded");
}

#[test]
fn a_dry_run_says_what_is_embedded_and_what_it_costs() {
    let world = World::new();
    let embeds = format!("scripted/{}", world.file("embeds.jsonl", EMBEDS));
    let model = model(&world, &[answer("6.5")]);
    let tasks = tasks();
    let words = [
        "run",
        "climb",
        "search",
        "--dry-run",
        "--tasks-dir",
        &tasks,
        "--model",
        &model,
        "--embedding-model",
        &embeds,
        "--idea-similarity",
        "1",
    ];
    let finished = world.finish(&words);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let row = finished.stdout.lines().find(|line| line.trim_start().starts_with("embeddings"));
    let expected = format!(
        "{embeds}, $0.50 per million tokens (from the script); candidates are refused from cosine 0.99 on, ideas are not \
         embedded"
    );
    assert!(row.is_some_and(|row| row.contains(&expected)), "{}", finished.stdout);
}

fn idea(words: &str) -> String {
    format!("[Experiment] {words}\n[Code Changes] one line\n[End]")
}

fn diff(value: &str) -> Value {
    json!({"text": format!(
        "--- a/solve.py\n+++ b/solve.py\n@@ -7,1 +7,1 @@\n-    return max(0.0, 9.0 - abs(first - 3.0) - abs(second - \
         5.0))\n+    return {value}\n"
    )})
}

#[test]
fn ideas_in_other_words_are_refused_before_code_is_paid_for() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let said = |words: &str| json!({ "text": idea(words) });
    // Node 1; node 2 in other words, then another idea; node 3 in other words to the end.
    let lines = [
        said("Say four at once"),
        diff("4.0"),
        said("At once, say four"),
        said("Try five instead"),
        diff("5.0"),
        said("At once: four! Say"),
        said("Instead try five"),
    ];
    let embeds = format!("scripted/{}", world.file("embeds.jsonl", EMBEDS));
    let model = model(&world, &lines);
    let flags = "--embedding-similarity 1 --idea-similarity 0.95 --policy hill-climb --operators \
         implement --slots 1 --steps 3 --inherit text --form unified-diff --resamples 1";
    let finished = judged(&world, &model, &embeds, flags);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    assert_eq!(kinds(&events), ["3", "4", "5", "near_duplicate"]);
    let dropped = &of_type(&events, "node_dropped")[0];
    let reason = "it is nearly the same by its embedding, cosine 1.000 with the idea of node 2";
    assert_eq!((&dropped["reason"], &dropped["of"]), (&json!(reason), &json!(2)));
    assert!(
        dropped["idea"]["text"].as_str().is_some_and(|idea| idea.contains("Instead try five")),
        "{dropped}"
    );
    let told = of_type(&events, "model_asked")
        .iter()
        .filter(|asked| asked["request"]["added"].to_string().contains("That idea is not taken"))
        .count();
    assert_eq!(told, 2);
    // Candidates are not embedded: the title, and five different ideas.
    assert_eq!(embedding_calls(&events).len(), 6);
    let built = of_type(&events, "node_built");
    assert!(built.iter().all(|built| built.get("embedding").is_none()));
}

#[test]
fn an_idea_that_was_refused_speaks_against_none_after_a_resumption_either() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let common: Vec<String> = (0..18).map(|number| format!("word{number}")).collect();
    let said = |ending: &str| json!({ "text": idea(&format!("{} {ending}", common.join(" "))) });
    // Neighbours have 19 of 20 words in common, a cosine of 0.95; the first and the last have 18.
    let lines = [said("one two"), diff("4.0"), said("two three"), said("three four"), diff("5.0")];
    let embeds = format!("scripted/{}", world.file("embeds.jsonl", EMBEDS));
    let model = model(&world, &lines);
    let flags = "--embedding-similarity 1 --idea-similarity 0.94 --policy hill-climb --operators implement --slots 1 \
                 --inherit text --form unified-diff --resamples 0 --steps";
    let first = judged(&world, &model, &embeds, &format!("{flags} 2"));
    assert_eq!(kinds(&first.events()), ["3", "4", "near_duplicate"], "{}", first.stderr);
    let name = crate::support::name(&first.run());
    let again = world.finish(&["run", "--output", "json", "--resume", &name, "--steps", "3"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(kinds(&again.events()), ["3", "4", "near_duplicate", "5"]);
}

#[test]
fn of_several_ideas_those_that_repeat_are_asked_for_again() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let said = |ideas: &[&str]| json!({ "text": ideas.iter().map(|words| idea(words)).collect::<Vec<_>>().join("\n\n") });
    let lines = [
        said(&["Say four at once", "At once, say four", "Try five instead"]),
        said(&["Five instead, try"]),
        diff("4.0"),
        diff("5.0"),
    ];
    let embeds = format!("scripted/{}", world.file("embeds.jsonl", EMBEDS));
    let model = model(&world, &lines);
    let flags = "--embedding-similarity 0.9999 --idea-similarity 0.95 --policy epochs --policy-set \
         batch=3 --policy-set per_call=3 --operators implement --slots 1 --steps 3 --form \
         unified-diff --resamples 1 --similarity 1";
    let finished = judged(&world, &model, &embeds, flags);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = finished.events();
    assert_eq!(kinds(&events), ["3", "4", "5", "near_duplicate"]);
    let had = &of_type(&events, "ideas_had")[0];
    let refused = had["refused"].as_array().expect("a list");
    assert_eq!((had["ideas"].as_array().map(Vec::len), refused.len()), (Some(2), 1));
    let reason = "it is nearly the same by its embedding, cosine 1.000 with idea 2 of this epoch";
    // The candidate that has that idea is not planned yet.
    assert_eq!((&refused[0]["reason"], &refused[0]["of"]), (&json!(reason), &Value::Null));
    let dropped = &of_type(&events, "node_dropped")[0];
    assert_eq!(
        (&dropped["reason"], &dropped["of"], &dropped["node"]),
        (&json!(reason), &Value::Null, &json!(3))
    );
}

#[test]
fn a_mended_candidate_may_be_near_the_failed_one() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let mended = json!({ "text":
        "Divide the other way round.\n\nFile: solve.py\n<<<<<<< SEARCH\n    return first / 0 + 6.5\n=======\n    return 0 / \
         first + 6.5\n>>>>>>> REPLACE\n"
    });
    // Node 1 crashes, node 2 mends it and has the same words.
    let model = model(&world, &[answer("first / 0 + 6.5"), mended]);
    let embeds = format!("scripted/{}", world.file("embeds.jsonl", EMBEDS));
    let flags = "--policy best-first --policy-set num_drafts=1 --policy-set debug_prob=1 --operators \
         draft,debug --slots 1 --steps 2 --similarity 1";
    let finished = judged(&world, &model, &embeds, flags);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let made = fates(&finished.events());
    let made: Vec<(&str, &str)> = made.iter().map(|(how, fate)| (how.as_str(), fate.as_str())).collect();
    assert_eq!(made, [("baseline", "3"), ("draft", "crash"), ("debug", "6.5")]);
    let events = finished.events();
    let built = of_type(&events, "node_built");
    assert_eq!(built.iter().filter(|built| built["embedding"].is_string()).count(), 2);
}
