//! Where one cycle happens: home, runs, temporary files and scripts in a folder of its own, and the program that works there.
//!
//! For faults of the disk, home and runs are on a small memory file system in a mount namespace that a process of ours keeps;
//! nothing of the machine is mounted over or filled.

use std::cell::Cell;
use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::engine::Address;
use crate::Outcome;
use crate::place;

/// Long enough for a busy machine; only a violation waits so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// The small file system.
const DISK_BYTES: &str = "24m";

pub(super) struct World {
    folder: TempDir,
    program: PathBuf,
    disk: Option<Disk>,
    /// Where its runs have their containers, if they have.
    engine: Option<Address>,
    /// Programs started so far; each writes to files of its own.
    started: Cell<u32>,
}

/// A mount namespace with the small file system in it.
struct Disk {
    keeper: Child,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The namespace and its file system end with it.
        let _ = self.keeper.kill().and_then(|()| self.keeper.wait());
    }
}

/// A program of ours that works.
pub(super) struct Working {
    pub(super) child: Child,
    output: PathBuf,
}

/// What a program of ours said and how it ended.
#[derive(Debug)]
pub(super) struct Finished {
    /// Nothing if a signal ended it.
    pub(super) code: Option<i32>,
    /// The last line of its standard output.
    pub(super) object: Value,
    pub(super) complaints: String,
}

impl World {
    pub(super) fn new(program: &Path, engine: Option<Address>, has_disk: bool) -> Outcome<World> {
        let folder = tempfile::Builder::new().prefix("researchgym-chaos-").tempdir()?;
        // Commands on the `host` runtime run as an unprivileged user and must get through.
        let open = |path: &Path| std::fs::set_permissions(path, Permissions::from_mode(0o755));
        open(folder.path())?;
        for name in ["disk", "tmp"] {
            std::fs::create_dir(folder.path().join(name))?;
            open(&folder.path().join(name))?;
        }
        let mut world =
            World { folder, program: program.to_owned(), disk: None, engine, started: Cell::new(0) };
        if has_disk {
            world.disk = Some(world.mount_disk()?);
        }
        Ok(world)
    }

    fn mount_disk(&self) -> Outcome<Disk> {
        let script = format!(
            "mount -t tmpfs -o size={DISK_BYTES},mode=755 none '{}' && echo mounted && exec cat",
            self.disk_path().display()
        );
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(said) = keeper.stdout.take() {
            BufReader::new(said).read_line(&mut line)?;
        }
        match line.trim() {
            "mounted" => Ok(Disk { keeper }),
            _ => Err("a small file system cannot be mounted here".into()),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn disk_path(&self) -> PathBuf {
        self.path("disk")
    }

    /// Part of every path and mount of this world, and of no other.
    pub(super) fn mark(&self) -> String {
        self.folder.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Processes that hold this world and are not its runs.
    pub(super) fn keepers(&self) -> Vec<u32> {
        self.disk.iter().map(|disk| disk.keeper.id()).collect()
    }

    /// The run's containers that the engine still knows, running or not.
    pub(super) fn containers(&self) -> Vec<String> {
        let listed = self.docker(&[
            "ps",
            "--all",
            "--filter",
            &self.label(),
            "--format",
            "{{.ID}} {{.Names}} {{.Labels}}",
        ]);
        listed.iter().map(|line| format!("container {line}")).collect()
    }

    /// Of the label by which the program marks containers with its home.
    fn label(&self) -> String {
        format!("label=researchgym.home={}", self.path("disk/home").display())
    }

    /// The guests of its containers, by the numbers that this machine knows them by.
    pub(super) fn guests(&self) -> Vec<u32> {
        let ids = self.docker(&["ps", "--quiet", "--no-trunc", "--filter", &self.label()]);
        let pid = |id: &String| {
            let lines = self.docker(&["inspect", "--format", "{{.State.Pid}}", id]);
            lines.first()?.parse().ok().filter(|pid| *pid > 0)
        };
        ids.iter().filter_map(pid).collect()
    }

    /// The lines that the engine's client prints; none without an engine.
    fn docker(&self, words: &[&str]) -> Vec<String> {
        let Some(engine) = &self.engine else { return Vec::new() };
        let mut command = Command::new("docker");
        command.args(words).envs(engine.host.iter().map(|host| ("DOCKER_HOST", host))).stderr(Stdio::null());
        let listed = command.output().map(|listed| listed.stdout).unwrap_or_default();
        String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect()
    }

    /// The image that its runs are given.
    pub(super) fn image(&self) -> Option<&str> {
        self.engine.as_ref()?.image.as_deref()
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.path("tmp")
    }

    /// Where a path of the small file system is for this process, which does not see it mounted.
    fn seen(&self, path: &Path) -> PathBuf {
        match &self.disk {
            Some(disk) => {
                let root = PathBuf::from(format!("/proc/{}/root", disk.keeper.id()));
                root.join(path.strip_prefix("/").unwrap_or(path))
            }
            None => path.to_owned(),
        }
    }

    /// A path that can be read from here, as the program knows it.
    pub(super) fn known(&self, path: &Path) -> String {
        let root = self.disk.as_ref().map(|disk| format!("/proc/{}/root", disk.keeper.id()));
        let path = path.display().to_string();
        root.and_then(|root| path.strip_prefix(&root).map(str::to_owned)).unwrap_or(path)
    }

    /// The home folder, as it can be read from here.
    pub(super) fn home(&self) -> PathBuf {
        self.seen(&self.path("disk/home"))
    }

    /// The run's folder: as it can be read from here, and as the program knows it.
    pub(super) fn run(&self) -> Option<(PathBuf, PathBuf)> {
        let inner = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).next()
        };
        let runs = self.path("disk/runs");
        let run = inner(&inner(&self.seen(&runs))?)?;
        let below: PathBuf = run.strip_prefix(self.seen(&runs)).ok()?.to_owned();
        Some((run, runs.join(below)))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Outcome<String> {
        let path = self.path(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// A program in this world's namespaces; with `clock`, its monotonic clocks are so many seconds ahead.
    fn command(&self, program: &Path, words: &[&str], clock: Option<u64>) -> Command {
        let mut line: Vec<String> = Vec::new();
        if let Some(disk) = &self.disk {
            line.extend(["nsenter", "--mount", "--target"].map(str::to_owned));
            line.extend([disk.keeper.id().to_string(), "--".to_owned()]);
        }
        if let Some(seconds) = clock {
            line.extend(["unshare", "--time", "--monotonic"].map(str::to_owned));
            line.extend([seconds.to_string(), "--boottime".to_owned(), seconds.to_string(), "--".to_owned()]);
        }
        line.push(program.display().to_string());
        line.extend(words.iter().map(|word| (*word).to_owned()));
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", self.temporary())
            .env("RESEARCHGYM_HOME", self.path("disk/home"))
            .env("RESEARCHGYM_RUNS", self.path("disk/runs"))
            .env("RESEARCHGYM_TASKS", place::repository().join("tasks"))
            .envs(self.engine.iter().filter_map(|engine| Some(("DOCKER_HOST", engine.host.as_ref()?))))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts researchgym.
    pub(super) fn start(&self, words: &[&str], clock: Option<u64>) -> Outcome<Working> {
        self.started.set(self.started.get() + 1);
        let output = self.path(&format!("output-{}", self.started.get()));
        let child = self
            .command(&self.program, words, clock)
            .stdout(File::create(&output)?)
            .stderr(File::create(output.with_extension("complaints"))?)
            .spawn()?;
        Ok(Working { child, output })
    }

    /// Runs researchgym to its end.
    pub(super) fn finish(&self, words: &[&str]) -> Outcome<Finished> {
        self.start(words, None)?.wait()
    }

    /// Does something to the small file system.
    fn on_disk(&self, words: &[&str]) -> Outcome<()> {
        let status = self.command(Path::new(words[0]), &words[1..], None).status()?;
        if status.success() { Ok(()) } else { Err(format!("{words:?} ended with {status}").into()) }
    }

    /// Takes all room that is left.
    pub(super) fn fill_disk(&self) -> Outcome<()> {
        let mut filler = File::create(self.seen(&self.path("disk/filler")))?;
        let block = vec![1; 64 << 10];
        // Whole blocks first, then what is left of the last one.
        for part in [block.len(), 4096, 1] {
            while std::io::Write::write_all(&mut filler, &block[..part]).is_ok() {}
        }
        Ok(())
    }

    pub(super) fn free_disk(&self) -> Outcome<()> {
        Ok(std::fs::remove_file(self.seen(&self.path("disk/filler")))?)
    }

    /// Makes the run's folder read-only for whatever is opened from here on.
    pub(super) fn write_protect(&self, run: &Path) -> Outcome<()> {
        if self.disk.is_none() {
            return permit(run, 0o500);
        }
        let run = run.display().to_string();
        self.on_disk(&["mount", "--bind", &run, &run])?;
        self.on_disk(&["mount", "-o", "remount,bind,ro", &run])
    }

    pub(super) fn unprotect(&self, run: &Path) -> Outcome<()> {
        match self.disk {
            Some(_) => self.on_disk(&["umount", "--lazy", &run.display().to_string()]),
            None => permit(run, 0o700),
        }
    }
}

/// Sets the permissions of a run's folder and of those in it that are its own; not the workspace's, which is the agent's.
fn permit(run: &Path, mode: u32) -> Outcome<()> {
    for name in ["blobs", "logs", "submissions", "."] {
        std::fs::set_permissions(run.join(name), Permissions::from_mode(mode))?;
    }
    Ok(())
}

impl Working {
    /// Waits until it ends; kills it if it takes too long, which is an error.
    pub(super) fn wait(mut self) -> Outcome<Finished> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(self.finished(status));
            }
            if begun.elapsed() > PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                return Err(format!("the program did not end in {} s", PATIENCE.as_secs()).into());
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    fn finished(&self, status: ExitStatus) -> Finished {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let said = read(&self.output);
        let object = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        Finished {
            code: status.code(),
            object: object.unwrap_or(Value::Null),
            complaints: read(&self.output.with_extension("complaints")),
        }
    }
}

/// The events in a log, without the chain; a torn last line is left out.
pub(super) fn events(run: &Path) -> Vec<Value> {
    let log = std::fs::read(run.join("events.jsonl")).unwrap_or_default();
    let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = log[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let event = |line: &[u8]| Some(serde_json::from_slice::<Value>(line).ok()?["event"].clone());
    lines.filter_map(event).collect()
}
