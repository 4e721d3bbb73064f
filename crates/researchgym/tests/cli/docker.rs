//! `--runtime docker` from the command line: what is refused without an engine, and whole runs with one.

use std::io::{Read as _, Write as _};
use std::process::Command;

use researchgym_core::event::Event;
use researchgym_core::isolation::{Image, Runtime};
use researchgym_engine::store::{EventLog, RunFolder, read_log};
use serde_json::{Value, json};

use crate::support::{Finished, World, answer, can_isolate, exec, name, say, submit, validate};

/// The image to test with, if there is an engine; says so if not.
fn image() -> Option<String> {
    let image = std::env::var("RESEARCHGYM_TEST_IMAGE").ok();
    if image.is_none() {
        say("SKIPPED: containers: RESEARCHGYM_TEST_IMAGE names no image (see .ci/docker-engine)");
    }
    image
}

/// The binary, with the engine of the tests.
fn command(world: &World, words: &[&str]) -> Command {
    let mut command = world.command(words);
    command.envs(std::env::var_os("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)));
    command
}

fn finish(world: &World, words: &[&str]) -> Finished {
    Finished::of(command(world, words).output().expect("the binary starts"))
}

#[test]
fn what_is_wrong_with_the_engine_is_said_with_what_to_do() {
    let world = World::new();
    let script = world.script(&[submit()]);
    let words = world.scripted_words("tiny", &script, &["--runtime", "docker", "--image", "x"]);
    let check = |host: &str, message: &str, hint: &str| {
        let output = world.command(&words).env("DOCKER_HOST", host).output().expect("the binary starts");
        let finished = Finished::of(output);
        assert_eq!(finished.code, 3, "{finished:?}");
        let error = &finished.object()["error"];
        assert!(error["message"].as_str().expect("a message").contains(message), "{error}");
        assert!(error["hint"].as_str().expect("a hint").contains(hint), "{error}");
    };
    check("unix:///nowhere/docker.sock", "no container engine was found", "systemctl start docker");
    check("tcp://192.0.2.1:2375", "is not reached through a Unix socket", "unset DOCKER_HOST");
    let silent = world.path("silent.sock");
    drop(std::os::unix::net::UnixListener::bind(&silent).expect("a socket"));
    check(&format!("unix://{}", silent.display()), "does not answer", "DOCKER_HOST=unix:///PATH");
    assert!(world.runs().is_empty(), "no run was made");
}

#[test]
fn an_image_belongs_to_containers() {
    let world = World::new();
    let script = world.script(&[submit()]);
    let local = world.finish(&world.scripted_words("tiny", &script, &["--image", "x"]));
    assert_eq!(local.code, 2, "{local:?}");
    let plan = world.finish(&world.scripted_words(
        "tiny",
        &script,
        &["--runtime", "docker", "--dry-run", "--output", "json"],
    ));
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a plan");
    assert_eq!(
        (&plan["spec"]["runtime"], &plan["image"]),
        (&json!("docker"), &json!("python:3.12-slim-bookworm"))
    );
    world.file("researchgym.toml", "[docker]\nimage = \"mine:1\"\n");
    let plan = world.finish(&world.scripted_words(
        "tiny",
        &script,
        &["--runtime", "docker", "--dry-run", "--output", "json"],
    ));
    let plan: Value = serde_json::from_str(&plan.stdout).expect("a plan");
    assert_eq!(plan["image"], "mine:1");
}

#[test]
fn a_run_in_containers_is_scored_graded_again_and_forked() {
    let Some(image) = image() else { return };
    let world = World::new();
    let lines =
        [exec("echo $PPID; ls -d /grader /data"), answer(3), validate(), exec("touch more"), submit()];
    let script = world.script(&lines);
    let more = ["--variant", "noisy", "--seed", "4", "--runtime", "docker", "--image", &image];
    let run = finish(&world, &world.scripted_words("tiny", &script, &more));
    assert_eq!(run.code, 0, "{run:?}");
    let result = run.object();
    assert_eq!((&result["runtime"], &result["image"]["name"]), (&json!("docker"), &json!(image)));
    assert!(result["image"]["id"].as_str().expect("an identifier").starts_with("sha256:"), "{result}");
    // The same score as in the other runtime, from the same seed.
    let local = world.scripted(&lines, &["--variant", "noisy", "--seed", "4"]);
    assert_eq!(local.object()["score"], result["score"], "{local:?}");
    let observed = run.observations();
    assert_eq!(observed[0]["stdout"]["text"], "1\n", "{observed:?}");
    assert_ne!(observed[0]["exit_code"], json!(0));

    let path = run.run().display().to_string();
    let graded = finish(&world, &["grade", &path, "--output", "json"]);
    assert_eq!(graded.code, 0, "{graded:?}");
    let fork = finish(&world, &["run", "--fork", &format!("{path}@2"), "--output", "json"]);
    let forked: Value = fork.object();
    assert_eq!(
        (fork.code, &forked["image"], &forked["score"]),
        (0, &result["image"], &result["score"]),
        "{fork:?}"
    );
    let over = finish(&world, &["run", "--resume", &path, "--output", "json"]);
    assert_eq!(over.object()["score"], result["score"]);
    let other = finish(&world, &["run", "--resume", &path, "--image", "another", "--output", "json"]);
    assert_eq!(other.code, 2, "{other:?}");
}

#[test]
fn a_killed_run_goes_on_in_a_new_container() {
    let Some(image) = image() else { return };
    let world = World::new();
    let script = world.script(&[
        exec("echo here > kept"),
        exec("test -e again || { touch again; sleep 1000; }"),
        submit(),
    ]);
    let words = world.scripted_words("tiny", &script, &["--runtime", "docker", "--image", &image]);
    let mut child = command(&world, &words).spawn().expect("the binary starts");
    let run = world.wait_for_log("the second command", |log| log.matches("\"acted\"").count() == 2);
    crate::support::eventually("its file", || run.join("workspace/input/again").exists().then_some(()));
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
    let resumed = finish(&world, &["run", "--resume", &run.display().to_string(), "--output", "json"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert_eq!(resumed.object()["ending"], "submitted");
    assert!(run.join("workspace/input/kept").exists());
}

/// Makes the log of a run that of one in containers.
fn pretend_containers(world: &World, run: &Finished) {
    let folder = RunFolder::find(&world.path("runs"), &name(&run.run())).expect("the run");
    let lines = read_log(&folder).expect("a log").lines;
    std::fs::remove_file(folder.events()).expect("a log");
    let mut log = EventLog::create(&folder).expect("a log");
    for line in lines {
        let mut event = line.event;
        if let Event::RunStarted(started) = &mut event {
            started.spec.runtime = Runtime::Docker;
            started.spec.image = Some(Image { name: "gone".to_owned(), id: "sha256:0".to_owned() });
        }
        log.append(&line.time, event).expect("a line");
    }
}

#[test]
fn what_needs_no_container_looks_for_no_engine() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let submitted = world.scripted(&[answer(5), submit()], &[]);
    let cut = world.scripted(&[answer(5), exec("true"), submit()], &["--steps", "2"]);
    for run in [&submitted, &cut] {
        pretend_containers(&world, run);
    }
    let resume = |run: &Finished, more: &[&str]| {
        let path = run.run().display().to_string();
        let mut command = world.command(&[&["run", "--resume", &path], more].concat());
        Finished::of(command.env("DOCKER_HOST", "unix:///nowhere").output().expect("the binary starts"))
    };
    let over = resume(&submitted, &[]);
    assert_eq!((over.code, &over.object()["score"]), (0, &submitted.object()["score"]), "{over:?}");
    assert!(over.stderr.contains("its stored result follows"), "{over:?}");
    for (more, expected) in
        [(vec![], "step limit of 2"), (vec!["--steps", "1"], "--steps: the run has used 2")]
    {
        let refused = resume(&cut, &more);
        assert!(refused.code == 2 && refused.stderr.contains(expected), "{refused:?}");
    }
    let sought = resume(&cut, &["--steps", "9"]);
    assert!(sought.code == 3 && sought.stderr.contains("no container engine was found"), "{sought:?}");
}

#[test]
fn images_that_cannot_be_are_refused_before_the_engine_is_asked() {
    let world = World::new();
    let script = world.script(&[submit()]);
    let check = |task: &str, more: &[&str], expected: &str| {
        for dry in [&[][..], &["--dry-run"]] {
            let words = [&world.scripted_words(task, &script, more), dry].concat();
            let mut command = world.command(&words);
            let output = command.env("DOCKER_HOST", "unix:///nowhere").output().expect("the binary starts");
            let finished = Finished::of(output);
            assert!(finished.code == 2 && finished.stderr.contains(expected), "{finished:?}");
        }
    };
    let docker = ["--runtime", "docker"];
    let given = |name| ["--runtime", "docker", "--image", name];
    check("tiny", &given("Bad Name!!"), "--image: `Bad Name!!` cannot be the name of an image");
    check("tiny", &given(""), "--image: the name of the image is empty");
    check("tiny", &given("mine:"), "hint: write [REGISTRY/]NAME[:TAG][@DIGEST]");
    world.file("researchgym.toml", "[docker]\nimage = \"\"\n");
    check("tiny", &docker, "researchgym.toml:2: `image` of [docker]: the name of the image is empty; write");
    std::fs::remove_file(world.path("researchgym.toml")).expect("a file");
    let made = world.finish(&["task", "new", "boxed", "--dir", &world.path("").display().to_string()]);
    let file = world.path("boxed/task.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {made:?}"));
    let folder = world.path("boxed").display().to_string();
    for (container, expected) in [
        ("dockerfile = \"box/Dockerfile\"", "key `container.dockerfile`: there is no file `box/Dockerfile`"),
        ("image = \"Bad Name!!\"", "key `container.image`: cannot be the name of an image"),
    ] {
        std::fs::write(&file, format!("{text}\n[container]\n{container}\n")).expect("a file");
        check(&folder, &docker, expected);
    }
}

/// A socket that answers as an engine does that is asked what it is.
fn engine_that_says_what_it_is(path: &std::path::Path, info: Value) {
    let listener = std::os::unix::net::UnixListener::bind(path).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut asked = Vec::new();
            let mut byte = [0];
            while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                asked.push(byte[0]);
            }
            let asked = String::from_utf8_lossy(&asked).into_owned();
            let version = json!({ "Version": "20.10.24", "ApiVersion": "1.41", "Os": "linux" });
            let body = if asked.contains("/info") { &info } else { &version }.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
}

#[test]
fn doctor_says_what_containers_keep_apart() {
    let world = World::new();
    let doctor = |socket: &str, more: &[&str]| {
        let mut command = world.command(&[&["doctor"], more].concat());
        let host = format!("unix://{}", world.path(socket).display());
        Finished::of(command.env("DOCKER_HOST", host).output().expect("the binary starts"))
    };
    let info = |memory: bool| {
        json!({ "Driver": "overlay2", "SecurityOptions": ["name=seccomp,profile=default"],
            "MemoryLimit": memory, "PidsLimit": true, "CpuCfsQuota": true })
    };
    engine_that_says_what_it_is(&world.path("weak.sock"), info(false));
    engine_that_says_what_it_is(&world.path("whole.sock"), info(true));
    let weak = doctor("weak.sock", &["--output", "json"]).object()["runtimes"]["docker"].clone();
    assert_eq!((&weak["level"], &weak["missing"]), (&json!("partial"), &json!(["memory"])), "{weak}");
    assert!(weak["enforced"].as_array().is_some_and(|all| all.contains(&json!("no_network"))), "{weak}");
    for (socket, expected) in [
        ("weak.sock", "--runtime docker: isolates; not enforced: memory\n"),
        ("whole.sock", "--runtime docker: isolates and limits everything that it can\n"),
    ] {
        let told = doctor(socket, &[]);
        assert!(told.stdout.contains(expected), "{told:?}");
    }
    let none = doctor("none.sock", &["--output", "json"]).object();
    assert_eq!(none["runtimes"].get("docker"), None);
}
