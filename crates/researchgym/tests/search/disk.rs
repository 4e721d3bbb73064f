//! A search on a disk that becomes full: it ends with what to do about it, and goes on when there is room.

use std::process::Command;

use serde_json::{Value, json};

use crate::climb::{fates, tasks};
use crate::support::{World, can_isolate, events, is_root, say};

/// Runs a search in a mount namespace of its own, with its runs on a disk of a megabyte that a file all but fills; then removes
/// that file and lets the search go on. What is said goes to files of the world, and the run's folder at last.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=1m tmpfs "$RESEARCHGYM_RUNS" || exit 125
head -c 940000 /dev/zero > "$RESEARCHGYM_RUNS/filler"
"$RESEARCHGYM" run climb search --output json --operators tune --slots 2 --seed 4 --steps 60 > first.json 2> first.err
echo $? > first.code
rm "$RESEARCHGYM_RUNS/filler"
run=$(basename "$RESEARCHGYM_RUNS"/*/*/)
"$RESEARCHGYM" run --output json --resume "$run" > second.json 2> second.err
echo $? > second.code
"$RESEARCHGYM" verify "$run" > verified 2>&1
echo $? > verified.code
cp -r "$RESEARCHGYM_RUNS"/*/"$run" run
"#;

#[test]
fn a_search_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() {
    if !can_isolate() || !is_root("mounting a small disk") {
        return;
    }
    let world = World::new();
    std::fs::create_dir(world.path("runs")).expect("a folder");
    let whole = world.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT]).current_dir(world.path("."));
    command.env_clear().env("RESEARCHGYM", whole.get_program());
    command.envs(whole.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("RESEARCHGYM_TASKS", tasks());
    let done = command.output().expect("unshare");
    if done.status.code() == Some(125) {
        say("SKIPPED: nothing can be mounted here");
        return;
    }
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |name: &str| std::fs::read_to_string(world.path(name)).expect("a file");
    let said: Value = serde_json::from_str(&read("first.json")).expect("a result");
    assert_eq!((read("first.code").trim(), &said["ending"]), ("3", &json!("failed")), "{said}");
    let first = said["error"].to_string();
    assert!(first.contains("the disk is full: free space"), "{first}");
    let second: Value = serde_json::from_str(&read("second.json")).expect("a result");
    assert_eq!(read("second.code").trim(), "0", "{}", read("second.err"));
    assert_eq!(second["ending"], json!("step_limit"));
    assert_eq!(read("verified.code").trim(), "0", "{}", read("verified"));
    let made = fates(&events(&world.path("run")));
    assert_eq!(made.len(), 61);
    assert!(made.iter().all(|(_, fate)| fate.parse::<f64>().is_ok()), "{made:?}");
    world.wait_until_nothing_is_left();
}
