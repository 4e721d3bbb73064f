//! Disks that are read-only or full: the run stops with words, and what was written stays good.

use std::process::Command;

use serde_json::json;

use crate::stored::keep_long;
use crate::support::{Finished, World, can_isolate, exec, is_root, submit};

/// Runs `researchgym` with its runs on a file system of its own, in a private mount namespace.
fn on_disk(world: &World, mount: &str, words: &[&str], after: &str) -> Finished {
    std::fs::create_dir_all(world.path("runs")).expect("a folder");
    let inner = world.command(words);
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "bash", "-c"]);
    command.arg(format!("{mount} && {{ \"$@\"; code=$?; {after} exit $code; }}"));
    command.arg("bash").arg(inner.get_program()).args(inner.get_args()).current_dir(world.path("."));
    command.env_clear();
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    Finished::of(command.output().expect("unshare starts"))
}

#[test]
fn a_read_only_disk_is_named_before_anything_starts() {
    if !can_isolate() || !is_root("mounting a read-only file system") {
        return;
    }
    let world = World::new();
    let script = world.script(&[submit()]);
    for more in [vec![], vec!["--repeat", "3"]] {
        let words = world.scripted_words("tiny", &script, &more);
        let finished = on_disk(&world, "mount -t tmpfs -o ro none runs", &words, "");
        let error = finished.object()["error"].clone();
        assert_eq!(finished.code, 3, "{finished:?}");
        assert!(error["message"].to_string().contains("Read-only file system"), "{error}");
        assert!(error["hint"].to_string().contains("--runs-dir"), "{error}");
    }
}

#[test]
fn a_full_disk_ends_the_run_and_keeps_what_was_written() {
    if !can_isolate() || !is_root("mounting a small file system") {
        return;
    }
    let world = World::new();
    // Outputs that are kept whole, until the disk cannot hold them.
    let mut lines = vec![exec("echo first"); 1];
    lines.extend(
        (0..8).map(|number| exec(&format!("head -c 1000000 /dev/urandom | base64 -w 0; echo {number}"))),
    );
    lines.push(submit());
    let script = world.script(&lines);
    let words = world.scripted_words("tiny", &script, &[]);
    let mount = "mount -t tmpfs -o size=4m,mode=755 none runs";
    let after = "mkdir -p kept; cp -r runs/. kept/;";
    let finished = on_disk(&world, mount, &words, after);
    assert_eq!(finished.outcome(), (3, json!("failed"), json!(null)), "{finished:?}");
    let object = finished.object();
    assert_eq!(object["boundary"], "store", "{object}");
    assert!(object["error"]["message"].to_string().contains("No space left on device"), "{object}");
    assert!(object["error"]["hint"].to_string().contains("free space"), "{object}");
    let told = object["error"].to_string();
    assert!(told.matches("/blobs").count() <= 1 && told.matches("events.jsonl").count() <= 1, "{told}");

    // With room again, the run goes on from what was written.
    let id = object["run_id"].as_str().expect("an id");
    let runs = world.path("kept").display().to_string();
    let shown = world.finish(&["show", id, "--runs-dir", &runs, "--output", "json"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let resumed = world.finish(&["run", "--resume", id, "--runs-dir", &runs]);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(1.0)), "{resumed:?}");
    let verified = world.finish(&["verify", id, "--runs-dir", &runs]);
    assert_eq!(verified.code, 0, "{verified:?}");
    world.wait_until_nothing_is_left();
}

#[test]
fn an_export_to_a_full_disk_leaves_nothing_on_it() {
    if !is_root("mounting a small file system") {
        return;
    }
    let world = World::new();
    keep_long(&world.path("store"), "aaaaaaaa", 20_000);
    let store = world.path("store").display().to_string();
    let mount = "mount -t tmpfs -o size=64k,mode=755 none runs";
    let after = "ls -A runs > listing;";
    let nothing_is_left = || {
        let listing = std::fs::read_to_string(world.path("listing")).expect("a listing");
        assert_eq!(listing, "", "something is left");
    };
    for format in ["parquet", "arrow", "csv", "sft"] {
        let words = ["export", "--format", format, "-o", "runs/out", "--runs-dir", &store];
        let full = on_disk(&world, mount, &words, after);
        assert_eq!(full.code, 3, "{format}: {full:?}");
        assert!(
            full.stderr.contains("No space left on device") && full.stderr.contains("free space"),
            "{full:?}"
        );
        nothing_is_left();
    }
    std::fs::write(world.path("store/2026-11-01/aaaaaaaa/noise"), noise(1 << 20)).expect("a file");
    let full =
        on_disk(&world, mount, &["export", "--bundle", "aa", "-o", "runs/out", "--runs-dir", &store], after);
    assert_eq!(full.code, 3, "{full:?}");
    assert!(full.stderr.contains("No space left on device"), "{full:?}");
    nothing_is_left();
    let bundled = world.finish(&["export", "--bundle", "aa", "-o", "run.tar.zst", "--runs-dir", &store]);
    assert_eq!(bundled.code, 0, "{bundled:?}");
    let full = on_disk(&world, mount, &["unpack", "run.tar.zst"], after);
    assert_eq!(full.code, 3, "{full:?}");
    assert!(full.stderr.contains("has room for"), "{full:?}");
    nothing_is_left();
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| byte()).collect()
}
