//! `doctor`: looks at everything that sandboxes need on this machine.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use researchgym_core::isolation::{Isolation, Runtime};

use super::cgroup::Controller;
use super::host::Inner;
use super::machine::{self, Machine};
use super::{Finding, MachineReport, SandboxError, enforced, user_namespace};

/// Looks.
pub(super) fn probe(host: &Inner) -> MachineReport {
    let root = rustix::process::geteuid().is_root();
    let mut findings = vec![bubblewrap(host), namespaces(host, root), seccomp()];
    let isolation = findings.iter().all(|finding| finding.ok || !finding.required);
    findings.extend(limits(host, root));
    findings.extend(PROGRAMS.map(|(name, required, hint)| program(name, required, hint)));
    let who =
        if root { "root: commands run as an unprivileged user all the same" } else { "an ordinary user" };
    findings.push(found("started as", who));
    MachineReport { isolation, root, findings, runtimes: runtimes(host, isolation) }
}

/// What each runtime would keep apart.
fn runtimes(host: &Inner, isolation: bool) -> BTreeMap<&'static str, Isolation> {
    let Ok(Ok(machine)) = host.executable().map(|executable| Machine::get(executable, host.home())) else {
        return BTreeMap::new();
    };
    let has_group = machine.cgroups.folders().next().is_some();
    let host = (Runtime::Host.name(), enforced::not_isolated(machine, has_group));
    let local = isolation.then(|| (Runtime::Local.name(), enforced::isolated(machine, has_group)));
    local.into_iter().chain([host]).collect()
}

const PROGRAMS: [(&str, bool, &str); 3] = [
    ("/usr/bin/bash", true, "apt-get install bash"),
    ("/usr/bin/python3", false, "apt-get install python3 (tasks and graders written in Python need it)"),
    ("uv", false, "install uv (https://docs.astral.sh/uv/): tasks with Python packages need it"),
];

fn found(name: &str, detail: impl Into<String>) -> Finding {
    Finding { name: name.to_owned(), ok: true, required: false, detail: detail.into(), hint: None }
}

fn missing(name: &str, detail: impl Into<String>, hint: &str) -> Finding {
    let hint = Some(hint.to_owned());
    Finding { name: name.to_owned(), ok: false, required: false, detail: detail.into(), hint }
}

fn required(finding: Finding) -> Finding {
    Finding { required: true, ..finding }
}

fn bubblewrap(host: &Inner) -> Finding {
    let name = "bubblewrap";
    required(match host.bubblewrap() {
        Ok(bubblewrap) => found(name, format!("{} at {}", bubblewrap.version, bubblewrap.path.display())),
        Err(SandboxError::NoIsolation { missing: what }) => missing(name, what, "apt-get install bubblewrap"),
        Err(error) => missing(name, error.to_string(), "apt-get install bubblewrap"),
    })
}

/// Really tries.
fn namespaces(host: &Inner, root: bool) -> Finding {
    const HINT: &str = "allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu also \
                        `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in a container: start it with \
                        `--privileged`, or with `--security-opt seccomp=unconfined --cap-add SYS_ADMIN`";
    let name = "namespaces";
    let Ok(bubblewrap) = host.bubblewrap() else {
        return required(missing(name, "cannot be tried without bubblewrap", "apt-get install bubblewrap"));
    };
    if root {
        let tried = host.executable().map_err(|error| error.to_string()).and_then(|executable| {
            let slot = host.slots.take().map_err(|error| error.to_string())?;
            let made = user_namespace::create(executable, slot.user).map_err(|error| error.to_string());
            host.slots.give_back(slot);
            made
        });
        if let Err(error) = tried {
            return required(missing(name, format!("user namespace: {error}"), HINT));
        }
    }
    let output = Command::new(&bubblewrap.path)
        .args(["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"])
        .args(["--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"])
        .env_clear()
        .stdin(Stdio::null())
        .output();
    required(match output {
        Ok(output) if output.status.success() => found(name, "user, process, network, IPC and host name"),
        Ok(output) => missing(name, String::from_utf8_lossy(&output.stderr).trim().to_owned(), HINT),
        Err(error) => missing(name, error.to_string(), HINT),
    })
}

fn seccomp() -> Finding {
    let name = "seccomp";
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    required(match actions.split_ascii_whitespace().any(|action| action == "errno") {
        true => found(name, "filters"),
        false => {
            missing(name, "the kernel has no seccomp filters", "use a kernel with CONFIG_SECCOMP_FILTER")
        }
    })
}

fn limits(host: &Inner, root: bool) -> Vec<Finding> {
    const HINT: &str = "weaker limits are used instead; for strict ones start as root, or in a session to which \
                        systemd hands control groups: `systemd-run --user --scope -p Delegate=yes researchgym ...`";
    let machine = host.executable().and_then(|executable| {
        Machine::get(executable, host.home())
            .map_err(|source| SandboxError::System { doing: "starting the sweeper", source })
    });
    let machine = match machine {
        Ok(machine) => machine,
        Err(error) => return vec![missing("control groups", error.to_string(), HINT)],
    };
    let controllers = [
        (Controller::Memory, "memory limit"),
        (Controller::Pids, "process limit"),
        (Controller::Cpu, "CPU limit"),
    ];
    let usable = controllers.iter().any(|(controller, _)| machine.cgroups.has(*controller));
    let groups = machine.cgroups.describe();
    let groups =
        if usable { found("control groups", groups) } else { missing("control groups", groups, HINT) };
    let mut findings = vec![groups];
    for (controller, name) in controllers {
        findings.push(match machine.cgroups.has(controller) {
            true => found(name, "by control group"),
            false if root => missing(name, "this machine lets even root have no control group for it", HINT),
            false => missing(name, "ordinary users have no control group for it here", HINT),
        });
    }
    findings
}

fn program(name: &str, is_required: bool, hint: &str) -> Finding {
    let found_at = if name.starts_with('/') {
        Some(std::path::PathBuf::from(name)).filter(|path| path.exists())
    } else {
        machine::find_program(name)
    };
    let short = name.rsplit('/').next().unwrap_or(name);
    let finding = match found_at {
        Some(path) => found(short, path.display().to_string()),
        None => missing(short, "not found", hint),
    };
    Finding { required: is_required, ..finding }
}
