//! From a specification to running processes: everything that blocks, done on one of the spawner's threads.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};

use researchgym_core::isolation::{Isolation, Runtime};
use researchgym_core::wire::{Gateway, ProcessLimits, Setup, User};
use rustix::fs::MemfdFlags;

use super::cgroup::{Controller, Group};
use super::docker::Container;
use super::enforced::{isolated, not_isolated, with_gpus};
use super::host::Inner;
use super::local::{self, Prepared};
use super::machine::Machine;
use super::slots::Slot;
use super::unisolated;
use super::user_namespace::{self, INSIDE};
use super::{SandboxError, SandboxSpec, ownership};
use crate::sys::{self, SandboxChild};

/// How much of each output stream of one command is kept.
pub(crate) const KEPT_BYTES: u64 = 256 << 20;
const OPEN_FILES: u64 = 65_536;
/// Bubblewrap and the guest.
const OUR_PROCESSES: u64 = 2;

/// Processes that run, a guest that waits for its set-up.
pub(super) struct Launched {
    pub process: Process,
    pub control: UnixStream,
    /// What bubblewrap and the guest write to their standard error.
    pub complaints: File,
    pub group: Option<Group>,
    pub slot: Option<Slot>,
    pub setup: Setup,
    pub isolation: Isolation,
    /// The `host` runtime's place for the session socket.
    pub private: Option<unisolated::Private>,
}

/// What a sandbox's processes hang on.
pub(super) enum Process {
    /// Bubblewrap, or the guest itself.
    Child(Child),
    /// A container of an engine.
    Container(Box<Container>),
}

/// Starts it, as a child of this process.
pub(super) fn launch(
    host: &Inner,
    spec: &SandboxSpec,
    inherited: Vec<OwnedFd>,
) -> Result<Launched, SandboxError> {
    check(spec)?;
    let executable = host.executable()?;
    let system = |doing| move |source| SandboxError::System { doing, source };
    let machine = Machine::get(executable, host.home()).map_err(system("starting the sweeper"))?;
    let mut slot = match machine.root {
        true => Some(host.slots.take().map_err(system("taking an unprivileged user id"))?),
        false => None,
    };
    let group = make_group(machine, spec);
    let result = start_process(host, spec, machine, slot.as_mut(), group.as_ref(), inherited);
    match result {
        Ok(started) => Ok(Launched { group, slot, ..started }),
        Err(error) => {
            if let Some(group) = group {
                group.remove();
            }
            slot.into_iter().for_each(|slot| host.slots.give_back(slot));
            Err(error)
        }
    }
}

fn make_group(machine: &Machine, spec: &SandboxSpec) -> Option<Group> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    machine.cgroups.folders().next()?;
    let name = format!("{}-{}", spec.name, NUMBER.fetch_add(1, Ordering::Relaxed));
    machine.cgroups.make_group(&name, spec.runtime, &spec.resources, OUR_PROCESSES).ok()
}

fn start_process(
    host: &Inner,
    spec: &SandboxSpec,
    machine: &Machine,
    slot: Option<&mut Slot>,
    group: Option<&Group>,
    inherited: Vec<OwnedFd>,
) -> Result<Launched, SandboxError> {
    let system = |doing| move |source| SandboxError::System { doing, source };
    let executable = host.executable()?;
    let outer_user = slot.as_ref().map(|slot| slot.user);
    if let Some(source) = spec.working_folder.writable_source() {
        prepare_working_folder(source, spec, outer_user)?;
    }
    let (gateway, proxy) = ways_out(spec)?;
    let has = |controller| group.is_some() && machine.cgroups.has(controller);
    let limits = process_limits(spec, has(Controller::Pids), has(Controller::Memory), OUR_PROCESSES);
    let mut setup = Setup {
        inherited: inherited.iter().map(|descriptor| descriptor.as_raw_fd()).collect(),
        gateway,
        proxy,
        watched_memory_bytes: (!has(Controller::Memory)).then_some(spec.resources.memory_mib << 20),
        ..setup(spec, limits)
    };
    let (prepared, private, isolation) = match spec.runtime {
        Runtime::Local => {
            let bubblewrap = host.bubblewrap()?;
            let namespace = match slot {
                Some(slot) => Some(namespace_of(slot, executable)?),
                None => None,
            };
            if namespace.is_some() {
                setup.user = Some(User { uid: INSIDE, gid: INSIDE });
            }
            let prepared = local::prepare(bubblewrap, executable, spec, namespace)
                .map_err(system("preparing the arguments of bubblewrap"))?;
            (prepared, None, with_gpus(isolated(machine, group.is_some()), spec))
        }
        Runtime::Docker => unreachable!("containers are launched by the module for them"),
        Runtime::Host => {
            setup.user = outer_user;
            let private = unisolated::prepare(host, machine, spec, &mut setup)?;
            let mut command = Command::new(executable);
            command.arg("guest").env_clear().current_dir("/");
            let isolation = with_gpus(not_isolated(machine, group.is_some()), spec);
            (Prepared { command, kept: Vec::new() }, Some(private), isolation)
        }
    };
    let Prepared { mut command, mut kept } = prepared;
    kept.extend(inherited);
    let (control, guest_end) = UnixStream::pair().map_err(system("making a socket pair"))?;
    let complaints = memory_file().map_err(system("making a file in memory"))?;
    let guest_end: OwnedFd = guest_end.into();
    command
        .stdin(guest_end.try_clone().map_err(system("duplicating a descriptor"))?)
        .stdout(guest_end)
        .stderr(complaints.try_clone().map_err(system("duplicating a descriptor"))?);
    let cgroups = match group {
        Some(group) => group.join_files().map_err(system("opening the control group"))?,
        None => Vec::new(),
    };
    sys::prepare_sandbox_child(&mut command, SandboxChild { cgroups, kept, spared: machine.root });
    let process = command.spawn().map_err(|error| SandboxError::Start {
        name: spec.name.clone(),
        reason: format!("`{}`: {error}", command.get_program().display()),
    })?;
    let process = Process::Child(process);
    Ok(Launched { process, control, complaints, group: None, slot: None, setup, isolation, private })
}

/// What every guest is told, whatever it runs in.
pub(super) fn setup(spec: &SandboxSpec, limits: ProcessLimits) -> Setup {
    Setup {
        isolated: spec.runtime.is_isolated(),
        user: None,
        working_folder: spec.working_folder.target().to_owned(),
        environment: spec.environment.clone().into_iter().collect(),
        inherited: Vec::new(),
        session_socket: spec.session.then(|| local::SESSION_SOCKET.to_owned()),
        gateway: None,
        proxy: None,
        limits,
        watched_memory_bytes: None,
        kept_bytes: KEPT_BYTES,
    }
}

fn namespace_of<'a>(slot: &'a mut Slot, executable: &Path) -> Result<&'a OwnedFd, SandboxError> {
    if slot.namespace.is_none() {
        let namespace = user_namespace::create(executable, slot.user)
            .map_err(|error| SandboxError::NoIsolation { missing: error.to_string() })?;
        slot.namespace = Some(namespace);
    }
    Ok(slot.namespace.as_ref().expect("it was just put there"))
}

/// Refuses what would be a mistake of ours or would give the sandbox a way out.
pub(super) fn check(spec: &SandboxSpec) -> Result<(), SandboxError> {
    let refuse = |what: String| Err(SandboxError::Specification { name: spec.name.clone(), what });
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if spec.name.is_empty() || spec.name.starts_with('.') || !spec.name.chars().all(plain) {
        return refuse("the name must be of letters, digits, `-`, `_` and `.`".to_owned());
    }
    let targets = spec.read_only.iter().map(|mount| mount.target.as_str());
    for target in targets.chain([spec.working_folder.target()]) {
        let mut components = Path::new(target).components();
        let absolute = components.next() == Some(Component::RootDir);
        if !absolute
            || !components.all(|component| matches!(component, Component::Normal(_)))
            || target == "/"
        {
            return refuse(format!("`{target}` is not a plain absolute path"));
        }
    }
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return refuse(format!("`{name}` cannot be an environment variable"));
        }
    }
    Ok(())
}

/// Where the model gateway and the proxy will be, if the sandbox has them.
pub(super) fn ways_out(spec: &SandboxSpec) -> Result<(Option<Gateway>, Option<Gateway>), SandboxError> {
    let gateway = spec
        .gateway
        .as_deref()
        .map(|socket| forwarded(socket, spec, "model gateway", local::GATEWAY_SOCKET, local::GATEWAY_PORT));
    let proxy = spec
        .proxy
        .as_deref()
        .map(|socket| forwarded(socket, spec, "proxy", local::PROXY_SOCKET, local::PROXY_PORT));
    Ok((gateway.transpose()?, proxy.transpose()?))
}

/// Looks that a socket is there and says where it will be.
fn forwarded(
    socket: &Path,
    spec: &SandboxSpec,
    name: &str,
    target: &str,
    port: u16,
) -> Result<Gateway, SandboxError> {
    let metadata = std::fs::metadata(socket).map_err(|source| SandboxError::Path {
        doing: "looking at the socket",
        path: socket.to_owned(),
        source,
    })?;
    if !socket.is_absolute() || !metadata.file_type().is_socket() {
        let what = format!("the {name} `{}` is not the absolute path of a socket", socket.display());
        return Err(SandboxError::Specification { name: spec.name.clone(), what });
    }
    Ok(Gateway { socket: target.to_owned(), port })
}

/// Makes mount points in the folder and hands it to the user.
pub(super) fn prepare_working_folder(
    source: &Path,
    spec: &SandboxSpec,
    user: Option<User>,
) -> Result<(), SandboxError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| SandboxError::Path { doing, path, source }
    };
    for mount in spec.read_only.iter().filter(|_| spec.runtime.is_isolated()) {
        if let Ok(relative) = Path::new(&mount.target).strip_prefix(spec.working_folder.target()) {
            let is_folder = std::fs::metadata(&mount.source)
                .map_err(failed("looking at the read-only mount", &mount.source))?
                .is_dir();
            let point = source.join(relative);
            ownership::make_mount_point(source, relative, is_folder)
                .map_err(failed("making the mount point", &point))?;
        }
    }
    if let Some(user) = user {
        ownership::hand_over(source, user)
            .map_err(failed("handing the folder to the sandbox's user:", source))?;
    }
    Ok(())
}

/// What each process is limited to, beside what limits them all together.
pub(super) fn process_limits(
    spec: &SandboxSpec,
    are_counted: bool,
    is_memory_limited: bool,
    overhead: u64,
) -> ProcessLimits {
    // Without a namespace the count is that of the user's processes on the whole machine.
    let countable = spec.runtime.is_isolated();
    ProcessLimits {
        files: OPEN_FILES,
        file_bytes: spec.resources.workspace_mib << 20,
        processes: (!are_counted && countable).then_some(spec.resources.pids + overhead),
        data_bytes: (!is_memory_limited).then_some(spec.resources.memory_mib << 20),
    }
}

pub(super) fn memory_file() -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create("complaints", MemfdFlags::CLOEXEC)?))
}

/// What was written to a file in memory, in one line.
pub(super) fn complaints(file: &mut File) -> String {
    let mut text = Vec::new();
    let read = file.rewind().and_then(|()| io::Read::read_to_end(&mut io::Read::take(file, 4096), &mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text).trim().replace('\n', "; "),
        Err(_) => String::new(),
    }
}
