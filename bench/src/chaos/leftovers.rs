//! What is left of a cycle, by a look of the harness's own and by the audit; and leftovers that it plants for the audit to find.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use researchgym_core::digest::Digest;
use serde_json::Value;

use super::world::World;
use crate::Outcome;

/// Everything that is left, in words; nothing is the aim. `parents`: the numbers of all processes that worked.
pub(super) fn look(world: &World, parents: &[u32]) -> Vec<String> {
    let mark = world.mark();
    let mut found = processes(&mark, &world.keepers());
    found.extend(groups().into_iter().filter(|group| is_of(group, parents)));
    found.extend(world.containers());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.extend(mounts.lines().filter(|line| line.contains(&mark)).map(|line| format!("mount {line}")));
    let folders = [world.temporary(), world.home().join("scratch")];
    let mut paths: Vec<PathBuf> = folders.iter().flat_map(|folder| entries(folder)).collect();
    if let Some((run, _)) = world.run() {
        let is_half_written = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(".new-") || name.starts_with(".output-") || name == "control.sock"
        };
        let inner = [entries(&run), entries(&run.join("blobs"))].concat();
        paths.extend(inner.into_iter().filter(is_half_written));
    }
    found.extend(paths.iter().map(|path| world.known(path)));
    found
}

/// What the audit says is left of this world.
pub(super) fn audited(world: &World, parents: &[u32]) -> Outcome<BTreeSet<String>> {
    let finished = world.finish(&["doctor", "--audit", "--output", "json"])?;
    let remains = finished.object["remains"].as_array().ok_or("the audit printed no object")?;
    let left = remains.iter().filter(|one| one["held_by"] == "nobody");
    let found = left.filter_map(|one| Some((one["kind"].as_str()?, one["what"].as_str()?)));
    Ok(found
        .filter(|(kind, what)| match *kind {
            "control_group" => is_of(what, parents),
            _ => what.contains(&world.mark()),
        })
        .map(|(_, what)| what.to_owned())
        .collect())
}

/// What the audit counts as live of this world.
pub(super) fn live(world: &World) -> Outcome<bool> {
    let finished = world.finish(&["doctor", "--audit", "--output", "json"])?;
    let remains = finished.object["remains"].as_array().ok_or("the audit printed no object")?;
    Ok(remains.iter().any(|one| one["held_by"] == "live" && one["kind"] == "run"))
}

/// Whether a control group was made by one of these processes.
fn is_of(group: &str, parents: &[u32]) -> bool {
    parents.iter().any(|pid| group.contains(&format!("/researchgym-{pid}-")))
}

/// Processes that name the mark in their command line, environment or mounts.
fn processes(mark: &str, keepers: &[u32]) -> Vec<String> {
    let own = std::process::id();
    let pids = entries(Path::new("/proc"));
    let pids = pids.iter().filter_map(|path| path.file_name()?.to_str()?.parse::<u32>().ok());
    let names = |pid: u32| {
        let file = ["cmdline", "environ", "mountinfo"].into_iter().find(|file| {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.windows(mark.len()).any(|window| window == mark.as_bytes())
        })?;
        Some(format!("process {pid} ({file})"))
    };
    pids.filter(|pid| *pid != own && !keepers.contains(pid)).filter_map(names).collect()
}

/// Whether the sweeper that follows this process still works.
pub(super) fn has_sweeper(owner: u32) -> bool {
    let line = format!("\0sweep\0{owner}\0");
    entries(Path::new("/proc")).iter().any(|process| {
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        words.ends_with(line.as_bytes())
    })
}

fn groups() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
            found.push(path.display().to_string());
            folders.push(path);
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Leftovers that look like a killed run's.
pub(super) struct Planted {
    orphan: Child,
    /// What the audit must call left.
    pub(super) expected: BTreeSet<String>,
    /// The number in the name of the planted control group.
    pub(super) pid: u32,
}

impl Planted {
    /// Plants a folder without isolation with a process in it, a scratch folder, a control socket and a control group.
    pub(super) fn new(world: &World, is_root: bool) -> Outcome<Planted> {
        let sandbox = world.temporary().join("researchgym-host-planted");
        fs::create_dir(&sandbox)?;
        let home = world.path("disk/home");
        fs::write(
            sandbox.join(".researchgym"),
            format!("made by researchgym with the home {}", home.display()),
        )?;
        let orphan = Command::new("sleep")
            .arg("100000")
            .env_clear()
            .env("RESEARCHGYM_SANDBOX", &sandbox)
            .env("PLANTED_IN", world.mark())
            .stdin(Stdio::null())
            .spawn()?;
        let scratch = world.home().join("scratch/researchgym-scratch-planted");
        fs::create_dir_all(scratch.join("deep"))?;
        let mut expected = BTreeSet::from([sandbox.display().to_string(), scratch.display().to_string()]);
        if let Some((run, _)) = world.run() {
            let socket = run.join("control.sock");
            drop(std::os::unix::net::UnixListener::bind(&socket)?);
            expected.insert(socket.display().to_string());
        }
        // No process has this number.
        let pid = u32::MAX;
        let mark = &Digest::of(home.as_os_str().as_encoded_bytes()).to_string()[..8];
        let group = PathBuf::from(format!("/sys/fs/cgroup/memory/researchgym-{pid}-1-{mark}/inner"));
        if is_root && Path::new("/sys/fs/cgroup/memory").is_dir() && fs::create_dir_all(&group).is_ok() {
            expected.extend(group.parent().map(|path| path.display().to_string()));
        }
        Ok(Planted { orphan, expected, pid })
    }

    /// The audit finds all that was planted, and cleaning removes it. What is wrong, in words.
    pub(super) fn check(mut self, world: &World) -> Outcome<Vec<String>> {
        let mut wrong = Vec::new();
        let orphan = self.orphan.id().to_string();
        let found = audited_with_process(world, &[self.pid], &orphan)?;
        for missed in self.expected.iter().filter(|path| !found.contains(*path)) {
            wrong.push(format!("the audit does not find the planted {missed}"));
        }
        if !found.iter().any(|what| what.starts_with(&format!("{orphan} "))) {
            wrong.push("the audit does not find the planted process".to_owned());
        }
        let cleaned = world.finish(&["doctor", "--clean", "--this-home", "--output", "json"])?;
        // It is a child of ours: its end must be taken note of.
        let ended = self.orphan.try_wait()?;
        if ended.is_none() {
            wrong.push("cleaning left the planted process alive".to_owned());
            self.orphan.kill()?;
            self.orphan.wait()?;
        }
        for kept in self.expected.iter().filter(|path| Path::new(path).exists()) {
            wrong.push(format!("cleaning left {kept}: {}", cleaned.object["failed"]));
        }
        Ok(wrong)
    }
}

fn audited_with_process(world: &World, parents: &[u32], orphan: &str) -> Outcome<BTreeSet<String>> {
    let finished = world.finish(&["doctor", "--audit", "--output", "json"])?;
    if finished.code != Some(1) {
        return Err(format!("the audit of planted leftovers ended with {:?}", finished.code).into());
    }
    let remains: &[Value] = finished.object["remains"].as_array().map(Vec::as_slice).unwrap_or_default();
    let left = remains.iter().filter(|one| one["held_by"] == "nobody").filter_map(|one| one["what"].as_str());
    let is_ours = |what: &&str| {
        what.contains(&world.mark()) || is_of(what, parents) || what.starts_with(&format!("{orphan} "))
    };
    Ok(left.filter(is_ours).map(str::to_owned).collect())
}
