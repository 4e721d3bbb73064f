//! GPUs of a container: what the engine is asked for, and what its refusal means.
//!
//! Docker hands NVIDIA's hook a list of devices; Podman knows them by the names of the Container Device Interface.

use bollard::models::DeviceRequest;

use super::EngineError;
use super::engine::Facts;
use super::error::words;
use crate::gpu::GpuAccess;
use crate::sandbox::SandboxSpec;

/// The first Podman whose Docker interface takes devices.
const OLDEST_PODMAN: u32 = 5;

/// What is asked for, if a sandbox has devices.
pub(super) fn device_requests(spec: &SandboxSpec, facts: &Facts) -> Option<Vec<DeviceRequest>> {
    let GpuAccess { uuids, .. } = spec.gpus.as_ref()?;
    let request = match facts.is_podman() {
        true => DeviceRequest {
            driver: Some("cdi".to_owned()),
            device_ids: Some(uuids.iter().map(|uuid| format!("nvidia.com/gpu={uuid}")).collect()),
            ..Default::default()
        },
        false => DeviceRequest {
            device_ids: Some(uuids.clone()),
            capabilities: Some(vec![["gpu", "compute", "utility"].map(str::to_owned).to_vec()]),
            ..Default::default()
        },
    };
    Some(vec![request])
}

/// The container's own variables. An image may ask for all devices of the machine, which an engine whose default runtime is
/// NVIDIA's would give it: a variable of the container wins over the image's.
pub(super) fn environment(spec: &SandboxSpec) -> Vec<String> {
    let devices = spec.gpus.as_ref().map_or_else(|| "void".to_owned(), |gpus| gpus.uuids.join(","));
    vec![format!("NVIDIA_VISIBLE_DEVICES={devices}")]
}

/// Refuses engines that would silently leave the devices out.
pub(super) fn check(spec: &SandboxSpec, facts: &Facts) -> Result<(), EngineError> {
    let major = facts.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match &spec.gpus {
        Some(_) if facts.is_podman() && major.is_none_or(|major| major < OLDEST_PODMAN) => {
            Err(EngineError::NoGpus {
                reason: format!("Podman {} takes none; 5 or later does", facts.version),
            })
        }
        _ => Ok(()),
    }
}

/// The error of making or starting a container, if it is about its devices.
pub(super) fn refusal(spec: &SandboxSpec, error: &bollard::errors::Error) -> Option<EngineError> {
    spec.gpus.as_ref()?;
    let reason = words(error);
    let is_about_devices =
        ["device driver", "CDI", "nvidia", "NVIDIA"].iter().any(|word| reason.contains(word));
    is_about_devices.then_some(EngineError::NoGpus { reason })
}
