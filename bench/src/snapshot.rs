//! A snapshot of a large workspace after one file of it has changed, beside what could only look for the change and beside
//! what copies everything.
//!
//! Ours is the whole-workspace snapshot of a run with its caps raised (a run's own leave out what is beyond 512 MiB or
//! 20,000 files), and the snapshot of one declared artefact, which is what a validation takes. To spare the disk, every
//! content occurs ten times and is stored once; it is read and hashed ten times all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use researchgym_engine::snapshot::{Caps, Snapshotter};
use researchgym_engine::store::{Blobs, RunFolder};

use crate::Outcome;
use crate::floor;
use crate::options::Options;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

const FILES_IN_A_FOLDER: usize = 1000;
const CAPS: Caps = Caps { max_bytes: 4 << 30, max_files: 1_000_000 };
/// How often a content occurs.
const REPETITIONS: usize = 10;
/// The file that changes.
const CHANGED: &str = "0/0";

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let (files, megabytes) = (options.number("files", 100_000)?, options.number("megabytes", 1000)?);
    let repeats = options.number("repeats", 5)?;
    let folder = tempfile::Builder::new().prefix("researchgym-bench-").tempdir()?;
    let workspace = folder.path().join("workspace");
    talk(&format!("writing {files} files, {megabytes} MB"));
    let bytes = write_workspace(&workspace, files, megabytes)?;
    let name = |what: &str| format!("{what}: {files} files, {:.1} GB", bytes as f64 / 1e9);
    let run = folder.path().join("run");
    fs::create_dir_all(run.join("blobs"))?;
    let blobs = RunFolder::open(&run)?.blobs();
    let mut snapshotter = Snapshotter::new();
    talk("the first snapshot: everything is read and stored");
    let began = Instant::now();
    let (_, manifest) = snapshotter.take(&workspace, CAPS, &blobs)?;
    let first = began.elapsed();
    report.write(
        Figure::duration(&name("the first snapshot"), Unit::Milliseconds, first)
            .with("files", manifest.files.len()),
    );
    let mut sides = Sides::default();
    for number in 0..repeats {
        sides.measure(number, &workspace, &mut snapshotter, &blobs)?;
    }
    sides.write(report, &name);
    let copy = folder.path().join("copy");
    // A tenth, to spare the disk.
    let tenth = folder.path().join("tenth");
    fs::create_dir(&tenth)?;
    let folders = (0..files / FILES_IN_A_FOLDER / 10).map(|number| workspace.join(number.to_string()));
    let mut full = Command::new("cp");
    let full = floor::timed(full.args(["-a", "--reflink=auto"]).args(folders).arg(&tenth))?;
    fs::remove_dir_all(&tenth)?;
    let what = name("a full copy (cp -a --reflink=auto), ten times a tenth");
    report.write(Figure::duration(&what, Unit::Milliseconds, full * 10));
    // Hard links take no room.
    floor::timed(Command::new("cp").arg("-al").arg(&workspace).arg(&copy))?;
    rsync(report, &name, &workspace, &copy, repeats)
}

/// What is measured in turn.
#[derive(Default)]
struct Sides {
    whole: Samples,
    artefact: Samples,
    find: Samples,
}

impl Sides {
    fn measure(
        &mut self,
        number: usize,
        workspace: &Path,
        snapshotter: &mut Snapshotter,
        blobs: &Blobs,
    ) -> Outcome<()> {
        change(workspace, &format!("changed {number}"))?;
        let began = Instant::now();
        snapshotter.take(workspace, CAPS, blobs)?;
        self.whole.push(began.elapsed());
        let began = Instant::now();
        snapshotter.take_paths(workspace, &[CHANGED.to_owned()], CAPS, blobs)?;
        self.artefact.push(began.elapsed());
        let mut look = Command::new("find");
        look.arg(workspace).args(["-newerct", "1 second ago", "-type", "f"]);
        self.find.push(floor::timed(&mut look)?);
        Ok(())
    }

    fn write(&self, report: &Report, name: &dyn Fn(&str) -> String) {
        report.write(
            Figure::samples(&name("a snapshot after one file has changed"), Unit::Milliseconds, &self.whole)
                .beside_duration("find -newerct, p50", Unit::Milliseconds, self.find.median()),
        );
        let artefact = name("a snapshot of the one declared artefact");
        report.write(Figure::samples(&artefact, Unit::Milliseconds, &self.artefact));
        report.write(Figure::samples(&name("find -newerct"), Unit::Milliseconds, &self.find));
    }
}

/// What finds one change and copies it, given a copy from before; says so if it is not installed.
fn rsync(
    report: &Report,
    name: &dyn Fn(&str) -> String,
    workspace: &Path,
    copy: &Path,
    repeats: usize,
) -> Outcome<()> {
    if Command::new("rsync").arg("--version").output().is_err() {
        talk("SKIPPED: rsync is not installed");
        return Ok(());
    }
    let mut samples = Samples::default();
    for number in 0..repeats {
        change(workspace, &format!("changed again {number}"))?;
        let from = PathBuf::from(format!("{}/", workspace.display()));
        samples.push(floor::timed(Command::new("rsync").arg("-a").arg(from).arg(copy))?);
    }
    let figure = Figure::samples(&name("rsync -a after one file has changed"), Unit::Milliseconds, &samples);
    report.write(figure);
    Ok(())
}

/// Puts another file in the place of the one that changes: links to the old one keep it.
fn change(workspace: &Path, text: &str) -> Outcome<()> {
    let new = workspace.join("new");
    fs::write(&new, text)?;
    Ok(fs::rename(new, workspace.join(CHANGED))?)
}

/// Files of one size with different contents. Gives the bytes on the disk that are theirs.
fn write_workspace(workspace: &Path, files: usize, megabytes: usize) -> Outcome<u64> {
    let size = (megabytes * 1_000_000 / files.max(1)).max(16);
    let mut content = vec![b'x'; size];
    for number in 0..files {
        let folder = workspace.join((number / FILES_IN_A_FOLDER).to_string());
        if number % FILES_IN_A_FOLDER == 0 {
            fs::create_dir_all(&folder)?;
        }
        content[..8].copy_from_slice(&((number / REPETITIONS) as u64).to_le_bytes());
        fs::write(folder.join((number % FILES_IN_A_FOLDER).to_string()), &content)?;
    }
    // What was just written may change again within one tick of the file system's clock, and would be read again.
    std::thread::sleep(Duration::from_millis(200));
    Ok((size * files) as u64)
}
