//! What an agent may leave in its workspace, print or start: nothing of it harms the host or the score.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Finished, World, answer, can_isolate, exec, submit, validate};

#[test]
fn links_pipes_and_devices_are_left_out_and_never_followed() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let secret = world.file("secret.txt", "never to be copied");
    let lines = [
        exec(&format!(
            "ln -s {secret} secret; ln -s / root; ln -s /etc/passwd passwd; mkfifo pipe; ln -s loop loop"
        )),
        exec("mkdir deep; cd deep; for i in $(seq 300); do mkdir d && cd d; done; touch end"),
        exec("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/workspace/socket\")'"),
        exec(
            "touch \"$(printf 'odd\\n\\377name')\"; chmod 0 rules.txt; mkdir locked; touch locked/in; chmod 0 locked",
        ),
        validate(),
        answer(3),
        submit(),
    ];
    let finished = world.scripted(&lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(3.0)), "{finished:?}");
    for blob in std::fs::read_dir(finished.run().join("blobs")).expect("blobs").flatten() {
        let content = std::fs::read(blob.path()).expect("a blob");
        assert!(!content.windows(18).any(|window| window == b"never to be copied") || is_script(&content));
    }
    let verified = world.finish(&["verify", &finished.run().display().to_string()]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

fn is_script(content: &[u8]) -> bool {
    content.starts_with(b"{\"exec\"")
}

#[test]
fn an_artefact_that_is_no_plain_file_is_refused() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let make = |command: &str| exec(&format!("rm -rf answer.json; {command}"));
    let lines = [
        make("ln -s /etc/passwd answer.json"),
        validate(),
        make("mkfifo answer.json"),
        validate(),
        make("head -c 2000 /dev/zero > answer.json"),
        validate(),
        make("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"answer.json\")'"),
        submit(),
    ];
    let finished = world.scripted(&lines, &[]);
    assert_eq!(finished.outcome(), (1, json!("submitted"), json!(null)), "{finished:?}");
    let observations = finished.observations();
    for at in [1, 3, 5] {
        let reason = observations[at]["reason"].as_str().unwrap_or_else(|| panic!("{}", observations[at]));
        assert!(reason.contains("answer.json"), "{reason}");
    }
    assert_eq!(finished.object()["validations"], 0);
}

#[test]
fn very_many_files_are_graded_all_the_same() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let many = "python3 -c 'for i in range(50000): open(f\"f{i}\", \"x\").close()'";
    let finished = world.scripted(&[exec(many), answer(2), submit()], &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(2.0)), "{finished:?}");
    let events = finished.events();
    let left_out = events.iter().find_map(|event| event["left_out"].as_str());
    assert!(left_out.is_some(), "the caps of a snapshot say what they left out");
}

/// Runs in a process that tells how much memory it had at its peak, in KiB.
fn measured(world: &World, words: &[&str]) -> (Finished, u64) {
    let inner = world.command(words);
    let program = "import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
usage = os.wait4(child.pid, 0)
print(usage[2].ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(usage[1]))";
    let mut command = Command::new("python3");
    command.args(["-c", program]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(world.path(".")).env_clear();
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let finished = Finished::of(command.output().expect("python3 starts"));
    let peak = finished.stderr.lines().last().and_then(|line| line.parse().ok()).expect("a number");
    (finished, peak)
}

#[test]
fn a_gigabyte_of_output_passes_through_little_memory() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let script =
        world.script(&[exec("head -c 1000000000 /dev/zero; head -c 1000000 /dev/zero >&2"), submit()]);
    let (finished, peak_kib) = measured(&world, &world.scripted_words("tiny", &script, &[]));
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)));
    let observation = &finished.observations()[0];
    assert_eq!(
        (&observation["exit_code"], &observation["stdout"]["bytes"]),
        (&json!(0), &json!(1_000_000_000))
    );
    assert!(peak_kib < 100 << 10, "{peak_kib} KiB");
    let kept: Value = observation["stdout"]["blob"].clone();
    assert!(finished.run().join("blobs").join(kept.as_str().expect("a blob")).is_file());
}

#[test]
fn processes_that_refuse_to_die_end_with_their_command_or_their_run() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let stubborn = "trap '' TERM INT HUP QUIT; while :; do sleep 1000; done";
    let lines = [
        json!({ "exec": stubborn, "timeout_s": 0.2 }),
        exec(&format!(
            "(setsid bash -c '(setsid bash -c \"{stubborn}\") & ' &) ; nohup sleep 10000 > /dev/null 2>&1 &"
        )),
        exec("echo still here"),
        submit(),
    ];
    let finished = world.scripted(&lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)), "{finished:?}");
    assert_eq!(finished.observations()[0]["ending"], "timed_out");
    assert_eq!(finished.printed()[2], "still here\n");
    world.wait_until_nothing_is_left();
}
