//! One container: what the engine is asked to make, and its end.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};
use bollard::query_parameters::{RemoveContainerOptions, WaitContainerOptions};
use futures_util::StreamExt as _;
use researchgym_core::wire::User;
use rustix::process::{Pid, Resource, Signal};

use super::control::Folder;
use super::engine::{Engine, Facts};
use super::error::is_not_found;
use super::gpus;
use super::image::ImageFacts;
use crate::sandbox::local::{GATEWAY_SOCKET, GUEST, PROXY_SOCKET, SESSION_SOCKET};
use crate::sandbox::{SandboxSpec, WorkingFolder};

/// Where the guest finds the socket to connect to.
pub(super) const CONTROL_SOCKET: &str = "/researchgym/control.sock";
/// The guest.
pub(super) const OUR_PROCESSES: u64 = 1;
/// Open files and processes of a user in a container of Podman.
const OPEN_FILES: u64 = 65_536;
const PROCESSES: u64 = 16_384;
/// How long a container may take to end by itself before it is removed by force.
const END_TIME: Duration = Duration::from_secs(5);
/// How long an engine may take to remove one by force.
const REMOVE_TIME: Duration = Duration::from_secs(20);

/// A container that runs, with its guest connected.
#[derive(Debug)]
pub(in crate::sandbox) struct Container {
    pub(super) engine: Arc<Engine>,
    pub(super) id: String,
    /// The guest, where the engine's processes can be seen from here.
    pub(super) pid: Option<Pid>,
    pub(super) folder: Folder,
}

impl Container {
    /// The guest has been told to end. Waits until the container is removed, which the engine does by itself, and removes
    /// it by force if that takes too long.
    pub(in crate::sandbox) async fn end(self) {
        let options = WaitContainerOptions { condition: "removed".to_owned() };
        let mut removed = std::pin::pin!(self.engine.client.wait_container(&self.id, Some(options)));
        let answer = tokio::time::timeout(END_TIME, removed.next()).await;
        let is_gone = match answer {
            // A status above 0 is an error of the client: the container has ended all the same.
            Ok(Some(Ok(_)) | Some(Err(bollard::errors::Error::DockerContainerWaitError { .. }))) => true,
            Ok(Some(Err(error))) => is_not_found(&error),
            Ok(None) | Err(_) => false,
        };
        if !is_gone {
            // Without the engine this is all that can be done; the engine removes the rest when it is back.
            if let Some(pid) = self.pid.filter(|&pid| self.is_ours(pid)) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            remove(&self.engine, &self.id).await;
        }
        drop(self.folder);
    }

    /// Whether the number still belongs to the guest.
    fn is_ours(&self, pid: Pid) -> bool {
        let arguments = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        arguments.windows(CONTROL_SOCKET.len()).any(|window| window == CONTROL_SOCKET.as_bytes())
    }
}

/// Removes a container whatever it does.
pub(super) async fn remove(engine: &Engine, id: &str) {
    let options = RemoveContainerOptions { force: true, v: true, link: false };
    // One that cannot be removed now is found by its labels later.
    let _ = tokio::time::timeout(REMOVE_TIME, engine.client.remove_container(id, Some(options))).await;
}

/// What decides how a container looks, beside its specification.
pub(super) struct Surroundings<'a> {
    pub(super) facts: &'a Facts,
    pub(super) image: &'a ImageFacts,
    pub(super) executable: &'a Path,
    pub(super) folder: &'a Folder,
    pub(super) user: ContainerUser,
    pub(super) labels: HashMap<String, String>,
}

/// Who a container's processes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContainerUser {
    /// As the container sees them.
    pub(super) inside: User,
    /// As this machine sees them.
    pub(super) outside: User,
    /// Whether Podman is to map the outer user to itself.
    pub(super) keeps_id: bool,
}

/// The whole request.
pub(super) fn request(spec: &SandboxSpec, around: &Surroundings<'_>) -> ContainerCreateBody {
    let User { uid, gid } = around.user.inside;
    ContainerCreateBody {
        image: Some(around.image.id.clone()),
        entrypoint: Some([GUEST, "guest", "--connect", CONTROL_SOCKET].map(str::to_owned).to_vec()),
        cmd: Some(Vec::new()),
        hostname: Some("sandbox".to_owned()),
        user: Some(format!("{uid}:{gid}")),
        working_dir: Some("/".to_owned()),
        env: Some(gpus::environment(spec)),
        tty: Some(false),
        open_stdin: Some(false),
        // An image's own check would be a program started in the container by the engine.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() }),
        labels: Some(around.labels.clone()),
        host_config: Some(host_config(spec, around)),
        ..Default::default()
    }
}

fn host_config(spec: &SandboxSpec, around: &Surroundings<'_>) -> HostConfig {
    let facts = around.facts;
    let memory = bytes(spec.resources.memory_mib << 20);
    let mut security = vec!["no-new-privileges".to_owned()];
    if facts.selinux {
        // Mounted folders would have to be labelled anew, which changes the user's files.
        security.push("label=disable".to_owned());
    }
    let user_namespace = if around.user.keeps_id {
        Some("keep-id".to_owned())
    } else {
        facts.remaps_users.then(|| "host".to_owned())
    };
    HostConfig {
        auto_remove: Some(true),
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        userns_mode: user_namespace,
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(security),
        readonly_rootfs: Some(true),
        init: Some(false),
        memory: facts.memory.then_some(memory),
        memory_swap: facts.memory.then_some(memory),
        nano_cpus: facts.cpu.then_some((spec.resources.cpus * 1e9) as i64),
        pids_limit: facts.pids.then_some(bytes(spec.resources.pids + OUR_PROCESSES)),
        device_requests: gpus::device_requests(spec, facts),
        ulimits: facts.is_podman().then(user_limits),
        shm_size: Some(bytes(shared_bytes(spec))),
        tmpfs: Some(memory_file_systems(spec, around.image)),
        mounts: Some(mounts(spec, around)),
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..Default::default()
    }
}

/// Podman raises these to a million unless it is told otherwise, which an engine without `CAP_SYS_RESOURCE` may not. The guest
/// sets lower ones for what it starts.
fn user_limits() -> Vec<ResourcesUlimits> {
    let own = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES);
    let limit = |name: &str, number: u64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(bytes(number)),
        hard: Some(bytes(number)),
    };
    vec![limit("nofile", own.min(OPEN_FILES)), limit("nproc", PROCESSES)]
}

fn tmp_bytes(spec: &SandboxSpec) -> u64 {
    // What is in it counts as memory and cannot be freed by killing: never more than the sandbox may use.
    (spec.resources.tmp_mib << 20).min((spec.resources.memory_mib << 20) / 2)
}

fn shared_bytes(spec: &SandboxSpec) -> u64 {
    tmp_bytes(spec).min((spec.resources.memory_mib << 20) / 4)
}

fn memory_file_systems(spec: &SandboxSpec, image: &ImageFacts) -> HashMap<String, String> {
    let option = |bytes: u64, mode: &str| format!("rw,exec,nosuid,nodev,size={bytes},mode={mode}");
    let mut all = HashMap::from([
        ("/tmp".to_owned(), option(tmp_bytes(spec), "1777")),
        ("/var/tmp".to_owned(), option(1 << 20, "1777")),
        ("/run".to_owned(), option(1 << 20, "0755")),
    ]);
    if let Some(folder) = Path::new(SESSION_SOCKET).parent() {
        all.insert(folder.to_string_lossy().into_owned(), option(64 << 10, "1777"));
    }
    // A volume that the image declares would be a folder on the engine's disk, without a limit.
    let targets: Vec<&str> = targets(spec).collect();
    for volume in image.volumes.iter().filter(|volume| !targets.contains(&volume.as_str())) {
        all.entry(volume.clone()).or_insert_with(|| option(1 << 20, "1777"));
    }
    all
}

fn targets(spec: &SandboxSpec) -> impl Iterator<Item = &str> {
    let folder = spec.working_folder.writable_source().map(|_| spec.working_folder.target());
    spec.read_only.iter().map(|mount| mount.target.as_str()).chain(folder)
}

fn mounts(spec: &SandboxSpec, around: &Surroundings<'_>) -> Vec<Mount> {
    let own = |name: &str, target: &str| bind(&around.folder.file(name), target, true);
    let mut mounts = vec![
        bind(around.executable, GUEST, true),
        own("control.sock", CONTROL_SOCKET),
        own("passwd", "/etc/passwd"),
        own("group", "/etc/group"),
        own("resolv.conf", "/etc/resolv.conf"),
    ];
    for (socket, target) in [(&spec.gateway, GATEWAY_SOCKET), (&spec.proxy, PROXY_SOCKET)] {
        // Read-only concerns its name and mode; connecting to it is no writing.
        mounts.extend(socket.as_ref().map(|socket| bind(socket, target, true)));
    }
    match &spec.working_folder {
        WorkingFolder::Writable { source } | WorkingFolder::Scratch { source, .. } => {
            mounts.push(bind(source, spec.working_folder.target(), false));
        }
        WorkingFolder::ReadOnly { .. } => {}
    }
    // A later one lies over an earlier one of the same place; an engine takes only one of each.
    for (index, mount) in spec.read_only.iter().enumerate() {
        let is_covered = spec.read_only[index + 1..].iter().any(|later| later.target == mount.target);
        if !is_covered {
            mounts.push(bind(&mount.source, &mount.target, true));
        }
    }
    mounts
}

fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            non_recursive: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn bytes(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use researchgym_core::isolation::{Image, Runtime};
    use researchgym_core::task::Resources;

    use super::*;
    use crate::sandbox::ReadOnlyMount;

    fn asked(facts: &Facts, user: ContainerUser, volumes: &[&str]) -> (ContainerCreateBody, String) {
        let folder = Folder::make(Path::new("/home"), user.inside, &|_| Ok(())).unwrap();
        let mount =
            |source: &str, target: &str| ReadOnlyMount { source: source.into(), target: target.into() };
        let spec = SandboxSpec {
            runtime: Runtime::Docker,
            image: Some(Image { name: "i".to_owned(), id: "sha256:1".to_owned() }),
            name: "r-agent".to_owned(),
            working_folder: WorkingFolder::Writable { source: "/runs/r/workspace".into() },
            read_only: vec![mount("/old", "/environment"), mount("/new", "/environment")],
            environment: BTreeMap::new(),
            resources: Resources {
                memory_mib: 256,
                cpus: 1.5,
                pids: 10,
                workspace_mib: 64,
                tmp_mib: 512,
                ..Resources::default()
            },
            session: true,
            gateway: None,
            proxy: None,
            gpus: None,
        };
        let volumes = volumes.iter().map(|&volume| volume.to_owned()).collect();
        let image = ImageFacts { id: "sha256:1".to_owned(), volumes, ..ImageFacts::default() };
        let around = Surroundings {
            facts,
            image: &image,
            executable: Path::new("/bin/researchgym"),
            folder: &folder,
            user,
            labels: HashMap::new(),
        };
        (request(&spec, &around), folder.file("").display().to_string().trim_end_matches('/').to_owned())
    }

    fn user(uid: u32, keeps_id: bool) -> ContainerUser {
        let user = User { uid, gid: uid };
        ContainerUser { inside: user, outside: user, keeps_id }
    }

    #[test]
    fn only_what_was_asked_for_is_mounted_and_only_the_workspace_can_be_written() {
        let facts = Facts { memory: true, pids: true, cpu: true, ..Facts::default() };
        let (body, own) = asked(&facts, user(7, false), &["/environment", "/cache"]);
        let host = body.host_config.unwrap();
        let seen: Vec<(String, String, bool)> = host
            .mounts
            .unwrap()
            .into_iter()
            .map(|mount| {
                (mount.source.unwrap().replace(&own, "OWN"), mount.target.unwrap(), mount.read_only.unwrap())
            })
            .collect();
        let expected = [
            ("/bin/researchgym", "/researchgym/bin/researchgym", true),
            ("OWN/control.sock", "/researchgym/control.sock", true),
            ("OWN/passwd", "/etc/passwd", true),
            ("OWN/group", "/etc/group", true),
            ("OWN/resolv.conf", "/etc/resolv.conf", true),
            ("/runs/r/workspace", "/workspace", false),
            ("/new", "/environment", true),
        ];
        assert_eq!(seen, expected.map(|(source, target, only)| (source.to_owned(), target.to_owned(), only)));
        let sizes: BTreeMap<String, String> = host.tmpfs.unwrap().into_iter().collect();
        let sized = |size: &str, mode: &str| format!("rw,exec,nosuid,nodev,size={size},mode={mode}");
        let expected = BTreeMap::from([
            ("/cache".to_owned(), sized("1048576", "1777")),
            ("/run".to_owned(), sized("1048576", "0755")),
            ("/run/researchgym".to_owned(), sized("65536", "1777")),
            ("/tmp".to_owned(), sized("134217728", "1777")),
            ("/var/tmp".to_owned(), sized("1048576", "1777")),
        ]);
        assert_eq!(sizes, expected);
        assert_eq!(body.user.as_deref(), Some("7:7"));
        assert_eq!(body.env, Some(vec!["NVIDIA_VISIBLE_DEVICES=void".to_owned()]));
        let limits = (host.memory, host.memory_swap, host.nano_cpus, host.pids_limit, host.shm_size);
        assert_eq!(limits, (Some(256 << 20), Some(256 << 20), Some(1_500_000_000), Some(11), Some(64 << 20)));
    }

    #[test]
    fn each_kind_of_engine_is_asked_in_its_own_way() {
        let check = |facts: Facts, keeps_id: bool, namespace: Option<&str>, security: &[&str]| {
            let host = asked(&facts, user(7, keeps_id), &[]).0.host_config.unwrap();
            assert_eq!((host.userns_mode.as_deref(), host.memory), (namespace, None), "{facts:?}");
            assert_eq!(host.security_opt.unwrap(), security);
        };
        check(Facts::default(), false, None, &["no-new-privileges"]);
        check(Facts { remaps_users: true, ..Facts::default() }, false, Some("host"), &["no-new-privileges"]);
        check(Facts { rootless: true, ..Facts::default() }, true, Some("keep-id"), &["no-new-privileges"]);
        let labelled = Facts { selinux: true, ..Facts::default() };
        check(labelled, false, None, &["no-new-privileges", "label=disable"]);
    }
}
