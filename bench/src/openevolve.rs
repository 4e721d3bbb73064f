//! OpenEvolve (PyPI) beside our search: the same program, the same replies, in a Python of the user's that has it.
//!
//! What one candidate takes is the slope between a short and a long run, the whole process tree counted. Its model is a
//! function in its workers that gives the replies, which spares it the requests; its evaluation runs in its workers, not
//! kept apart.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;
use crate::process;

const CANNED: &str = include_str!("openevolve/canned.py");
const DRIVE: &str = include_str!("openevolve/drive.py");
/// Iterations of the short run.
const FEW: usize = 10;

/// OpenEvolve in a Python.
pub(crate) struct OpenEvolve {
    python: PathBuf,
    folder: PathBuf,
    pub(crate) version: String,
    /// What is to be known of its Python.
    pub(crate) interpreter: String,
}

/// The interpreter that runs candidates of ours.
const OURS: &str = "/usr/bin/python3";

/// Whether a Python is the interpreter that runs candidates of ours: others of the same version differ by a third.
fn interpreter(python: &str) -> Outcome<String> {
    let path = |python: &str| -> Outcome<String> {
        let asked = "import os, sys; print(os.path.realpath(sys.executable))";
        let said = Command::new(python).args(["-c", asked]).output()?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let (its, ours) = (path(python)?, path(OURS)?);
    Ok(match its == ours {
        true => format!("on {its}, as our candidates"),
        false => format!(
            "on {its}, our candidates on {ours}: not the same speed; {OURS} -m venv makes one that is"
        ),
    })
}

/// How candidates are judged.
#[derive(Clone, Copy)]
pub(crate) enum Judged {
    /// By a checksum.
    Instantly,
    /// By running the task's program and grading its points.
    InFull,
    /// The same with the program that takes no time.
    OfNoTime,
}

/// What a candidate takes.
pub(crate) struct Slope {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl OpenEvolve {
    /// Finds it, and lays out what it is driven with. `programs`: the task's, and one that takes no time.
    pub(crate) fn prepare(
        python: &str,
        folder: &Path,
        replies: &[String],
        (program, no_time): (String, String),
    ) -> Outcome<OpenEvolve> {
        let asked = Command::new(python)
            .args(["-c", "from importlib.metadata import version; print(version('openevolve'))"])
            .output()?;
        if !asked.status.success() {
            return Err(format!("{python} has no OpenEvolve: pip install openevolve").into());
        }
        std::fs::write(folder.join("canned.py"), CANNED)?;
        std::fs::write(folder.join("drive.py"), DRIVE)?;
        std::fs::write(folder.join("replies.json"), serde_json::to_vec(replies)?)?;
        std::fs::write(folder.join("program.py"), program)?;
        std::fs::write(folder.join("no_time.py"), no_time)?;
        let version = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        let interpreter = interpreter(python)?;
        Ok(OpenEvolve { python: python.into(), folder: folder.to_owned(), version, interpreter })
    }

    /// What a candidate takes with so many workers.
    pub(crate) fn slope(&self, candidates: usize, workers: u32, judged: Judged) -> Outcome<Slope> {
        let few = self.run(FEW, workers, judged)?;
        let many = self.run(FEW + candidates, workers, judged)?;
        let count = u32::try_from(candidates)?.max(1);
        let per = |few: Duration, many: Duration| many.saturating_sub(few) / count;
        Ok(Slope { wall: per(few.wall, many.wall), cpu: per(few.cpu, many.cpu) })
    }

    fn run(&self, iterations: usize, workers: u32, judged: Judged) -> Outcome<Slope> {
        let (program, evaluation) = match judged {
            Judged::Instantly => ("program.py", "instant"),
            Judged::InFull => ("program.py", "whole"),
            Judged::OfNoTime => ("no_time.py", "whole"),
        };
        let (began, before) = (Instant::now(), process::whole_cpu());
        let ran = Command::new(&self.python)
            .arg("drive.py")
            .arg(program)
            .args([iterations.to_string(), workers.to_string()])
            .arg("out")
            .current_dir(&self.folder)
            .env("BENCH_REPLIES", self.folder.join("replies.json"))
            .env("BENCH_EVALUATION", evaluation)
            .stderr(Stdio::inherit())
            .output()?;
        let wall = began.elapsed();
        let cpu = process::whole_cpu().saturating_sub(before);
        std::fs::remove_dir_all(self.folder.join("out")).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let said: Value = serde_json::from_slice(&ran.stdout)?;
        if said.get("last").and_then(Value::as_u64) != Some(iterations as u64) {
            return Err(format!("OpenEvolve was to make {iterations} candidates and says {said}").into());
        }
        Ok(Slope { wall, cpu })
    }
}
