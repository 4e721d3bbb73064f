//! Conversations: a line a run.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use researchgym_report::conversations::Conversation;

use super::{Chosen, NewFile, Told, refused, story};
use crate::error::CommandError;
use crate::output::{Exported, ExportedFile};

/// Writes them. Nothing if that was stopped.
pub(super) fn export(
    runs: &[Chosen],
    to: &Path,
    force: bool,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<Exported>, CommandError> {
    let begun = NewFile::begin(to, force)?;
    let mut exported = Exported::new("sft", 0);
    let mut out = BufWriter::with_capacity(256 << 10, begun.file.as_file());
    for run in runs {
        if is_stopped() {
            return Ok(None);
        }
        let story = match story::of(&run.folder, run.record.clone()) {
            Ok(story) => story,
            Err(error) => {
                exported.problems.push(Told::of(&run.folder, error));
                continue;
            }
        };
        match Conversation::of(&story) {
            Some(conversation) => {
                conversation.write(&mut out).map_err(|error| refused("write", to, &error))?;
                exported.runs += 1;
            }
            None => exported.left_out.push(Told::of(&run.folder, "nothing is known of what it said or did")),
        }
    }
    out.flush().map_err(|error| refused("write", to, &error))?;
    drop(out);
    let bytes = begun.file.as_file().metadata().map_or(0, |found| found.len());
    let rows = Some(exported.runs as u64);
    begun.finish(force)?;
    exported.files.push(ExportedFile { path: to.display().to_string(), rows, bytes });
    Ok(Some(exported))
}
