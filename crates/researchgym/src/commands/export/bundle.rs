//! `export --bundle` and `unpack`: a run as one file, and back.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use researchgym_core::spec::SCHEMA;
use researchgym_engine::bundle::{self, BundleError, Contents};
use researchgym_engine::store::RunFolder;
use serde_json::json;

use super::{NewFile, refused, stoppable};
use crate::arguments::UnpackArguments;
use crate::error::{CommandError, Kind, input};
use crate::output::{Outcome, Printer};
use crate::settings::{Settings, absolute};

pub(super) fn export(run: &str, to: &Path, force: bool, settings: &Settings, printer: &Printer) -> Outcome {
    let run = RunFolder::find(&settings.runs, run).map_err(input)?;
    let begun = NewFile::begin(to, force)?;
    let packed = stoppable(printer, |is_stopped| {
        let out = BufWriter::with_capacity(256 << 10, begun.file.as_file());
        bundle::pack(&run, out, is_stopped)
    })?;
    let packed = match packed {
        Ok(packed) => packed,
        Err(BundleError::Stopped) => return Ok(130),
        // The bundle is written to a file of another name.
        Err(BundleError::Io { source, path, .. }) if path == Path::new("the bundle") => {
            return Err(refused("write", to, &source));
        }
        Err(error) => return Err(failed(error)),
    };
    begun.finish(force)?;
    if packed.manifest.holds.contains(&Contents::GradingSecret) {
        printer.warn(
            "the bundle holds the run's log, and with it the grading secret, all that was said and done, and what was graded: \
             give it to nobody who should not see these",
        );
    }
    if printer.is_json() {
        printer.json(&json!({
            "schema": SCHEMA, "bundle": to, "run_id": packed.manifest.run_id, "files": packed.manifest.files.len(),
            "bytes": packed.bytes, "unpacked_bytes": packed.manifest.bytes(), "sha256": packed.sha256,
            "holds": packed.manifest.holds,
        }));
    } else {
        printer.bundled(to, &packed);
    }
    Ok(0)
}

pub(crate) fn unpack(arguments: &UnpackArguments, printer: &Printer) -> Outcome {
    let settings = Settings::resolve(&arguments.places)?;
    let path = absolute(&settings.here, &arguments.bundle);
    // A link of the user's is followed.
    let path = path.canonicalize().unwrap_or(path);
    let unpacked = stoppable(printer, |is_stopped| bundle::unpack(&path, &settings.runs, is_stopped))?;
    let unpacked = match unpacked {
        Ok(unpacked) => unpacked,
        Err(BundleError::Stopped) => return Ok(130),
        Err(error) => return Err(named(&path, error)),
    };
    let run: PathBuf = unpacked.folder.root().to_owned();
    if printer.is_json() {
        printer.json(&json!({
            "schema": SCHEMA, "bundle": path, "run": run, "run_id": unpacked.folder.id(), "was_there": unpacked.was_there,
            "files": unpacked.manifest.files.len(), "bytes": unpacked.manifest.bytes(), "holds": unpacked.manifest.holds,
        }));
    } else {
        printer.unpacked(&run, unpacked.was_there);
    }
    Ok(0)
}

/// The error of a bundle, with its name.
pub(crate) fn named(path: &Path, error: BundleError) -> CommandError {
    if error.is_of_the_bundle() {
        let hint = error.hint();
        let mut refused = CommandError::input(format!("{}: {error}", path.display()));
        refused.hint = hint;
        return refused;
    }
    failed(error)
}

fn failed(error: BundleError) -> CommandError {
    let is_infrastructure = match &error {
        BundleError::Io { source, .. } => {
            use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
            !matches!(source.kind(), NotFound | IsADirectory | NotADirectory)
        }
        BundleError::Room { .. } => true,
        _ => false,
    };
    let kind = if is_infrastructure { Kind::Infrastructure } else { Kind::Input };
    CommandError { kind, message: error.to_string(), hint: error.hint() }
}
