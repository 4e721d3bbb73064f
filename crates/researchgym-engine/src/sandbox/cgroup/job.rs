//! The memory of the control group that this process was started in: a batch system's job, which limits all that the job
//! does. Where sandboxes have no groups of their own, or theirs allow more, its limit is met first.

use std::path::{Path, PathBuf};

use super::discovery::{Controller, Version, places_of};
use super::group::field;

/// Counts what is killed because the job is out of memory.
#[derive(Debug)]
pub(crate) struct JobMemory {
    version: Version,
    folder: PathBuf,
}

impl JobMemory {
    /// That of this process; nothing where no controller counts it.
    pub(crate) fn find() -> Option<JobMemory> {
        let places = places_of(std::process::id());
        let place = places.into_iter().find(|place| place.controllers.contains(&Controller::Memory))?;
        Some(JobMemory { version: place.version, folder: place.folder })
    }

    /// How many processes in the group were killed because it, or one that it is in, was at its limit.
    pub(crate) fn killed(&self) -> u64 {
        match self.version {
            Version::V1 => count(&self.folder, "memory.oom_control", "oom_kill"),
            Version::V2 => {
                // Who was killed because the whole machine was out of memory is counted too, but no limit was met then.
                let met = self.folder.ancestors().any(|group| count(group, "memory.events", "oom") > 0);
                if met { count(&self.folder, "memory.events", "oom_kill") } else { 0 }
            }
        }
    }
}

fn count(group: &Path, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(group.join(file)).unwrap_or_default();
    field(&text, name).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kills_at_a_limit_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("job/step");
        std::fs::create_dir_all(&own).expect("folders");
        let cases = [
            ("oom 0\noom_kill 0\n", "oom 0\noom_kill 0\n", 0),
            ("oom 0\noom_kill 2\n", "oom 0\noom_kill 2\n", 0),
            ("oom 0\noom_kill 2\n", "oom 1\noom_kill 2\n", 2),
            ("oom 3\noom_kill 1\n", "oom 3\noom_kill 1\n", 1),
        ];
        for (step, job, expected) in cases {
            std::fs::write(own.join("memory.events"), step).expect("a file");
            std::fs::write(folder.path().join("job/memory.events"), job).expect("a file");
            let memory = JobMemory { version: Version::V2, folder: own.clone() };
            assert_eq!(memory.killed(), expected, "{step:?} {job:?}");
        }
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n";
        std::fs::write(own.join("memory.oom_control"), text).expect("a file");
        assert_eq!(JobMemory { version: Version::V1, folder: own }.killed(), 4);
    }
}
