//! A world of its own for each test: home, runs and scripts in one temporary folder, and the binary that works there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for a busy machine; only a test that fails waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Whether runs can be isolated here; says so if not.
pub(crate) fn can_isolate() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = *CAN.get_or_init(|| World::new().finish(&["doctor"]).code == 0);
    if !can {
        say("SKIPPED: this machine cannot isolate runs; `researchgym doctor` says what is missing");
    }
    can
}

/// Whether the tests run as root; says so if not.
pub(crate) fn is_root(what_for: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        say(&format!("SKIPPED: {what_for} needs root"));
    }
    is_root
}

/// Tells whoever runs the tests; printing macros would be captured with a test that passes.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Asks until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// One temporary folder with everything that a test's commands may write.
pub(crate) struct World {
    root: TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> World {
        World { root: tempfile::Builder::new().prefix("researchgym-world-").tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Unique to this world; part of every path and mount of its runs.
    pub(crate) fn mark(&self) -> String {
        self.root.path().file_name().expect("a name").to_string_lossy().into_owned()
    }

    /// The binary with nothing of the environment but `PATH` and this world's places.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_researchgym"));
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RESEARCHGYM_HOME", self.path("home"))
            .env("RESEARCHGYM_RUNS", self.path("runs"))
            .env("RESEARCHGYM_TASKS", Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks"))
            .current_dir(self.root.path())
            .stdin(Stdio::null());
        // Searches that are to be evaluated on a cluster find it.
        if std::env::var_os("RESEARCHGYM_TEST_EXECUTOR").is_some() {
            command.envs(std::env::var_os("SLURM_CONF").map(|conf| ("SLURM_CONF", conf)));
        }
        command
    }

    pub(crate) fn finish(&self, words: &[&str]) -> Finished {
        Finished::of(self.command(words).output().expect("the binary starts"))
    }

    pub(crate) fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Writes a script; returns its path.
    pub(crate) fn script(&self, lines: &[Value]) -> String {
        let text: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        self.file("script.jsonl", &text.concat())
    }

    /// Writes a file; returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a temporary file");
        path.display().to_string()
    }

    /// Runs `scripted` on the fixture task `tiny`.
    pub(crate) fn scripted(&self, lines: &[Value], more: &[&str]) -> Finished {
        self.finish(&self.scripted_words("tiny", &self.script(lines), more))
    }

    pub(crate) fn scripted_words<'a>(
        &self,
        task: &'a str,
        script: &'a str,
        more: &[&'a str],
    ) -> Vec<&'a str> {
        [&["run", task, "scripted", "--script", script], more].concat()
    }

    /// All run folders.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let entries = |folder: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        entries(&self.path("runs")).iter().flat_map(|day| entries(day)).collect()
    }

    /// Waits until the only run has a log of which `enough` is true.
    pub(crate) fn wait_for_log(&self, what: &str, enough: impl Fn(&str) -> bool) -> PathBuf {
        eventually(what, || {
            let run = self.runs().into_iter().next()?;
            let log = std::fs::read_to_string(run.join("events.jsonl")).ok()?;
            enough(&log).then_some(run)
        })
    }

    /// A run that is at work, and stays so until it is killed.
    pub(crate) fn at_work(&self) -> (Child, PathBuf) {
        let script = self.script(&[exec("sleep 1000")]);
        let child = self.start(&self.scripted_words("tiny", &script, &[]));
        let run = self.wait_for_log("the command", |log| log.contains("sleep 1000\"}}}}"));
        (child, run)
    }

    /// Waits until nothing of this world's runs is left: no process, no mount, no control group.
    pub(crate) fn wait_until_nothing_is_left(&self) {
        let ids: Vec<String> = self.runs().iter().map(|run| name(run)).collect();
        eventually("no process, mount or control group is left", || {
            let left = [processes(&self.mark()), cgroups(&ids)].concat();
            left.is_empty().then_some(())
        });
    }
}

impl Finished {
    pub(crate) fn of(output: Output) -> Finished {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let code = output.status.code().unwrap_or(-1);
        Finished { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The last line of standard output.
    pub(crate) fn object(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Exit code, ending and score of the run.
    pub(crate) fn outcome(&self) -> (i32, Value, Value) {
        let object = self.object();
        (self.code, object["ending"].clone(), object["score"]["score"].clone())
    }

    pub(crate) fn run(&self) -> PathBuf {
        PathBuf::from(self.object()["run"].as_str().unwrap_or_else(|| panic!("no run: {self:?}")))
    }

    /// The run's events.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.run())
    }

    /// The outcomes of the run's actions, in order.
    pub(crate) fn observations(&self) -> Vec<Value> {
        observations(&self.events())
    }

    /// What the run's commands wrote to standard output, in order.
    pub(crate) fn printed(&self) -> Vec<String> {
        let observations = self.observations();
        let texts = observations.iter().filter_map(|observation| observation["stdout"]["text"].as_str());
        texts.map(str::to_owned).collect()
    }
}

/// The events of a run, without the chain around them.
pub(crate) fn events(run: &Path) -> Vec<Value> {
    let log = std::fs::read_to_string(run.join("events.jsonl")).expect("a log");
    let line = |line: &str| serde_json::from_str::<Value>(line).expect("a line")["event"].clone();
    log.lines().map(line).collect()
}

pub(crate) fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

pub(crate) fn observations(events: &[Value]) -> Vec<Value> {
    of_type(events, "observed").into_iter().map(|event| event["observation"].clone()).collect()
}

/// A process's whole output, and its code.
pub(crate) fn wait(child: Child) -> Finished {
    Finished::of(child.wait_with_output().expect("it ends"))
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("it is alive");
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

pub(crate) fn exec(command: &str) -> Value {
    json!({ "exec": command })
}

pub(crate) fn answer(value: impl Into<Value>) -> Value {
    json!({ "write": { "path": "answer.json", "content": json!({ "answer": value.into() }).to_string() } })
}

pub(crate) fn submit() -> Value {
    json!({ "submit": {} })
}

pub(crate) fn validate() -> Value {
    json!({ "validate": {} })
}

/// Processes whose command line or mounts name `mark`, but the one that asks.
fn processes(mark: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        for file in ["cmdline", "mountinfo"] {
            let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(mark) {
                found.push(format!("process {pid} ({file})"));
            }
        }
    }
    found
}

/// Control groups whose name holds one of `ids`.
fn cgroups(ids: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if ids.iter().any(|id| name.contains(id.as_str())) {
                found.push(format!("control group {name}"));
            }
            folders.push(entry.path());
        }
    }
    found
}
