//! Folders of documents and figures, written beside their place and put there whole.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use researchgym_report::Figure;

use crate::error::{CommandError, Kind};

/// What such a folder holds.
pub(super) struct Contents<'a> {
    /// Names and texts; the last one is by which the folder is known.
    pub(super) documents: Vec<(&'static str, &'a str)>,
    pub(super) figures: &'a [Figure],
    /// Figures that an earlier one of its kind may have left there.
    pub(super) earlier: Vec<String>,
}

/// A folder that is not there, is empty, or holds an earlier one of its kind.
pub(super) fn may_be_written(out: &Path, mark: &str, kind: &str) -> Result<(), CommandError> {
    match fs::read_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CommandError::input(format!("{}: {error}", out.display()))
            .hinted(format!("-o names the folder of {kind}"))),
        Ok(entries) => match entries.take(1).count() == 0 || out.join(mark).is_file() {
            true => Ok(()),
            false => Err(CommandError::input(format!("{} holds something else than {kind}", out.display()))
                .hinted("name another folder with -o; nothing was changed")),
        },
    }
}

/// Writes the folder beside its place and puts it there whole. Nothing, and false, if that was stopped.
pub(super) fn write(
    out: &Path,
    contents: &Contents<'_>,
    is_stopped: &dyn Fn() -> bool,
) -> Result<bool, CommandError> {
    written(out, contents, is_stopped).map_err(|error| CommandError {
        kind: Kind::Infrastructure,
        message: format!("{}: {error}", out.display()),
        hint: Some("see whether there is room, and whether you may write there".to_owned()),
    })
}

fn written(out: &Path, contents: &Contents<'_>, is_stopped: &dyn Fn() -> bool) -> io::Result<bool> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent)?;
    let draft = tempfile::Builder::new().prefix(".report-").tempdir_in(&parent)?;
    let figures = draft.path().join("figures");
    fs::create_dir(&figures)?;
    let put = |path: PathBuf, bytes: &[u8]| fs::File::create(path)?.write_all(bytes);
    for figure in contents.figures {
        if is_stopped() {
            return Ok(false);
        }
        put(figures.join(format!("{}.svg", figure.id)), figure.svg.as_bytes())?;
        put(figures.join(format!("{}.pdf", figure.id)), &figure.pdf().map_err(io::Error::other)?)?;
        put(figures.join(format!("{}.csv", figure.id)), figure.csv.as_bytes())?;
    }
    for (name, text) in &contents.documents {
        put(draft.path().join(name), text.as_bytes())?;
    }
    if out.is_dir() {
        replace(draft.path(), out, &contents.earlier)?;
    } else {
        fs::rename(draft.path(), out)?;
    }
    open_to_readers(out)?;
    Ok(true)
}

/// Puts the new folder in the old one's place, whose figures go. What others have put beside it stays.
fn replace(draft: &Path, out: &Path, earlier: &[String]) -> io::Result<()> {
    let figures = out.join("figures");
    fs::create_dir_all(&figures)?;
    for id in earlier {
        for form in ["svg", "pdf", "csv"] {
            match fs::remove_file(figures.join(format!("{id}.{form}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    for entry in fs::read_dir(draft.join("figures"))? {
        let entry = entry?;
        fs::rename(entry.path(), figures.join(entry.file_name()))?;
    }
    fs::remove_dir(draft.join("figures"))?;
    for entry in fs::read_dir(draft)? {
        let entry = entry?;
        fs::rename(entry.path(), out.join(entry.file_name()))?;
    }
    Ok(())
}

/// Folders of drafts are their owner's alone; a report is to be shown.
fn open_to_readers(out: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(out, fs::Permissions::from_mode(0o755))
}
