//! Reading a bundle, which may be hostile: to check it, or to make a run of it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::state::RunState;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::manifest::{FOLDERS, MAX_MANIFEST, shown};
use super::{BundleError, BundleManifest, BundledFile, MANIFEST, UNPACKING};
use crate::disk::Space;
use crate::hold;
use crate::records::record_of;
use crate::scratch::{self, Scratch};
use crate::store::{RunFolder, read_log, verify};

/// What a bundle may unpack to without being looked at twice.
const SMALL: u64 = 64 << 20;
/// A larger one may unpack to so many times its own length.
const MAX_RATIO: u64 = 2000;
/// What may follow the last entry: the zeros that end an archive, rounded up to a record.
const MAX_PADDING: u64 = 64 << 10;
/// The first bytes of a Zstandard frame.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a check of a bundle found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What it says that it holds, if that can be read.
    pub manifest: Option<BundleManifest>,
    /// Whole lines in its log, if it is a run of ours.
    pub events: Option<u64>,
    /// The hash of the last line of its log.
    pub log_head: Option<Digest>,
    /// All that is wrong.
    pub problems: Vec<String>,
}

/// What came of an unpacking.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// The run.
    pub folder: RunFolder,
    /// What the bundle held.
    pub manifest: BundleManifest,
    /// Whether the run was there before, with the same log.
    pub was_there: bool,
}

/// Whether a file begins as a bundle does. No promise: whoever reads it finds out.
pub fn is_bundle(path: &Path) -> bool {
    let Ok(mut file) = hold::open_file(path) else { return false };
    let mut first = [0; MAGIC.len()];
    file.read_exact(&mut first).is_ok() && first == MAGIC
}

/// Checks a bundle as `verify` checks a run: its hashes, then the log in it. It is unpacked below `scratch` for that.
pub fn check(bundle: &Path, scratch: &Path, is_stopped: &dyn Fn() -> bool) -> Result<Checked, BundleError> {
    let folder = scratch::folder(scratch).map_err(BundleError::io("make a folder in", scratch))?;
    let mut checked = Checked { manifest: None, events: None, log_head: None, problems: Vec::new() };
    let reading = read(bundle, folder.path(), is_stopped);
    let (manifest, problems) = match reading {
        Ok(read) => read,
        Err(BundleError::Form(problem)) => {
            checked.problems.push(problem);
            return Ok(checked);
        }
        Err(error) => return Err(error),
    };
    checked.problems = problems;
    let run = RunFolder::open(&folder.path().join(&manifest.run_id))?;
    let is_own = manifest.files.iter().any(|file| file.path == "events.jsonl");
    checked.manifest = Some(manifest);
    match is_own {
        true => check_log(&run, &mut checked),
        false => {
            if let Err(error) = record_of(&run) {
                checked.problems.push(error.to_string());
            }
        }
    }
    Ok(checked)
}

fn check_log(run: &RunFolder, checked: &mut Checked) {
    match verify(run) {
        Ok(verification) => {
            checked.events = Some(verification.lines);
            checked.log_head = Some(verification.head);
            checked.problems.extend(verification.problems.iter().map(ToString::to_string));
            if let (true, Ok(reading)) = (verification.is_whole(), read_log(run))
                && let Err(error) = RunState::fold(&reading.lines)
            {
                checked.problems.push(error.to_string());
            }
        }
        Err(error) => checked.problems.push(error.to_string()),
    }
}

/// Makes a run of a bundle. Nothing has the run's name before all of it is there and its log is whole; a run that is there
/// already stays as it is.
pub fn unpack(bundle: &Path, runs: &Path, is_stopped: &dyn Fn() -> bool) -> Result<Unpacked, BundleError> {
    let staging =
        scratch::named(runs, UNPACKING, 0o700).map_err(BundleError::io("make a folder in", runs))?;
    let (manifest, problems) = read(bundle, staging.path(), is_stopped)?;
    if !problems.is_empty() {
        return Err(BundleError::Differs { problems });
    }
    let made = RunFolder::open(&staging.path().join(&manifest.run_id))?;
    let mut checked = Checked { manifest: None, events: None, log_head: None, problems: Vec::new() };
    match made.is_imported() {
        true => drop(record_of(&made).map_err(|error| BundleError::Form(error.to_string()))?),
        false => check_log(&made, &mut checked),
    }
    if !checked.problems.is_empty() {
        return Err(BundleError::Differs { problems: checked.problems });
    }
    made.create_inner()?;
    place(&staging, &made, manifest, runs)
}

/// Gives an unpacked run its name, unless a run has it.
fn place(
    staging: &Scratch,
    made: &RunFolder,
    manifest: BundleManifest,
    runs: &Path,
) -> Result<Unpacked, BundleError> {
    let day = runs.join(&manifest.day);
    let target = day.join(&manifest.run_id);
    fs::create_dir_all(&day).map_err(BundleError::io("create", &day))?;
    let name = |path: &Path| path.symlink_metadata().map(|found| found.is_dir());
    match rename_new(made.root(), &target) {
        Ok(()) => {
            crate::store::sync_folder(&day)?;
            let folder = RunFolder::open(&target)?;
            Ok(Unpacked { folder, manifest, was_there: false })
        }
        Err(_) if name(&target).is_ok_and(|is_folder| is_folder) => {
            let folder = RunFolder::open(&target)?;
            let log = if made.is_imported() { "imported.jsonl" } else { "events.jsonl" };
            match (log_of(made, log), log_of(&folder, log)) {
                (Some(one), Some(other)) if one == other => {
                    Ok(Unpacked { folder, manifest, was_there: true })
                }
                _ => Err(BundleError::Taken { path: target }),
            }
        }
        Err(error) => Err(BundleError::io("rename", staging.path())(error)),
    }
}

/// Renames what must not replace anything.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

fn log_of(run: &RunFolder, log: &str) -> Option<(Digest, u64)> {
    crate::store::hash_reader(&mut hold::open_file(&run.root().join(log)).ok()?).ok()
}

/// Reads a bundle into a folder of its run's id below `parent`. Gives what it says that it holds, and what of that differs.
fn read(
    bundle: &Path,
    parent: &Path,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(BundleManifest, Vec<String>), BundleError> {
    let file = hold::open_file(bundle).map_err(BundleError::io("open", bundle))?;
    let length = file.metadata().map_err(BundleError::io("read", bundle))?.len();
    let form = |error: io::Error| BundleError::Form(error.to_string());
    let decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(1 << 17, file)).map_err(form)?;
    let mut archive = tar::Archive::new(decoder);
    // Raw: what would lengthen names or make files sparse is an entry like others, and refused as such.
    let mut entries = archive.entries().map_err(form)?.raw(true);
    let first = entries.next().ok_or_else(|| BundleError::Form("it is empty".to_owned()))?.map_err(form)?;
    let manifest = manifest_of(first)?;
    let bytes = manifest.bytes();
    if bytes > SMALL && bytes / MAX_RATIO > length {
        let text = format!("{length} bytes that unpack to {bytes} are taken for a trap");
        return Err(BundleError::Form(text));
    }
    check_room(parent, bytes)?;
    let root = parent.join(&manifest.run_id);
    for folder in [root.clone()].into_iter().chain(FOLDERS.map(|folder| root.join(folder))) {
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(BundleError::io("create", &folder))?;
    }
    let mut problems = Vec::new();
    for expected in &manifest.files {
        if is_stopped() {
            return Err(BundleError::Stopped);
        }
        let Some(entry) = entries.next() else {
            return Err(BundleError::Form(format!("it ends before `{}`", expected.path)));
        };
        let entry = entry.map_err(form)?;
        take(entry, expected, &manifest.run_id, &root, &mut problems)?;
    }
    if entries.next().is_some() {
        return Err(BundleError::Form("it holds more than its manifest names".to_owned()));
    }
    check_end(archive.into_inner()).map_err(form)?;
    let text = serde_json::to_vec(&manifest).map_err(|error| BundleError::Form(error.to_string()))?;
    let path = root.join(MANIFEST);
    new_file(&path).and_then(|mut file| file.write_all(&text)).map_err(BundleError::io("write", &path))?;
    Ok((manifest, problems))
}

/// The manifest, which names the folder that it stands in.
fn manifest_of(mut entry: tar::Entry<'_, impl Read>) -> Result<BundleManifest, BundleError> {
    let form = |error: io::Error| BundleError::Form(error.to_string());
    let path = entry.path_bytes().into_owned();
    let bytes = entry.header().entry_size().map_err(form)?;
    let is_manifest = path.ends_with(format!("/{MANIFEST}").as_bytes());
    if entry.header().entry_type() != EntryType::Regular || !is_manifest || bytes > MAX_MANIFEST {
        return Err(BundleError::Form(format!("it does not begin with `{MANIFEST}`")));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(form)?;
    let manifest = BundleManifest::parse(&text)?;
    match path == format!("{}/{MANIFEST}", manifest.run_id).as_bytes() {
        true => Ok(manifest),
        false => Err(BundleError::Form("its manifest is of another run".to_owned())),
    }
}

/// Writes one file, and notes if it is not what the manifest says.
fn take(
    mut entry: tar::Entry<'_, impl Read>,
    expected: &BundledFile,
    id: &str,
    root: &Path,
    problems: &mut Vec<String>,
) -> Result<(), BundleError> {
    let form = |error: io::Error| BundleError::Form(error.to_string());
    let path = entry.path_bytes().into_owned();
    let kind = entry.header().entry_type();
    if path != format!("{id}/{}", expected.path).as_bytes() {
        let text = shown(&String::from_utf8_lossy(&path));
        return Err(BundleError::Form(format!("it holds `{text}` where `{}` should be", expected.path)));
    }
    if kind != EntryType::Regular {
        return Err(BundleError::Form(format!("`{}` is not a regular file", expected.path)));
    }
    if entry.header().entry_size().map_err(form)? != expected.bytes {
        return Err(BundleError::Form(format!("`{}` is not as long as its manifest says", expected.path)));
    }
    let target = root.join(&expected.path);
    let mut file = new_file(&target).map_err(BundleError::io("create", &target))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut bytes = 0;
    loop {
        let read = entry.read(&mut buffer).map_err(form)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
        file.write_all(&buffer[..read]).map_err(BundleError::io("write", &target))?;
    }
    if bytes != expected.bytes {
        return Err(BundleError::Form(format!("it ends within `{}`", expected.path)));
    }
    if Digest::from_bytes(hasher.finalize().into()) != expected.sha256 {
        problems.push(format!("`{}` does not have the hash that its manifest names", expected.path));
    }
    Ok(())
}

fn new_file(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Nothing but zeros may follow, and the compressed stream has to be whole.
fn check_end(rest: impl Read) -> io::Result<()> {
    let mut padding = Vec::new();
    rest.take(MAX_PADDING + 1).read_to_end(&mut padding)?;
    match padding.len() as u64 <= MAX_PADDING && padding.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(io::Error::other("something follows its end")),
    }
}

fn check_room(folder: &Path, bytes: u64) -> Result<(), BundleError> {
    let Some(space) = Space::of(folder) else { return Ok(()) };
    let free = space.free.saturating_sub(space.floor());
    match bytes <= free {
        true => Ok(()),
        false => Err(BundleError::Room { bytes, free, path: PathBuf::from(folder) }),
    }
}
