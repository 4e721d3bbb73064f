//! Containers whose process of ours is gone. Each says in its labels whose it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptions, RemoveContainerOptions};
use serde::{Deserialize, Serialize};

use super::engine::{self, Engine};
use super::{EngineError, container};
use crate::sandbox::SandboxSpec;
use crate::sandbox::cgroup::started;

const NAME: &str = "researchgym.run";
const HOME: &str = "researchgym.home";
const PID: &str = "researchgym.pid";
const STARTED: &str = "researchgym.started";
const BOOT: &str = "researchgym.boot";
const NAMESPACE: &str = "researchgym.pid_namespace";

/// States that every engine means alike. What has ended the engine removes by itself.
const KNOWN_STATES: [&str; 3] = ["created", "running", "paused"];

/// How often and how long containers that do not go are removed again.
const INTERVAL: Duration = Duration::from_millis(200);
const ATTEMPTS: u32 = 50;
/// How often in a row there must be none: one may still have been in the making when its owner ended.
const ENOUGH: u32 = 4;

/// A process in a way that no other process will ever be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Owner {
    pid: u32,
    started: u64,
    boot: String,
    namespace: String,
}

/// A container whose process of ours is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// Its identifier.
    pub container: String,
    /// The run and role it was made for.
    pub name: String,
    /// The home folder of the process that made it.
    pub home: PathBuf,
}

impl Owner {
    /// This process.
    pub(super) fn this() -> Owner {
        let pid = std::process::id();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Owner {
            pid,
            started: started(pid).unwrap_or(0),
            boot: boot.trim().to_owned(),
            namespace: namespace.to_string_lossy().into_owned(),
        }
    }

    fn of(labels: &HashMap<String, String>) -> Option<Owner> {
        let label = |name: &str| labels.get(name).cloned();
        Some(Owner {
            pid: label(PID)?.parse().ok()?,
            started: label(STARTED)?.parse().ok()?,
            boot: label(BOOT)?,
            namespace: label(NAMESPACE)?,
        })
    }

    fn labels(&self) -> HashMap<String, String> {
        HashMap::from([
            (PID.to_owned(), self.pid.to_string()),
            (STARTED.to_owned(), self.started.to_string()),
            (BOOT.to_owned(), self.boot.clone()),
            (NAMESPACE.to_owned(), self.namespace.clone()),
        ])
    }

    /// Whether this process can tell that the owner is gone: processes of other namespaces cannot be seen from here.
    fn is_gone(&self, this: &Owner) -> bool {
        self.namespace == this.namespace
            && (self.boot != this.boot || started(self.pid) != Some(self.started))
    }
}

/// The labels of a container.
pub(super) fn labels(owner: &Owner, spec: &SandboxSpec, home: &Path) -> HashMap<String, String> {
    let mut labels = owner.labels();
    labels.insert(NAME.to_owned(), spec.name.clone());
    labels.insert(HOME.to_owned(), home.to_string_lossy().into_owned());
    labels
}

/// The containers whose owners are gone.
pub(in crate::sandbox) async fn orphans(engine: &Engine) -> Result<Vec<Orphan>, EngineError> {
    let this = Owner::this();
    let found = list(&engine.client, vec![PID.to_owned()])
        .await
        .map_err(EngineError::refused("listing containers"))?;
    let gone = found
        .into_iter()
        .filter(|(_, labels)| Owner::of(labels).is_some_and(|owner| owner.is_gone(&this)))
        .map(|(container, labels)| {
            let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
            Orphan { container, name: label(NAME), home: label(HOME).into() }
        });
    Ok(gone.collect())
}

/// Removes them, or those of one home.
pub(in crate::sandbox) async fn remove_orphans(
    engine: &Engine,
    of: Option<&Path>,
) -> Result<Vec<Orphan>, EngineError> {
    let mut orphans = orphans(engine).await?;
    orphans.retain(|orphan| of.is_none_or(|home| orphan.home == home));
    for orphan in &orphans {
        container::remove(engine, &orphan.container).await;
    }
    Ok(orphans)
}

/// For the sweeper: removes what an owner that has just ended has left, until nothing is. Blocks.
pub(in crate::sandbox) fn remove_all_of(order: &str) {
    let Ok((owner, socket)) = serde_json::from_str::<(Owner, PathBuf)>(order) else { return };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let mut empty = 0;
        for _ in 0..ATTEMPTS {
            empty = match remove_once(&owner, &socket).await {
                Ok(0) => empty + 1,
                Ok(_) | Err(_) => 0,
            };
            if empty == ENOUGH {
                return;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    });
}

/// What the sweeper is told.
pub(super) fn order(owner: &Owner, socket: &Path) -> String {
    serde_json::to_string(&(owner, socket)).expect("numbers and texts are always JSON")
}

async fn remove_once(owner: &Owner, socket: &Path) -> Result<usize, ()> {
    let client: Docker = engine::connect(socket).map_err(drop)?.negotiate_version().await.map_err(drop)?;
    let filters = owner.labels().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let found = list(&client, filters).await.map_err(drop)?;
    for (id, _) in &found {
        let options = RemoveContainerOptions { force: true, v: true, link: false };
        // Most are being removed already.
        let _ = client.remove_container(id, Some(options)).await;
    }
    Ok(found.len())
}

async fn list(
    client: &Docker,
    labels: Vec<String>,
) -> Result<Vec<(String, HashMap<String, String>)>, bollard::errors::Error> {
    let mut filters = HashMap::from([("label".to_owned(), labels)]);
    let options = |filters: &HashMap<String, Vec<String>>| ListContainersOptions {
        all: true,
        filters: Some(filters.clone()),
        ..Default::default()
    };
    let found = match client.list_containers(Some(options(&filters))).await {
        // Podman has a state that the Docker API does not know, and which it counts as `exited`: without it, then.
        Err(bollard::errors::Error::JsonDataError { .. }) => {
            filters.insert("status".to_owned(), KNOWN_STATES.map(str::to_owned).to_vec());
            client.list_containers(Some(options(&filters))).await?
        }
        answer => answer?,
    };
    Ok(found
        .into_iter()
        .filter_map(|container| Some((container.id?, container.labels.unwrap_or_default())))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_known_by_its_labels_and_told_from_a_later_one() {
        let this = Owner::this();
        assert_eq!(Owner::of(&this.labels()), Some(this.clone()));
        assert!(!this.is_gone(&this));
        let earlier = Owner { started: this.started.wrapping_sub(1), ..this.clone() };
        assert!(earlier.is_gone(&this));
        let before_boot = Owner { boot: "another".to_owned(), ..this.clone() };
        assert!(before_boot.is_gone(&this));
        let elsewhere = Owner { namespace: "pid:[1]".to_owned(), started: 0, ..this.clone() };
        assert!(!elsewhere.is_gone(&this));
        assert_eq!(Owner::of(&HashMap::new()), None);
    }
}
