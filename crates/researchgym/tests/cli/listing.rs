//! `list` from the index: the same runs whatever has become of it, and filters.

use serde_json::{Value, json};

use crate::support::{World, answer, can_isolate, submit};

fn ids(listed: &Value) -> Vec<&str> {
    let runs = listed["runs"].as_array().into_iter().flatten();
    runs.filter_map(|run| run["run_id"].as_str()).collect()
}

#[test]
fn the_index_tells_what_the_logs_tell() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let one = world.scripted(&[answer("0.5"), submit()], &["--tag", "a", "--tag", "b"]);
    let other = world.scripted(&[submit()], &["--tag", "a"]);
    let (one, other) = (one.object(), other.object());
    let list = |more: &[&str]| {
        let words: Vec<&str> = ["list", "--output", "json"].iter().chain(more).copied().collect();
        world.finish(&words).object()
    };
    let first = list(&[]);
    let index = world.path("runs/index.jsonl");
    let kept = std::fs::read_to_string(&index).unwrap();
    assert_eq!(kept.lines().count(), 3, "{kept}");
    assert_eq!(first["runs"], json!([one, other]));
    assert_eq!((&first["broken"], &first["imported"]), (&json!([]), &json!([])));
    assert_eq!(list(&[]), first, "from the index");
    let changed = kept.replace("scripted", "scribbler");
    for damaged in ["", "{}\n", &kept[..kept.len() / 2], "\u{0}\u{1}\n\n", &changed] {
        std::fs::write(&index, damaged).unwrap();
        assert_eq!(list(&[]), first, "with an index that is {damaged:?}");
    }
    let (one, other) = (one["run_id"].as_str().unwrap(), other["run_id"].as_str().unwrap());
    for (filters, expected) in [
        (vec!["--tag", "a"], vec![one, other]),
        (vec!["--tag", "a", "--tag", "b"], vec![one]),
        (vec!["--agent", "script*"], vec![one, other]),
        (vec!["--model", "-"], vec![one, other]),
        (vec!["--model", "openai/*"], vec![]),
        (vec!["--task", "nosuch"], vec![]),
        (vec!["--since", "2999-01-01"], vec![]),
        (vec!["--until", "2999-01-01"], vec![one, other]),
    ] {
        assert_eq!(ids(&list(&filters)), expected, "{filters:?}");
    }
}

#[test]
fn a_changed_log_and_a_removed_run_are_seen() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let gone = world.scripted(&[submit()], &[]);
    let kept = world.scripted(&[submit()], &[]);
    world.finish(&["list"]);
    std::fs::remove_dir_all(gone.run()).unwrap();
    let log = kept.run().join("events.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("\"seq\":1", "\"seq\":7", 1)).unwrap();
    let listed = world.finish(&["list", "--output", "json"]).object();
    assert_eq!(listed["runs"], json!([]));
    assert!(listed["broken"][0]["error"].as_str().unwrap().contains("events.jsonl:2: "), "{listed}");
}

#[test]
fn wrong_filters_and_places_are_told() {
    let world = World::new();
    let file = world.file("a-file", "");
    for (words, expected) in [
        (vec!["list", "--since", "yesterday"], "write a day such as 2026-11-25"),
        (vec!["list", "--until", "2026-13-01"], "write a day such as 2026-11-25"),
        (vec!["list", "--tag", "a b"], "letters, digits"),
        (vec!["list", "--runs-dir", "/nosuch/runs"], "/nosuch/runs"),
        (vec!["list", "--runs-dir", file.as_str()], "a-file"),
    ] {
        let finished = world.finish(&words);
        assert_eq!(finished.code, 2, "{words:?}");
        assert!(finished.stderr.contains(expected), "{words:?}: {}", finished.stderr);
    }
}
