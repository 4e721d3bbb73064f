//! `doctor --audit`: with nothing there, with leftovers of many killed runs, and with many runs in the runs folder.

use std::fs;
use std::path::Path;
use std::time::Instant;

use researchgym_engine::audit::{Places, look};

use crate::Outcome;
use crate::options::Options;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let repeats = options.number("repeats", 20)?;
    let leftovers = options.number("leftovers", 1000)?;
    let runs = options.number("runs", 1000)?;
    let folder = tempfile::Builder::new().prefix("researchgym-bench-").tempdir()?;
    let places = Places::new(folder.path().join("home"), folder.path().join("runs"));
    let processes = fs::read_dir("/proc")?.count();
    talk(&format!("{repeats} audits each; /proc has {processes} entries"));
    write(report, "an audit of this machine", &places, repeats);
    for number in 0..leftovers {
        fs::create_dir_all(places.home.join(format!("scratch/researchgym-scratch-{number}")))?;
    }
    write(report, &format!("an audit with {leftovers} folders that nobody holds"), &places, repeats);
    fs::remove_dir_all(&places.home)?;
    for number in 0..runs {
        interrupted(&places.runs.join(format!("2026-01-01/{number:08x}")))?;
    }
    write(report, &format!("an audit with {runs} runs that have not ended"), &places, repeats);
    Ok(())
}

fn write(report: &Report, name: &str, places: &Places, repeats: usize) {
    let mut samples = Samples::default();
    let mut found = 0;
    for _ in 0..repeats {
        let began = Instant::now();
        found = look(places).len();
        samples.push(began.elapsed());
    }
    report.write(Figure::samples(name, Unit::Milliseconds, &samples).with("found", found));
}

/// A folder like that of a run that was killed, with a log of ordinary size.
fn interrupted(run: &Path) -> Outcome<()> {
    fs::create_dir_all(run.join("blobs"))?;
    fs::write(run.join("lock"), "1\n")?;
    Ok(fs::write(run.join("events.jsonl"), "{\"seq\":0}\n".repeat(10_000))?)
}
