//! What is the engine's part of a container: images, labels, and containers that nobody owns any more.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use researchgym_core::isolation::Image;
use researchgym_engine::sandbox::docker::EngineError;
use researchgym_engine::sandbox::{Sandbox, SandboxError};

use crate::bench::Bench;
use crate::crash::ROLE;

/// The engine's own client, to look from outside.
fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().expect("the engine's client is installed");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Containers with a label.
fn containers(label: &str) -> Vec<String> {
    let found = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &format!("label={label}")]);
    found.lines().map(str::to_owned).collect()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_container_is_what_was_asked_for_and_goes_with_its_sandbox() {
    let Some(bench) = Bench::docker() else { return };
    let mut spec = bench.spec();
    spec.name = format!("looked-at-{}", std::process::id());
    let label = format!("researchgym.run={}", spec.name);
    let sandbox = bench.start_with(spec).await;
    let found = containers(&label);
    let inspected = docker(&["inspect", &found[0]]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let host = &inspected[0]["HostConfig"];
    let expected = BTreeMap::from([
        ("AutoRemove", "true"),
        ("CapAdd", "null"),
        ("CapDrop", r#"["ALL"]"#),
        ("Init", "false"),
        ("IpcMode", r#""private""#),
        ("Memory", "268435456"),
        ("MemorySwap", "268435456"),
        ("NanoCpus", "2000000000"),
        ("NetworkMode", r#""none""#),
        ("PidMode", r#""""#),
        ("PidsLimit", "65"),
        ("Privileged", "false"),
        ("ReadonlyRootfs", "true"),
        ("SecurityOpt", r#"["no-new-privileges"]"#),
        ("ShmSize", "33554432"),
    ]);
    let seen: BTreeMap<&str, String> = expected.keys().map(|&key| (key, host[key].to_string())).collect();
    let seen: BTreeMap<&str, &str> = seen.iter().map(|(key, value)| (*key, value.as_str())).collect();
    assert_eq!(seen, expected);
    let mounts = inspected[0]["Mounts"].as_array().unwrap();
    let writable: Vec<&str> = mounts
        .iter()
        .filter(|mount| mount["RW"] == true)
        .filter_map(|mount| mount["Destination"].as_str())
        .collect();
    assert_eq!(writable, ["/workspace"]);
    assert!(!inspected[0]["Config"]["User"].as_str().unwrap().starts_with('0'));
    sandbox.sandbox.stop().await;
    assert_eq!(containers(&label), Vec::<String>::new());
}

#[tokio::test]
async fn an_image_that_is_not_there_or_lacks_a_shell_is_named() {
    let Some(bench) = Bench::docker() else { return };
    let images = bench.host.images();
    let missing = images.find("researchgym-no-such-image:1", &|_| {}).await;
    assert!(
        matches!(&missing, Err(SandboxError::Engine(EngineError::NoImage { image, .. })) if image == "researchgym-no-such-image:1"),
        "{missing:?}"
    );
    let gone = Image { name: "x".to_owned(), id: format!("sha256:{}", "0".repeat(64)) };
    let checked = images.check(&gone).await;
    assert!(matches!(checked, Err(SandboxError::Engine(EngineError::ImageGone { .. }))), "{checked:?}");
    let mut spec = bench.spec();
    spec.image = Some(gone);
    let started = Sandbox::start(&bench.host, spec, Vec::new()).await.map(drop);
    assert!(matches!(started, Err(SandboxError::Engine(EngineError::ImageGone { .. }))), "{started:?}");

    let folder = bench.path("context");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), "FROM scratch\nCOPY note /note\nENV SHOWN=1\n").unwrap();
    std::fs::write(folder.join("note"), "nothing runs here").unwrap();
    let empty = images.build("empty", &folder.join("Dockerfile"), &|_| {}).await.unwrap();
    let programs = images.programs(&empty).await;
    assert!(
        matches!(&programs, Err(SandboxError::Engine(EngineError::Unusable { lacks, .. })) if lacks.contains("bash")),
        "{programs:?}"
    );
    docker(&["rmi", &empty.name]);
}

#[tokio::test]
async fn a_dockerfile_is_built_once_for_each_content_of_its_folder() {
    let Some(bench) = Bench::docker() else { return };
    let base = bench.image.clone().unwrap().name;
    let folder = bench.path("context");
    std::fs::create_dir(&folder).unwrap();
    let dockerfile = folder.join("Dockerfile");
    let write = |greeting: &str| {
        let text = format!(
            "FROM {base}\nENV GREETING={greeting} PATH=/extra:/usr/bin:/bin\nVOLUME /floods\nCOPY tool /extra/tool\nHEALTHCHECK CMD touch /tmp/checked\n"
        );
        std::fs::write(&dockerfile, text).unwrap();
    };
    std::fs::write(folder.join("tool"), "#!/bin/bash\necho $GREETING\n").unwrap();
    std::fs::set_permissions(folder.join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    write("hello");
    let images = bench.host.images();
    let first = images.build("greeting", &dockerfile, &|_| {}).await.unwrap();
    let stages = std::sync::Mutex::new(Vec::new());
    let listener = |progress: researchgym_engine::progress::Progress<'_>| {
        stages.lock().unwrap().push(format!("{progress:?}"));
    };
    assert_eq!(images.build("greeting", &dockerfile, &listener).await.unwrap(), first);
    assert_eq!(*stages.lock().unwrap(), Vec::<String>::new());
    write("other");
    let second = images.build("greeting", &dockerfile, &|_| {}).await.unwrap();
    assert_ne!(second.id, first.id);

    let mut spec = bench.spec();
    spec.image = Some(first.clone());
    let sandbox = bench.start_with(spec).await;
    // The image's variables and programs are there; its volume is no way to the engine's disk.
    assert_eq!(
        sandbox.exec("tool; echo $PATH").await.stdout,
        "hello\n/researchgym/bin:/usr/local/bin:/extra:/usr/bin:/bin\n"
    );
    assert_ne!(sandbox.exec("head -c 60M /dev/zero > /floods/x").await.code, Some(0));
    sandbox.sandbox.stop().await;
    std::fs::write(&dockerfile, "FROM researchgym-no-such-image:1\n").unwrap();
    let failed = images.build("greeting", &dockerfile, &|_| {}).await;
    assert!(matches!(failed, Err(SandboxError::Engine(EngineError::Build { .. }))), "{failed:?}");
    docker(&["rmi", &first.name, &second.name]);
}

#[test]
fn a_paused_container_is_removed_when_its_owner_is_killed() {
    if Bench::docker().is_none() {
        return;
    }
    let marker = format!("4{}", std::process::id());
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--nocapture"])
        .env(ROLE, format!("docker {marker}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let folder = lines.find_map(|line| Some(line.strip_prefix("ready ")?.to_owned())).expect("a sandbox");
    let label = format!("researchgym.pid={}", victim.id());
    let found = containers(&label);
    assert_eq!(found.len(), 1);
    docker(&["pause", &found[0]]);
    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("the container's end", || containers(&label).is_empty());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn containers_of_processes_that_are_gone_are_removed_and_no_others() {
    let Some(bench) = Bench::docker() else { return };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap().display().to_string();
    let image = bench.image.clone().unwrap().id;
    let make = |name: &str, started: &str, namespace: &str| {
        let labels = [
            format!("researchgym.run={name}"),
            format!("researchgym.pid={}", std::process::id()),
            format!("researchgym.started={started}"),
            format!("researchgym.boot={}", boot.trim()),
            format!("researchgym.pid_namespace={namespace}"),
        ];
        let mut words = vec!["create"];
        labels.iter().for_each(|label| words.extend(["--label", label]));
        docker(&[&words[..], &["--network", "none", &image, "true"]].concat())
    };
    let orphan = make("orphan", "1", &namespace);
    let foreign = make("foreign", "1", "pid:[1]");
    let sandbox = bench.start().await;
    // A test beside this one may have been first: a new process removes them at its start.
    let _ = bench.host.remove_orphans(None).await.unwrap();
    let left = docker(&["ps", "--all", "--quiet", "--no-trunc"]);
    assert!(!left.contains(&orphan) && left.contains(&foreign), "{left}");
    assert_eq!(sandbox.exec("echo on").await.stdout, "on\n");
    sandbox.sandbox.stop().await;
    docker(&["rm", &foreign]);
}
