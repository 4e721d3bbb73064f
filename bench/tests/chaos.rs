//! The harness of crashes and chaos with a fixed seed: a short version of what `docs/reliability.md` tells of.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Each fault comes once, some twice.
const CYCLES: &str = "20";

/// The program beside the harness; built now if only this package's tests are run.
fn program(harness: &Path) -> PathBuf {
    let program = harness.with_file_name("researchgym");
    if !program.is_file() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo).args(["build", "--locked", "-p", "researchgym"]).status();
        assert!(built.is_ok_and(|status| status.success()), "researchgym cannot be built");
    }
    program
}

#[test]
fn no_promise_is_broken_in_twenty_cycles() {
    let harness = Path::new(env!("CARGO_BIN_EXE_researchgym-bench"));
    let program = program(harness);
    let home = tempfile::tempdir().expect("a folder");
    let doctor = Command::new(&program).arg("doctor").env("RESEARCHGYM_HOME", home.path()).output();
    if !doctor.is_ok_and(|doctor| doctor.status.success()) {
        let reason = "SKIPPED: this machine cannot isolate runs; `researchgym doctor` says what is missing\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), reason.as_bytes());
        return;
    }
    let tasks = ["--tasks", "prisoners-dilemma,battle-of-sexes"];
    let output = Command::new(harness)
        .args(["chaos", "--cycles", CYCLES, "--seed", "1", "--program"])
        .arg(&program)
        .args(tasks)
        .output()
        .expect("the harness starts");
    let (figures, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{talk}\n{figures}");
    let cycles = figures.lines().filter(|line| line.contains("\"breaks\"")).count();
    assert_eq!(cycles.to_string(), CYCLES, "{figures}");
}
