//! Warm evaluations: `programs` is what a forked program may count on, `attacks` what it cannot do, `gradings` that a
//! warm grader scores like a cold one.

mod attacks;
mod gradings;
mod programs;

use std::path::PathBuf;
use std::time::Duration;

use researchgym_core::failure::Failure;
use researchgym_core::isolation::Runtime;
use researchgym_engine::sandbox::{Capture, Sandbox, SandboxSpec};
use researchgym_engine::warm::{Author, Imports, WarmError, WarmOutcome, WarmPython};

use crate::bench::Bench;

const LONG: Duration = Duration::from_secs(60);

/// A warm Python on a bench.
struct Warm {
    python: WarmPython,
    work: PathBuf,
    blobs: PathBuf,
}

/// What a program did.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn spec(bench: &Bench) -> SandboxSpec {
    let mut spec = bench.spec();
    spec.session = false;
    spec.environment.insert("PYTHONHASHSEED".to_owned(), "0".to_owned());
    spec
}

fn words(command: &str) -> Vec<String> {
    command.split_ascii_whitespace().map(str::to_owned).collect()
}

impl Warm {
    async fn start(bench: &Bench) -> Warm {
        Warm::start_with(bench, spec(bench), &["json", "decimal", "random"]).await.unwrap()
    }

    async fn start_with(bench: &Bench, spec: SandboxSpec, preload: &[&str]) -> Result<Warm, Failure> {
        let preload: Vec<String> = preload.iter().map(|&name| name.to_owned()).collect();
        let imports = Imports { preload, ..Imports::default() };
        let python = WarmPython::start(&bench.host, spec, imports, Author::Agent).await?;
        Ok(Warm { python, work: bench.path("work"), blobs: bench.path("blobs") })
    }

    fn write(&self, name: &str, code: &str) {
        std::fs::write(self.work.join(name), code).unwrap();
    }

    async fn command(&mut self, command: &str, timeout: Duration) -> Result<(Seen, WarmOutcome), WarmError> {
        let mut capture = Capture::new(&self.blobs);
        let outcome = self.python.run(&words(command), timeout, Vec::new(), &mut capture).await?;
        let (stdout, stderr) = capture.finish().unwrap();
        let seen = Seen { code: outcome.ended.exit_code, stdout: stdout.text, stderr: stderr.text };
        Ok((seen, outcome))
    }

    async fn run_for(&mut self, code: &str, timeout: Duration) -> (Seen, WarmOutcome) {
        self.write("x.py", code);
        self.command("python3 x.py", timeout).await.unwrap()
    }

    async fn run(&mut self, code: &str) -> Seen {
        self.run_for(code, LONG).await.0
    }
}

fn said(code: i32, stdout: &str) -> Seen {
    Seen { code: Some(code), stdout: stdout.to_owned(), stderr: String::new() }
}

/// Runtimes that isolate and have a Python.
async fn benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    for bench in Bench::isolated() {
        let sandbox = bench.start().await;
        let has_python = sandbox.exec("python3 -c pass").await.code == Some(0);
        sandbox.sandbox.stop().await;
        if has_python {
            benches.push(bench);
        } else {
            eprintln!("skipped: warm evaluations in `{}`: no python3 there", bench.name());
        }
    }
    benches
}

/// The same command, started cold.
async fn cold(sandbox: &Sandbox, command: &str, blobs: &std::path::Path) -> Seen {
    let mut capture = Capture::new(blobs);
    let ended = sandbox.spawn(&words(command), LONG, &mut capture).await.unwrap();
    let (stdout, stderr) = capture.finish().unwrap();
    Seen { code: ended.exit_code, stdout: stdout.text, stderr: stderr.text }
}

#[tokio::test]
async fn without_isolation_nothing_is_warm() {
    let bench = Bench::all().remove(0);
    assert_eq!(bench.runtime, Runtime::Host);
    let refused = Warm::start_with(&bench, spec(&bench), &[]).await.err().unwrap();
    assert_eq!(refused.message, "evaluations from a warm Python need a runtime that isolates, not `host`");
}
