//! Providers that are not well: the run ends as it should, and pays what the provider bills.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use researchgym_core::model::Usage;
use researchgym_engine::model::fake_provider::{Conduct, FakeProvider, Fault};
use researchgym_engine::model::scripted::Script;
use serde_json::{Value, json};

use crate::conversations::{PRICE, bash, check_books, header, submits};
use crate::support::{Finished, World, can_isolate, of_type};

pub(crate) const KEY: &str = "sk-fake-0123456789abcdefghijklmnopqrstuv";

pub(crate) const WIRES: [(&str, &str); 4] =
    [("chat", "v1"), ("responses", "v1"), ("messages", "v1"), ("gemini", "v1beta")];

pub(crate) fn provider(answers: &[Value], faults: &[(u64, Fault)]) -> FakeProvider {
    let lines: Vec<String> =
        std::iter::once(header()).chain(answers.iter().cloned()).map(|line| format!("{line}\n")).collect();
    let script = Script::parse(&lines.concat()).expect("a script");
    let faults = faults.iter().cloned().collect::<BTreeMap<_, _>>();
    FakeProvider::start(Conduct { script, faults, key: Some(KEY.to_owned()) }).expect("a provider")
}

/// Makes the provider's model known in a world as `fake/m`.
pub(crate) fn introduce(world: &World, provider: &FakeProvider, (wire, version): (&str, &str)) {
    let auth = match wire {
        "messages" => "x-api-key",
        "gemini" => "x-goog-api-key",
        _ => "bearer",
    };
    let (input, output) = PRICE;
    let settings = format!(
        "[providers.fake]\nbase_url = \"{}/{version}\"\nwire = \"{wire}\"\nauth = \"{auth}\"\nkey_env = \"FAKE_KEY\"\n\
         [models.\"fake/m\"]\ninput = {input}\noutput = {output}\n",
        provider.url
    );
    world.file("researchgym.toml", &settings);
}

/// Runs the basic agent with the provider's model.
fn run(world: &World, provider: &FakeProvider, wire: (&str, &str), key: &str) -> Finished {
    introduce(world, provider, wire);
    let words = ["run", "tiny", "basic-agent", "--model", "fake/m", "--seed", "1"];
    Finished::of(world.command(&words).env("FAKE_KEY", key).output().expect("the binary starts"))
}

fn status(status: u16, headers: &[(&str, &str)], message: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::Status { status, headers, message: message.to_owned() }
}

/// Millionths of a US dollar.
fn cost(usage: Usage) -> u64 {
    (usage.input + usage.cache_read) * PRICE.0 + usage.output * PRICE.1
}

fn paid(finished: &Finished) -> u64 {
    (finished.object()["cost_usd"].as_f64().expect("a number") * 1e6).round() as u64
}

fn answers(count: usize) -> Vec<Value> {
    (1..=count).map(|step| bash(&format!("echo {step} >> marks"))).chain([submits()]).collect()
}

#[test]
fn what_is_not_billed_is_not_paid_and_the_bill_is_exact() {
    if !can_isolate() {
        return;
    }
    let soon = [("retry-after-ms", "30")];
    for wire in WIRES {
        let faults = [
            (0, status(429, &soon, "slow down")),
            (2, status(500, &soon, "oh")),
            (3, status(529, &soon, "overloaded")),
            (5, Fault::Drip { bytes: 40, pause: Duration::from_millis(1) }),
        ];
        let world = World::new();
        let provider = provider(&answers(5), &faults);
        let finished = run(&world, &provider, wire, KEY);
        assert_eq!(
            (finished.code, &finished.object()["ending"]),
            (0, &json!("submitted")),
            "{wire:?} {finished:?}"
        );
        assert_eq!(provider.violations(), [""; 0], "{wire:?}");
        assert_eq!(paid(&finished), cost(provider.bill().usage), "{wire:?}");
        let events = finished.events();
        let retried = of_type(&events, "model_retried");
        assert_eq!(retried.len(), 3);
        let waited = of_type(&events, "model_called")
            .iter()
            .filter_map(|called| called["waited_ms"].as_u64())
            .sum::<u64>();
        assert!(waited >= 90, "{wire:?}: {waited}");
        let number = |key: &str| finished.object()[key].as_f64().expect("a number") * 1e3;
        assert!(number("seconds") + waited as f64 <= number("wall_seconds") + 10.0, "{wire:?} {waited}");
        check_books(&finished.run(), &finished.object()["cost_usd"]);
    }
}

#[test]
fn answers_that_break_off_are_asked_for_again_and_paid_for() {
    if !can_isolate() {
        return;
    }
    for wire in WIRES {
        let error = Fault::ErrorEvent { kind: "overloaded_error".into(), message: "busy".into(), after: 50 };
        let faults = [
            (1, Fault::Reset(50)),
            (3, Fault::Truncated(50)),
            (5, Fault::Garbage),
            (7, error),
            (9, Fault::NoUsage),
            (10, Fault::HangUp),
        ];
        let world = World::new();
        let provider = provider(&answers(7), &faults);
        let finished = run(&world, &provider, wire, KEY);
        assert_eq!(
            (finished.code, &finished.object()["ending"]),
            (0, &json!("submitted")),
            "{wire:?} {finished:?}"
        );
        assert_eq!(provider.violations(), [""; 0], "{wire:?}");
        let billed = cost(provider.bill().usage);
        assert!(paid(&finished) >= billed, "{wire:?}: {} of {billed}", paid(&finished));
        check_books(&finished.run(), &finished.object()["cost_usd"]);
        let marks = std::fs::read_to_string(finished.run().join("workspace/input/marks")).expect("marks");
        assert_eq!(marks, "1\n2\n3\n4\n5\n6\n7\n");
        // The record of such a run can be followed to its end.
        let mut first = header();
        first["repeat_last"] = json!(true);
        world.file("end.jsonl", &format!("{first}\n{}\n", submits()));
        let place = format!("{}@8", finished.object()["run_id"].as_str().expect("an id"));
        let fork = world.finish(&["run", "--fork", &place, "--model", "scripted/end.jsonl"]);
        assert_eq!((fork.code, &fork.object()["ending"]), (0, &json!("submitted")), "{fork:?}");
        assert_eq!(of_type(&fork.events(), "noted"), Vec::<&Value>::new(), "{wire:?}");
    }
}

#[test]
fn a_connection_that_breaks_before_an_answer_is_paid_for_and_asked_for_with_a_new_grant() {
    if !can_isolate() {
        return;
    }
    for wire in WIRES {
        let world = World::new();
        let provider = provider(&answers(1), &[(0, Fault::HangUp), (1, Fault::HangUp)]);
        introduce(&world, &provider, wire);
        let settings = std::fs::read_to_string(world.path("researchgym.toml")).expect("settings");
        // Any of the prompt may have been written to a cache.
        let dearest = PRICE.0 * 3;
        world.file("researchgym.toml", &format!("{settings}cache_write_5m = {dearest}\n"));
        let words = ["run", "tiny", "basic-agent", "--model", "fake/m", "--seed", "1"];
        let finished = Finished::of(world.command(&words).env("FAKE_KEY", KEY).output().expect("it starts"));
        assert_eq!(
            (finished.code, &finished.object()["ending"]),
            (0, &json!("submitted")),
            "{wire:?} {finished:?}"
        );
        let events = finished.events();
        assert_eq!(of_type(&events, "model_retried"), Vec::<&Value>::new(), "{wire:?}");
        let asked = of_type(&events, "model_asked");
        let repeats: Vec<&Value> = asked.iter().map(|asked| &asked["retry_of"]).collect();
        assert_eq!(repeats, [&json!(null), &json!(1), &json!(2), &json!(null)], "{wire:?}");
        let called = of_type(&events, "model_called");
        for lost in [0, 1] {
            let failure = &called[lost]["outcome"]["failure"]["kind"];
            assert_eq!(failure, &json!("broken_stream"), "{wire:?} {}", called[lost]);
            let number = |value: &Value| value.as_u64().expect("a number");
            let (usage, hold) = (&called[lost]["usage"], number(&asked[lost]["hold"]["cost"]));
            assert_eq!(usage["output"], asked[lost]["max_output_tokens"], "{wire:?}");
            let bound = number(&usage["input"]) * dearest + number(&usage["output"]) * PRICE.1;
            assert_eq!(number(&called[lost]["cost"]), bound.min(hold), "{wire:?}");
            assert!(bound > number(&usage["input"]) * PRICE.0 + number(&usage["output"]) * PRICE.1);
        }
        assert_eq!(provider.bill().requests, 4, "{wire:?}");
        assert!(paid(&finished) >= cost(provider.bill().usage), "{wire:?}");
        check_books(&finished.run(), &finished.object()["cost_usd"]);
    }
}

#[test]
fn calls_with_the_same_id_are_told_apart() {
    if !can_isolate() {
        return;
    }
    let two = json!({ "text": "two", "calls": [
        { "name": "bash", "arguments": { "cmd": "echo 1 >> marks" } },
        { "name": "bash", "arguments": { "cmd": "echo 2 >> marks" } },
    ] });
    for wire in WIRES {
        let world = World::new();
        let provider = provider(&[two.clone(), submits()], &[(0, Fault::SameIds)]);
        let finished = run(&world, &provider, wire, KEY);
        assert_eq!(
            (finished.code, &finished.object()["ending"]),
            (0, &json!("submitted")),
            "{wire:?} {finished:?}"
        );
        assert_eq!(provider.violations(), [""; 0], "{wire:?}");
        let marks = std::fs::read_to_string(finished.run().join("workspace/input/marks")).expect("marks");
        assert_eq!(marks, "1\n2\n");
    }
}

#[test]
fn what_no_attempt_can_mend_ends_the_run_at_once_with_advice() {
    if !can_isolate() {
        return;
    }
    let check = |fault: Option<Fault>, key: &str, expected: &str| {
        for wire in WIRES {
            let world = World::new();
            let faults: Vec<(u64, Fault)> = fault.clone().map(|fault| (0, fault)).into_iter().collect();
            let provider = provider(&answers(1), &faults);
            let finished = run(&world, &provider, wire, key);
            let object = finished.object();
            assert_eq!((finished.code, &object["ending"]), (3, &json!("failed")), "{wire:?} {finished:?}");
            assert_eq!((&object["boundary"], &object["cost_usd"]), (&json!("model"), &json!(0.0)));
            let hint = object["error"]["hint"].as_str().unwrap_or_default();
            assert!(hint.contains(expected), "{wire:?}: {object}");
            assert_eq!(provider.bill().requests, 1, "{wire:?}");
        }
    };
    check(None, "sk-another-key-0123456789", "check the provider's key");
    check(Some(status(404, &[], "the model `m` does not exist")), KEY, "check the model's name");
}

#[test]
fn no_key_is_in_the_run_nor_in_the_sandbox_nor_on_the_terminal() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let look =
        bash("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; ls -R /run/researchgym; echo looked");
    let echo = status(401, &[], &format!("Incorrect API key provided: {KEY}"));
    let provider = provider(&[look, submits()], &[(1, echo)]);
    let finished = run(&world, &provider, WIRES[0], KEY);
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.printed().concat().contains("looked"));
    let encoded = base64::engine::general_purpose::STANDARD.encode(KEY);
    let forms = [KEY, &encoded[..encoded.len() - 4]];
    for text in [&finished.stdout, &finished.stderr] {
        assert!(forms.iter().all(|form| !text.contains(form)), "{text}");
    }
    let mut folders = vec![finished.run(), world.path("home")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    files += 1;
                    let text =
                        String::from_utf8_lossy(&std::fs::read(entry.path()).expect("a file")).into_owned();
                    assert!(forms.iter().all(|form| !text.contains(form)), "{}", entry.path().display());
                }
                _ => {}
            }
        }
    }
    assert!(files > 5, "{files}");
}
