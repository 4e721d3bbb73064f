//! The image of a task's own Dockerfile, built once for each content of the Dockerfile's folder.

use std::io;
use std::path::{Path, PathBuf};

use bollard::query_parameters::BuildImageOptions;
use bytes::Bytes;
use futures_util::StreamExt as _;
use researchgym_core::digest::Digest;
use researchgym_core::isolation::Image;

use super::EngineError;
use super::engine::Engine;
use super::error::words;
use super::image::Images;
use crate::progress::{Listener, Progress};
use crate::sandbox::SandboxError;

/// The most that a Dockerfile's folder may hold: it is kept in memory while it is sent.
const LARGEST: u64 = 256 << 20;
/// How many of the last lines of a build an error shows.
const LINES_SHOWN: usize = 15;

impl Images<'_> {
    /// The image that a task's Dockerfile makes, built now if it is not there yet.
    ///
    /// # Errors
    /// No engine, a folder that cannot be sent, a build that fails.
    pub async fn build(
        &self,
        task: &str,
        dockerfile: &Path,
        listener: Listener<'_>,
    ) -> Result<Image, SandboxError> {
        let engine = self.engine().await?;
        let path = dockerfile.to_owned();
        let packed = tokio::task::spawn_blocking(move || pack(&path)).await.expect("packing does not panic");
        let (folder, content) = packed.map_err(|(path, source)| EngineError::Path {
            doing: "reading what an image is built from,",
            path,
            source,
        })?;
        let name = file_name(dockerfile);
        let digest = Digest::of_parts(&[b"image 1", name.as_bytes(), &content]).to_string();
        let tag = format!("researchgym-task/{task}:{}", &digest[..16]);
        if engine.client.inspect_image(&tag).await.is_err() {
            listener(Progress::Stage("building the image"));
            let failed = |reason: String| {
                let (task, dockerfile) = (task.to_owned(), folder.join(&name));
                match is_syntax(&reason) {
                    true => EngineError::BadDockerfile { task, dockerfile, reason },
                    false => EngineError::Build { task, dockerfile, reason },
                }
            };
            build(&engine, &tag, &name, content, listener).await.map_err(failed)?;
        }
        self.find(&tag, listener).await
    }
}

async fn build(
    engine: &Engine,
    tag: &str,
    dockerfile: &str,
    content: Vec<u8>,
    listener: Listener<'_>,
) -> Result<(), String> {
    let options = BuildImageOptions {
        dockerfile: dockerfile.to_owned(),
        t: Some(tag.to_owned()),
        rm: true,
        forcerm: true,
        ..Default::default()
    };
    let body = bollard::body_full(Bytes::from(content));
    let mut steps = std::pin::pin!(engine.client.build_image(options, None, Some(body)));
    let mut lines: Vec<String> = Vec::new();
    while let Some(step) = steps.next().await {
        let said = match step {
            Ok(step) => {
                let failed = step.error_detail.and_then(|error| error.message);
                let text = step.stream.unwrap_or_default();
                for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    listener(Progress::Line(line));
                    lines.push(line.to_owned());
                }
                failed
            }
            Err(error) => Some(words(&error)),
        };
        if let Some(reason) = said {
            let from = lines.len().saturating_sub(LINES_SHOWN);
            let shown: Vec<&str> =
                lines[from..].iter().map(String::as_str).chain([reason.as_str()]).collect();
            return Err(shown.join("\n"));
        }
    }
    Ok(())
}

/// Whether a build ended because the Dockerfile cannot be read: in the words of Docker's builder, BuildKit and Buildah. They
/// are looked for in the last line alone, since what a step printed is the step's.
fn is_syntax(reason: &str) -> bool {
    let last = reason.lines().last().unwrap_or_default().to_lowercase();
    [
        "dockerfile parse error",
        "parse error on line",
        "parse error at line",
        "unknown instruction",
        "parsing dockerfile",
    ]
    .iter()
    .any(|words| last.contains(words))
        || last.contains("no build stage in current context")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The folder of a Dockerfile as an archive that is the same for the same content: in the order of names, without times and
/// owners.
fn pack(dockerfile: &Path) -> Result<(PathBuf, Vec<u8>), (PathBuf, io::Error)> {
    let folder = dockerfile.parent().unwrap_or(Path::new("/")).to_owned();
    let mut archive = tar::Builder::new(Vec::new());
    let mut pending = vec![folder.clone()];
    let mut total = 0;
    while let Some(path) = pending.pop() {
        let at = |source| (path.clone(), source);
        let mut entries =
            std::fs::read_dir(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(at)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let at = |source| (entry.path(), source);
            total += add(&mut archive, &folder, &entry, &mut pending).map_err(at)?;
            if total > LARGEST {
                let what = format!("more than {} MiB", LARGEST >> 20);
                return Err((folder, io::Error::new(io::ErrorKind::FileTooLarge, what)));
            }
        }
    }
    let content = archive.into_inner().map_err(|source| (folder.clone(), source))?;
    Ok((folder, content))
}

fn add(
    archive: &mut tar::Builder<Vec<u8>>,
    folder: &Path,
    entry: &std::fs::DirEntry,
    pending: &mut Vec<PathBuf>,
) -> io::Result<u64> {
    use std::os::unix::fs::PermissionsExt as _;
    let (path, kind) = (entry.path(), entry.file_type()?);
    let name = path.strip_prefix(folder).expect("it was found below the folder").to_owned();
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    if kind.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        archive.append_data(&mut header, name, io::empty())?;
        pending.push(path);
        return Ok(0);
    }
    if kind.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        archive.append_link(&mut header, name, std::fs::read_link(&path)?)?;
        return Ok(0);
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a file, a folder nor a link"));
    }
    let metadata = entry.metadata()?;
    if metadata.len() > LARGEST {
        return Ok(metadata.len());
    }
    let content = std::fs::read(&path)?;
    let is_program = metadata.permissions().mode() & 0o100 != 0;
    header.set_mode(if is_program { 0o755 } else { 0o644 });
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content.as_slice())?;
    Ok(content.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(files: &[(&str, &str)]) -> Digest {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Digest::of(&pack(&folder.path().join("Dockerfile")).unwrap().1)
    }

    #[test]
    fn a_dockerfile_that_is_none_is_told_from_a_step_that_failed() {
        for (reason, expected) in [
            ("dockerfile parse error line 2: unknown instruction: RUNN", true),
            ("Dockerfile parse error on line 1: unknown instruction: FORM", true),
            ("no build stage in current context", true),
            (
                "Step 1/1 : RUN x\nunknown instruction\nThe command '/bin/sh -c x' returned a non-zero code: 1",
                false,
            ),
            ("Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup failed", false),
        ] {
            assert_eq!(is_syntax(reason), expected, "{reason}");
        }
    }

    #[test]
    fn the_same_content_is_the_same_archive_whenever_and_wherever_it_was_written() {
        let files = [("Dockerfile", "FROM x"), ("b/c", "1"), ("a", "2")];
        let mut other = files;
        other.reverse();
        assert_eq!(packed(&files), packed(&other));
        assert_ne!(packed(&files), packed(&files[..2]));
    }
}
