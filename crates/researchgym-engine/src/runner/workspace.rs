//! Setting a run's workspace and sandbox up, for a new run and for one that goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use researchgym_core::digest::Digest;
use researchgym_core::event::Event;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::isolation::Runtime;
use researchgym_core::keys::agent_seed;
use researchgym_core::network::NetworkPolicy;
use researchgym_core::state::RunState;

use super::{OpenRun, Runner, outside};
use crate::gateway::{RunGateway, teller};
use crate::gpu::{GpuAccess, GpuGrant};
use crate::materials::Materials;
use crate::network::{self, Proxy};
use crate::sandbox::{GATEWAY_PORT, GATEWAY_SOCKET, ReadOnlyMount, Sandbox, SandboxSpec, WorkingFolder};
use crate::session::{Counter, Desk, WORKSPACE_CAPS};
use crate::snapshot::{Snapshotter, check_out, clear_folder, copy_in};
use crate::store::RunFolder;

/// The name under which the task's description lies in the workspace.
pub(crate) const DESCRIPTION: &str = "task_description.md";

/// What a run works in and with.
pub(super) struct Workplace {
    pub(super) sandbox: Sandbox,
    pub(super) snapshotter: Snapshotter,
    /// The run's gateway, if it has a model and programs inside may reach it.
    pub(super) counter: Option<Counter>,
    /// The proxy, if the network policy has one.
    pub(super) proxy: Option<Proxy>,
    /// Where the user of the live run is heard.
    pub(super) desk: Option<Desk>,
}

/// Fills the workspace, starts gateway and sandbox and records both.
pub(super) async fn bring_up(runner: &Runner, open: &mut OpenRun) -> Result<Workplace, Failure> {
    let workspace = open.recorder.folder.workspace();
    let folder = PathBuf::from(&open.recorder.state.started.spec.task_dir);
    let task = open.recorder.state.started.task.clone();
    unlock(&workspace)?;
    fill(open, &workspace, &folder)?;
    make_mount_points(&workspace, &runner.workbench.materials)?;
    let protected = match open.recorder.state.protected.is_empty() {
        true => hash_protected(&folder.join(&task.workspace.starter), &task.workspace.protected)?,
        false => open.recorder.state.protected.clone(),
    };
    let counter = open_gateway(runner, open).await?;
    let proxy = outside::open_proxy(&runner.workbench, &open.recorder.state).await?;
    let ways = Ways { counter: counter.as_ref(), proxy: proxy.as_ref() };
    let specification = specification(runner, open, &workspace, &folder, ways);
    let reach = outside::reach(&open.recorder.state)?;
    let mut snapshotter = Snapshotter::new();
    let (snapshot, _) =
        tokio::task::block_in_place(|| snapshotter.take(&workspace, WORKSPACE_CAPS, &open.recorder.blobs))?;
    if open.recorder.state.started.spec.runtime == Runtime::Host {
        let_through(&open.recorder.folder)?;
    }
    let gpus = open.grant.as_ref().map_or_else(Vec::new, |grant| grant.devices().to_vec());
    note_users(open)?;
    let sandbox = Sandbox::start(&runner.workbench.sandboxes, specification, Vec::new()).await?;
    let isolation = sandbox.isolation().clone().reaching(reach);
    if let Err(failure) = open.recorder.append(Event::WorkspaceReady { isolation, snapshot, protected, gpus })
    {
        sandbox.stop().await;
        return Err(failure);
    }
    if let Some(text) = outside::note(&open.recorder.state) {
        open.recorder.append(Event::Noted { text })?;
    }
    for warning in super::derived::write_status_file(&open.recorder) {
        (runner.warn)(&warning);
    }
    let run = open.recorder.folder.root();
    let desk = match Desk::open(run) {
        Ok(desk) => Some(desk),
        Err(error) => {
            (runner.warn)(&format!("the run cannot be paused or told anything while it works: {error}"));
            None
        }
    };
    Ok(Workplace { sandbox, snapshotter, counter, proxy, desk })
}

/// Puts the starter and the description into a new workspace; a run that goes on finds its own files, or the newest
/// snapshot of them if they are gone.
fn fill(open: &OpenRun, workspace: &Path, folder: &Path) -> Result<(), Failure> {
    let state = &open.recorder.state;
    if let Some(snapshot) = state.snapshot {
        if !open.reenacted.is_empty() {
            // A fork that was killed while it did things again does them from the beginning.
            clear_folder(workspace)?;
        }
        let is_there = std::fs::read_dir(workspace).is_ok_and(|mut entries| entries.next().is_some());
        if !is_there {
            let manifest = open.recorder.blobs.manifest(snapshot)?;
            check_out(&manifest, &open.recorder.blobs, workspace, None)?;
        }
        return Ok(());
    }
    let task = &state.started.task;
    clear_folder(workspace)?;
    copy_in(&folder.join(&task.workspace.starter), workspace, None)?;
    let description = folder.join(&task.description);
    std::fs::copy(&description, workspace.join(DESCRIPTION))
        .map_err(|error| Failure::new(Boundary::Task, format!("{}: {error}", description.display())))?;
    Ok(())
}

/// Opens the workspace for us again, should the agent have closed it. Nothing but its own mode is the agent's: what it
/// lies in is not.
pub(crate) fn unlock(workspace: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let lost =
        |error: std::io::Error| Failure::new(Boundary::Store, format!("{}: {error}", workspace.display()));
    let mut permissions = workspace.symlink_metadata().map_err(lost)?.permissions();
    if permissions.mode() & 0o700 == 0o700 {
        return Ok(());
    }
    permissions.set_mode(permissions.mode() | 0o700);
    std::fs::set_permissions(workspace, permissions).map_err(lost)
}

/// The `data/` folder, over whose files the datasets are mounted. An agent of an earlier segment may have put
/// something else in its place; then the mount fails and says so.
fn make_mount_points(workspace: &Path, materials: &Materials) -> Result<(), Failure> {
    let data = workspace.join("data");
    if materials.visible.is_empty() || data.symlink_metadata().is_ok() {
        return Ok(());
    }
    std::fs::create_dir(&data)
        .map_err(|error| Failure::new(Boundary::Store, format!("{}: {error}", data.display())))
}

/// The ways out of the sandbox.
#[derive(Clone, Copy)]
struct Ways<'w> {
    counter: Option<&'w Counter>,
    proxy: Option<&'w Proxy>,
}

/// What the agent's sandbox may see.
fn specification(
    runner: &Runner,
    open: &OpenRun,
    workspace: &Path,
    folder: &Path,
    ways: Ways<'_>,
) -> SandboxSpec {
    let started = &open.recorder.state.started;
    let task = &started.task;
    let materials = &runner.workbench.materials;
    let starter = folder.join(&task.workspace.starter);
    let mut read_only: Vec<ReadOnlyMount> = task
        .workspace
        .protected
        .iter()
        .map(|path| ReadOnlyMount { source: starter.join(path), target: format!("/workspace/{path}") })
        .collect();
    read_only.extend(materials.agent_mounts());
    read_only.extend(materials.environment_mount());
    if let Some(files) = &open.agent_files {
        read_only.push(ReadOnlyMount { source: files.clone(), target: "/agent".into() });
    }
    let gpus = open.grant.as_ref().map(GpuGrant::access);
    let mut environment = environment(&open.recorder.state, materials.path("/researchgym/bin:"), ways);
    environment.extend(gpus.iter().flat_map(GpuAccess::environment));
    SandboxSpec {
        runtime: started.spec.runtime,
        image: started.spec.image.clone(),
        name: format!("{}-agent", started.run_id),
        working_folder: WorkingFolder::Writable { source: workspace.to_path_buf() },
        read_only,
        environment,
        resources: task.resources.clone(),
        gpus,
        session: true,
        gateway: ways.counter.map(|counter| counter.server.socket().to_path_buf()),
        proxy: ways.proxy.and_then(Proxy::socket).map(Path::to_path_buf),
    }
}

/// Says in the log that others compute on the run's devices: then what it measures is not its own.
fn note_users(open: &mut OpenRun) -> Result<(), Failure> {
    let users = open.grant.as_ref().and_then(|grant| tokio::task::block_in_place(|| grant.users()));
    if let Some(users) = users {
        let text = format!("GPUs of this run are in use by other programs at its start: {users}");
        open.recorder.append(Event::Noted { text })?;
    }
    Ok(())
}

/// Without isolation there is no bind mount: started as root, commands run as an unprivileged user who must be able to
/// walk to the workspace, and to nothing else of the run.
fn let_through(folder: &RunFolder) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = folder.root().join("workspace");
    let open = [(folder.root().to_path_buf(), 0o711), (workspace, 0o711)];
    let closed = [folder.blobs_path(), folder.submissions(), folder.logs()].map(|path| (path, 0o700));
    for (path, mode) in open.into_iter().chain(closed).filter(|(path, _)| path.is_dir()) {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            .map_err(|error| Failure::new(Boundary::Store, format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

/// The run's gateway, if it has a model and its network policy lets programs inside reach it.
async fn open_gateway(runner: &Runner, open: &mut OpenRun) -> Result<Option<Counter>, Failure> {
    let Some(door) = &runner.door else {
        if let Some(web) = &runner.web {
            open.recorder.hide(web.redactor().clone());
        }
        return Ok(None);
    };
    // It knows the search keys too.
    open.recorder.hide(door.redactor.clone());
    if !outside::policy(&open.recorder.state).has_gateway() {
        return Ok(None);
    }
    let is_isolated = open.recorder.state.started.spec.runtime.is_isolated();
    // Without isolation the path must be short, and reachable for the unprivileged user of the commands.
    let scratch = if is_isolated { runner.workbench.scratch.clone() } else { std::env::temp_dir() };
    let sandboxes = &runner.workbench.sandboxes;
    let (teller, entries) = teller();
    let server =
        RunGateway::open((&scratch, sandboxes), !is_isolated, door, &teller).await.map_err(|error| {
            Failure::new(Boundary::Store, format!("the run's gateway below {}: {error}", scratch.display()))
        })?;
    Ok(Some(Counter { entries, server }))
}

/// What makes programs of all providers find the run's gateway.
fn gateway_environment(model: &str, counter: &Counter) -> BTreeMap<String, String> {
    let (port, token) = counter.server.port().unwrap_or((GATEWAY_PORT, "researchgym"));
    let url = format!("http://127.0.0.1:{port}");
    let variables = [
        ("RESEARCHGYM_MODEL", model),
        ("RESEARCHGYM_GATEWAY", GATEWAY_SOCKET),
        ("OPENAI_BASE_URL", &format!("{url}/v1")),
        ("OPENAI_API_BASE", &format!("{url}/v1")),
        ("OPENAI_API_KEY", token),
        ("ANTHROPIC_BASE_URL", &url),
        ("ANTHROPIC_API_KEY", token),
        ("GOOGLE_GEMINI_BASE_URL", &url),
        ("GEMINI_API_KEY", token),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn environment(state: &RunState, path: String, ways: Ways<'_>) -> BTreeMap<String, String> {
    let spec = &state.started.spec;
    let mut environment = BTreeMap::from([
        ("HOME".to_owned(), "/tmp".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("PATH".to_owned(), path),
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ("RESEARCHGYM_TASK".to_owned(), spec.task.clone()),
        ("RESEARCHGYM_SEED".to_owned(), agent_seed(spec.seed).to_string()),
        ("VIRTUAL_ENV_DISABLE_PROMPT".to_owned(), "1".to_owned()),
    ]);
    if let (Some(model), Some(counter)) = (&spec.model, ways.counter) {
        environment.extend(gateway_environment(model, counter));
    }
    if let Some(proxy) = ways.proxy {
        let policy = outside::policy(state);
        environment.extend(network::environment(proxy));
        environment.insert("RESEARCHGYM_NETWORK".to_owned(), policy.name().to_owned());
        if policy == NetworkPolicy::AllowList {
            let allowed = state.started.task.network.allow.join(" ");
            environment.insert("RESEARCHGYM_NETWORK_ALLOW".to_owned(), allowed);
        }
    }
    if spec.runtime.is_isolated() {
        environment.insert("RESEARCHGYM_SESSION".to_owned(), "/run/researchgym/session.sock".to_owned());
    }
    environment
}

fn hash_protected(starter: &Path, protected: &[String]) -> Result<BTreeMap<String, Digest>, Failure> {
    let mut hashes = BTreeMap::new();
    for path in protected {
        let file = starter.join(path);
        let content = std::fs::read(&file).map_err(|error| {
            Failure::new(Boundary::Task, format!("protected file {}: {error}", file.display()))
        })?;
        hashes.insert(path.clone(), Digest::of(&content));
    }
    Ok(hashes)
}
