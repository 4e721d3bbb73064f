//! What a task needs from outside its folder: its Python environment and its data, ready to be mounted.

use std::path::PathBuf;

use crate::sandbox::ReadOnlyMount;

/// A task's environment and data, made or fetched before a run starts.
#[derive(Clone, Debug, Default)]
pub struct Materials {
    /// The `uv`-made environment's folder on the host.
    pub environment: Option<PathBuf>,
    /// Files that the agent may see: name and host path.
    pub visible: Vec<(String, PathBuf)>,
    /// Files that only the grader may see.
    pub hidden: Vec<(String, PathBuf)>,
}

impl Materials {
    /// `PATH` inside a sandbox, with `first` (a folder and a colon, or nothing) in front.
    pub fn path(&self, first: &str) -> String {
        let environment = if self.environment.is_some() { "/environment/bin:" } else { "" };
        format!("{first}{environment}/usr/local/bin:/usr/bin:/bin")
    }

    /// The environment at `/environment`.
    pub fn environment_mount(&self) -> Option<ReadOnlyMount> {
        let source = self.environment.clone()?;
        Some(ReadOnlyMount { source, target: "/environment".into() })
    }

    /// Visible files in the agent's `data/`.
    pub fn agent_mounts(&self) -> impl Iterator<Item = ReadOnlyMount> + '_ {
        self.visible.iter().map(|(name, source)| ReadOnlyMount {
            source: source.clone(),
            target: format!("/workspace/data/{name}"),
        })
    }

    /// All files in the grader's `/data`.
    pub fn grader_mounts(&self) -> impl Iterator<Item = ReadOnlyMount> + '_ {
        self.visible
            .iter()
            .chain(&self.hidden)
            .map(|(name, source)| ReadOnlyMount { source: source.clone(), target: format!("/data/{name}") })
    }
}
