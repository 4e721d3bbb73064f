//! `doctor --audit` and `--clean`: what is left is found and removed, what lives is not, and a killed run leaves nothing.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use researchgym_core::digest::Digest;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Finished, World, answer, can_isolate, eventually, exec, is_root, signal, submit, wait};

/// What the audit of this world's home finds.
fn audit(world: &World) -> Finished {
    world.finish(&["doctor", "--audit", "--this-home", "--output", "json"])
}

/// Removes what the audit of this world's home finds; other tests leave things lying about on purpose.
fn clean(world: &World) -> Value {
    world.finish(&["doctor", "--clean", "--this-home", "--output", "json"]).object()
}

/// Marks a folder among temporary files as one that a process with this world's home has made.
fn mark(world: &World, folder: &Path) {
    let text = format!("made by researchgym with the home {}", world.path("home").display());
    std::fs::write(folder.join(".researchgym"), text).expect("a file");
}

/// What the audit says of this world: `[held_by, kind, what below the world's folder]`.
fn audited(world: &World) -> (i32, BTreeSet<[String; 3]>) {
    let finished = audit(world);
    let object = finished.object();
    let remains = object["remains"].as_array().expect("a list").clone();
    let root = world.path("");
    let of_this_world = |one: &Value| {
        let what = one["what"].as_str()?.strip_prefix(root.to_str()?)?.to_owned();
        Some([one["held_by"].as_str()?.to_owned(), one["kind"].as_str()?.to_owned(), what])
    };
    (finished.code, remains.iter().filter_map(of_this_world).collect())
}

fn rows<const N: usize>(rows: [[&str; 3]; N]) -> BTreeSet<[String; 3]> {
    rows.into_iter().map(|row| row.map(str::to_owned)).collect()
}

fn below(world: &World, path: &Path) -> String {
    path.strip_prefix(world.path("")).expect("it is in the world").display().to_string()
}

#[test]
fn what_belongs_to_nobody_is_found_and_removed() {
    let world = World::new();
    for folder in [
        "home/scratch/researchgym-scratch-left/deep",
        "home/environments/.building-left",
        "home/environments/whole",
    ] {
        std::fs::create_dir_all(world.path(folder)).expect("a folder");
    }
    let held = world.path("home/scratch/researchgym-scratch-held");
    std::fs::create_dir_all(&held).expect("a folder");
    let lock = std::fs::File::open(&held).expect("a folder");
    lock.lock().expect("it is free");
    let expected = [
        ["live", "folder", "home/scratch/researchgym-scratch-held"],
        ["nobody", "folder", "home/environments/.building-left"],
        ["nobody", "folder", "home/scratch/researchgym-scratch-left"],
    ];
    assert_eq!(audited(&world), (1, rows(expected)));
    let cleaned = clean(&world);
    assert_eq!(cleaned["failed"], json!([]));
    assert_eq!(audited(&world).1, rows([["live", "folder", "home/scratch/researchgym-scratch-held"]]));
    assert!(world.path("home/environments/whole").is_dir(), "what is finished is no leftover");
    drop(lock);
    clean(&world);
    assert_eq!(audited(&world).1, rows([]));
}

#[test]
fn a_run_without_its_log_is_the_users() {
    let world = World::new();
    let [packed, foreign, started] = ["0000000a", "0000000b", "0000000c"].map(|name| {
        let run = world.path(&format!("runs/2026-01-01/{name}"));
        for inner in ["blobs", "workspace", "submissions", "logs"] {
            std::fs::create_dir_all(run.join(inner)).expect("a folder");
        }
        run
    });
    std::fs::write(packed.join("events.jsonl.gz"), "packed").expect("a file");
    std::fs::write(foreign.join("workspace/thesis.txt"), "mine").expect("a file");
    std::fs::write(started.join("blobs/00"), "of no event").expect("a file");
    for run in [&packed, &foreign, &started] {
        let touched = Command::new("touch").args(["-d", "3 days ago"]).arg(run).status().expect("touch runs");
        assert!(touched.success());
    }
    clean(&world);
    assert_eq!([packed.exists(), foreign.exists(), started.exists()], [true, true, false]);
    assert!(foreign.join("workspace/thesis.txt").is_file());
}

#[test]
fn what_is_no_file_in_a_run_is_an_error_and_not_waited_for() {
    let world = World::new();
    let run = world.path("runs/2026-01-01/00000003");
    std::fs::create_dir_all(&run).expect("a folder");
    let made = Command::new("mkfifo").arg(run.join("events.jsonl")).status().expect("mkfifo runs");
    assert!(made.success());
    let finished = world.finish(&["verify", &run.display().to_string()]);
    assert!(finished.code != 0 && finished.stderr.contains("it is not a regular file"), "{finished:?}");
    assert!(world.finish(&["list"]).stderr.contains("it is not a regular file"));
}

#[test]
fn an_orphan_without_isolation_is_found_by_its_environment_and_ended() {
    let world = World::new();
    let sandbox = world.path("researchgym-host-orphan");
    std::fs::create_dir(&sandbox).expect("a folder");
    mark(&world, &sandbox);
    let mut orphan = Command::new("sleep")
        .arg("1000")
        .env_clear()
        .env("RESEARCHGYM_SANDBOX", &sandbox)
        .stdin(Stdio::null())
        .spawn()
        .expect("sleep starts");
    let expected = format!("{} sleep 1000", orphan.id());
    let found = audit(&world).object();
    let found: Vec<&Value> = found["remains"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["what"] == expected.as_str())
        .collect();
    assert_eq!(
        found,
        [&json!({ "kind": "process", "what": expected, "held_by": "nobody", "removable": true })]
    );
    clean(&world);
    assert_eq!(eventually("it ends", || orphan.try_wait().expect("it is ours")).code(), None);
}

#[test]
fn a_live_run_is_live_and_a_killed_one_leaves_only_itself() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let (child, run) = world.at_work();
    let (run_below, socket) = (below(&world, &run), below(&world, &run.join("control.sock")));
    let found = audited(&world).1;
    let expected = rows([["live", "run", &run_below], ["live", "socket", &socket]]);
    assert_eq!(found, expected);
    // Nothing of it goes.
    clean(&world);
    assert_eq!(audited(&world).1, expected);
    signal(&child, Signal::KILL);
    wait(child);
    world.wait_until_nothing_is_left();
    let expected = rows([["user", "run", &run_below]]);
    eventually("the sweeper removes the socket", || (audited(&world).1 == expected).then_some(()));
    clean(&world);
    assert_eq!(audited(&world).1, expected, "a run that can go on is the user's");
}

#[test]
fn what_a_killed_writer_left_in_a_run_goes_and_the_run_stays() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    // Elsewhere, the run's own sweeper does not find it.
    let run = world.path("runs/2026-01-01/0123abcd");
    std::fs::create_dir_all(run.parent().expect("a day")).expect("a folder");
    std::fs::rename(world.scripted(&[answer(5), submit()], &[]).run(), &run).expect("one file system");
    for file in [".new-left", "blobs/.new-left", "blobs/.output-left"] {
        std::fs::write(run.join(file), "half").expect("a file");
    }
    drop(std::os::unix::net::UnixListener::bind(run.join("control.sock")).expect("a socket"));
    let names =
        [".new-left", "blobs/.new-left", "blobs/.output-left"].map(|name| below(&world, &run.join(name)));
    let socket = below(&world, &run.join("control.sock"));
    let expected = rows([
        ["nobody", "file", &names[0]],
        ["nobody", "file", &names[1]],
        ["nobody", "file", &names[2]],
        ["nobody", "socket", &socket],
    ]);
    assert_eq!(audited(&world), (1, expected));
    clean(&world);
    assert_eq!(audited(&world).1, rows([]));
    assert_eq!(world.finish(&["verify", &run.display().to_string()]).code, 0);
}

#[test]
fn control_groups_are_judged_by_lock_and_process() {
    let memory = Path::new("/sys/fs/cgroup/memory");
    let unified = Path::new("/sys/fs/cgroup");
    let mount = if memory.is_dir() { memory } else { unified };
    if !is_root("making control groups") {
        return;
    }
    let world = World::new();
    // Below a group of their own, where no run that starts tidies up; numbers that no process has.
    let number = u32::MAX - std::process::id();
    let mark = Digest::of(world.path("home").as_os_str().as_encoded_bytes()).to_string();
    let group = mount.join(format!("tests-of-audit-{number}"));
    let of = |start: u32, mark: &str| group.join(format!("researchgym-{number}-{start}-{mark}"));
    let (left, held, foreign) = (of(1, &mark[..8]), of(2, &mark[..8]), of(3, "01234567"));
    let made = [&left.join("inner"), &held, &foreign].map(std::fs::create_dir_all);
    if made.iter().any(Result::is_err) {
        crate::support::say("SKIPPED: this machine lets even root make no control group");
        return;
    }
    let lock = std::fs::File::open(&held).expect("a group");
    lock.lock().expect("it is free");
    let holders = |world: &World| -> Vec<Value> {
        let object = audit(world).object();
        let of = |group: &PathBuf| {
            let remains = object["remains"].as_array().expect("a list").iter();
            let mut found = remains.filter(|one| one["what"] == group.display().to_string().as_str());
            found.next().map_or(Value::Null, |one| one["held_by"].clone())
        };
        [&left, &held].map(of).to_vec()
    };
    assert_eq!(holders(&world), [json!("nobody"), json!("live")]);
    clean(&world);
    assert_eq!(holders(&world), [Value::Null, json!("live")]);
    drop(lock);
    clean(&world);
    assert_eq!(holders(&world), [Value::Null, Value::Null]);
    assert!(foreign.is_dir(), "another home's");
    for folder in [&foreign, &group] {
        std::fs::remove_dir(folder).expect("nothing is in it");
    }
}

#[test]
fn a_killed_run_without_isolation_leaves_nothing_among_temporary_files() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let temporary = world.path("temporary");
    std::fs::create_dir(&temporary).expect("a folder");
    for folder in [world.path("."), temporary.clone()] {
        // Commands run as an unprivileged user, who must get through.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder, open).expect("it is ours");
    }
    world.file("m.jsonl", "{\"text\": \"never asked\"}\n");
    let script = world.script(&[exec("sleep 1000")]);
    let more = ["--runtime", "host", "--model", "scripted/m.jsonl"];
    let child = world
        .command(&world.scripted_words("tiny", &script, &more))
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    world.wait_for_log("the command", |log| log.contains("sleep 1000\"}}}}"));
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(&temporary)
            .expect("a folder")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        names.iter_mut().for_each(|name| name.truncate(name.rfind('-').map_or(0, |at| at + 1)));
        names
    };
    assert_eq!(names(), ["researchgym-gateway-", "researchgym-host-"]);
    signal(&child, Signal::KILL);
    wait(child);
    eventually("the sweeper removes both", || names().is_empty().then_some(()));
    world.wait_until_nothing_is_left();
}

#[test]
fn look_alikes_stay() {
    let world = World::new();
    let temporary = world.path("temporary");
    let folder = |name: &str| {
        let path = temporary.join(name);
        std::fs::create_dir_all(path.join("deep")).expect("a folder");
        path
    };
    let ours = folder("researchgym-host-ours");
    mark(&world, &ours);
    let named = folder("researchgym-host-by-name");
    let linked = folder("researchgym-container-linked");
    std::os::unix::fs::symlink(ours.join(".researchgym"), linked.join(".researchgym")).expect("a link");
    std::os::unix::fs::symlink(&ours, temporary.join("researchgym-gateway-link")).expect("a link");
    let theirs = folder("researchgym-gateway-theirs");
    mark(&world, &theirs);
    let has_stranger = is_root("a folder of another user");
    if has_stranger {
        std::os::unix::fs::chown(&theirs, Some(4_000_000), None).expect("root may");
    }
    // Each waits for the end of its input; what it is called is all that it has of ours.
    let script = world.file("guest", "read line");
    let guest = [script.as_str(), "guest"];
    std::fs::copy(&script, world.path("sweep")).expect("a file");
    let lines: [(&str, &[&str], &Path); 4] = [
        ("/researchgym/bin/researchgym", &guest[1..], &temporary),
        ("/opt/researchgym", &["sweep", "1"], &temporary),
        ("bwrap", &["guest", "--", "/researchgym/bin/researchgym", "guest"], &temporary),
        ("sh", &guest[1..], &named),
    ];
    let mut processes = lines.map(|(name, words, sandbox)| {
        let mut command = Command::new("/bin/sh");
        command.arg0(name).args(words).current_dir(world.path(".")).env("RESEARCHGYM_SANDBOX", sandbox);
        command.env("RESEARCHGYM_HOME", world.path("home")).stdin(Stdio::piped()).spawn().expect("sh starts")
    });
    let pids = processes.each_ref().map(|process| format!("{} ", process.id()));
    let found = |words: &[&str]| -> BTreeSet<String> {
        let mut command = world.command(words);
        let output = command.env("TMPDIR", &temporary).output().expect("the binary starts");
        let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let names =
            object["remains"].as_array().expect("a list").iter().filter_map(|one| one["what"].as_str());
        let is_here = |what: &&str| {
            what.starts_with(temporary.to_str().expect("a text"))
                || pids.iter().any(|pid| what.starts_with(pid))
        };
        names.filter(is_here).map(str::to_owned).collect()
    };
    let text = |path: &Path| path.display().to_string();
    let theirs_too = (!has_stranger).then(|| text(&theirs));
    let expected: BTreeSet<String> = std::iter::once(text(&ours)).chain(theirs_too).collect();
    assert_eq!(found(&["doctor", "--audit", "--output", "json"]), expected, "on the whole machine");
    // Of another home nothing is seen, and nothing goes.
    assert_eq!(
        found(&["doctor", "--audit", "--this-home", "--home", "/nowhere", "--output", "json"]),
        BTreeSet::new()
    );
    assert_eq!(
        found(&["doctor", "--clean", "--this-home", "--home", "/nowhere", "--output", "json"]),
        BTreeSet::new()
    );
    assert!(ours.is_dir());
    assert_eq!(found(&["doctor", "--clean", "--this-home", "--output", "json"]), BTreeSet::new());
    let stay = [&named, &linked, &theirs].map(|folder| folder.join("deep").is_dir());
    assert_eq!((ours.exists(), stay), (false, [true, true, has_stranger]));
    for process in &mut processes {
        assert_eq!(process.try_wait().expect("it is ours"), None, "it lives on");
        drop(process.stdin.take());
        process.wait().expect("it ends");
    }
}

/// The groups of a run in a time namespace look to others as if their process had started at another time.
#[test]
fn a_run_in_a_time_namespace_keeps_its_control_groups() {
    if !can_isolate() || !is_root("making a time namespace") {
        return;
    }
    let world = World::new();
    let script = world.script(&[exec("sleep 1000")]);
    let inner = world.command(&world.scripted_words("tiny", &script, &[]));
    let mut command = Command::new("unshare");
    command.args(["--time", "--boottime", "1000000", "--"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(world.path(".")).env_clear();
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("unshare starts");
    world.wait_for_log("the command", |log| log.contains("sleep 1000\"}}}}"));
    let number = format!("/researchgym-{}-", child.id());
    let groups = || -> Vec<(String, bool)> {
        let object = audit(&world).object();
        let remains = object["remains"].as_array().expect("a list").iter();
        let of_child = remains.filter(|one| one["what"].as_str().is_some_and(|what| what.contains(&number)));
        of_child.map(|one| (one["what"].to_string(), one["held_by"] == "live")).collect()
    };
    let before = groups();
    assert!(before.iter().all(|(_, is_live)| *is_live), "{before:?}");
    // A run that starts removes the groups of processes that are gone.
    assert_eq!(World::new().scripted(&[answer(5), submit()], &[]).code, 0);
    clean(&world);
    assert_eq!(groups(), before);
    signal(&child, Signal::KILL);
    wait(child);
    eventually("the sweeper removes them", || groups().is_empty().then_some(()));
}

/// A sweeper whose process is gone looks like an orphan, and does just what cleaning would do.
#[test]
fn a_sweeper_at_work_is_waited_for() {
    let world = World::new();
    let folder = world.path("left");
    std::fs::create_dir(&folder).expect("a folder");
    // It follows a process that is not its parent: so does one whose parent has died.
    let mut sweeper =
        world.command(&["sweep", "1"]).stdin(Stdio::piped()).spawn().expect("the binary starts");
    let clean = world.start(&["doctor", "--clean", "--this-home"]);
    eventually("cleaning holds the sweeper", || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", clean.id())).ok()?;
        let mut links = descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let is_held = links.any(|link| link.to_string_lossy().contains("pidfd"));
        (is_held || sweeper.try_wait().expect("it is ours").is_some()).then_some(())
    });
    let mut orders = sweeper.stdin.take().expect("a pipe");
    let _ = std::io::Write::write_all(&mut orders, format!("f{}\0", folder.display()).as_bytes());
    drop(orders);
    assert_eq!(sweeper.wait().expect("it ends").code(), Some(0));
    wait(clean);
    assert!(!folder.exists());
}

#[test]
fn a_killed_sweeper_is_followed_by_another() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let script = world.script(&[exec("until [ -e go ]; do sleep 0.02; done"), answer(5), submit()]);
    let child = world.start(&world.scripted_words("tiny", &script, &[]));
    let run = world.wait_for_log("the command", |log| log.contains("until"));
    let sweepers = || -> Vec<i32> {
        let list = format!("/proc/{0}/task/{0}/children", child.id());
        // Threads have children of their own.
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
        let lists = tasks.map(|task| task.path().join("children")).chain([PathBuf::from(list)]);
        let texts: Vec<String> = lists.filter_map(|list| std::fs::read_to_string(list).ok()).collect();
        let pids = texts.iter().flat_map(|text| text.split_ascii_whitespace());
        let is_sweeper = |pid: &i32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains("\0sweep\0")
        };
        pids.filter_map(|pid| pid.parse().ok()).filter(is_sweeper).collect()
    };
    let first = sweepers()[0];
    let pid = rustix::process::Pid::from_raw(first).expect("a number");
    rustix::process::kill_process(pid, Signal::KILL).expect("it is there");
    std::fs::write(run.join("workspace/input/go"), "").expect("a file");
    assert_eq!(wait(child).outcome(), (0, json!("submitted"), json!(5.0)));
    world.wait_until_nothing_is_left();
}
