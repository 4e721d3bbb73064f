//! The floor: the same commands in a bare bash behind two pipes, with a marker line to see their end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

const MARKER: &str = "__end_of_command__";

/// A bash with nothing around it.
pub(crate) struct BareShell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl BareShell {
    pub(crate) fn start() -> Outcome<BareShell> {
        let mut process = Command::new("bash")
            .args(["--norc", "--noprofile"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err("bash has no pipes".into()) };
        Ok(BareShell { process, input, output: BufReader::new(output) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Runs one command and waits for its end.
    pub(crate) fn run(&mut self, command: &str) -> Outcome<Duration> {
        let began = Instant::now();
        self.input.write_all(format!("{command}\nprintf '%s %s\\n' {MARKER} \"$?\"\n").as_bytes())?;
        let mut line = String::new();
        while !line.starts_with(MARKER) {
            line.clear();
            if self.output.read_line(&mut line)? == 0 {
                return Err("the bare bash has ended".into());
            }
        }
        Ok(began.elapsed())
    }
}

impl Drop for BareShell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn timed(command: &mut Command) -> Outcome<Duration> {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let took = began.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{} ended with {}: {}",
            command.get_program().display(),
            output.status,
            said.trim()
        )
        .into());
    }
    Ok(took)
}
