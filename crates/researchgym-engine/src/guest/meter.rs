//! What the sandbox has used, where no cgroup counts it.

use std::time::Duration;

use rustix::process::Pid;

use super::tree::{Entry, Tree};
use crate::sys;

/// CPU time of every process so far. Precise for living processes and for those that their parent waited for;
/// what a parent that ignores its children's end has lost is lost here too.
pub(crate) fn cpu_time(tree: &Tree) -> Duration {
    let of_entry = |entry: Entry| {
        let own = Pid::from_raw(entry.id.pid).and_then(sys::process_cpu_time).unwrap_or_default();
        own + Duration::from_millis(entry.children_ticks * 10)
    };
    sys::children_cpu_time() + tree.list().into_iter().map(of_entry).sum::<Duration>()
}

/// Private memory of every living process, in bytes.
pub(crate) fn memory(tree: &Tree) -> u64 {
    let page = rustix::param::page_size() as u64;
    let of_entry = |entry: Entry| {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", entry.id.pid)).ok()?;
        let mut pages = pages.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
        let (resident, shared) = (pages.next()?, pages.next()?);
        Some(resident.saturating_sub(shared) * page)
    };
    tree.list().into_iter().filter_map(of_entry).sum()
}
