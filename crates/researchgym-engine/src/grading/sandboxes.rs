//! What graders and players may see: the two specifications that keep agent code and hidden files apart.

use std::collections::BTreeMap;
use std::path::Path;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::network::{Phase, Rules};
use researchgym_core::task::Player;

use super::Grading;
use crate::network::{Policy, Proxy, environment};
use crate::sandbox::{ReadOnlyMount, SandboxSpec, WorkingFolder};

/// The grader's proxy, if the task gives it one.
pub(super) fn proxy(grading: &Grading<'_>) -> Result<Option<Proxy>, Failure> {
    let network = &grading.task.network;
    if !network.grader.has_proxy() {
        return Ok(None);
    }
    let rules = Rules::of(network.grader, network).map_err(|what| Failure::new(Boundary::Task, what))?;
    let names = grading.names.clone();
    let policy = Policy { phase: Phase::Grader, rules, traffic: network.traffic_mib << 20, names };
    Proxy::on_socket(grading.scratch, policy).map(Some).map_err(|error| {
        Failure::new(Boundary::Sandbox, format!("the grader's proxy cannot be opened: {error}"))
    })
}

/// The grader: hidden files, the submission as plain files, no agent code running.
pub(super) fn grader(grading: &Grading<'_>, proxy: Option<&Proxy>) -> Result<SandboxSpec, Failure> {
    let mut read_only = vec![
        mount(grading.task_folder.join(&grading.task.grader.files), "/grader"),
        mount(grading.submission.to_path_buf(), "/submission"),
        mount(grading.library.to_path_buf(), "/researchgym/lib"),
    ];
    read_only.extend(grading.materials.environment_mount());
    read_only.extend(grading.materials.grader_mounts());
    let mut specification = specification(grading, "grader", read_only, "/grader")?;
    specification.environment.extend(proxy.into_iter().flat_map(environment));
    specification.proxy = proxy.and_then(Proxy::socket).map(Path::to_path_buf);
    Ok(specification)
}

/// A player: without any network, whatever the task says; agent-written (or reference) code and the support library, nothing else.
pub(super) fn player(grading: &Grading<'_>, player: &Player) -> Result<SandboxSpec, Failure> {
    let code = match &player.files {
        Some(files) => grading.task_folder.join(files),
        None => grading.submission.to_path_buf(),
    };
    let mut read_only =
        vec![mount(code, "/submission"), mount(grading.library.to_path_buf(), "/researchgym/lib")];
    read_only.extend(grading.materials.environment_mount());
    specification(grading, &player.name, read_only, "/submission")
}

fn specification(
    grading: &Grading<'_>,
    role: &str,
    read_only: Vec<ReadOnlyMount>,
    working_folder: &str,
) -> Result<SandboxSpec, Failure> {
    for mount in &read_only {
        if !mount.source.exists() {
            return Err(Failure::new(
                Boundary::Task,
                format!("task {}: {} is missing", grading.task.id, mount.source.display()),
            ));
        }
    }
    let mut environment = BTreeMap::from([
        ("HOME".into(), "/tmp".into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("PATH".into(), grading.materials.path("")),
        ("PYTHONPATH".into(), "/researchgym/lib".into()),
        ("PYTHONDONTWRITEBYTECODE".into(), "1".into()),
        ("PYTHONHASHSEED".into(), "0".into()),
    ]);
    // One thread: graded CPU time must not depend on how many cores the machine has.
    environment.insert("OPENBLAS_NUM_THREADS".into(), "1".into());
    environment.insert("OMP_NUM_THREADS".into(), "1".into());
    Ok(SandboxSpec {
        runtime: grading.materials.runtime(),
        image: grading.materials.image.clone(),
        name: format!("{}-{role}", grading.name),
        working_folder: WorkingFolder::ReadOnly { target: working_folder.into() },
        read_only,
        environment,
        resources: grading.task.resources.clone(),
        gpus: None,
        session: false,
        gateway: None,
        proxy: None,
    })
}

fn mount(source: std::path::PathBuf, target: &str) -> ReadOnlyMount {
    ReadOnlyMount { source, target: target.into() }
}
