//! What a sandbox is to look like.

use std::collections::BTreeMap;
use std::path::PathBuf;

use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::task::Resources;

use crate::gpu::GpuAccess;

/// Where an agent's sandbox has its working folder.
pub(super) const WORKSPACE: &str = "/workspace";

/// One sandbox to be started.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// Isolated or not.
    pub runtime: Runtime,
    /// `docker`: the image of the container.
    pub image: Option<Image>,
    /// Run id and role, such as `3f9a1c2e-agent`: letters, digits, `-`, `_` and `.`. Unique within this process.
    pub name: String,
    /// What is in the folder in which commands start.
    pub working_folder: WorkingFolder,
    /// What else is to be seen, later ones over earlier ones.
    pub read_only: Vec<ReadOnlyMount>,
    /// The whole environment of commands; nothing of the host's is added. The `host` runtime rewrites paths in it
    /// (see [`crate::sandbox`]).
    pub environment: BTreeMap<String, String>,
    /// Limits.
    pub resources: Resources,
    /// The GPUs that are to be seen; none of the machine's are otherwise (but in the `host` runtime, which hides nothing).
    pub gpus: Option<GpuAccess>,
    /// Whether programs inside may talk to the session: a socket at `/run/researchgym/session.sock`.
    pub session: bool,
    /// A listening Unix socket of the host, absolute, that programs inside may connect to: it is at [`GATEWAY_SOCKET`]
    /// and, in the `local` and `docker` runtimes, behind port [`GATEWAY_PORT`] of the sandbox's 127.0.0.1.
    ///
    /// Started as root, programs are another user than the socket's owner, so its mode must be 0666 for them to connect
    /// to it directly; who else of the machine may connect is for the modes of its folders to say: 0700 do in the
    /// `local` runtime, where the socket is mounted. In the `host` runtime programs walk there from the root: as root
    /// every folder must let others through (0711), and what keeps others out is a name that cannot be guessed.
    ///
    /// [`GATEWAY_SOCKET`]: super::GATEWAY_SOCKET
    /// [`GATEWAY_PORT`]: super::GATEWAY_PORT
    pub gateway: Option<PathBuf>,
    /// The socket of the proxy of the sandbox's network policy, reached in the same way: at [`PROXY_SOCKET`] and behind
    /// port [`PROXY_PORT`]. The `host` runtime passes it over: there the network is as it is.
    ///
    /// [`PROXY_SOCKET`]: super::PROXY_SOCKET
    /// [`PROXY_PORT`]: super::PROXY_PORT
    pub proxy: Option<PathBuf>,
}

/// What is in the folder in which commands start.
#[derive(Clone, Debug)]
pub enum WorkingFolder {
    /// A folder of the host at `/workspace`, to be written to.
    Writable {
        /// The folder. It is handed to the sandbox's unprivileged user.
        source: PathBuf,
    },
    /// One of the read-only mounts.
    ReadOnly {
        /// Its `target`, or a folder below it.
        target: String,
    },
    /// A folder of the host at another place, to be written to.
    Scratch {
        /// The folder. It is handed to the sandbox's unprivileged user.
        source: PathBuf,
        /// Absolute path inside.
        target: String,
    },
}

impl WorkingFolder {
    /// The folder of the host that the sandbox may write to.
    pub fn writable_source(&self) -> Option<&PathBuf> {
        match self {
            WorkingFolder::Writable { source } | WorkingFolder::Scratch { source, .. } => Some(source),
            WorkingFolder::ReadOnly { .. } => None,
        }
    }

    /// The absolute path inside.
    pub fn target(&self) -> &str {
        match self {
            WorkingFolder::Writable { .. } => WORKSPACE,
            WorkingFolder::ReadOnly { target } | WorkingFolder::Scratch { target, .. } => target,
        }
    }
}

/// A file or folder of the host shown read-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOnlyMount {
    /// On the host.
    pub source: PathBuf,
    /// Absolute path inside. Below the working folder it covers the file or folder there.
    pub target: String,
}
