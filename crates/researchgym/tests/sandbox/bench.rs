//! A small bench for sandboxes: every runtime that this machine offers, one folder each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::observation::ExecEnding;
use researchgym_core::task::Resources;
use researchgym_engine::sandbox::{
    Capture, ExecOutcome, ReadOnlyMount, Sandbox, SandboxHost, SandboxSpec, WorkingFolder,
};

/// A runtime with folders to use.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) host: SandboxHost,
    pub(crate) resources: Resources,
    pub(crate) image: Option<Image>,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) code: Option<i32>,
    pub(crate) ending: ExecEnding,
    pub(crate) new_shell: bool,
    pub(crate) notes: Vec<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A sandbox under test.
pub(crate) struct Tested {
    pub(crate) sandbox: Sandbox,
    blobs: PathBuf,
}

impl Bench {
    /// Every runtime that works here. Says which does not.
    pub(crate) fn all() -> Vec<Bench> {
        let mut benches = vec![Bench::new(Runtime::Host)];
        benches.extend(Bench::isolated());
        benches
    }

    /// Every runtime that isolates and works here.
    pub(crate) fn isolated() -> Vec<Bench> {
        Bench::local().into_iter().chain(Bench::docker()).collect()
    }

    /// The `docker` runtime, if there is an engine and an image to test with.
    pub(crate) fn docker() -> Option<Bench> {
        let Ok(name) = std::env::var("RESEARCHGYM_TEST_IMAGE") else {
            eprintln!("skipped: containers: RESEARCHGYM_TEST_IMAGE names no image (see .ci/docker-engine)");
            return None;
        };
        let mut bench = Bench::new(Runtime::Docker);
        let host = bench.host.clone();
        // The client of the engine belongs to the runtime that it was first used on, and this is not the test's.
        let found = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { host.images().find(&name, &|_| {}).await })
        });
        // Whoever names an image wants containers to be tested: there is no skipping from here.
        bench.image = Some(found.join().unwrap().unwrap());
        bench.host = host_in(&bench.folder);
        Some(bench)
    }

    /// The `local` runtime, if it works here.
    pub(crate) fn local() -> Option<Bench> {
        let bench = Bench::new(Runtime::Local);
        let report = bench.host.probe();
        if !report.isolation {
            eprintln!("skipped: no isolation on this machine: {report:#?}");
            return None;
        }
        Some(bench)
    }

    fn new(runtime: Runtime) -> Bench {
        let folder = tempfile::Builder::new().prefix("rg-test-").tempdir().unwrap();
        // The unprivileged user of the `host` runtime must get to the workspace.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        for name in ["home", "work", "blobs", "data"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let host = host_in(&folder);
        let resources =
            Resources { memory_mib: 256, cpus: 2.0, pids: 64, workspace_mib: 64, tmp_mib: 32, gpus: 0 };
        Bench { runtime, folder, host, resources, image: None }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.runtime.name()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn spec(&self) -> SandboxSpec {
        let environment = [
            ("PATH", "/researchgym/bin:/usr/local/bin:/usr/bin:/bin"),
            ("HOME", "/tmp"),
            ("LANG", "C.UTF-8"),
            ("RESEARCHGYM_SESSION", "/run/researchgym/session.sock"),
        ];
        SandboxSpec {
            runtime: self.runtime,
            image: self.image.clone(),
            name: "test".to_owned(),
            working_folder: WorkingFolder::Writable { source: self.path("work") },
            read_only: vec![ReadOnlyMount {
                source: self.path("data"),
                target: "/workspace/data".to_owned(),
            }],
            environment: BTreeMap::from(environment.map(|(name, value)| (name.to_owned(), value.to_owned()))),
            resources: self.resources.clone(),
            gpus: None,
            session: true,
            gateway: None,
            proxy: None,
        }
    }

    pub(crate) async fn start(&self) -> Tested {
        self.start_with(self.spec()).await
    }

    pub(crate) async fn start_with(&self, spec: SandboxSpec) -> Tested {
        let sandbox = Sandbox::start(&self.host, spec, Vec::new()).await.unwrap();
        Tested { sandbox, blobs: self.path("blobs") }
    }
}

fn host_in(folder: &tempfile::TempDir) -> SandboxHost {
    let host = SandboxHost::new(&folder.path().join("home")).unwrap();
    host.with_executable(Path::new(env!("CARGO_BIN_EXE_researchgym")))
}

impl Shown {
    fn of(outcome: ExecOutcome, capture: Capture) -> Shown {
        let (stdout, stderr) = capture.finish().unwrap();
        Shown {
            code: outcome.exit_code,
            ending: outcome.ending,
            new_shell: outcome.new_shell,
            notes: outcome.notes,
            stdout: stdout.text,
            stderr: stderr.text,
        }
    }
}

impl Tested {
    pub(crate) fn capture(&self) -> Capture {
        Capture::new(&self.blobs)
    }

    pub(crate) async fn exec(&self, command: &str) -> Shown {
        self.exec_for(command, Duration::from_secs(60)).await
    }

    pub(crate) async fn exec_for(&self, command: &str, timeout: Duration) -> Shown {
        let mut capture = self.capture();
        let outcome = self.sandbox.exec(command, timeout, &mut capture).await.unwrap();
        Shown::of(outcome, capture)
    }

    pub(crate) async fn spawn(&self, argv: &[&str]) -> Shown {
        let mut capture = self.capture();
        let argv: Vec<String> = argv.iter().map(|&argument| argument.to_owned()).collect();
        let outcome = self.sandbox.spawn(&argv, Duration::from_secs(60), &mut capture).await.unwrap();
        Shown::of(outcome, capture)
    }
}

/// Processes of this machine whose argument list contains the text (arguments are separated by NUL).
pub(crate) fn living(text: &str) -> Vec<i32> {
    let folder = std::fs::read_dir("/proc").unwrap();
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.windows(text.len()).any(|window| window == text.as_bytes())
    })
    .collect()
}

/// Control group folders that a process of ours has made and not removed.
pub(crate) fn control_groups_of(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("researchgym-{pid}-");
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(entry.path());
            } else {
                pending.push(entry.path());
            }
        }
    }
    found
}
