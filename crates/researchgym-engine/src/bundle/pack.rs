//! Making a bundle. Two passes: the first hashes, because the manifest comes first, the second copies and hashes again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use researchgym_core::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::manifest::{FOLDERS, check_path};
use super::{BUNDLE_SCHEMA, BundleError, BundleManifest, BundledFile, Contents, MANIFEST};
use crate::hold;
use crate::session::CONTROL_SOCKET;
use crate::store::{LOCK, RunFolder, check_pack, hash_reader, is_day, is_pack, is_unfinished};

/// Zstandard's level: text shrinks to a tenth, at some hundred MB a second.
const LEVEL: i32 = 3;

/// What a packing did.
#[derive(Clone, Debug)]
pub struct Packed {
    /// What the bundle holds.
    pub manifest: BundleManifest,
    /// Its length.
    pub bytes: u64,
    /// Its hash, to be handed on another way than the bundle.
    pub sha256: Digest,
}

/// Writes the bundle of a run that nobody works on. Reads the run and changes nothing in it. `is_stopped` is asked between files.
pub fn pack(run: &RunFolder, out: impl Write, is_stopped: &dyn Fn() -> bool) -> Result<Packed, BundleError> {
    if run.is_locked() {
        return Err(BundleError::Running { path: run.root().to_owned() });
    }
    let manifest = manifest(run, is_stopped)?;
    let written = |error| BundleError::io("write", Path::new("the bundle"))(error);
    let counted = Counted { out, bytes: 0, hasher: Sha256::new() };
    let compressed = zstd::Encoder::new(counted, LEVEL).map_err(written)?;
    let mut archive = tar::Builder::new(compressed);
    let text = serde_json::to_vec(&manifest).map_err(|error| written(error.into()))?;
    let place = |path: &str| format!("{}/{path}", manifest.run_id);
    append(&mut archive, &place(MANIFEST), text.len() as u64, text.as_slice()).map_err(written)?;
    for file in &manifest.files {
        if is_stopped() {
            return Err(BundleError::Stopped);
        }
        let path = run.root().join(&file.path);
        let opened = hold::open_file(&path).map_err(BundleError::io("open", &path))?;
        let mut hashed = Hashed { file: opened.take(file.bytes), hasher: Sha256::new(), bytes: 0 };
        append(&mut archive, &place(&file.path), file.bytes, &mut hashed).map_err(written)?;
        let found = Digest::from_bytes(hashed.hasher.finalize().into());
        if (found, hashed.bytes) != (file.sha256, file.bytes) {
            return Err(BundleError::Changed { path: file.path.clone() });
        }
    }
    if run.is_locked() {
        return Err(BundleError::Running { path: run.root().to_owned() });
    }
    let compressed = archive.into_inner().map_err(written)?;
    let mut counted = compressed.finish().map_err(written)?;
    counted.out.flush().map_err(written)?;
    let sha256 = Digest::from_bytes(counted.hasher.finalize().into());
    Ok(Packed { manifest, bytes: counted.bytes, sha256 })
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    path: &str,
    bytes: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path)?;
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_cksum();
    archive.append(&header, content)
}

fn manifest(run: &RunFolder, is_stopped: &dyn Fn() -> bool) -> Result<BundleManifest, BundleError> {
    let mut files = Vec::new();
    list(run.root(), "", &mut files, is_stopped)?;
    for folder in FOLDERS {
        let path = run.root().join(folder);
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            list(&path, folder, &mut files, is_stopped)?;
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let has_log = files.iter().any(|file| file.path == "events.jsonl");
    if !has_log && !files.iter().any(|file| file.path == "imported.jsonl") {
        return Err(crate::store::StoreError::NoLog { path: run.root().to_owned() }.into());
    }
    let day = run.root().parent().and_then(Path::file_name).map(|day| day.to_string_lossy().into_owned());
    let holds = match has_log {
        true => vec![Contents::GradingSecret, Contents::Trajectory, Contents::Artefacts],
        false => vec![Contents::Trajectory],
    };
    Ok(BundleManifest {
        bundle: BUNDLE_SCHEMA,
        run_id: run.id().to_owned(),
        // A run that lies elsewhere has no day of its own.
        day: day.filter(|day| is_day(day)).unwrap_or_else(|| "1970-01-01".to_owned()),
        holds,
        files,
    })
}

/// The regular files in one folder, hashed. Links are not followed and not taken.
fn list(
    folder: &Path,
    name: &str,
    files: &mut Vec<BundledFile>,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(), BundleError> {
    for entry in std::fs::read_dir(folder).map_err(BundleError::io("read", folder))? {
        if is_stopped() {
            return Err(BundleError::Stopped);
        }
        let entry = entry.map_err(BundleError::io("read", folder))?;
        let path = entry.path();
        let own = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().map_err(BundleError::io("read", &path))?.is_file();
        let is_passing = [LOCK, CONTROL_SOCKET, MANIFEST].contains(&own.as_str()) && name.is_empty();
        if !is_file || is_passing || is_unfinished(&own) {
            continue;
        }
        let place = if name.is_empty() { own } else { format!("{name}/{own}") };
        check_path(&place).map_err(|reason| BundleError::Name { path: place.clone(), reason })?;
        let mut file = hold::open_file(&path).map_err(BundleError::io("open", &path))?;
        let (sha256, bytes) = hash_reader(&mut file).map_err(BundleError::io("read", &path))?;
        let own = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "blobs" && is_pack(&own) {
            check_pack(&path)?;
        } else if name == "blobs" && sha256.to_string() != own {
            return Err(crate::store::StoreError::BlobAltered { path: path.clone() }.into());
        }
        files.push(BundledFile { path: place, bytes, sha256 });
    }
    Ok(())
}

/// A destination that is counted and hashed.
struct Counted<W> {
    out: W,
    bytes: u64,
    hasher: Sha256,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file that is hashed while it is copied.
struct Hashed {
    file: io::Take<File>,
    hasher: Sha256,
    bytes: u64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
