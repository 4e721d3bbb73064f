//! Searches that go on with what another has found: its nodes are there, measured and paid for, and it stays as it is.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::climb::{answer, drafting, fates, model, search, tasks, words};
use crate::support::{Finished, World, can_isolate, events, name, of_type, signal, wait};

/// Rules alone, one after the other: the same seed makes the same candidates.
const RULES: [&str; 8] =
    ["--policy", "best-first", "--operators", "tune,crossover", "--slots", "1", "--seed", "9"];

fn rules(world: &World, more: &[&str]) -> Finished {
    search(world, &[RULES.as_slice(), more].concat())
}

fn fork(world: &World, place: &str, more: &[&str]) -> Finished {
    world.finish(&[&["run", "--output", "json", "--fork", place], more].concat())
}

fn message(finished: &Finished) -> String {
    finished.object()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// All that lies in a run's folder but for what reading it makes.
fn log(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("events.jsonl")).expect("a log")
}

/// What `show` says of a search.
fn shown(world: &World, run: &Path) -> Value {
    let run = run.display().to_string();
    world.finish(&["show", &run, "--output", "json"]).object()["search_record"].clone()
}

#[test]
fn a_fork_goes_on_as_the_search_would_have_and_the_search_stays_as_it_is() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let other = rules(&world, &["--steps", "8"]);
    let (whole, counted) = (fates(&other.events()), shown(&world, &other.run()));
    let first = rules(&world, &["--steps", "4"]);
    let (id, before) = (name(&first.run()), log(&first.run()));
    for (place, candidates) in [(id.clone(), 4), (format!("{id}@2"), 2), (format!("{id}@0"), 0)] {
        let forked = fork(&world, &place, &["--steps", "8", "--tag", "forked"]);
        assert_eq!(forked.code, 0, "{}", forked.stderr);
        assert_eq!(fates(&forked.events()), whole, "{place}");
        let object = forked.object();
        let told = ["forked_from", "ending", "steps", "validations"].map(|key| object[key].clone());
        let validations = other.object()["validations"].clone();
        assert_eq!(told, [json!(format!("{id}@{candidates}")), json!("step_limit"), json!(8), validations]);
        let record = shown(&world, &forked.run());
        for key in ["candidates", "evaluations", "statuses", "operators", "best"] {
            assert_eq!(record[key], counted[key], "{place}: {key}");
        }
        let told = ["nodes", "candidates", "cost"].map(|key| record["inherited"][key].as_u64());
        assert_eq!(told, [Some(candidates + 1), Some(candidates), Some(0)]);
        assert_eq!(world.finish(&["verify", &forked.run().display().to_string()]).code, 0);
    }
    assert_eq!(log(&first.run()), before);
    let listed = world.finish(&["list", "--output", "json", "--tag", "forked"]).object();
    let froms: Vec<&Value> =
        listed["runs"].as_array().into_iter().flatten().map(|run| &run["forked_from"]).collect();
    assert_eq!(froms.len(), 3, "{listed}");
    assert!(froms.iter().all(|from| from.as_str().is_some_and(|from| from.starts_with(&id))), "{listed}");
}

#[test]
fn another_policy_with_other_operators_and_no_model_goes_on_with_what_a_model_made() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let values = ["4.0", "6.5", "5.0"].map(answer);
    let model = model(&world, &values);
    let first = search(&world, &drafting(&model, &["--steps", "3"]));
    let (id, paid) = (name(&first.run()), first.object()["cost_usd"].clone());
    assert!(paid.as_f64().expect("a number") > 0.0);
    let flags = ["--policy", "hill-climb", "--operators", "tune", "--steps", "5", "--target", "1000"];
    let forked = fork(&world, &id, &flags);
    assert_eq!(forked.code, 0, "{}", forked.stderr);
    let object = forked.object();
    assert_eq!((&object["model_calls"], &object["cost_usd"]), (&json!(3), &paid));
    let made: Vec<String> = fates(&forked.events()).into_iter().map(|(operator, _)| operator).collect();
    assert_eq!(made, ["baseline", "draft", "draft", "draft", "tune", "tune"]);
    let planned = forked.events();
    let last = of_type(&planned, "planned").last().map(|planned| planned["plans"][0]["parents"].clone());
    assert_eq!(last, Some(json!([2])), "the best of the other search is what is climbed from");
    let plan: Value = serde_json::from_slice(&std::fs::read(forked.run().join("plan.json")).expect("a plan"))
        .expect("JSON");
    let agent = &plan["agent"];
    assert_eq!((&agent["policy"]["name"], &agent["target"]), (&json!("hill-climb"), &json!(1000.0)));
    // The nodes of both, and which of them were taken over.
    let to = world.path("tables").display().to_string();
    let run = forked.run().display().to_string();
    let exported = world.finish(&["export", &run, "--format", "csv", "-o", &to]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let table = std::fs::read_to_string(Path::new(&to).join("nodes.csv")).expect("a table");
    let inherited: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split(',').nth(2)).collect();
    assert_eq!(inherited, ["true", "true", "true", "true", "false", "false"]);
    // What the other had may go.
    std::fs::remove_dir_all(first.run()).expect("a folder");
    assert_eq!(world.finish(&["verify", &run]).code, 0);
    let again = world.finish(&["run", "--output", "json", "--resume", &name(&forked.run()), "--steps", "6"]);
    assert_eq!((again.code, &again.object()["steps"]), (0, &json!(6)), "{}", again.stderr);
}

#[test]
fn a_search_whose_script_was_used_up_goes_on_with_another_as_the_hint_says() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let model = model(&world, &["4.0", "6.5"].map(answer));
    let failed = search(&world, &drafting(&model, &["--steps", "4"]));
    let object = failed.object();
    assert_eq!(object["ending"], json!("failed"), "{failed:?}");
    let hint = object["error"]["hint"].as_str().expect("a hint").to_owned();
    assert!(hint.contains("researchgym run --fork RUN@STEP --model scripted/FILE"), "{hint}");
    let first = json!({"script": 1, "price": {"input": "1.0", "output": "2.0"}});
    let lines = [first, answer("5.0"), answer("7.0")].map(|line| line.to_string()).join("\n");
    let other = format!("scripted/{}", world.file("other.jsonl", &lines));
    for place in [name(&failed.run()), format!("{}@2", name(&failed.run()))] {
        let forked = fork(&world, &place, &["--model", &other]);
        assert_eq!(forked.code, 0, "{}", forked.stderr);
        let values: Vec<String> = fates(&forked.events()).into_iter().map(|(_, fate)| fate).collect();
        assert_eq!(values[1..], ["4", "6.5", "5", "7"], "{place}");
        assert_eq!(forked.object()["model"], json!(other));
        assert_eq!(world.finish(&["verify", &forked.run().display().to_string()]).code, 0);
    }
}

#[test]
fn what_nobody_in_the_new_search_can_make_is_left() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let mut late = answer("6.5");
    late["delay_ms"] = json!(600_000);
    let model = model(&world, &[answer("4.0"), late]);
    let tasks = tasks();
    let child = world.start(&words(&tasks, &drafting(&model, &["--steps", "9"])));
    let run = world.wait_for_log("the late question", |log| log.matches("\"model_asked\"").count() == 2);
    signal(&child, Signal::KILL);
    wait(child);
    let forked = fork(&world, &name(&run), &["--operators", "tune", "--steps", "3", "--policy", "islands"]);
    assert_eq!(forked.code, 0, "{}", forked.stderr);
    let events = forked.events();
    let dropped = of_type(&events, "node_dropped");
    let reason =
        "the search that this one was forked from planned it, and `draft` is no operator of this one";
    assert_eq!((dropped.len(), &dropped[0]["node"], &dropped[0]["reason"]), (1, &json!(2), &json!(reason)));
    assert_eq!(of_type(&events, "model_lost").len(), 1);
    let made: Vec<String> = fates(&events).into_iter().map(|(operator, _)| operator).collect();
    assert_eq!(made, ["baseline", "draft", "draft", "tune"]);
    assert_eq!(events.last().map(|event| &event["type"]), Some(&json!("run_ended")));
    world.wait_until_nothing_is_left();
}

#[test]
fn a_fork_of_a_fork_that_is_killed_goes_on_with_the_same_tree() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let first = rules(&world, &["--steps", "4"]);
    let other = ["--policy", "mcts", "--operators", "tune,mutate"];
    let second = fork(&world, &name(&first.run()), &[other.as_slice(), &["--steps", "6"]].concat());
    let whole = fork(&world, &name(&second.run()), &["--steps", "12"]);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    let (known, place) = (world.runs(), name(&second.run()));
    let child = world.start(&["run", "--output", "json", "--fork", &place, "--steps", "12"]);
    let run = crate::support::eventually("some candidates of its own", || {
        let run = world.runs().into_iter().find(|run| !known.contains(run))?;
        let log = std::fs::read_to_string(run.join("events.jsonl")).ok()?;
        (log.matches("\"type\":\"node_built\"").count() >= 9).then_some(run)
    });
    signal(&child, Signal::KILL);
    wait(child);
    let resumed = world.finish(&["run", "--output", "json", "--resume", &name(&run)]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(fates(&events(&run)), fates(&whole.events()));
    assert_eq!(resumed.object()["forked_from"], json!(format!("{place}@6")));
    world.wait_until_nothing_is_left();
}

#[test]
fn forks_that_would_measure_something_else_are_refused() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let copy = world.path("tasks");
    let from = Path::new(&tasks()).join("climb");
    copied(&from, &copy.join("climb"));
    let places = copy.display().to_string();
    let first = world.finish(&[words(&places, &RULES), vec!["--steps", "2"]].concat());
    let id = name(&first.run());
    let runs = world.runs().len();
    let ensemble = format!("{}=1", model(&world, &[answer("4.0")]));
    let wrong: [(String, &[&str], &str); 8] = [
        (id.clone(), &[], "ended at its step limit of 2"),
        (format!("{id}@7"), &["--steps", "9"], "has 2 settled candidates; there is no candidate 7"),
        (id.clone(), &["--steps", "1"], "--steps: the run has used 2 already"),
        (
            id.clone(),
            &["--seed", "10", "--steps", "9"],
            "--seed: a fork keeps what the other run was started with",
        ),
        (id.clone(), &["--runtime", "host", "--steps", "9"], "--runtime: a fork keeps"),
        (id.clone(), &["climb", "basic-agent", "--steps", "9"], "the run's agent is search, not basic-agent"),
        (id.clone(), &["--operators", "draft", "--steps", "9"], "draft needs --model provider/model"),
        (id.clone(), &["--ensemble", &ensemble, "--steps", "9"], "no operator of this search asks a model"),
    ];
    for (place, more, expected) in wrong {
        let refused = fork(&world, &place, more);
        assert!(refused.code == 2 && message(&refused).contains(expected), "{place} {more:?}: {refused:?}");
    }
    std::fs::write(copy.join("climb/notes.txt"), "another version").expect("a file");
    let refused = fork(&world, &id, &["--steps", "9"]);
    assert!(
        refused.code == 2 && message(&refused).contains("what it has measured is of another task"),
        "{refused:?}"
    );
    assert_eq!(world.runs().len(), runs, "no folder is left");
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => copied(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy")),
        }
    }
}

#[test]
fn a_fork_of_a_log_that_its_result_does_not_know_says_so() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let first = rules(&world, &["--steps", "2"]);
    let (run, id) = (first.run(), name(&first.run()));
    let told = fork(&world, &id, &["--steps", "3"]);
    assert!(told.code == 0 && !told.stderr.contains("log_head"), "{}", told.stderr);
    let status = run.join("status.json");
    let text = std::fs::read_to_string(&status).expect("a status");
    let head = first.object()["log_head"].as_str().expect("a hash").to_owned();
    std::fs::write(&status, text.replace(&head, &"0".repeat(head.len()))).expect("ours");
    let told = fork(&world, &id, &["--steps", "3"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stderr.contains("names a `log_head` that no line has"), "{}", told.stderr);
}
