//! The control group of one sandbox.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use researchgym_core::task::Resources;

use super::discovery::{self, Controller, Place, Version};
use super::removal;
use crate::sandbox::Usage;

const CPU_PERIOD_MICROSECONDS: u64 = 100_000;

/// One folder in each hierarchy. Dropping it leaves them; see [`Group::remove`].
#[derive(Debug)]
pub(in crate::sandbox) struct Group {
    places: Vec<Place>,
    cpu: Option<(Version, File)>,
    memory_events: Option<(Version, File)>,
    pids_events: Option<File>,
    /// Made by somebody else, who limits, kills and removes it.
    foreign: bool,
}

/// How often a limit was hit so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sandbox) struct Counts {
    pub out_of_memory: u64,
    pub pids_refused: u64,
}

impl Group {
    pub(super) fn make<'a>(
        parents: impl Iterator<Item = &'a Place>,
        name: &str,
        resources: &Resources,
        overhead: u64,
    ) -> io::Result<Group> {
        let mut group =
            Group { places: Vec::new(), cpu: None, memory_events: None, pids_events: None, foreign: false };
        for parent in parents {
            let place = Place { folder: parent.folder.join(name), ..parent.clone() };
            if let Err(error) = std::fs::create_dir(&place.folder) {
                group.remove();
                return Err(error);
            }
            group.places.push(place);
        }
        if let Err(error) = group.limit(resources, overhead) {
            group.remove();
            return Err(error);
        }
        group.open_meters();
        Ok(group)
    }

    /// The group that a container engine has made for a process, to be read only; nothing if it cannot be seen from here.
    pub(in crate::sandbox) fn of_process(pid: u32) -> Option<Group> {
        let places = discovery::places_of(pid);
        let mut group = Group { places, cpu: None, memory_events: None, pids_events: None, foreign: true };
        group.open_meters();
        group.cpu.is_some().then_some(group)
    }

    fn file(&self, controller: Controller, v1: &str, v2: &str) -> Option<(Version, PathBuf)> {
        let place = self.places.iter().find(|place| place.controllers.contains(&controller))?;
        let name = if place.version == Version::V1 { v1 } else { v2 };
        Some((place.version, place.folder.join(name)))
    }

    fn limit(&self, resources: &Resources, overhead: u64) -> io::Result<()> {
        let bytes = (resources.memory_mib << 20).to_string();
        if let Some((version, path)) = self.file(Controller::Memory, "memory.limit_in_bytes", "memory.max") {
            std::fs::write(&path, &bytes)?;
            let (swap, value) = match version {
                Version::V1 => ("memory.memsw.limit_in_bytes", bytes.as_str()),
                Version::V2 => ("memory.swap.max", "0"),
            };
            // Absent where swap is not accounted for.
            let swap = path.with_file_name(swap);
            if swap.exists() {
                std::fs::write(swap, value)?;
            }
        }
        if let Some((_, path)) = self.file(Controller::Pids, "pids.max", "pids.max") {
            std::fs::write(path, (resources.pids + overhead).to_string())?;
        }
        let quota = ((resources.cpus * CPU_PERIOD_MICROSECONDS as f64) as u64).max(1000);
        match self.file(Controller::Cpu, "cpu.cfs_quota_us", "cpu.max") {
            Some((Version::V1, path)) => {
                std::fs::write(
                    path.with_file_name("cpu.cfs_period_us"),
                    CPU_PERIOD_MICROSECONDS.to_string(),
                )?;
                std::fs::write(path, quota.to_string())?;
            }
            Some((Version::V2, path)) => std::fs::write(path, format!("{quota} {CPU_PERIOD_MICROSECONDS}"))?,
            None => {}
        }
        Ok(())
    }

    fn open_meters(&mut self) {
        let open = |found: Option<(Version, PathBuf)>| {
            let (version, path) = found?;
            Some((version, File::open(path).ok()?))
        };
        self.cpu = open(self.file(Controller::CpuAccounting, "cpuacct.usage", "cpu.stat"));
        self.memory_events = open(self.file(Controller::Memory, "memory.oom_control", "memory.events"));
        self.pids_events =
            open(self.file(Controller::Pids, "pids.events", "pids.events")).map(|(_, file)| file);
    }

    /// Files to which a process with one thread writes `0` to join.
    ///
    /// Moving a thread by `tasks` takes microseconds; moving a process by `cgroup.procs`, the only way of version 2, lets
    /// the kernel wait for all processors: 5 to 15 ms if nobody has done so just before.
    pub(in crate::sandbox) fn join_files(&self) -> io::Result<Vec<OwnedFd>> {
        let name = |version| if version == Version::V1 { "tasks" } else { "cgroup.procs" };
        self.places
            .iter()
            .map(|place| Ok(File::options().write(true).open(place.folder.join(name(place.version)))?.into()))
            .collect()
    }

    /// CPU time of all processes so far.
    pub(in crate::sandbox) fn cpu_time(&self) -> Option<Duration> {
        let (version, file) = self.cpu.as_ref()?;
        let text = read_again(file)?;
        match version {
            Version::V1 => Some(Duration::from_nanos(text.trim().parse().ok()?)),
            Version::V2 => Some(Duration::from_micros(field(&text, "usage_usec")?)),
        }
    }

    /// How often limits were hit.
    pub(in crate::sandbox) fn counts(&self) -> Counts {
        let read = |file: &File, name| field(&read_again(file)?, name);
        let memory = self.memory_events.as_ref().and_then(|(_, file)| killed_at_limit(&read_again(file)?));
        let pids = self.pids_events.as_ref().and_then(|file| read(file, "max"));
        Counts { out_of_memory: memory.unwrap_or(0), pids_refused: pids.unwrap_or(0) }
    }

    /// Everything that was measured; read it when all processes are gone.
    pub(in crate::sandbox) fn usage(&self) -> Usage {
        let peak = self.file(Controller::Memory, "memory.max_usage_in_bytes", "memory.peak");
        let peak = peak.and_then(|(_, path)| std::fs::read_to_string(path).ok()?.trim().parse().ok());
        let Counts { out_of_memory, pids_refused } = self.counts();
        Usage {
            cpu: self.cpu_time().unwrap_or_default(),
            peak_memory_bytes: peak,
            out_of_memory,
            pids_refused,
        }
    }

    /// Kills every process in it, without waiting.
    pub(in crate::sandbox) fn kill(&self) {
        if self.foreign {
            return;
        }
        self.places.iter().for_each(|place| removal::kill(&place.folder));
    }

    /// Whether no process is left.
    pub(in crate::sandbox) fn is_empty(&self) -> bool {
        self.foreign || self.places.iter().all(|place| removal::is_empty(&place.folder))
    }

    /// Kills what is left and removes the folders. Blocks until that is done, some seconds at most.
    pub(in crate::sandbox) fn remove(&self) {
        if self.foreign {
            return;
        }
        self.places.iter().for_each(|place| removal::remove(&place.folder));
    }
}

fn read_again(file: &File) -> Option<String> {
    let mut buffer = [0; 4096];
    let length = file.read_at(&mut buffer, 0).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// How many processes were killed because the group was at its limit. Those that the kernel killed because the whole machine
/// was out of memory are counted in `oom_kill` too; version 2 tells them apart by `oom`, which counts the limit alone.
fn killed_at_limit(text: &str) -> Option<u64> {
    let killed = field(text, "oom_kill")?;
    Some(if field(text, "oom") == Some(0) { 0 } else { killed })
}

/// The number behind a name in a file of `name number` lines.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_whole_machine_lacked_is_not_the_groups_limit() {
        for (text, expected) in [
            ("low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n", Some(2)),
            ("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n", Some(0)),
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", Some(3)),
            ("oom_kill_disable 0\nunder_oom 0\n", None),
        ] {
            assert_eq!(killed_at_limit(text), expected, "{text}");
        }
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "low 0\noom 7\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "oom"), Some(7));
        assert_eq!(field(text, "max"), None);
    }
}
