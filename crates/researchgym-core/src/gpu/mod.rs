//! GPUs: what a run asks for, what a machine has, and which devices may answer a request.
//!
//! Whole devices only: one that is partitioned (MIG) is never given out. Who holds which is for the engine to know.

mod installed;
mod request;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use installed::{
    DEVICE_FIELDS, Installed, OutputError, PROCESS_FIELDS, Process, device_minor, is_same_bus, parse_devices,
    parse_processes, visible,
};
pub use request::{Choice, GpuRequest, RequestError};

/// One whole device, as results name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Its number on the machine, which can change when the machine starts again.
    pub index: u32,
    /// Its lasting identity, `GPU-...`.
    pub uuid: String,
    /// The product, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Its memory; null where it has none of its own.
    pub memory_mib: Option<u64>,
}
