//! What both kinds of tests need: folders with jobs, warnings that are kept, and waiting for what comes about.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use researchgym_core::executor::SlurmSpec;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::super::{Cluster as _, ClusterJob, Group, JobEnd, JobState, Needs};
use super::super::{Commands, Slurm, Timing, Warn};
use researchgym_core::failure::Failure;

/// Folders for jobs, and what was warned of.
pub(super) struct Bench {
    pub(super) place: tempfile::TempDir,
    pub(super) warnings: Arc<Mutex<Vec<String>>>,
}

/// A job that is being carried out.
pub(super) struct Running {
    pub(super) folder: PathBuf,
    pub(super) end: JoinHandle<Result<JobEnd, Failure>>,
    pub(super) states: mpsc::UnboundedReceiver<JobState>,
}

pub(super) fn needs() -> Needs {
    Needs { cpus: 1, memory_mib: 100, gpus: 0, time: Some(Duration::from_mins(5)) }
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench { place: tempfile::tempdir().unwrap(), warnings: Arc::default() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A file that can be run.
    pub(super) fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    pub(super) fn warn(&self) -> Warn {
        let warnings = self.warnings.clone();
        Arc::new(move |words| warnings.lock().unwrap().push(words.to_owned()))
    }

    /// A job's folder with what its program does.
    pub(super) fn folder(&self, name: &str, work: &str) -> PathBuf {
        let folder = self.path("jobs").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("work"), work).unwrap();
        folder
    }

    pub(super) fn connect(
        &self,
        commands: Commands,
        timing: Timing,
        spec: SlurmSpec,
    ) -> Result<Arc<Slurm>, Failure> {
        let program = self.program("program", "#!/bin/sh\n[ \"$1\" = job ] && cd \"$2\" && exec sh ./work\n");
        Slurm::connect_by(commands, timing, spec, program, self.warn())
    }
}

/// Begins to carry a job out.
pub(super) fn begin(slurm: &Arc<Slurm>, folder: &Path, needs: Needs, group: Option<Group>) -> Running {
    let (states, told) = mpsc::unbounded_channel();
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let job = ClusterJob { folder: folder.to_owned(), name, needs, group, states };
    Running { folder: folder.to_owned(), end: tokio::spawn(slurm.clone().carry_out(job)), states: told }
}

impl Running {
    /// Waits for its end, and gives what was told of it until then.
    pub(super) async fn end(mut self) -> (Result<JobEnd, Failure>, Vec<JobState>) {
        let end = within("the end of a job", self.end).await.unwrap();
        let mut told = Vec::new();
        while let Ok(state) = self.states.try_recv() {
            told.push(state);
        }
        (end, told)
    }

    /// Waits until it is told that the job works.
    pub(super) async fn works(&mut self) -> String {
        loop {
            if let JobState::Running { host } = within("a job's start", self.states.recv()).await.unwrap() {
                return host;
            }
        }
    }

    /// Drops it, and waits until it is dropped.
    pub(super) async fn drop_it(self) {
        self.end.abort();
        assert!(self.end.await.is_err_and(|error| error.is_cancelled()));
    }
}

/// Waits for something that must come about.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(4), future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Waits until something is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let looks = async {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        while !is_so() {
            every.tick().await;
        }
    };
    within(what, looks).await;
}
