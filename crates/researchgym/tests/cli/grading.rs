//! Scores: reproducible with a seed, different without, graded again alike, and beyond the agent's reach.

use serde_json::{Value, json};

use crate::support::{
    Finished, World, answer, can_isolate, eventually, exec, of_type, submit, validate, wait,
};

fn scores(finished: &Finished) -> Vec<Value> {
    let observations = finished.observations();
    let graded = observations.iter().filter(|observation| observation["type"] == "graded");
    graded.map(|observation| observation["score"]["metrics"]["score"].clone()).collect()
}

#[test]
fn a_seed_makes_scores_reproducible_and_nothing_else_does() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let noisy = |lines: &[Value], more: &[&str]| {
        scores(&world.scripted(lines, &[&["--variant", "noisy"], more].concat()))
    };
    let lines = [validate(), validate(), submit()];
    let first = noisy(&lines, &["--seed", "4"]);
    assert_eq!(first, noisy(&lines, &["--seed", "4"]));
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2], "{first:?}");
    // What was validated before does not change the final score.
    assert_eq!(noisy(&[submit()], &["--seed", "4"]), first[2..]);
    assert_ne!(noisy(&[submit()], &["--seed", "5"]), first[2..]);
    assert_ne!(noisy(&[submit()], &[]), noisy(&[submit()], &[]));
}

#[test]
fn a_run_is_graded_again_alike() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [validate(), answer(3), validate(), exec("rm answer.json"), submit()];
    let run = world.scripted(&lines, &["--variant", "noisy"]);
    let log = std::fs::read(run.run().join("events.jsonl")).expect("a log");
    let graded = world.finish(&["grade", &run.run().display().to_string(), "--output", "json"]);
    assert_eq!(graded.code, 0, "{graded:?}");
    let object = graded.object();
    assert_eq!(object["log_head"], run.object()["log_head"]);
    let attempts = object["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.iter().map(|attempt| &attempt["same"]).collect::<Vec<_>>(), [true, true, true]);
    assert_eq!(attempts[2]["regraded"]["metrics"], json!({}));
    assert_eq!(std::fs::read(run.run().join("events.jsonl")).expect("a log"), log);
}

#[test]
fn a_task_with_a_player_is_graded_end_to_end() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tasks");
    let script = world.script(&[submit()]);
    let more = ["--variant", "smoke", "--seed", "2", "--tasks-dir", tasks];
    let words = world.scripted_words("battle-of-sexes", &script, &more);
    let (one, other) = (world.finish(&words), world.finish(&words));
    let score = one.object()["score"]["Score"].as_f64().expect("a score");
    assert!((0.9..1.15).contains(&score), "{score}");
    assert_eq!((one.code, &one.object()["score"]), (0, &other.object()["score"]));
}

#[test]
fn protected_files_hidden_files_and_the_host_are_out_of_reach() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let attempts = [
        "echo x > rules.txt",
        "rm -f rules.txt",
        "mv rules.txt other.txt",
        "chmod 777 rules.txt",
        "cat /grader/grade.py",
        "ls /researchgym/lib",
        "cat /etc/shadow",
        "kill -9 1",
        "echo core > /proc/sys/kernel/core_pattern",
        "echo 3 > /proc/sys/vm/drop_caches",
        "mknod device c 1 3",
        "mount -t tmpfs none /tmp",
        "cat ../../events.jsonl",
        "bash -c 'exec 3<>/dev/tcp/1.1.1.1/53'",
    ];
    let mut lines: Vec<Value> = attempts.map(exec).to_vec();
    lines.push(exec("cat rules.txt; env; cat /proc/1/environ; cat /proc/1/cmdline"));
    lines.push(submit());
    let finished = world.scripted(&lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(1.0)));
    let observations = finished.observations();
    for (observation, attempt) in observations.iter().zip(attempts) {
        // PID 1 ignores what it has no handler for.
        assert!(observation["exit_code"] != 0 || attempt == "kill -9 1", "{attempt}: {observation}");
    }
    let shown = observations[attempts.len()]["stdout"]["text"].as_str().expect("text");
    assert!(shown.starts_with("Numbers up to 9.\n"), "{shown}");
    assert!(!shown.contains(&world.mark()), "{shown}");
    assert_eq!(finished.object()["integrity"], json!([]));
}

#[test]
fn the_check_of_a_task_tells_a_leak() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let checked = world.finish(&["task", "check", "tiny", "--output", "json"]);
    assert_eq!((checked.code, &checked.object()["passed"]), (0, &json!(true)), "{checked:?}");

    let copy = world.path("tasks/leaky");
    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tasks/tiny");
    std::fs::create_dir_all(world.path("tasks")).expect("a folder");
    let copied = std::process::Command::new("cp").args(["-r", original]).arg(&copy).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let text = std::fs::read_to_string(copy.join("task.toml")).expect("a file");
    std::fs::write(copy.join("task.toml"), text.replace("\"tiny\"", "\"leaky\"")).expect("a file");
    // A baseline that is not met, an oracle no better than it, a cheat that scores.
    std::fs::write(copy.join("starter/answer.json"), "{\"answer\": 2}").expect("a file");
    std::fs::write(copy.join("solutions/oracle/answer.json"), "{\"answer\": 1.2}").expect("a file");
    std::fs::write(copy.join("solutions/cheats/text/answer.json"), "{\"answer\": 8}").expect("a file");
    let checked = world.finish(&["task", "check", &copy.display().to_string(), "--output", "json"]);
    let object = checked.object();
    let checks = object["tasks"][0]["checks"].as_array().expect("checks");
    let failed: Vec<&Value> =
        checks.iter().filter(|check| check["passed"] == false).map(|check| &check["name"]).collect();
    assert_eq!((checked.code, failed.len()), (1, 3), "{object}");
    assert_eq!(failed, ["untouched starter", "oracle", "cheat text"]);
    world.wait_until_nothing_is_left();
}

/// A player whose sandbox is killed from outside ends as agent code does that ends itself, and is told apart from it.
#[test]
fn a_player_that_is_ended_from_outside_is_no_failure_of_the_agent() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tasks");
    // The strategy waits, so that its sandbox can be found.
    let waits = "import time\ntime.sleep(1000)\n";
    let script = world.script(&[json!({ "write": { "path": "strategy.py", "content": waits } }), submit()]);
    let more = ["--variant", "smoke", "--seed", "2", "--tasks-dir", tasks];
    let child = world.start(&world.scripted_words("battle-of-sexes", &script, &more));
    let guest = eventually("the player waits", || guest_of(child.id(), "researchgym_games.py"));
    rustix::process::kill_process(guest, rustix::process::Signal::KILL).expect("it is there");
    let finished = wait(child);
    let object = finished.object();
    assert_eq!(
        (finished.code, &object["ending"], &object["boundary"]),
        (3, &json!("failed"), &json!("sandbox"))
    );
    assert_eq!(object["score"], json!(null));
    assert_eq!(of_type(&finished.events(), "scored"), Vec::<&Value>::new());
}

/// A player's program that is killed from outside, as by a machine without memory, is graded once more; one that kills
/// itself is taken at its word.
#[test]
fn a_program_that_is_killed_from_outside_is_graded_again_and_one_that_kills_itself_has_lost() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let tasks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tasks");
    let more = ["--variant", "smoke", "--seed", "2", "--tasks-dir", tasks];
    let kinds = |object: &Value| -> Vec<String> {
        let findings = object["integrity"].as_array().expect("findings").iter();
        findings.map(|finding| finding["type"].as_str().expect("a type").to_owned()).collect()
    };

    // Slow to begin with, so that the program can be found.
    let read = json!({ "exec": "printf 'import time\\ntime.sleep(3)\\n' | cat - strategy.py > s && mv s strategy.py" });
    let script = world.script(&[read, submit()]);
    let child = world.start(&world.scripted_words("battle-of-sexes", &script, &more));
    let program = eventually("the player's program", || program_of(child.id(), "researchgym_games.py"));
    rustix::process::kill_process(program, rustix::process::Signal::KILL).expect("it is there");
    let finished = wait(child);
    let object = finished.object();
    assert_eq!((finished.code, &object["ending"]), (0, &json!("submitted")), "{finished:?}");
    assert_eq!(kinds(&object), ["player_killed"], "{object}");

    let dies = "import os\nos.kill(os.getpid(), 9)\n";
    let script = world.script(&[json!({ "write": { "path": "strategy.py", "content": dies } }), submit()]);
    let finished = world.finish(&world.scripted_words("battle-of-sexes", &script, &more));
    let object = finished.object();
    let outcome = (finished.code, &object["ending"], &object["score"]);
    assert_eq!(outcome, (1, &json!("submitted"), &json!(null)), "{finished:?}");
    assert_eq!(kinds(&object), ["player_killed"], "{object}");
}

/// The process above the one with `word` in its command line, among what descends from `ancestor`.
fn guest_of(ancestor: u32, word: &str) -> Option<rustix::process::Pid> {
    let program = program_of(ancestor, word)?;
    let above = parent(u32::try_from(program.as_raw_nonzero().get()).ok()?)?;
    rustix::process::Pid::from_raw(i32::try_from(above).ok()?)
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The Python program with `word` in its command line, among what descends from `ancestor`.
fn program_of(ancestor: u32, word: &str) -> Option<rustix::process::Pid> {
    let descends = |pid: u32| {
        let mut above = Some(pid);
        while let Some(pid) = above.filter(|pid| *pid > 1 && *pid != ancestor) {
            above = parent(pid);
        }
        above == Some(ancestor)
    };
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found = pids.find(|&pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_program = words.starts_with(b"/usr/bin/python3") || words.starts_with(b"python3");
        is_program && String::from_utf8_lossy(&words).contains(word) && descends(pid)
    })?;
    rustix::process::Pid::from_raw(i32::try_from(found).ok()?)
}
