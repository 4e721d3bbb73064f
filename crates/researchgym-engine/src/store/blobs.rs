//! Contents named by their hash, one store per run.
//!
//! A blob is written under a temporary name in the same folder and renamed when it is whole, so that no reader meets
//! half a blob. Putting one does not wait for the disk: [`Blobs::sync_pending`] does, for all that were put since the
//! last time, and belongs before the sync of a log whose events name them. A blob that exists is not written again,
//! except when its length shows that a power cut left it incomplete.
//!
//! Small blobs of a search have no file each, see [`packs`](super::packs).

use std::fs::{self, File};
use std::io::{self, Cursor, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use researchgym_core::action::{Body, INLINE_BODY_BYTES};
use researchgym_core::digest::Digest;
use researchgym_core::manifest::Manifest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::StoreError;
use super::folder::sync_folder;
use super::packs::{PACKED_BYTES, Packs, is_pack};
use crate::hold;

/// Names of blobs that are being written begin so.
const UNFINISHED: &str = ".new-";

/// With more pending blobs than this, one `syncfs` is cheaper than a `fdatasync` each.
const SYNCED_ONE_BY_ONE: usize = 256;

/// The blobs of a run. Clones share what is pending.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
    pending: Arc<Mutex<Pending>>,
    packs: Arc<Packs>,
    /// Small blobs that are put go into a pack.
    packing: bool,
    /// Held by whoever waits for the disk, so that nobody takes what another is at for done.
    syncing: Arc<Mutex<()>>,
}

/// Blobs that the disk may not have yet.
#[derive(Debug, Default)]
struct Pending {
    digests: Vec<Digest>,
    /// More than [`SYNCED_ONE_BY_ONE`]: the names do not matter any more.
    many: bool,
    /// Somebody has taken some and waits for the disk.
    is_syncing: bool,
}

impl Blobs {
    /// The blobs in an existing folder.
    pub fn at(folder: PathBuf) -> Blobs {
        Blobs {
            folder,
            pending: Arc::default(),
            packs: Arc::default(),
            packing: false,
            syncing: Arc::default(),
        }
    }

    /// The same, where small blobs are put into a pack. For the one who writes to the run: the holder of its lock.
    pub fn packing(self) -> Blobs {
        Blobs { packing: true, ..self }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a blob is, or would be, that is in no pack.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }

    /// Keeps the bytes and gives their name.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.packing && bytes.len() <= PACKED_BYTES {
            self.packs.put(&self.folder, digest, bytes)?;
        } else if !self.holds(digest, bytes.len() as u64) {
            let mut file = self.unfinished()?;
            file.write_all(bytes).map_err(StoreError::io("write", file.path()))?;
            self.finish(file, digest)?;
        }
        Ok(digest)
    }

    /// A new blob that is written piece by piece.
    pub fn writer(&self) -> Result<BlobWriter, StoreError> {
        Ok(BlobWriter { file: self.unfinished()?, blobs: self.clone(), hasher: Sha256::new(), bytes: 0 })
    }

    /// Moves a finished regular file into the store; copies it if it is on another file system. Nobody may write to
    /// it any more.
    pub fn adopt(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        let mut file = File::open(path).map_err(StoreError::io("open", path))?;
        let (digest, bytes) = hash_reader(&mut file).map_err(StoreError::io("read", path))?;
        if self.holds(digest, bytes) {
            fs::remove_file(path).map_err(StoreError::io("remove", path))?;
            return Ok((digest, bytes));
        }
        match fs::rename(path, self.path(digest)) {
            Ok(()) => {
                self.note_pending(digest);
                Ok((digest, bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let mut writer = self.writer()?;
                let mut file = File::open(path).map_err(StoreError::io("open", path))?;
                io::copy(&mut file, &mut writer).map_err(StoreError::io("copy", path))?;
                let adopted = writer.finish()?;
                fs::remove_file(path).map_err(StoreError::io("remove", path))?;
                Ok(adopted)
            }
            Err(error) => Err(StoreError::io("adopt", path)(error)),
        }
    }

    /// The content, checked against its name.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let bytes = match self.open(digest)? {
            Blob::Packed(content) => content.into_inner(),
            Blob::File(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(StoreError::io("read", &self.path(digest)))?;
                bytes
            }
        };
        if Digest::of(&bytes) != digest { Err(self.altered(digest)) } else { Ok(bytes) }
    }

    /// The content unchecked, for whoever hashes it on the way.
    pub fn open(&self, digest: Digest) -> Result<Blob, StoreError> {
        if self.packing
            && let Some(bytes) = self.packs.get(&self.folder, digest)?
        {
            return Ok(Blob::Packed(Cursor::new(bytes)));
        }
        match self.open_file(digest) {
            Err(missing @ StoreError::BlobMissing { .. }) => {
                let packed = self.packs.get(&self.folder, digest)?;
                packed.map_or(Err(missing), |bytes| Ok(Blob::Packed(Cursor::new(bytes))))
            }
            opened => opened.map(Blob::File),
        }
    }

    fn open_file(&self, digest: Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        hold::open_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::BlobMissing { path },
            _ => StoreError::io("open", &path)(error),
        })
    }

    /// What is said of a content that is not what its name says.
    pub(crate) fn altered(&self, digest: Digest) -> StoreError {
        match self.packs.path_of(&self.folder, digest) {
            Some(path) if !self.path(digest).exists() => StoreError::PackAltered { path, digest },
            _ => StoreError::BlobAltered { path: self.path(digest) },
        }
    }

    /// The first and the last bytes of a blob, unchecked: no byte twice, and all of a blob that is not longer.
    pub fn ends(&self, digest: Digest, first: usize, last: usize) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        let path = self.path(digest);
        let mut file = match self.open(digest)? {
            Blob::File(file) => file,
            Blob::Packed(content) => {
                let bytes = content.into_inner();
                let head = bytes.len().min(first);
                let tail = head.max(bytes.len().saturating_sub(last));
                return Ok((bytes[..head].to_vec(), bytes[tail..].to_vec()));
            }
        };
        let read = |file: &mut File, most: usize| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            file.take(most as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let length = file.metadata().map_err(StoreError::io("read", &path))?.len();
        let head = read(&mut file, first).map_err(StoreError::io("read", &path))?;
        let tail = (head.len() as u64).max(length.saturating_sub(last as u64));
        file.seek(io::SeekFrom::Start(tail)).map_err(StoreError::io("read", &path))?;
        let tail = read(&mut file, last).map_err(StoreError::io("read", &path))?;
        Ok((head, tail))
    }

    /// Reads a blob without keeping it and gives its length, if it is whole.
    pub fn check(&self, digest: Digest) -> Result<u64, StoreError> {
        let path = self.path(digest);
        let (found, bytes) = hash_reader(&mut self.open(digest)?).map_err(StoreError::io("read", &path))?;
        if found == digest { Ok(bytes) } else { Err(self.altered(digest)) }
    }

    /// The manifest of a snapshot.
    pub fn manifest(&self, snapshot: Digest) -> Result<Manifest, StoreError> {
        let bytes = self.get(snapshot)?;
        Manifest::parse(&bytes).map_err(|source| StoreError::Manifest { path: self.path(snapshot), source })
    }

    /// A body for an event: short text and short bytes stand in it, anything longer is a blob.
    pub fn body(&self, bytes: &[u8]) -> Result<Body, StoreError> {
        if bytes.len() > INLINE_BODY_BYTES {
            return Ok(Body::Blob { sha256: self.put(bytes)?, bytes: bytes.len() as u64 });
        }
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Body::Text(text.to_owned()),
            Err(_) => Body::Base64(STANDARD.encode(bytes)),
        })
    }

    /// The bytes of a body.
    pub fn resolve(&self, body: &Body) -> Result<Vec<u8>, StoreError> {
        match body {
            Body::Text(text) => Ok(text.as_bytes().to_vec()),
            Body::Base64(text) => Ok(STANDARD.decode(text)?),
            Body::Blob { sha256, .. } => self.get(*sha256),
        }
    }

    /// Gives all blobs to another store too: by links, or copies where links cannot be made.
    pub(crate) fn share_with(&self, other: &Blobs) -> Result<(), StoreError> {
        let entries = fs::read_dir(&self.folder).map_err(StoreError::io("read", &self.folder))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let (from, to) = (entry.path(), other.folder.join(&name));
            if name.to_string_lossy().starts_with(UNFINISHED) || to.exists() {
                continue;
            }
            if fs::hard_link(&from, &to).is_err() {
                if is_pack(&name.to_string_lossy()) {
                    other.take_pack(&from, &to)?;
                    continue;
                }
                other.put(&fs::read(&from).map_err(StoreError::io("read", &from))?)?;
            }
        }
        other.lock_pending().many = true;
        Ok(())
    }

    /// Another's pack under the same name.
    fn take_pack(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        let mut file = self.unfinished()?;
        let mut pack = hold::open_file(from).map_err(StoreError::io("open", from))?;
        io::copy(&mut pack, &mut file).map_err(StoreError::io("write", file.path()))?;
        file.persist(to).map_err(|error| StoreError::io("create", to)(error.error))?;
        Ok(())
    }

    /// Waits until the disk has all blobs that were put through this store and its clones.
    pub fn sync_pending(&self) -> Result<(), StoreError> {
        let _alone = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = {
            let mut pending = self.lock_pending();
            if pending.digests.is_empty() && !pending.many && !self.packs.is_behind() {
                return Ok(());
            }
            std::mem::replace(&mut *pending, Pending { is_syncing: true, ..Pending::default() })
        };
        let synced = self.packs.sync(&self.folder).and_then(|()| match &pending {
            Pending { many: true, .. } => self.sync_file_system(),
            Pending { digests, .. } if digests.is_empty() => Ok(()),
            Pending { digests, .. } => self.sync_each(digests),
        });
        let mut pending = self.lock_pending();
        pending.is_syncing = false;
        pending.many |= synced.is_err();
        synced
    }

    /// Whether the disk may not have all blobs yet.
    pub(crate) fn are_behind(&self) -> bool {
        let pending = self.lock_pending();
        pending.is_syncing || pending.many || !pending.digests.is_empty() || self.packs.is_behind()
    }

    fn sync_each(&self, digests: &[Digest]) -> Result<(), StoreError> {
        for digest in digests {
            self.open_file(*digest)?.sync_data().map_err(StoreError::io("sync", &self.path(*digest)))?;
        }
        sync_folder(&self.folder)
    }

    fn sync_file_system(&self) -> Result<(), StoreError> {
        let folder = File::open(&self.folder).map_err(StoreError::io("open", &self.folder))?;
        rustix::fs::syncfs(&folder).map_err(|errno| StoreError::io("sync", &self.folder)(errno.into()))
    }

    fn unfinished(&self) -> Result<NamedTempFile, StoreError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.folder)
            .map_err(StoreError::io("create a blob in", &self.folder))
    }

    fn finish(&self, file: NamedTempFile, digest: Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        file.persist(&path).map_err(|error| StoreError::io("create", &path)(error.error))?;
        self.note_pending(digest);
        Ok(())
    }

    fn holds(&self, digest: Digest, bytes: u64) -> bool {
        fs::symlink_metadata(self.path(digest))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes)
    }

    fn note_pending(&self, digest: Digest) {
        let mut pending = self.lock_pending();
        if pending.digests.len() < SYNCED_ONE_BY_ONE {
            pending.digests.push(digest);
        } else {
            pending.many = true;
        }
    }

    fn lock_pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open blob.
#[derive(Debug)]
pub enum Blob {
    /// It has a file.
    File(File),
    /// It is in a pack.
    Packed(Cursor<Vec<u8>>),
}

impl io::Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Blob::File(file) => file.read(buffer),
            Blob::Packed(content) => content.read(buffer),
        }
    }
}

/// A blob in the making; dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    file: NamedTempFile,
    blobs: Blobs,
    hasher: Sha256,
    bytes: u64,
}

impl BlobWriter {
    /// Keeps what was written and gives its name and length.
    pub fn finish(self) -> Result<(Digest, u64), StoreError> {
        let digest = Digest::from_bytes(self.hasher.finalize().into());
        if !self.blobs.holds(digest, self.bytes) {
            self.blobs.finish(self.file, digest)?;
        }
        Ok((digest, self.bytes))
    }

    /// How much was written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The hash and length of all that a reader gives.
pub(crate) fn hash_reader(reader: &mut impl io::Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((Digest::from_bytes(hasher.finalize().into()), bytes)),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
