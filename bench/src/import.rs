//! Import of the published runs of MLGym, and of ten copies of them, beside a plain pass of Python that only parses the same files.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::inspect::unpack;
use crate::options::Options;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;
use crate::{Outcome, process, program};

/// How many copies the larger set has.
const COPIES: usize = 10;
/// How often each pass is timed. The first of the program's is the import; in later ones all runs are there already.
const ROUNDS: usize = 5;
const PYTHON: &str = "import json, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if name == 'results.json' or name.endswith('.traj'):
            with open(os.path.join(folder, name)) as file:
                json.load(file)
";

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let researchgym = match options.text("program") {
        Some(path) => PathBuf::from(path),
        None => program::built()?,
    };
    let folder = tempfile::tempdir()?;
    let one = folder.path().join("once");
    std::fs::create_dir(&one)?;
    unpack(&one)?;
    let many = folder.path().join("copies");
    for copy in 0..COPIES {
        talk(&format!("copy {copy}"));
        // The names tell the runs apart: the same files under another name are other runs.
        copy_as(&one, &many.join(format!("{copy}")), copy)?;
    }
    for (name, source) in [("published", &one), ("10 copies", &many)] {
        let bytes = length(source)?;
        let mut imported = Samples::default();
        let mut memory = 0;
        for round in 0..ROUNDS {
            let runs = folder.path().join(format!("runs-{name}-{round}"));
            let mut command = Command::new(&researchgym);
            command.arg("import").arg(source).args(["--format", "mlgym", "--runs-dir"]).arg(&runs);
            let (took, peak) = timed(&mut command)?;
            imported.push(took);
            memory = memory.max(peak);
            if round == 0 {
                let (took, _) = timed(&mut command)?;
                report.write(Figure::duration(
                    &format!("{name}, all there already"),
                    Unit::Milliseconds,
                    took,
                ));
            }
            std::fs::remove_dir_all(&runs)?;
        }
        let mut parsed = Samples::default();
        let mut python = 0;
        for _ in 0..ROUNDS {
            let (took, peak) = timed(Command::new("python3").args(["-c", PYTHON]).arg(source))?;
            parsed.push(took);
            python = python.max(peak);
        }
        report.write(
            Figure::samples(&format!("{name}, import"), Unit::Milliseconds, &imported)
                .with("bytes", bytes)
                .with("peak_kib", memory)
                .beside_duration("python, json.load only", Unit::Milliseconds, parsed.median())
                .with("beside_peak_kib", python),
        );
    }
    Ok(())
}

/// Runs a command to its end: how long it took, and the most memory that it had.
fn timed(command: &mut Command) -> Outcome<(Duration, u64)> {
    let begun = Instant::now();
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let peak = process::peak_memory_of(&mut child)?;
    let took = begun.elapsed();
    match child.wait()?.success() {
        true => Ok((took, peak)),
        false => Err(format!("{command:?} failed").into()),
    }
}

/// Copies run folders; each copy's folders have a number of their own behind their names.
fn copy_as(from: &Path, to: &Path, copy: usize) -> Outcome<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match (entry.file_type()?.is_dir(), name.contains("_run_")) {
            (true, true) => copy_as(&entry.path(), &to.join(format!("{name}{copy}")), copy)?,
            (true, false) => copy_as(&entry.path(), &to.join(name), copy)?,
            (false, _) => drop(std::fs::copy(entry.path(), to.join(name))?),
        }
    }
    Ok(())
}

fn length(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => length(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}
