//! Manifests: what a snapshot of a folder holds. The contents are blobs, and so is the manifest: its hash names
//! the snapshot. And which blobs an event names.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Body};
use crate::digest::Digest;
use crate::event::{AskedRequest, CallOutcome, Event};
use crate::observation::{Captured, Observation};
use crate::spec::SCHEMA;

/// The deepest path that is recorded.
pub const MAX_DEPTH: usize = 256;

/// How many notes on left out entries a manifest holds; beyond that it only counts.
pub const MAX_NOTES: usize = 20;

/// The regular files of a folder at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub schema: u32,
    /// Path relative to the folder -> file. A path is UTF-8, uses `/`, and has no `.` or `..`.
    pub files: BTreeMap<String, ManifestEntry>,
    /// Folders without anything recorded in them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub empty_folders: BTreeSet<String>,
    /// What is not recorded and why: the first [`MAX_NOTES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// How many entries are not recorded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out_count: u64,
}

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    /// The content, a blob.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
    /// Permission bits, without set-user-id, set-group-id and sticky.
    pub mode: u32,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A manifest that must not be checked out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    /// Not a manifest.
    #[error("not a manifest: {0}")]
    NotAManifest(String),
    /// Written by a newer program.
    #[error(
        "written by a newer version of researchgym (schema {found}); this one reads {SCHEMA}: update researchgym"
    )]
    Newer {
        /// Its schema.
        found: u32,
    },
    /// A path that could leave the folder, or lies below a file.
    #[error("the path `{0}` is not one that a manifest may hold")]
    Path(String),
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            schema: SCHEMA,
            files: BTreeMap::new(),
            empty_folders: BTreeSet::new(),
            left_out: Vec::new(),
            left_out_count: 0,
        }
    }
}

impl Manifest {
    /// Reads and checks the JSON of a manifest.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        #[derive(Deserialize)]
        struct AnyManifest {
            schema: u32,
        }
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|error| {
                match serde_json::from_slice::<AnyManifest>(bytes) {
                    Ok(any) if any.schema > SCHEMA => ManifestError::Newer { found: any.schema },
                    Ok(_) | Err(_) => ManifestError::NotAManifest(error.to_string()),
                }
            })?;
        if manifest.schema > SCHEMA {
            return Err(ManifestError::Newer { found: manifest.schema });
        }
        manifest.check_paths()?;
        Ok(manifest)
    }

    /// Total length of the files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|entry| entry.bytes).sum()
    }

    /// One sentence on what is not recorded, for the log.
    pub fn left_out_summary(&self) -> Option<String> {
        let first = self.left_out.first()?;
        match self.left_out_count {
            0 | 1 => Some(first.clone()),
            count => Some(format!("{count} entries, the first: {first}")),
        }
    }

    /// Notes that an entry is not recorded.
    pub fn leave_out(&mut self, note: impl FnOnce() -> String) {
        self.left_out_count += 1;
        if self.left_out.len() < MAX_NOTES {
            self.left_out.push(note());
        }
    }

    /// Whether every path stays inside, and none lies below a file.
    pub fn check_paths(&self) -> Result<(), ManifestError> {
        for path in self.files.keys().chain(&self.empty_folders) {
            let below_a_file = path.match_indices('/').any(|(end, _)| self.files.contains_key(&path[..end]));
            if !is_inner_path(path) || below_a_file {
                return Err(ManifestError::Path(path.chars().take(200).collect()));
            }
        }
        match self.empty_folders.iter().find(|folder| self.files.contains_key(*folder)) {
            Some(folder) => Err(ManifestError::Path(folder.chars().take(200).collect())),
            None => Ok(()),
        }
    }
}

/// Whether a relative path stays inside its folder by its text alone: no root, no empty part, no `.`, `..` or NUL.
pub fn is_inner_path(path: &str) -> bool {
    !path.contains('\0')
        && path.split('/').count() <= MAX_DEPTH
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// A blob that an event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBlob {
    /// A content, with its length where the event tells it.
    Content(Digest, Option<u64>),
    /// A manifest, whose files are blobs too.
    Manifest(Digest),
}

/// The blobs that an event names.
pub fn named_blobs(event: &Event) -> Vec<NamedBlob> {
    match event {
        Event::WorkspaceReady { snapshot, .. } | Event::SnapshotTaken { snapshot, .. } => {
            vec![NamedBlob::Manifest(*snapshot)]
        }
        Event::Scored { submission, .. } => vec![NamedBlob::Manifest(*submission)],
        Event::Acted { action, .. } => blobs_of_action(action),
        Event::Observed { observation, .. } => blobs_of_observation(observation),
        Event::ModelAsked(asked) => match &asked.request {
            AskedRequest::Conversation { added, settings, .. } => {
                added.iter().chain(settings).filter_map(blob_of_body).collect()
            }
            AskedRequest::Bytes { body } => blob_of_body(body).into_iter().collect(),
            AskedRequest::Embedding { texts } => texts.iter().filter_map(blob_of_body).collect(),
        },
        Event::ModelCalled(called) => match &called.outcome {
            CallOutcome::Answered { response, .. } => blob_of_body(response).into_iter().collect(),
            CallOutcome::Embedded { vectors, dimensions } => {
                let bytes = u64::from(*dimensions) * size_of::<f32>() as u64;
                vectors.iter().map(|vector| NamedBlob::Content(*vector, Some(bytes))).collect()
            }
            CallOutcome::Failed { .. } => Vec::new(),
        },
        Event::UserNoted { text } => blob_of_body(text).into_iter().collect(),
        Event::IdeasHad(had) => {
            let refused = had.refused.iter().map(|refused| &refused.idea);
            had.ideas.iter().chain(refused).filter_map(blob_of_body).collect()
        }
        Event::NodeBuilt(built) => {
            let changed = built.changes.values().flatten().chain(&built.idea).filter_map(blob_of_body);
            changed.chain(built.embedding.map(|vector| NamedBlob::Content(vector, None))).collect()
        }
        Event::NodeDropped(dropped) => dropped.idea.iter().filter_map(blob_of_body).collect(),
        Event::Evaluated(evaluated) => {
            let said = evaluated.learned.values().chain(&evaluated.feedback).chain(&evaluated.reported);
            let said = said.filter_map(blob_of_body);
            said.chain(evaluated.outputs.map(NamedBlob::Manifest)).collect()
        }
        Event::RunStarted(_)
        | Event::Interrupted { .. }
        | Event::ModelRetried { .. }
        | Event::ModelLost { .. }
        | Event::Planned(_)
        | Event::EvaluationBegan(_)
        | Event::TrialReported(_)
        | Event::Paused
        | Event::Unpaused { .. }
        | Event::LimitsChanged { .. }
        | Event::RunResumed
        | Event::RunExtended { .. }
        | Event::NetworkRequested(_)
        | Event::Noted { .. }
        | Event::RunEnded { .. } => Vec::new(),
    }
}

fn blobs_of_action(action: &Action) -> Vec<NamedBlob> {
    let body = match action {
        Action::Exec { command, .. } => command,
        Action::Write { content, .. } => content,
        Action::Say { text } => text,
        Action::Read { .. }
        | Action::Search { .. }
        | Action::Fetch { .. }
        | Action::Validate
        | Action::Submit
        | Action::GiveUp { .. } => return Vec::new(),
    };
    blob_of_body(body).into_iter().collect()
}

fn blob_of_body(body: &Body) -> Option<NamedBlob> {
    match body {
        Body::Blob { sha256, bytes } => Some(NamedBlob::Content(*sha256, Some(*bytes))),
        Body::Text(_) | Body::Base64(_) => None,
    }
}

fn blobs_of_observation(observation: &Observation) -> Vec<NamedBlob> {
    let captured: &[&Captured] = match observation {
        Observation::Exec { stdout, stderr, .. } => &[stdout, stderr],
        Observation::Read { content } | Observation::Fetched { content, .. } => &[content],
        Observation::Wrote { .. }
        | Observation::Found { .. }
        | Observation::Said
        | Observation::Graded { .. }
        | Observation::Refused { .. }
        | Observation::Ended => &[],
    };
    let named = |captured: &&Captured| {
        let kept = captured.bytes.saturating_sub(captured.dropped);
        captured.blob.map(|digest| NamedBlob::Content(digest, Some(kept)))
    };
    captured.iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_a_newer_program_is_named_so() {
        let newer = r#"{"schema":2,"files":{},"links":{}}"#;
        assert_eq!(Manifest::parse(newer.as_bytes()), Err(ManifestError::Newer { found: 2 }));
        assert_eq!(Manifest::parse(br#"{"schema":2,"files":{}}"#), Err(ManifestError::Newer { found: 2 }));
        assert!(matches!(Manifest::parse(b"[]"), Err(ManifestError::NotAManifest(_))));
        assert_eq!(Manifest::parse(br#"{"schema":1,"files":{}}"#), Ok(Manifest::default()));
    }

    #[test]
    fn inner_paths() {
        for path in ["a", "a/b", "...", "a b/\u{fc}", "-"] {
            assert!(is_inner_path(path), "{path}");
        }
        for path in ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a\0"] {
            assert!(!is_inner_path(path), "{path}");
        }
    }

    #[test]
    fn all_that_an_observation_keeps_is_named() {
        let captured = |text: &str| Captured {
            text: "shown".to_owned(),
            bytes: 10,
            blob: Some(Digest::of(text.as_bytes())),
            dropped: 3,
        };
        let observation = Observation::Exec {
            exit_code: Some(0),
            ending: crate::observation::ExecEnding::Exited,
            new_shell: false,
            stdout: captured("out"),
            stderr: captured("err"),
            limits: Vec::new(),
        };
        let event = Event::Observed { action_id: 1, observation, took_ms: 0, working_ms: 0 };
        let expected = ["out", "err"].map(|text| NamedBlob::Content(Digest::of(text.as_bytes()), Some(7)));
        assert_eq!(named_blobs(&event), expected);
    }

    #[test]
    fn notes_are_bounded() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.left_out_summary(), None);
        manifest.leave_out(|| "`a` is a FIFO".to_owned());
        assert_eq!(manifest.left_out_summary().as_deref(), Some("`a` is a FIFO"));
        for _ in 0..100 {
            manifest.leave_out(|| "`b`".to_owned());
        }
        assert_eq!((manifest.left_out.len(), manifest.left_out_count), (MAX_NOTES, 101));
        assert_eq!(manifest.left_out_summary().as_deref(), Some("101 entries, the first: `a` is a FIFO"));
    }
}
