//! What the kernel knows of processes: CPU time, memory, who descends from whom. Linux only.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, WaitId, WaitIdOptions};
use rustix::time::ClockId;

use crate::report::talk;

/// CPU time of this process, all threads, without its children.
pub(crate) fn own_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let now = rustix::time::clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// One process as `/proc` shows it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    /// Its name; 15 characters of it.
    pub(crate) name: String,
    /// CPU time of itself: to the nanosecond with one thread and where the kernel counts so, else to the tick.
    pub(crate) cpu: Duration,
    /// CPU time of its ended children, to the tick.
    pub(crate) children_cpu: Duration,
}

impl Process {
    fn read(pid: u32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (before, after) = stat.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = after.split_whitespace().collect();
        let tick = Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
        let ticks = |from: usize| -> Option<Duration> {
            let sum = fields.get(from)?.parse::<u32>().ok()? + fields.get(from + 1)?.parse::<u32>().ok()?;
            Some(tick * sum)
        };
        // This file is about the first thread only.
        let has_one_thread = *fields.get(17)? == "1";
        let fine = has_one_thread.then(|| fs::read_to_string(format!("/proc/{pid}/schedstat")).ok());
        let fine = fine
            .flatten()
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .map(Duration::from_nanos);
        let cpu = fine.or(ticks(11))?;
        Some(Process { pid, parent: fields.get(1)?.parse().ok()?, name, cpu, children_cpu: ticks(13)? })
    }
}

/// All living descendants of this process.
pub(crate) fn descendants() -> Vec<Process> {
    descendants_of(std::process::id())
}

/// A process and all its living descendants.
pub(crate) fn family(pid: u32) -> Vec<Process> {
    let mut family = descendants_of(pid);
    family.extend(Process::read(pid));
    family
}

fn descendants_of(ancestor: u32) -> Vec<Process> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut by_parent: HashMap<u32, Vec<Process>> = HashMap::new();
    for process in pids.filter_map(Process::read) {
        by_parent.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut open = vec![ancestor];
    while let Some(pid) = open.pop() {
        for process in by_parent.remove(&pid).unwrap_or_default() {
            open.push(process.pid);
            found.push(process);
        }
    }
    found
}

/// CPU time of this process and of all that descends from it, also of what has ended in between.
pub(crate) fn tree_cpu() -> Duration {
    cpu_of(&descendants()) + own_cpu()
}

/// CPU time of this process and of all that it started, living or ended and waited for: to the tick.
pub(crate) fn whole_cpu() -> Duration {
    cpu_of(&family(std::process::id()))
}

/// CPU time of processes and of their ended children.
pub(crate) fn cpu_of(processes: &[Process]) -> Duration {
    processes.iter().map(|process| process.cpu + process.children_cpu).sum()
}

/// Memory of living processes that is theirs, shared pages counted in parts: PSS in KiB by process name.
pub(crate) fn proportional_memory_kib(
    processes: &[Process],
    leave_out: &HashSet<u32>,
) -> HashMap<String, u64> {
    let mut sums = HashMap::new();
    for process in processes.iter().filter(|process| !leave_out.contains(&process.pid)) {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)).unwrap_or_default();
        *sums.entry(process.name.clone()).or_default() += kib(&rollup, "Pss:").unwrap_or_default();
    }
    sums
}

/// Memory that the machine could still give, in KiB.
pub(crate) fn available_memory_kib() -> u64 {
    kib(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemAvailable:").unwrap_or_default()
}

/// The most memory that this process had at any time, in KiB.
pub(crate) fn peak_memory_kib() -> u64 {
    kib(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmHWM:").unwrap_or_default()
}

/// Waits for a child to end; the most memory that it was seen with, in KiB.
pub(crate) fn peak_memory_of(child: &mut std::process::Child) -> std::io::Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = peak.max(kib(&fs::read_to_string(&status).unwrap_or_default(), "VmHWM:").unwrap_or_default());
        std::thread::park_timeout(Duration::from_millis(2));
    }
    Ok(peak)
}

/// Waits for a child to end; its CPU time, to the nanosecond where the kernel counts so.
pub(crate) fn ended(mut child: std::process::Child) -> std::io::Result<(std::process::ExitStatus, Duration)> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::Pid(Pid::from_child(&child)), ended)?;
    // It has ended and was not waited for yet, so that what the kernel knows of it can still be read.
    let fine = fs::read_to_string(format!("/proc/{}/schedstat", child.id())).ok();
    let fine = fine.and_then(|text| text.split_whitespace().next()?.parse().ok()).map(Duration::from_nanos);
    let cpu = fine.or_else(|| Process::read(child.id()).map(|process| process.cpu));
    Ok((child.wait()?, cpu.unwrap_or_default()))
}

fn kib(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

/// Allows this process as many open files as it may have; children inherit it.
pub(crate) fn raise_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if rustix::process::setrlimit(Resource::Nofile, wanted).is_err() {
        talk("the limit on open files cannot be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_ended_child_took_is_known() {
        let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; exit 3";
        let child = std::process::Command::new("sh").args(["-c", busy]).spawn().expect("sh starts");
        let (status, cpu) = ended(child).expect("it is ours");
        assert_eq!(status.code(), Some(3));
        assert!(cpu > Duration::from_millis(1), "{cpu:?}");
    }

    #[test]
    fn a_child_is_seen_with_its_time() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let found = descendants().into_iter().find(|process| process.pid == child.id());
        child.kill().and_then(|()| child.wait()).expect("it is ours");
        assert_eq!(found.map(|process| process.children_cpu), Some(Duration::ZERO));
        assert!(own_cpu() > Duration::ZERO && peak_memory_kib() > 0 && available_memory_kib() > 0);
    }
}
