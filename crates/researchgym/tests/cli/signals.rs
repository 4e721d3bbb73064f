//! Ctrl-C: the first ends a run cleanly wherever it is, the second at once.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{World, answer, can_isolate, events, exec, of_type, signal, submit, validate, wait};

/// Starts a run, interrupts it when its log holds `moment`, and checks that it ends as cancelled.
fn interrupted(lines: &[Value], more: &[&str], moment: &str) -> World {
    let world = World::new();
    let script = world.script(lines);
    let child = world.start(&world.scripted_words("tiny", &script, more));
    world.wait_for_log(moment, |log| log.contains(moment));
    stop(child, &world);
    world
}

fn stop(child: std::process::Child, world: &World) {
    signal(&child, Signal::INT);
    let finished = wait(child);
    assert_eq!(finished.outcome(), (130, json!("cancelled"), json!(null)), "{finished:?}");
    assert_eq!(finished.object()["state"], "ended");
    world.wait_until_nothing_is_left();
}

#[test]
fn a_command_is_stopped_and_begun_again_on_resuming() {
    if !can_isolate() {
        return;
    }
    let lines = [
        exec("echo done >> first"),
        exec("test -e again || { touch again; echo begun; sleep 1000; }"),
        answer(7),
        submit(),
    ];
    let world = World::new();
    let script = world.script(&lines);
    let child = world.start(&world.scripted_words("tiny", &script, &[]));
    let run = crate::support::eventually("the command is at work", || {
        world.runs().into_iter().find(|run| run.join("workspace/input/again").exists())
    });
    stop(child, &world);
    let resumed = world.finish(&["run", "tiny", "scripted", "--resume", &run.display().to_string()]);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(7.0)));
    assert_eq!(std::fs::read_to_string(run.join("workspace/input/first")).expect("a file"), "done\n");
    assert_eq!(of_type(&events(&run), "run_ended").len(), 2);
}

#[test]
fn thinking_grading_and_stubborn_commands_are_stopped() {
    if !can_isolate() {
        return;
    }
    interrupted(&[answer(2), json!({ "sleep_ms": 1_000_000 })], &[], "wrote");
    interrupted(&[answer(2), exec("trap '' TERM INT HUP; while :; do :; done")], &[], "while :");
    let endless = ["--variant", "endless"];
    interrupted(&[validate()], &endless, "\"validate\"");
    interrupted(&[submit()], &endless, "\"submit\"");
    interrupted(&[json!({ "give_up": "" })], &endless, "give_up");
}

#[test]
fn all_of_several_runs_are_stopped() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let script = world.script(&[json!({ "sleep_ms": 1_000_000 })]);
    let more = ["--repeat", "5", "--parallel", "2"];
    let child = world.start(&world.scripted_words("tiny", &script, &more));
    crate::support::eventually("two runs are at work", || {
        let ready = |run: &std::path::PathBuf| {
            std::fs::read_to_string(run.join("events.jsonl")).is_ok_and(|log| log.contains("workspace_ready"))
        };
        (world.runs().iter().filter(|run| ready(run)).count() == 2).then_some(())
    });
    signal(&child, Signal::INT);
    let finished = wait(child);
    let object = finished.object();
    let endings: Vec<&Value> =
        object.as_array().expect("an array").iter().map(|run| &run["ending"]).collect();
    assert_eq!((finished.code, endings), (130, vec![&json!("cancelled"); 5]));
    let states: Vec<&Value> = object.as_array().expect("an array").iter().map(|run| &run["state"]).collect();
    let (ended, not_started) = (json!("ended"), json!("not_started"));
    assert_eq!(states, [&ended, &ended, &not_started, &not_started, &not_started]);
    let begun = finished.stderr.lines().find(|line| line.starts_with("2 of 5 runs were begun: "));
    let begun = begun.unwrap_or_else(|| panic!("{finished:?}"));
    for run in world.runs() {
        assert!(begun.contains(&crate::support::name(&run)), "{begun}");
    }
    world.wait_until_nothing_is_left();
}

#[test]
fn a_second_interrupt_does_not_wait() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let script = world.script(&[exec("sleep 1000")]);
    let child = world.start(&world.scripted_words("tiny", &script, &[]));
    world.wait_for_log("the command", |log| log.contains("sleep 1000\"}}}}"));
    signal(&child, Signal::INT);
    // It may have ended by then: that is as good.
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT);
    assert_eq!(wait(child).code, 130);
    world.wait_until_nothing_is_left();
}

#[test]
fn a_closed_terminal_ends_a_run_cleanly() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let script = world.script(&[exec("sleep 1000")]);
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("a terminal");
    unlockpt(&ours).expect("a terminal");
    let name = ptsname(&ours, Vec::new()).expect("a terminal");
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    let theirs = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).expect("a terminal");
    let mut command = world.command(&world.scripted_words("tiny", &script, &[]));
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(theirs).spawn().expect("the binary starts");
    drop(command);
    world.wait_for_log("the command", |log| log.contains("sleep 1000\"}}}}"));
    drop(ours);
    // By the kernel and by a shell.
    signal(&child, Signal::HUP);
    signal(&child, Signal::HUP);
    let finished = wait(child);
    assert_eq!(finished.outcome(), (130, json!("cancelled"), json!(null)), "{finished:?}");
    assert_eq!(finished.object()["state"], "ended");
    world.wait_until_nothing_is_left();
}
