//! What a user waits for at first: the binary's size, its start, the quick start's run, and the build itself.

use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::floor;
use crate::options::Options;
use crate::place;
use crate::program;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let starts = options.number("starts", 50)?;
    let program = program::built()?;
    let bytes = std::fs::metadata(&program)?.len() as f64;
    report.write(Figure::number("size of the binary", "MiB", bytes / f64::from(1 << 20)));
    version(&program, starts, report)?;
    quick_start(&program, report)?;
    if options.text("build") == Some("yes") {
        build(report)?;
    }
    Ok(())
}

fn version(program: &Path, starts: usize, report: &Report) -> Outcome<()> {
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..starts {
        bare.push(floor::timed(&mut Command::new("/bin/true"))?);
        ours.push(floor::timed(Command::new(program).arg("--version"))?);
    }
    report.write(Figure::samples("researchgym --version", Unit::Milliseconds, &ours).beside_duration(
        "/bin/true, p50",
        Unit::Milliseconds,
        bare.median(),
    ));
    report.write(Figure::samples("/bin/true", Unit::Milliseconds, &bare));
    Ok(())
}

/// The README's first command, in an empty place: nothing is cached.
fn quick_start(program: &Path, report: &Report) -> Outcome<()> {
    talk("the quick start's run");
    let mut samples = Samples::default();
    for _ in 0..3 {
        let place = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command
            .args(["run", "prisoners-dilemma", "tuner"])
            .current_dir(place::repository())
            .env("RESEARCHGYM_HOME", place.path().join("home"))
            .env("RESEARCHGYM_RUNS", place.path().join("runs"));
        samples.push(floor::timed(&mut command)?);
    }
    report.write(
        Figure::samples("researchgym run prisoners-dilemma tuner, to its score", Unit::Seconds, &samples)
            .aim(10.0),
    );
    Ok(())
}

fn build(report: &Report) -> Outcome<()> {
    talk("a build from nothing; what cargo has fetched before stays");
    let target = tempfile::tempdir()?;
    let took = floor::timed(program::cargo_build().env("CARGO_TARGET_DIR", target.path()))?;
    let cores = std::thread::available_parallelism()?.get();
    report.write(
        Figure::duration("cargo build --release from an empty target", Unit::Seconds, took)
            .with("cores", cores)
            .aim(240.0),
    );
    Ok(())
}
