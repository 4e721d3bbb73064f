//! The environments of a user: `<home>/environments/<key>/`, shared by all runs and processes.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use researchgym_core::digest::Digest;
use rustix::fs::{FlockOperation, flock};

use super::EnvironmentError;
use super::build::Build;
use super::foreign::Interpreter;
use crate::progress::{Listener, Progress};
use crate::scratch;

/// What the names of unfinished environments begin with.
pub(crate) const UNFINISHED: &str = ".building-";

/// What is done to a new environment before it is kept.
pub type Finish<'a> = &'a (dyn Fn(PathBuf) -> BoxFuture<'a, io::Result<()>> + Send + Sync);

/// Makes environments and keeps them.
///
/// An environment is meant to be mounted read-only at `/environment` in sandboxes that have the interpreter at the
/// same path as this machine. Its scripts find their interpreter beside themselves, so that it may be moved.
#[derive(Clone, Debug)]
pub struct Environments {
    folder: PathBuf,
    uv_cache: PathBuf,
    uv: PathBuf,
    python: PathBuf,
    only_kept: bool,
}

impl Environments {
    /// The environments in the user's `RESEARCHGYM_HOME`, made by the `uv` on the `PATH` for `/usr/bin/python3`.
    pub fn new(home: &Path) -> Environments {
        Environments {
            folder: home.join("environments"),
            uv_cache: home.join("uv"),
            uv: PathBuf::from("uv"),
            python: PathBuf::from("/usr/bin/python3"),
            only_kept: false,
        }
    }

    /// Uses another `uv`.
    pub fn with_uv(self, uv: PathBuf) -> Environments {
        Environments { uv, ..self }
    }

    /// Uses another interpreter. It must be visible in the sandboxes under the same path.
    pub fn with_python(self, python: PathBuf) -> Environments {
        Environments { python, ..self }
    }

    /// Makes none: what is not there is an error.
    pub fn only_kept(self) -> Environments {
        Environments { only_kept: true, ..self }
    }

    /// The environment of the lock file; made now if it is not there yet.
    pub async fn ensure(
        &self,
        requirements: &Path,
        listener: Listener<'_>,
    ) -> Result<PathBuf, EnvironmentError> {
        let (uv, uv_cache, python) = (&self.uv, &self.uv_cache, &self.python);
        let build = Build { uv, uv_cache, python, requirements, listener };
        self.make(&build.interpreter().await?, None, &build).await
    }

    /// The environment of the lock file for an interpreter that is not on this machine, as it describes itself. If it is
    /// just like this machine's, this machine's environment does for both; else `finish` is called with the new one before it
    /// is used, where that interpreter can be run.
    ///
    /// # Errors
    /// No `uv`, an interpreter that packages cannot be chosen for, a package without a wheel for it.
    pub async fn ensure_for(
        &self,
        described: &str,
        requirements: &Path,
        finish: Finish<'_>,
        listener: Listener<'_>,
    ) -> Result<PathBuf, EnvironmentError> {
        let (uv, uv_cache, python) = (&self.uv, &self.uv_cache, &self.python);
        let build = Build { uv, uv_cache, python, requirements, listener };
        if build.interpreter().await.is_ok_and(|own| own == described) {
            return self.make(described, None, &build).await;
        }
        let interpreter = Interpreter::parse(described)?;
        self.make(described, Some((&interpreter, finish)), &build).await
    }

    /// Makes it, unless it is there, for this machine's interpreter or for another.
    async fn make(
        &self,
        described: &str,
        other: Option<(&Interpreter, Finish<'_>)>,
        build: &Build<'_>,
    ) -> Result<PathBuf, EnvironmentError> {
        let kind: &[u8] = if other.is_some() { b"environment for an image 1" } else { b"environment 1" };
        let target = self.folder.join(key(kind, described, build)?.to_string());
        if target.is_dir() {
            return Ok(target);
        }
        if self.only_kept {
            return Err(EnvironmentError::NotHere { requirements: build.requirements.to_owned(), target });
        }
        (build.listener)(Progress::Stage("making the Python environment"));
        let lock = self.lock(&target).await?;
        if !target.is_dir() {
            let temporary =
                scratch::named(&self.folder, UNFINISHED, 0o700).map_err(unusable(&self.folder))?;
            match other {
                Some((interpreter, finish)) => {
                    build.run_for(interpreter, temporary.path()).await?;
                    finish(temporary.path().to_owned()).await.map_err(unusable(temporary.path()))?;
                }
                None => build.run(temporary.path()).await?,
            }
            readable_by_sandboxes(temporary.path()).map_err(unusable(temporary.path()))?;
            fs::rename(temporary.path(), &target).map_err(unusable(&target))?;
            let _ = temporary.keep();
        }
        drop(lock);
        Ok(target)
    }

    /// Waits until no other process makes the same; the kernel releases the lock of a process that dies.
    async fn lock(&self, target: &Path) -> Result<File, EnvironmentError> {
        let folder = self.folder.clone();
        let path = target.with_extension("lock");
        tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&folder).map_err(unusable(&folder))?;
            let file = File::create(&path).map_err(unusable(&path))?;
            flock(&file, FlockOperation::LockExclusive).map_err(|error| unusable(&path)(error.into()))?;
            Ok(file)
        })
        .await
        .expect("taking a lock does not panic and is not cancelled")
    }
}

/// Names all that decides what is installed: the pinned packages, the interpreter and the machine.
fn key(kind: &[u8], interpreter: &str, build: &Build<'_>) -> Result<Digest, EnvironmentError> {
    let requirements = fs::read(build.requirements).map_err(unusable(build.requirements))?;
    Ok(Digest::of_parts(&[kind, &requirements, interpreter.as_bytes()]))
}

/// Sandboxes run as other users than ours, whatever our umask is.
fn readable_by_sandboxes(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            readable_by_sandboxes(&entry.path())?;
        } else if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> EnvironmentError {
    let path = path.to_owned();
    move |source| EnvironmentError::File { path, source: scratch::without_path(source) }
}
