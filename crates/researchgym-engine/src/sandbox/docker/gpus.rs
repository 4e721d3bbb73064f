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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bollard::errors::Error;
    use researchgym_core::isolation::Runtime;
    use researchgym_core::task::Resources;
    use serde_json::json;

    use super::*;
    use crate::sandbox::WorkingFolder;

    fn spec(uuids: &[&str]) -> SandboxSpec {
        let uuids: Vec<String> = uuids.iter().map(|&uuid| uuid.to_owned()).collect();
        SandboxSpec {
            runtime: Runtime::Docker,
            image: None,
            name: "test".to_owned(),
            working_folder: WorkingFolder::Writable { source: "/work".into() },
            read_only: Vec::new(),
            environment: BTreeMap::new(),
            resources: Resources::default(),
            gpus: (!uuids.is_empty()).then(|| GpuAccess { uuids, nodes: Vec::new() }),
            session: false,
            gateway: None,
            proxy: None,
        }
    }

    fn engine(product: &str, version: &str) -> Facts {
        Facts { product: product.to_owned(), version: version.to_owned(), ..Facts::default() }
    }

    #[test]
    fn each_engine_is_asked_in_its_own_way() {
        let spec = spec(&["GPU-a", "GPU-b"]);
        let asked = |facts: &Facts| serde_json::to_value(device_requests(&spec, facts)).unwrap();
        let docker =
            json!([{ "DeviceIDs": ["GPU-a", "GPU-b"], "Capabilities": [["gpu", "compute", "utility"]] }]);
        assert_eq!(asked(&engine("Docker", "27.1")), docker);
        let podman =
            json!([{ "Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-a", "nvidia.com/gpu=GPU-b"] }]);
        assert_eq!(asked(&engine("Podman", "5.2.0")), podman);
        assert_eq!(environment(&spec), ["NVIDIA_VISIBLE_DEVICES=GPU-a,GPU-b"]);
        assert!(
            check(&spec, &engine("Docker", "20.10.24")).is_ok()
                && check(&spec, &engine("Podman", "5.0.1")).is_ok()
        );
        assert!(matches!(check(&spec, &engine("Podman", "4.9.3")), Err(EngineError::NoGpus { .. })));
    }

    #[test]
    fn a_container_without_a_grant_has_no_device() {
        let spec = spec(&[]);
        assert_eq!(device_requests(&spec, &engine("Docker", "27.1")), None);
        assert_eq!(environment(&spec), ["NVIDIA_VISIBLE_DEVICES=void"]);
        assert!(check(&spec, &engine("Podman", "4.9.3")).is_ok());
    }

    #[test]
    fn a_refusal_says_what_to_install() {
        let said = |message: &str| Error::DockerResponseServerError {
            status_code: 500,
            message: message.to_owned(),
        };
        let missing = said("could not select device driver \"\" with capabilities: [[gpu compute utility]]");
        let refusal = refusal(&spec(&["GPU-a"]), &missing).unwrap();
        assert_eq!(
            refusal.to_string(),
            "the container engine gives no GPU to a container: could not select device driver \"\" with capabilities: [[gpu compute utility]]"
        );
        assert!(refusal.hint().unwrap().contains("nvidia-container-toolkit"));
        assert!(super::refusal(&spec(&["GPU-a"]), &said("no space left on device")).is_none());
        assert!(super::refusal(&spec(&[]), &missing).is_none());
    }
}
