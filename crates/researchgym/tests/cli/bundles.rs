//! `export --bundle`, `verify` of a bundle, `unpack`: a run's journey to another machine.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::stored::{foreign, keep};
use crate::support::{World, answer, can_isolate, exec, submit, validate};

/// A result without what the machine adds to it.
fn portable(mut shown: Value) -> Value {
    shown["run"] = Value::Null;
    shown
}

#[test]
fn a_run_is_whole_on_another_machine() {
    if !can_isolate() {
        return;
    }
    let here = World::new();
    let run =
        here.scripted(&[exec("seq 1 20000"), answer(5), validate(), submit()], &["--seed", "1"]).object();
    let id = run["run_id"].as_str().expect("an id");
    let packed = here.finish(&["export", "--bundle", id, "-o", "run.tar.zst", "--output", "json"]);
    assert_eq!(packed.code, 0, "{packed:?}");
    assert!(packed.stderr.contains("the grading secret"), "{packed:?}");
    assert_eq!(packed.object()["holds"], json!(["grading_secret", "trajectory", "artefacts"]));
    let file = here.path("run.tar.zst");
    assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    let bundle = file.display().to_string();

    let there = World::new();
    let verified = there.finish(&["verify", &bundle, "--output", "json"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let object = verified.object();
    assert_eq!((&object["whole"], &object["log_head"]), (&json!(true), &run["log_head"]));
    assert_eq!(object["files"], packed.object()["files"]);
    let unpacked = there.finish(&["unpack", &bundle, "--output", "json"]);
    assert_eq!((unpacked.code, &unpacked.object()["was_there"]), (0, &json!(false)), "{unpacked:?}");
    let show = |world: &World| portable(world.finish(&["show", id, "--output", "json"]).object());
    assert_eq!(show(&there), show(&here));
    assert_eq!(there.finish(&["verify", id]).code, 0);
    let graded = there.finish(&["grade", id]);
    assert_eq!(graded.code, 0, "{graded:?}");
    let again = there.finish(&["unpack", &bundle, "--output", "json"]);
    assert_eq!((again.code, &again.object()["was_there"]), (0, &json!(true)), "{again:?}");
    let listed = there.finish(&["list", "--output", "json"]).object();
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(1));
    let scratch = std::fs::read_dir(there.path("home/scratch")).into_iter().flatten().count();
    assert_eq!(scratch, 0, "verify leaves nothing");
}

#[test]
fn a_run_that_is_worked_on_is_not_packed() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run) = world.at_work();
    let refused = world.finish(&["export", "--bundle", &run.display().to_string(), "-o", "run.tar.zst"]);
    assert!(refused.code == 2 && refused.stderr.contains("is being worked on"), "{refused:?}");
    assert!(!world.path("run.tar.zst").exists());
    crate::support::signal(&child, rustix::process::Signal::KILL);
    crate::support::wait(child);
    world.wait_until_nothing_is_left();
}

#[test]
fn a_bundle_that_was_changed_is_told_and_not_unpacked() {
    let world = World::new();
    keep(&world.path("runs"), &foreign("aaaaaaaa", "one", Some(2.0)));
    let packed = world.finish(&["export", "--bundle", "aa", "-o", "run.tar.zst", "--output", "json"]);
    assert_eq!((packed.code, &packed.object()["holds"]), (0, &json!(["trajectory"])), "{packed:?}");
    assert!(!packed.stderr.contains("secret"), "{packed:?}");
    assert_eq!(world.finish(&["verify", "run.tar.zst"]).code, 0);
    let whole = std::fs::read(world.path("run.tar.zst")).expect("a file");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    for bytes in [&whole[..whole.len() / 2], &flipped, b"", b"hello"] {
        std::fs::write(world.path("run.tar.zst"), bytes).expect("a file");
        let verified = world.finish(&["verify", "run.tar.zst", "--output", "json"]);
        assert_eq!((verified.code, &verified.object()["whole"]), (1, &json!(false)), "{verified:?}");
        let refused = world.finish(&["unpack", "run.tar.zst", "--runs-dir", "other"]);
        assert_eq!(refused.code, 2, "{refused:?}");
        let left = std::fs::read_dir(world.path("other")).into_iter().flatten().count();
        assert_eq!(left, 0, "nothing is left of it");
    }
    let absent = world.finish(&["unpack", "nosuch.tar.zst"]);
    assert!(absent.code == 2 && absent.stderr.contains("nosuch.tar.zst"), "{absent:?}");
}

#[test]
fn another_run_of_the_same_id_stays() {
    let world = World::new();
    let folder = keep(&world.path("runs"), &foreign("aaaaaaaa", "one", Some(2.0)));
    assert_eq!(world.finish(&["export", "--bundle", "aa", "-o", "run.tar.zst"]).code, 0);
    keep(&world.path("runs"), &foreign("aaaaaaaa", "other", Some(3.0)));
    let before = std::fs::read(folder.join("imported.jsonl")).expect("a record");
    let refused = world.finish(&["unpack", "run.tar.zst"]);
    assert!(refused.code == 2 && refused.stderr.contains("another run of this id"), "{refused:?}");
    assert_eq!(std::fs::read(folder.join("imported.jsonl")).expect("a record"), before);
}
