//! From a specification to a container whose guest waits for its set-up.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use researchgym_core::wire::{Setup, User};
use rustix::process::Pid;
use tokio::net::UnixStream;

use super::container::{self, CONTROL_SOCKET, Container, ContainerUser, OUR_PROCESSES, Surroundings};
use super::control::{self, Folder};
use super::engine::{Engine, Facts};
use super::error::words;
use super::image::ImageFacts;
use super::orphans::{self, Owner};
use super::{EngineError, gpus, isolation};
use crate::sandbox::cgroup::Group;
use crate::sandbox::enforced::with_gpus;
use crate::sandbox::host::Inner;
use crate::sandbox::launch::{self as common, Launched, Process};
use crate::sandbox::machine::Machine;
use crate::sandbox::slots::Slot;
use crate::sandbox::{SandboxError, SandboxSpec, spawner};

/// How long the engine may take from the start of a container to the guest's first act, on a busy machine.
const CONNECT_TIME: Duration = Duration::from_secs(60);

/// What was prepared on this machine before the engine is asked for anything.
struct Prepared {
    slot: Option<Slot>,
    user: ContainerUser,
    folder: Folder,
}

/// Starts it.
pub(in crate::sandbox) async fn launch(
    host: Arc<Inner>,
    spec: SandboxSpec,
    inherited: Vec<OwnedFd>,
) -> Result<Launched, SandboxError> {
    let engine = host.engine().await?;
    gpus::check(&spec, &engine.facts)?;
    let Some(image) = &spec.image else {
        let what = "a container needs an image".to_owned();
        return Err(SandboxError::Specification { name: spec.name, what });
    };
    let image = ImageFacts::of_id(&engine, image).await?;
    let (inner, facts, specification) = (Arc::clone(&host), engine.facts.clone(), spec.clone());
    let socket = engine.socket.clone();
    let prepared = spawner::run(move || {
        tell_sweeper(&inner, &socket)?;
        prepare(&inner, &facts, &specification)
    })
    .await?;
    let Prepared { slot, user, folder } = prepared;
    let result = start(&host, &engine, &spec, &image, (user, folder), inherited).await;
    match result {
        Ok(launched) => Ok(Launched { slot, ..launched }),
        Err(error) => {
            slot.into_iter().for_each(|slot| host.slots.give_back(slot));
            Err(error)
        }
    }
}

/// Once per process: what is to be removed after us.
fn tell_sweeper(host: &Inner, socket: &Path) -> Result<(), SandboxError> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let system = |doing| move |source| SandboxError::System { doing, source };
    let machine = Machine::get(host.executable()?, host.home()).map_err(system("starting the sweeper"))?;
    if !TOLD.swap(true, Ordering::Relaxed) {
        let order = orphans::order(&Owner::this(), socket);
        machine.sweeper.add_containers(&order).map_err(system("telling the sweeper of containers"))?;
    }
    Ok(())
}

fn prepare(host: &Inner, facts: &Facts, spec: &SandboxSpec) -> Result<Prepared, SandboxError> {
    let system = |doing| move |source| SandboxError::System { doing, source };
    common::check(spec)?;
    let is_root = rustix::process::geteuid().is_root();
    let slot = match is_root && !facts.rootless {
        true => Some(host.slots.take().map_err(system("taking an unprivileged user id"))?),
        false => None,
    };
    let user = container_user(facts, slot.as_ref().map(|slot| slot.user));
    if let Some(source) = spec.working_folder.writable_source() {
        common::prepare_working_folder(source, spec, slot.as_ref().map(|_| user.outside))?;
    }
    let machine = Machine::get(host.executable()?, host.home()).map_err(system("starting the sweeper"))?;
    let announce = |folder: &Path| machine.sweeper.add_folder(folder);
    let folder = Folder::make(host.home(), user.inside, &announce)
        .map_err(system("making a folder for a container"))?;
    Ok(Prepared { slot, user, folder })
}

/// Never the machine's root: as root an unprivileged user of the machine, else this user. An engine without root has no
/// other user of the machine than its own; what it calls root is that one.
fn container_user(facts: &Facts, slot: Option<User>) -> ContainerUser {
    let own = User { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    let root = User { uid: 0, gid: 0 };
    match slot {
        Some(user) => ContainerUser { inside: user, outside: user, keeps_id: false },
        None if facts.rootless && facts.is_podman() => {
            ContainerUser { inside: own, outside: own, keeps_id: true }
        }
        None if facts.rootless => ContainerUser { inside: root, outside: own, keeps_id: false },
        None => ContainerUser { inside: own, outside: own, keeps_id: false },
    }
}

async fn start(
    host: &Inner,
    engine: &Arc<Engine>,
    spec: &SandboxSpec,
    image: &ImageFacts,
    (user, folder): (ContainerUser, Folder),
    inherited: Vec<OwnedFd>,
) -> Result<Launched, SandboxError> {
    let system = |doing| move |source| SandboxError::System { doing, source };
    let setup = setup(spec, &engine.facts, image)?;
    let complaints = common::memory_file().map_err(system("making a file in memory"))?;
    let complaints_end = complaints.try_clone().map_err(system("duplicating a descriptor"))?;
    let listener = folder.listen().map_err(system("listening for the guest"))?;
    let surroundings = Surroundings {
        facts: &engine.facts,
        image,
        executable: host.executable()?,
        folder: &folder,
        user,
        labels: orphans::labels(&Owner::this(), spec, host.home()),
    };
    let request = container::request(spec, &surroundings);
    let id = engine
        .client
        .create_container(None, request)
        .await
        .map_err(|error| {
            gpus::refusal(spec, &error).unwrap_or_else(|| EngineError::refused("making a container")(error))
        })?
        .id;
    let connected = async {
        engine.client.start_container(&id, None).await.map_err(|error| {
            match gpus::refusal(spec, &error) {
                Some(refusal) => refusal.into(),
                None => failed(spec, format!("the container engine says: {}", words(&error))),
            }
        })?;
        accept(engine, spec, &id, &listener, user).await
    };
    let (control, pid) = match connected.await {
        Ok(connected) => connected,
        Err(error) => {
            container::remove(engine, &id).await;
            return Err(error);
        }
    };
    drop(listener);
    let descriptors: Vec<OwnedFd> = [complaints_end.into()].into_iter().chain(inherited).collect();
    let sent = folder.close().and_then(|()| control::send_descriptors(&control, &descriptors));
    let group = pid.and_then(|pid| Group::of_process(pid.as_raw_nonzero().get().unsigned_abs()));
    let container = Container { engine: Arc::clone(engine), id, pid, folder };
    if let Err(source) = sent {
        drop(control);
        container.end().await;
        return Err(SandboxError::System { doing: "handing descriptors to a guest", source });
    }
    Ok(Launched {
        process: Process::Container(Box::new(container)),
        control,
        complaints,
        group,
        slot: None,
        setup,
        isolation: with_gpus(isolation::isolation(&engine.facts), spec),
        private: None,
    })
}

fn setup(spec: &SandboxSpec, facts: &Facts, image: &ImageFacts) -> Result<Setup, SandboxError> {
    let (gateway, proxy) = common::ways_out(spec)?;
    let limits = common::process_limits(spec, facts.pids, facts.memory, OUR_PROCESSES);
    Ok(Setup {
        environment: image.environment_of(&spec.environment),
        gateway,
        proxy,
        watched_memory_bytes: (!facts.memory).then_some(spec.resources.memory_mib << 20),
        ..common::setup(spec, limits)
    })
}

/// Waits for the guest, which is the first and only one to connect.
async fn accept(
    engine: &Engine,
    spec: &SandboxSpec,
    id: &str,
    listener: &tokio::net::UnixListener,
    user: ContainerUser,
) -> Result<(std::os::unix::net::UnixStream, Option<Pid>), SandboxError> {
    let options = bollard::query_parameters::WaitContainerOptions { condition: "not-running".to_owned() };
    let mut ended = std::pin::pin!(engine.client.wait_container(id, Some(options)));
    let accepted = tokio::select! {
        biased;
        accepted = listener.accept() => accepted,
        _ = futures_util::StreamExt::next(&mut ended) => {
            return Err(failed(spec, "the container ended before its first process was connected".to_owned()));
        }
        () = tokio::time::sleep(CONNECT_TIME) => {
            let what = format!("its first process did not connect to {CONTROL_SOCKET} within {} s", CONNECT_TIME.as_secs());
            return Err(failed(spec, what));
        }
    };
    let lost = |source| SandboxError::System { doing: "accepting a guest", source };
    let (stream, _) = accepted.map_err(lost)?;
    let pid = peer(&stream, user.outside).map_err(lost)?;
    Ok((stream.into_std().map_err(lost)?, pid))
}

/// Who is at the other end: the container's user, by a process that this machine may or may not see.
fn peer(stream: &UnixStream, user: User) -> io::Result<Option<Pid>> {
    let credentials = stream.peer_cred()?;
    if credentials.uid() != user.uid {
        return Err(io::Error::other(format!("user {} connected in place of the guest", credentials.uid())));
    }
    Ok(credentials.pid().and_then(Pid::from_raw))
}

fn failed(spec: &SandboxSpec, reason: String) -> SandboxError {
    SandboxError::Start { name: spec.name.clone(), reason }
}
