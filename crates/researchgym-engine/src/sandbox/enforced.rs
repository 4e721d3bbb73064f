//! What is kept apart, by the names that `isolation.enforced` and `isolation.missing` have in results.

use researchgym_core::isolation::{Isolation, IsolationLevel};

use super::SandboxSpec;
use super::cgroup::Controller;
use super::machine::Machine;

/// What every runtime but `host` keeps apart.
const EVERYWHERE: [&str; 10] = [
    "pid_namespace",
    "no_network",
    "ipc_namespace",
    "host_name_namespace",
    "file_system",
    "no_capabilities",
    "no_new_privileges",
    "seccomp",
    "tmp_size",
    // By a watcher: a fast writer overshoots before it is killed. No file system here bounds a folder.
    "workspace_size_watched",
];

/// What a runtime that isolates keeps apart, beginning with how it keeps users apart.
pub(super) fn kept_everywhere(users: &str) -> Vec<String> {
    std::iter::once(users).chain(EVERYWHERE).map(str::to_owned).collect()
}

/// What `local` keeps apart, with or without a control group of the sandbox's own.
pub(super) fn isolated(machine: &Machine, has_group: bool) -> Isolation {
    let mut enforced = kept_everywhere("user_namespace");
    let (limited, missing) = limits_in_force(machine, has_group);
    enforced.extend(limited);
    let level = if missing.is_empty() { IsolationLevel::Full } else { IsolationLevel::Partial };
    Isolation { level, enforced, missing }
}

/// What `host` does not keep apart, and the limits that hold all the same.
pub(super) fn not_isolated(machine: &Machine, has_group: bool) -> Isolation {
    let (mut enforced, unlimited) = limits_in_force(machine, has_group);
    enforced.push("workspace_size_watched".to_owned());
    let mut missing = ["file_system", "network", "processes", "seccomp", "tmp_size", "workspace_size"]
        .map(str::to_owned)
        .to_vec();
    missing.extend(unlimited);
    Isolation { level: IsolationLevel::None, enforced, missing }
}

/// The limits that a control group enforces, and those that nothing does.
fn limits_in_force(machine: &Machine, has_group: bool) -> (Vec<String>, Vec<String>) {
    let limits = [(Controller::Memory, "memory"), (Controller::Pids, "pids"), (Controller::Cpu, "cpu")];
    let (enforced, missing): (Vec<_>, Vec<_>) =
        limits.into_iter().partition(|(controller, _)| has_group && machine.cgroups.has(*controller));
    let names =
        |limits: Vec<(Controller, &str)>| limits.into_iter().map(|(_, name)| name.to_owned()).collect();
    (names(enforced), names(missing))
}

/// Where a sandbox has GPUs, whether those of others are kept from it.
pub(super) fn with_gpus(mut isolation: Isolation, spec: &SandboxSpec) -> Isolation {
    if spec.gpus.is_some() {
        let list = match spec.runtime.is_isolated() {
            true => &mut isolation.enforced,
            false => &mut isolation.missing,
        };
        list.push("gpu_devices".to_owned());
    }
    isolation
}
