//! Why a container could not be had, said so that a person knows what to do.

use std::path::PathBuf;

use researchgym_core::failure::Boundary;

/// A failure of the container engine, or of finding it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` names an engine that is not on this machine.
    #[error("the container engine at `{address}` is not reached through a Unix socket of this machine")]
    Remote {
        /// What `DOCKER_HOST` says.
        address: String,
    },
    /// No socket is where engines have theirs.
    #[error("no container engine was found: there is no socket at {}", shown(looked_at))]
    NotFound {
        /// Where one was looked for.
        looked_at: Vec<PathBuf>,
    },
    /// The socket may not be used.
    #[error("the container engine's socket `{socket}` may not be used by this user")]
    Denied {
        /// The socket.
        socket: PathBuf,
    },
    /// A socket is there, but nobody answers.
    #[error("the container engine at `{socket}` does not answer: {reason}")]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// The last thing that happened.
        reason: String,
    },
    /// The engine is older than what is needed.
    #[error("the container engine speaks version {version} of the Docker API: {needed} or later is needed")]
    TooOld {
        /// Its version.
        version: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// It runs containers of another system.
    #[error("the container engine runs containers for `{system}`, not for Linux")]
    OtherSystem {
        /// Which.
        system: String,
    },
    /// The image is not there and cannot be pulled.
    #[error("there is no image `{image}`, and it cannot be pulled: {reason}")]
    NoImage {
        /// The image.
        image: String,
        /// What the engine said.
        reason: String,
    },
    /// The image with which the run began is no longer there.
    #[error("the image of this run is gone: `{name}` was {id} when it began")]
    ImageGone {
        /// The name.
        name: String,
        /// The identifier.
        id: String,
    },
    /// The image lacks what every run needs.
    #[error("the image `{image}` cannot be used: {lacks}")]
    Unusable {
        /// The image.
        image: String,
        /// What it lacks.
        lacks: String,
    },
    /// A `Dockerfile` could not be built.
    #[error("the image of task `{task}` could not be built from {}: {reason}", dockerfile.display())]
    Build {
        /// The task.
        task: String,
        /// The file.
        dockerfile: PathBuf,
        /// The last lines of the build.
        reason: String,
    },
    /// A `Dockerfile` is none.
    #[error("the image of task `{task}` cannot be built: {} is wrong: {reason}", dockerfile.display())]
    BadDockerfile {
        /// The task.
        task: String,
        /// The file.
        dockerfile: PathBuf,
        /// What the engine cannot read.
        reason: String,
    },
    /// A file or folder stood in the way.
    #[error("{doing} `{path}`: {source}")]
    Path {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// The kernel's words.
        source: std::io::Error,
    },
    /// It cannot give GPUs to containers.
    #[error("the container engine gives no GPU to a container: {reason}")]
    NoGpus {
        /// Its words.
        reason: String,
    },
    /// The engine stopped answering.
    #[error("{doing}: the container engine does not answer: {reason}")]
    Lost {
        /// What was asked for.
        doing: &'static str,
        /// The last thing that happened.
        reason: String,
    },
    /// The engine refused or failed.
    #[error("{doing}: the container engine says: {reason}")]
    Refused {
        /// What was asked for.
        doing: &'static str,
        /// Its words.
        reason: String,
    },
}

impl EngineError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            EngineError::Remote { .. } => {
                "workspaces are mounted from this machine: unset DOCKER_HOST, or set it to unix:///PATH of a local engine"
            }
            EngineError::NotFound { .. } | EngineError::Silent { .. } | EngineError::Lost { .. } => {
                "start Docker (`systemctl start docker`) or Podman (`systemctl --user start podman.socket`), or set DOCKER_HOST=unix:///PATH"
            }
            EngineError::Denied { .. } => {
                "join the group of the socket (`sudo usermod -aG docker $USER`, then log in again), use rootless Docker or Podman, or start as root"
            }
            EngineError::TooOld { .. } => "install Docker 20.10 or later, or Podman 4 or later",
            EngineError::OtherSystem { .. } => "switch the engine to Linux containers",
            EngineError::NoImage { image, .. } => {
                return Some(format!(
                    "`docker pull {image}` shows what is wrong; docs/guide/docker.md shows how to make an image without a registry; --image NAME takes another"
                ));
            }
            EngineError::ImageGone { .. } => "load or build the image again, or start a new run",
            EngineError::Unusable { .. } => {
                "choose another image with --image, or add to it: docs/guide/docker.md says what an image must have"
            }
            EngineError::Build { .. } => {
                "build it by hand to see all that it says: `docker build` in the task's folder"
            }
            EngineError::BadDockerfile { .. } => "mend the Dockerfile; nothing of it was run",
            EngineError::NoGpus { .. } => {
                "install nvidia-container-toolkit, then `nvidia-ctk runtime configure --runtime=docker` and restart Docker, or `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` for Podman; or use --runtime local"
            }
            EngineError::Path { .. } | EngineError::Refused { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whose fault it is.
    pub fn boundary(&self) -> Boundary {
        match self {
            EngineError::BadDockerfile { .. } => Boundary::Task,
            EngineError::Remote { .. }
            | EngineError::NotFound { .. }
            | EngineError::Denied { .. }
            | EngineError::Silent { .. }
            | EngineError::TooOld { .. }
            | EngineError::OtherSystem { .. }
            | EngineError::NoImage { .. }
            | EngineError::ImageGone { .. }
            | EngineError::Unusable { .. }
            | EngineError::Build { .. }
            | EngineError::Path { .. }
            | EngineError::NoGpus { .. }
            | EngineError::Lost { .. }
            | EngineError::Refused { .. } => Boundary::Sandbox,
        }
    }

    /// From the client's error, where nothing more is known.
    pub(super) fn refused(doing: &'static str) -> impl FnOnce(bollard::errors::Error) -> EngineError {
        use bollard::errors::Error;
        move |error| match error {
            Error::DockerResponseServerError { .. } | Error::DockerStreamError { .. } => {
                EngineError::Refused { doing, reason: words(&error) }
            }
            other => EngineError::Lost { doing, reason: words(&other) },
        }
    }
}

/// What the engine said, without the client's own words around it.
pub(super) fn words(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => "no answer in time".to_owned(),
        other => {
            // The client wraps what the kernel said many times.
            let mut innermost: &dyn std::error::Error = other;
            while let Some(inner) = innermost.source() {
                innermost = inner;
            }
            innermost.to_string()
        }
    }
}

/// Whether it says that there is no such thing.
pub(super) fn is_not_found(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
}

fn shown(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    shown.join(", ")
}
