//! Finding the engine of this machine and what it can do.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bollard::models::{SystemInfo, SystemVersion};
use tokio::sync::OnceCell;

use super::EngineError;
use super::error::words;

/// Docker 20.10, Podman 4.
const OLDEST_API: (u32, u32) = (1, 41);
/// How long one answer may take; making and removing containers on a busy machine takes seconds.
const TIMEOUT_SECONDS: u64 = 120;

/// The engine of this process, found at the first use.
pub(in crate::sandbox) type EngineCell = OnceCell<Arc<Engine>>;

/// An engine that answered.
#[derive(Debug)]
pub(in crate::sandbox) struct Engine {
    pub(super) client: Docker,
    pub(super) socket: PathBuf,
    pub(super) facts: Facts,
}

/// What is known of an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Such as `Docker` or `Podman`.
    pub(super) product: String,
    pub(super) version: String,
    pub(super) api: String,
    pub(super) storage: String,
    /// Whether it runs as an ordinary user, so that its root is that user.
    pub(super) rootless: bool,
    /// Whether it maps users of containers to other ones unless it is told not to.
    pub(super) remaps_users: bool,
    pub(super) selinux: bool,
    pub(super) seccomp: bool,
    pub(super) memory: bool,
    pub(super) pids: bool,
    pub(super) cpu: bool,
}

impl Facts {
    pub(super) fn is_podman(&self) -> bool {
        self.product == "Podman"
    }
}

impl Engine {
    /// Finds it, asks what it is, and refuses one that will not do.
    pub(in crate::sandbox) async fn find() -> Result<Arc<Engine>, EngineError> {
        let variable = |name: &str| std::env::var_os(name);
        Engine::at(&socket(variable)?).await
    }

    /// The engine that listens at a socket.
    pub(in crate::sandbox) async fn at(socket: &Path) -> Result<Arc<Engine>, EngineError> {
        let client = connect(socket)?;
        let silent = |error: bollard::errors::Error| EngineError::Silent {
            socket: socket.to_owned(),
            reason: words(&error),
        };
        let version = client.version().await.map_err(silent)?;
        check(&version)?;
        let client = client.negotiate_version().await.map_err(silent)?;
        let info = client.info().await.map_err(silent)?;
        let facts = facts(&version, &info);
        Ok(Arc::new(Engine { client, socket: socket.to_owned(), facts }))
    }
}

/// Opens a client; nothing is said yet, but whether we may is known.
pub(super) fn connect(socket: &Path) -> Result<Docker, EngineError> {
    let socket = socket.to_owned();
    match std::os::unix::net::UnixStream::connect(&socket) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EngineError::NotFound { looked_at: vec![socket] });
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(EngineError::Denied { socket });
        }
        Err(error) => return Err(EngineError::Silent { socket, reason: error.to_string() }),
    }
    Docker::connect_with_unix(&socket.to_string_lossy(), TIMEOUT_SECONDS, bollard::API_DEFAULT_VERSION)
        .map_err(|error| EngineError::Silent { socket, reason: words(&error) })
}

/// The socket to use: `DOCKER_HOST`, else the first that is there of where engines have theirs.
fn socket(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, EngineError> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(host) = given("DOCKER_HOST") {
        let host = host.to_string_lossy().into_owned();
        return match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(path.into()),
            _ => Err(EngineError::Remote { address: host }),
        };
    }
    let mut places = vec![PathBuf::from("/var/run/docker.sock")];
    if let Some(folder) = given("XDG_RUNTIME_DIR").map(PathBuf::from) {
        places.extend([folder.join("docker.sock"), folder.join("podman/podman.sock")]);
    }
    places.push("/run/podman/podman.sock".into());
    match places.iter().find(|place| place.symlink_metadata().is_ok()) {
        Some(place) => Ok(place.clone()),
        None => Err(EngineError::NotFound { looked_at: places }),
    }
}

fn check(version: &SystemVersion) -> Result<(), EngineError> {
    let api = version.api_version.clone().unwrap_or_default();
    let mut numbers = api.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST_API {
        return Err(EngineError::TooOld { version: api, needed: "1.41" });
    }
    match version.os.as_deref() {
        Some("linux") | None => Ok(()),
        Some(other) => Err(EngineError::OtherSystem { system: other.to_owned() }),
    }
}

fn facts(version: &SystemVersion, info: &SystemInfo) -> Facts {
    let components = version.components.iter().flatten();
    let podman = components.map(|component| component.name.as_str()).any(|name| name.contains("Podman"));
    let has = |word: &str| {
        info.security_options
            .iter()
            .flatten()
            .any(|option| option.split(',').any(|part| part == format!("name={word}")))
    };
    Facts {
        product: if podman { "Podman" } else { "Docker" }.to_owned(),
        version: version.version.clone().unwrap_or_default(),
        api: version.api_version.clone().unwrap_or_default(),
        storage: info.driver.clone().unwrap_or_default(),
        rootless: has("rootless"),
        remaps_users: has("userns"),
        selinux: has("selinux"),
        seccomp: has("seccomp"),
        memory: info.memory_limit.unwrap_or(false),
        pids: info.pids_limit.unwrap_or(false),
        cpu: info.cpu_cfs_quota.unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_socket(variables: &[(&str, &str)], expected: Result<&str, &str>) {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        let found = socket(variable).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map(|path| path.to_str().unwrap()).map_err(String::as_str), expected);
    }

    #[test]
    fn only_an_engine_of_this_machine_will_do() {
        check_socket(&[("DOCKER_HOST", "unix:///a/b.sock")], Ok("/a/b.sock"));
        let remote = |address: &str| {
            format!(
                "the container engine at `{address}` is not reached through a Unix socket of this machine"
            )
        };
        for address in ["tcp://127.0.0.1:2375", "ssh://there", "unix://relative"] {
            check_socket(&[("DOCKER_HOST", address)], Err(&remote(address)));
        }
    }

    #[test]
    fn an_engine_of_an_older_api_is_refused() {
        let version = |api: &str| SystemVersion { api_version: Some(api.to_owned()), ..Default::default() };
        assert!(check(&version("1.41")).is_ok() && check(&version("1.100")).is_ok());
        assert!(matches!(check(&version("1.40")), Err(EngineError::TooOld { .. })));
        let windows = SystemVersion { os: Some("windows".to_owned()), ..version("1.45") };
        assert!(matches!(check(&windows), Err(EngineError::OtherSystem { .. })));
    }

    #[test]
    fn what_an_engine_is_comes_from_its_own_words() {
        let info = SystemInfo {
            driver: Some("overlay2".to_owned()),
            security_options: Some(vec![
                "name=seccomp,profile=default".to_owned(),
                "name=rootless".to_owned(),
            ]),
            memory_limit: Some(true),
            ..Default::default()
        };
        let version = SystemVersion {
            version: Some("20.10.24".to_owned()),
            api_version: Some("1.41".to_owned()),
            ..Default::default()
        };
        let expected = Facts {
            product: "Docker".to_owned(),
            version: "20.10.24".to_owned(),
            api: "1.41".to_owned(),
            storage: "overlay2".to_owned(),
            rootless: true,
            seccomp: true,
            memory: true,
            ..Facts::default()
        };
        assert_eq!(facts(&version, &info), expected);
    }
}
