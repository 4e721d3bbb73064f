//! Runs `uv`. It runs on the machine itself, not in a sandbox: so only wheels are taken, whose installation runs no
//! code of theirs, and only those whose hashes the task pins.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::EnvironmentError;
use super::foreign::{Interpreter, place_programs};
use crate::progress::{Listener, Progress};

/// How many of the last lines of `uv` an error shows.
const LINES_SHOWN: usize = 20;

/// Prints version and platform of an interpreter: what decides which wheels fit.
pub(crate) const DESCRIBE: &str = "import sys, sysconfig, platform; \
     print(sys.executable, sys.version, sysconfig.get_platform(), *platform.libc_ver(), sep=' | ')";

/// Settings of the user's shell that would make `uv` or Python look elsewhere.
const UNSET: [&str; 6] =
    ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT"];

/// One environment in the making.
pub(super) struct Build<'a> {
    pub(super) uv: &'a Path,
    /// Where `uv` keeps what it downloads: nothing outside of `RESEARCHGYM_HOME` is written.
    pub(super) uv_cache: &'a Path,
    pub(super) python: &'a Path,
    pub(super) requirements: &'a Path,
    pub(super) listener: Listener<'a>,
}

impl Build<'_> {
    /// A text that differs between interpreters and machines that need different environments.
    pub(super) async fn interpreter(&self) -> Result<String, EnvironmentError> {
        let unusable = |reason| EnvironmentError::NoPython { python: self.python.to_owned(), reason };
        let output = Command::new(self.python)
            .args(["-I", "-c", DESCRIBE])
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| unusable(error.to_string()))?;
        if !output.status.success() {
            return Err(unusable(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Makes the environment in the empty folder.
    pub(super) async fn run(&self, folder: &Path) -> Result<(), EnvironmentError> {
        let mut venv = Command::new(self.uv);
        venv.args(["venv", "--relocatable", "--no-project", "--allow-existing", "--python"]);
        venv.arg(self.python).arg(folder);
        self.uv("venv", venv).await?;

        let mut install = Command::new(self.uv);
        install.args(["pip", "install", "--require-hashes", "--no-build", "--link-mode", "copy"]);
        install.args(["--compile-bytecode", "--python"]).arg(folder.join("bin/python"));
        install.arg("--requirements").arg(self.requirements);
        self.uv("pip install", install).await
    }

    /// Makes the environment of an interpreter that is not here in the empty folder.
    pub(super) async fn run_for(
        &self,
        interpreter: &Interpreter,
        folder: &Path,
    ) -> Result<(), EnvironmentError> {
        let unusable = |source: io::Error| EnvironmentError::File { path: folder.to_owned(), source };
        interpreter.lay_out(folder).map_err(unusable)?;
        let mut install = Command::new(self.uv);
        install.args(["pip", "install", "--require-hashes", "--no-build", "--link-mode", "copy"]);
        install.args(["--python-version", &interpreter.version, "--python-platform", &interpreter.platform]);
        let packages = interpreter.packages(folder);
        install.arg("--target").arg(&packages);
        install.arg("--requirements").arg(self.requirements);
        self.uv("pip install", install).await?;
        place_programs(&packages, folder).map_err(unusable)
    }

    async fn uv(&self, verb: &str, mut command: Command) -> Result<(), EnvironmentError> {
        let unusable = |source| EnvironmentError::NoUv { program: self.uv.to_owned(), source };
        command.args(["--no-progress", "--color", "never", "--cache-dir"]).arg(self.uv_cache);
        command.env("UV_PYTHON_DOWNLOADS", "never");
        UNSET.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(unusable)?;
        let mut lines = VecDeque::new();
        if let Some(stderr) = child.stderr.take() {
            self.listen(BufReader::new(stderr), &mut lines).await.map_err(unusable)?;
        }
        if child.wait().await.map_err(unusable)?.success() {
            return Ok(());
        }
        Err(EnvironmentError::Failed {
            command: format!("{} {verb}", self.uv.display()),
            requirements: self.requirements.to_owned(),
            output: lines.make_contiguous().join("\n"),
        })
    }

    /// Tells each line and keeps the last ones.
    async fn listen(
        &self,
        mut reader: impl tokio::io::AsyncBufRead + Unpin,
        lines: &mut VecDeque<String>,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await? > 0 {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            (self.listener)(Progress::Line(&text));
            if lines.len() == LINES_SHOWN {
                lines.pop_front();
            }
            lines.push_back(text);
            line.clear();
        }
        Ok(())
    }
}
