//! Where files come from: a folder, a file, an archive that is read as a stream and never unpacked.
//!
//! All of it is a stranger's: links are not followed, lengths are bounded, names in archives are names and no paths of ours.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::MAX_BYTES;
use super::group::Named;
use crate::hold;

/// How deep below a folder files are looked for.
const MAX_DEPTH: usize = 32;
/// The most files that are looked at in one place.
const MAX_FILES: usize = 2_000_000;

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder.
    Folder(PathBuf),
    /// One file.
    File(PathBuf),
    /// A `.tar`, or a `.tar.zst`.
    Tar(PathBuf, Packed),
    /// A `.zip`.
    Zip(PathBuf),
}

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packed {
    Plainly,
    Zstd,
}

/// The files of a place, and why there may be more.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub files: Vec<Named>,
    pub problem: Option<String>,
}

impl Place {
    /// What is at a path. The user named it, so that it may be a link.
    pub(super) fn find(path: &Path) -> io::Result<Place> {
        let path = path.canonicalize()?;
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Ok(Place::Folder(path));
        }
        if !metadata.is_file() {
            return Err(io::Error::other("it is neither a folder nor a regular file"));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let ends = |ending: &str| name.ends_with(ending);
        Ok(match () {
            () if ends(".tar.zst") || ends(".tzst") => Place::Tar(path, Packed::Zstd),
            () if ends(".tar") => Place::Tar(path, Packed::Plainly),
            () if ends(".zip") => Place::Zip(path),
            () => Place::File(path),
        })
    }

    /// What its files are below: a file stands in its folder.
    pub(super) fn base(&self) -> &Path {
        match self {
            Place::File(path) => path.parent().unwrap_or(path),
            Place::Folder(path) | Place::Tar(path, _) | Place::Zip(path) => path,
        }
    }

    /// What the whole is called: the name of the folder, that of an archive without its ending.
    pub(super) fn name(&self) -> String {
        let name = |path: &Path| {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        match self {
            Place::Folder(path) => name(path),
            Place::File(path) => path.parent().map(name).unwrap_or_default(),
            Place::Tar(path, _) | Place::Zip(path) => {
                name(path).split('.').next().unwrap_or_default().to_owned()
            }
        }
    }

    /// Its files by name.
    pub(super) fn list(&self) -> io::Result<Listing> {
        match self {
            Place::Folder(path) => Ok(below(path)),
            Place::File(path) => {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                Ok(Listing {
                    files: vec![Named { path: name, bytes: path.metadata()?.len() }],
                    problem: None,
                })
            }
            Place::Tar(..) | Place::Zip(_) => {
                let mut listing = Listing::default();
                let read = self.stream(&mut |_, named, _| {
                    listing.files.push(named.clone());
                    Ok(listing.files.len() < MAX_FILES)
                });
                if let Err(error) = read {
                    if listing.files.is_empty() {
                        return Err(error);
                    }
                    listing.problem = Some(format!("the archive cannot be read to its end: {error}"));
                }
                Ok(listing)
            }
        }
    }

    /// Hands over each regular file of an archive with its number, in the archive's order, until told to stop.
    pub(super) fn stream(&self, each: &mut Each) -> io::Result<()> {
        match self {
            Place::Tar(path, packed) => {
                let file = BufReader::with_capacity(1 << 20, File::open(path)?);
                match packed {
                    Packed::Plainly => stream_tar(file, each),
                    Packed::Zstd => stream_tar(zstd::Decoder::with_buffer(file)?, each),
                }
            }
            Place::Zip(path) => stream_zip(path, each),
            Place::Folder(_) | Place::File(_) => Ok(()),
        }
    }
}

/// Takes a file of an archive: its number, its name, its content. False ends the reading.
pub(super) type Each<'e> = dyn FnMut(usize, &Named, &mut dyn Read) -> io::Result<bool> + 'e;

fn stream_tar(reader: impl Read, each: &mut Each) -> io::Result<()> {
    let mut archive = tar::Archive::new(reader);
    let mut number = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        let named = Named { path, bytes: entry.size() };
        if !each(number, &named, &mut entry)? {
            break;
        }
        number += 1;
    }
    Ok(())
}

fn stream_zip(path: &Path, each: &mut Each) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(path)?)).map_err(io::Error::other)?;
    let mut number = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        if !entry.is_file() || entry.is_symlink() {
            continue;
        }
        let named = Named {
            path: entry.name().map_err(io::Error::other)?.trim_start_matches("./").to_owned(),
            bytes: entry.size(),
        };
        if !each(number, &named, &mut entry)? {
            break;
        }
        number += 1;
    }
    Ok(())
}

/// The regular files below a folder by name; links are left alone.
fn below(root: &Path) -> Listing {
    let mut listing = Listing::default();
    let mut open = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                listing.problem = Some(format!("`{}` cannot be read: {error}", folder.display()));
                continue;
            }
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            // A name that is no text could not be named in a record either.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if kind.is_dir() && depth < MAX_DEPTH {
                open.push((entry.path(), path, depth + 1));
            } else if kind.is_file() {
                if listing.files.len() == MAX_FILES {
                    listing.problem =
                        Some(format!("there are more than {MAX_FILES} files: the rest was left alone"));
                    open.clear();
                    break;
                }
                let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                listing.files.push(Named { path, bytes });
            }
        }
    }
    listing.files.sort_by(|one, other| one.path.cmp(&other.path));
    listing
}

/// Reads a regular file.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = hold::open_file(path)?;
    let length = file.metadata()?.len();
    read_bounded(&mut file, length)?
        .ok_or_else(|| io::Error::other(format!("it has more than {} MiB", MAX_BYTES >> 20)))
}

/// Reads what is not longer than [`MAX_BYTES`].
pub(super) fn read_bounded(reader: &mut dyn Read, length: u64) -> io::Result<Option<Vec<u8>>> {
    // A length is a stranger's word.
    let mut bytes = Vec::with_capacity(length.min(64 << 20) as usize);
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_BYTES).then_some(bytes))
}
