//! Why a run cannot have a GPU.

use std::path::PathBuf;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::gpu::{OutputError, RequestError};

use super::Holder;

/// A run cannot have the GPUs that it asks for.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// The program that knows is not there.
    #[error("no GPU was found: `nvidia-smi` is not installed")]
    NotInstalled,
    /// The program cannot be started or heard.
    #[error("`{program}` cannot be run")]
    Run {
        /// `nvidia-smi`.
        program: PathBuf,
        /// The kernel's words.
        #[source]
        source: std::io::Error,
    },
    /// It did not answer in time.
    #[error("`{program}` did not answer within {seconds} s")]
    Silent {
        /// `nvidia-smi`.
        program: PathBuf,
        /// The time it had.
        seconds: u64,
    },
    /// It said that it failed.
    #[error("`{program}` failed ({status}): {said}")]
    Failed {
        /// `nvidia-smi`.
        program: PathBuf,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// Its words, in one line.
        said: String,
    },
    /// It said what cannot be understood.
    #[error("`{program}` cannot be understood")]
    Output {
        /// `nvidia-smi`.
        program: PathBuf,
        /// What it said.
        #[source]
        source: OutputError,
    },
    /// The request does not fit the machine.
    #[error("{source}")]
    Request {
        /// Why.
        source: RequestError,
        /// What `CUDA_VISIBLE_DEVICES` was.
        visible: Option<String>,
    },
    /// Others hold the devices.
    #[error("{wanted} GPU(s) are asked for and {free} are free: {}", listed(.held))]
    Busy {
        /// So many are needed.
        wanted: usize,
        /// So many could be had.
        free: usize,
        /// The others.
        held: Vec<Held>,
    },
    /// A device has no node for the `local` runtime to show.
    #[error("GPU {index}: no folder below {folder} says which device node is its own")]
    NoInformation {
        /// Its number.
        index: u32,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A node that programs need is missing.
    #[error("the device node {path} is not there")]
    NoNode {
        /// The node.
        path: PathBuf,
    },
    /// A node is not for the sandbox's user.
    #[error("the device node {path} may not be read and written by the user that commands run as")]
    Closed {
        /// The node.
        path: PathBuf,
    },
    /// The folder of locks is someone else's.
    #[error("the folder of GPU locks {path} does not belong to this user alone")]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A lock cannot be made or read.
    #[error("the GPU lock {path}")]
    Lock {
        /// The file or folder.
        path: PathBuf,
        /// The kernel's words.
        #[source]
        source: std::io::Error,
    },
}

/// A device that another run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The device's number.
    pub index: u32,
    /// Who has it.
    pub holder: Holder,
}

fn listed(held: &[Held]) -> String {
    let one = |held: &Held| format!("GPU {} is held by {}", held.index, held.holder);
    held.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl GpuError {
    /// Whether the user asked for what cannot be had here, whatever the machine's state.
    pub fn is_request(&self) -> bool {
        matches!(self, GpuError::Request { .. })
    }

    /// The error with what caused it.
    pub(super) fn whole(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) if !matches!(self, GpuError::Request { .. }) => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            GpuError::NotInstalled => {
                "install NVIDIA's driver with its `nvidia-smi`, or run without GPUs: leave --gpus out, or `--gpus 0` if the task asks for some"
            }
            GpuError::Silent { .. } | GpuError::Failed { .. } | GpuError::Output { .. } => {
                "run `nvidia-smi` yourself: until it lists the devices, no run can have one"
            }
            GpuError::Request { visible: Some(variable), .. } => {
                return Some(format!(
                    "CUDA_VISIBLE_DEVICES={variable} limits what is offered; `researchgym doctor` lists the GPUs"
                ));
            }
            GpuError::Request { .. } => {
                "`researchgym doctor` lists the GPUs; with --repeat, --parallel says how many runs need theirs at once"
            }
            GpuError::Busy { .. } => {
                "try again when one has ended; `researchgym doctor` shows who holds which"
            }
            GpuError::NoInformation { .. } => {
                "the `local` runtime shows device nodes, which this driver does not name; use --runtime docker"
            }
            GpuError::NoNode { .. } => {
                "load the driver and make its nodes: `nvidia-modprobe -u -c=0` as root, or run `nvidia-smi` as root once"
            }
            GpuError::Closed { .. } => {
                "the driver makes its nodes for everyone (mode 0666) unless its option NVreg_DeviceFileMode says otherwise"
            }
            GpuError::UnsafeFolder { .. } => "remove it, or name another with RESEARCHGYM_GPU_LOCKS",
            GpuError::Lock { .. } => "name a folder that you may write with RESEARCHGYM_GPU_LOCKS",
            GpuError::Run { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<GpuError> for Failure {
    fn from(error: GpuError) -> Failure {
        let failure = Failure::new(Boundary::Sandbox, error.whole());
        match error.hint() {
            Some(hint) => failure.hinted(hint),
            None => failure,
        }
    }
}
