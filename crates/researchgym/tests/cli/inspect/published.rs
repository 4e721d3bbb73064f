//! The rules on what others published: what was read there by eye is found, and nothing else above minor.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{World, say, signal, wait};

/// The 155 published trajectories, unpacked; none if the data are not there.
fn unpacked(world: &World) -> Option<PathBuf> {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("RESEARCHGYM_TEST_DATA")
        .map_or_else(|| repository.join("../shared/data"), PathBuf::from);
    let archive = data.join("mlgym/mlgym_bench_v0.tar.zst");
    if !archive.is_file() {
        say(&format!("SKIPPED: the published trajectories are not at {}", archive.display()));
        return None;
    }
    let folder = world.path("published");
    std::fs::create_dir(&folder).expect("a folder");
    let status = Command::new("tar").arg("--zstd").arg("-xf").arg(&archive).arg("-C").arg(&folder).status();
    if !status.is_ok_and(|status| status.success()) {
        say("SKIPPED: tar cannot unpack the published trajectories");
        return None;
    }
    Some(folder)
}

#[test]
fn nothing_is_found_in_published_trajectories_but_the_edits_that_are_there() {
    let world = World::new();
    let Some(folder) = unpacked(&world) else { return };
    let finished = world.finish(&["inspect", "--output", "json", &folder.display().to_string()]);
    let reports = finished.object();
    let reports = reports.as_array().expect("an array");
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports {
        *verdicts.entry(report["verdict"].as_str().expect("a verdict")).or_default() += 1;
        for one in report["violations"].as_array().expect("a list") {
            let events = one["events"].as_array().expect("events").len();
            match one["type"].as_str().expect("a type") {
                _ if one["severity"] == "minor" => {}
                kind @ ("protected_file_changed" | "protected_file_attempted") => {
                    *found.entry(kind).or_default() += events;
                }
                kind => panic!("{kind} in {}: {one}", report["run_id"]),
            }
        }
    }
    assert_eq!(found, BTreeMap::from([("protected_file_changed", 13), ("protected_file_attempted", 5)]));
    assert_eq!(verdicts, BTreeMap::from([("SUSPICIOUS", 6), ("NEEDS_REVIEW", 2), ("PASS", 147)]));
    assert_eq!(finished.code, 11);
}

#[test]
fn a_long_trajectory_can_be_interrupted() {
    let world = World::new();
    let step = |action: &str| {
        json!({ "action": action, "observation": "", "response": "", "thought": "",
        "state": "{\"open_file\": \"n/a\", \"working_dir\": \"/w\"}" })
    };
    let trajectory = |steps: Vec<Value>| json!({ "trajectory": steps }).to_string();
    for folder in ["theirs/a", "theirs/b"] {
        std::fs::create_dir_all(world.path(folder)).expect("a folder");
    }
    world.file("theirs/a/blotto.traj", &trajectory(vec![step("ls\n")]));
    // Many seconds for a program that is not optimised.
    let long = "bash -c 'echo $(ls *.py | xargs cat)'; ".repeat(300);
    world.file("theirs/b/blotto.traj", &trajectory((0..150).map(|_| step(&long)).collect()));
    let child = world.start(&["inspect", "theirs"]);
    let report = world.path("theirs/a/blotto.inspection_report.json");
    crate::support::eventually("the first is inspected", || report.exists().then_some(()));
    signal(&child, Signal::INT);
    let finished = wait(child);
    assert_eq!(finished.code, 130, "{finished:?}");
    assert!(!world.path("theirs/b/blotto.inspection_report.json").exists());
}
