//! The device nodes that the `local` runtime shows.
//!
//! Those of the granted devices and the driver's common ones. Not among them is `nvidia-caps`, which is for partitions and
//! for managing the machine.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use researchgym_core::gpu::{Installed, device_minor, is_same_bus};
use rustix::fs::Access;

use super::{GpuError, GpuPlaces};

/// What CUDA cannot do without.
const COMMON: [&str; 2] = ["nvidiactl", "nvidia-uvm"];
/// What only some tools use.
const OPTIONAL: [&str; 1] = ["nvidia-uvm-tools"];

/// A device node and where it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// On this machine.
    pub source: PathBuf,
    /// Absolute path inside, below `/dev`.
    pub target: String,
}

/// The nodes of some devices.
pub(super) fn find(places: &GpuPlaces, devices: &[&Installed]) -> Result<Vec<DeviceNode>, GpuError> {
    let mut names = Vec::new();
    for device in devices {
        names.push(format!("nvidia{}", minor(&places.information, device)?));
    }
    names.extend(COMMON.map(str::to_owned));
    let is_there = |name: &&str| places.devices.join(name).exists();
    names.extend(OPTIONAL.iter().copied().filter(is_there).map(str::to_owned));
    names.into_iter().map(|name| node(&places.devices, &name)).collect()
}

fn node(folder: &Path, name: &str) -> Result<DeviceNode, GpuError> {
    let source = folder.join(name);
    let Ok(metadata) = source.metadata() else { return Err(GpuError::NoNode { path: source }) };
    // Started as root, commands are another user.
    let is_open = match rustix::process::geteuid().is_root() {
        true => metadata.mode() & 0o006 == 0o006,
        false => rustix::fs::access(&source, Access::READ_OK | Access::WRITE_OK).is_ok(),
    };
    match is_open {
        true => Ok(DeviceNode { source, target: format!("/dev/{name}") }),
        false => Err(GpuError::Closed { path: source }),
    }
}

/// The number in the node's name, which need not be the device's index.
fn minor(folder: &Path, device: &Installed) -> Result<u32, GpuError> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| is_same_bus(&entry.file_name().to_string_lossy(), &device.bus_id))
        .find_map(|entry| device_minor(&std::fs::read_to_string(entry.path().join("information")).ok()?))
        .ok_or_else(|| GpuError::NoInformation { index: device.gpu.index, folder: folder.to_owned() })
}
