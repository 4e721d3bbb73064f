//! The manifest of a bundle, and which paths may stand in it.

use researchgym_core::digest::Digest;
use serde::{Deserialize, Serialize};

use super::BundleError;
use crate::session::CONTROL_SOCKET;
use crate::store::{LOCK, is_day, is_id, is_pack};

/// The manifest's name in the bundle and in the folder that comes of it.
pub const MANIFEST: &str = "bundle.json";
/// The version of bundles that this program writes and reads.
pub const BUNDLE_SCHEMA: u32 = 1;

/// More files than any run has.
const MAX_FILES: usize = 1 << 20;
/// The longest manifest that is read: about so many files.
pub(super) const MAX_MANIFEST: u64 = 256 << 20;
/// The longest path that a tar header holds in any case.
const MAX_PATH: usize = 90;
/// Folders of a run that a bundle takes along. The files in the run's folder itself come too.
pub(super) const FOLDERS: [&str; 3] = ["blobs", "logs", "regrades"];

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleManifest {
    /// Version of bundles: 1.
    pub bundle: u32,
    /// The run's id.
    pub run_id: String,
    /// The day of its folder, `YYYY-MM-DD`.
    pub day: String,
    /// What is in it that should not get into everybody's hands.
    pub holds: Vec<Contents>,
    /// The files, sorted by path.
    pub files: Vec<BundledFile>,
}

/// Something in a bundle that should not get into everybody's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contents {
    /// The secret from which the run's grading streams are drawn: who knows it can foresee the grader's seeds.
    GradingSecret,
    /// All that was said to models and done in the sandbox.
    Trajectory,
    /// What was graded.
    Artefacts,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledFile {
    /// Its path in the run's folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub sha256: Digest,
}

impl BundleManifest {
    /// Reads and checks a manifest.
    pub(super) fn parse(bytes: &[u8]) -> Result<BundleManifest, BundleError> {
        #[derive(Deserialize)]
        struct Version {
            bundle: u32,
        }
        let wrong =
            |error: serde_json::Error| BundleError::Form(format!("its manifest cannot be read: {error}"));
        let version: Version = serde_json::from_slice(bytes).map_err(wrong)?;
        if version.bundle > BUNDLE_SCHEMA {
            let text = format!("it is of version {}, which is newer: update researchgym", version.bundle);
            return Err(BundleError::Form(text));
        }
        let manifest: BundleManifest = serde_json::from_slice(bytes).map_err(wrong)?;
        manifest.check().map_err(BundleError::Form)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if !is_id(&self.run_id) {
            return Err("its run's id is not one".to_owned());
        }
        if !is_day(&self.day) {
            return Err("its run's day is not one".to_owned());
        }
        if self.files.len() > MAX_FILES {
            return Err(format!("it names more than {MAX_FILES} files"));
        }
        for file in &self.files {
            check_path(&file.path)
                .map_err(|reason| format!("its manifest names `{}`: {reason}", shown(&file.path)))?;
            let blob = file.path.strip_prefix("blobs/").filter(|name| !is_pack(name));
            if blob.is_some_and(|name| name != file.sha256.to_string()) {
                return Err(format!("its manifest names `{}` with another hash", file.path));
            }
        }
        if let Some(pair) = self.files.windows(2).find(|pair| pair[0].path >= pair[1].path) {
            return Err(format!("its manifest names `{}` twice or out of order", shown(&pair[1].path)));
        }
        let names: [&str; 2] = ["events.jsonl", "imported.jsonl"];
        let logs = self.files.iter().filter(|file| names.contains(&file.path.as_str())).count();
        match logs {
            1 => Ok(()),
            _ => Err("it holds not one log".to_owned()),
        }
    }

    /// What all files are together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// Whether a path may be in a bundle: a file of the run's folder, or one in one of three folders.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.len() > MAX_PATH {
        return Err("its path is too long");
    }
    let name = match path.split_once('/') {
        None => path,
        Some((folder, name)) if FOLDERS.contains(&folder) => name,
        Some(_) => return Err("it is in a folder that no bundle has"),
    };
    if name.is_empty()
        || name == "."
        || name == ".."
        || name.contains(['/', '\\'])
        || name.chars().any(char::is_control)
    {
        return Err("its path is not one of a run's file");
    }
    let folders = FOLDERS.contains(&path) || ["workspace", "submissions"].contains(&path);
    if folders || [LOCK, CONTROL_SOCKET, MANIFEST].contains(&path) {
        return Err("it has the name of something else");
    }
    Ok(())
}

/// A stranger's text, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_a_runs_files_are_taken() {
        for path in ["events.jsonl", "blobs/ab", "logs/agent.log", "regrades/x.json", "events.torn"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        let long = "x".repeat(91);
        for path in [
            "",
            ".",
            "..",
            "/etc/passwd",
            "../x",
            "blobs/../x",
            "blobs/",
            "blobs",
            "blobs//x",
            "a/b",
            "lock",
            "control.sock",
            "bundle.json",
            "workspace/input/x",
            "workspace",
            "blobs/..",
            "logs/a/b",
            "a\\b",
            "a\nb",
            &long,
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
    }
}
