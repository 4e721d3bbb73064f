//! The GPUs of this machine: finding them, and giving whole ones to one run at a time.
//!
//! They are found by running `nvidia-smi`, because a static program cannot load NVIDIA's library. A run's grant is a lock
//! on a file per device (see `locks.rs`): it ends with the process that holds it, however that ends. Only the agent's
//! sandbox ever gets a device.

mod error;
mod locks;
mod nodes;
mod smi;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use researchgym_core::gpu::{Choice, Gpu, GpuRequest, Installed, visible};
use researchgym_core::isolation::Runtime;
use serde::Serialize;

pub use self::error::{GpuError, Held};
pub use self::locks::Holder;
use self::locks::Lock;
pub use self::nodes::DeviceNode;
use crate::sandbox::find_program;

/// How long `nvidia-smi` may take: where nothing keeps the driver loaded, it first wakes every device.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where GPUs are looked for.
#[derive(Clone, Debug)]
pub struct GpuPlaces {
    /// `nvidia-smi`, if it is installed.
    pub program: Option<PathBuf>,
    /// The folder of device nodes.
    pub devices: PathBuf,
    /// The driver's folder with one folder per device, named by its place on the bus.
    pub information: PathBuf,
    /// The folder of locks; the machine's own for this user if none is given.
    pub locks: Option<PathBuf>,
    /// The operator's `CUDA_VISIBLE_DEVICES`: only these devices are offered.
    pub visible: Option<String>,
    /// How long `nvidia-smi` may take.
    pub patience: Duration,
}

impl GpuPlaces {
    /// Those of this machine.
    pub fn of_machine(locks: Option<&Path>) -> GpuPlaces {
        GpuPlaces {
            program: find_program("nvidia-smi"),
            devices: "/dev".into(),
            information: "/proc/driver/nvidia/gpus".into(),
            locks: locks.map(Path::to_owned),
            visible: std::env::var("CUDA_VISIBLE_DEVICES").ok(),
            patience: PATIENCE,
        }
    }
}

/// The devices that are offered to the runs of this process.
#[derive(Clone, Debug)]
pub struct Gpus {
    places: GpuPlaces,
    offered: Vec<Installed>,
}

impl Gpus {
    /// Asks `nvidia-smi` once. Blocks until it has answered.
    ///
    /// # Errors
    /// It is not installed, fails, hangs, or says what cannot be understood.
    pub fn find(places: GpuPlaces) -> Result<Gpus, GpuError> {
        let offered = visible(smi::devices(&places)?, places.visible.as_deref());
        Ok(Gpus { places, offered })
    }

    /// Whether `at_once` runs could each have what is asked for, whoever holds what now.
    ///
    /// # Errors
    /// They cannot.
    pub fn check(&self, request: &GpuRequest, at_once: u64) -> Result<(), GpuError> {
        request.check(&self.offered, at_once).map_err(|source| self.refused(source))
    }

    /// Takes devices for one run, without waiting.
    ///
    /// # Errors
    /// Others hold them, or they are not there for everyone to open.
    pub fn take(&self, request: &GpuRequest, runtime: Runtime) -> Result<GpuGrant, GpuError> {
        let Choice { count, candidates } =
            request.choose(&self.offered).map_err(|source| self.refused(source))?;
        let folder = locks::folder(self.places.locks.as_deref())?;
        let kept = locks::keep(&folder)?;
        let allocation = locks::allocation(&folder)?;
        let (mut taken, mut held) = (Vec::new(), Vec::new());
        for device in candidates {
            if taken.len() == count {
                break;
            }
            match Lock::take(&folder, &device.gpu.uuid)? {
                Ok(lock) => taken.push((device, lock)),
                Err(holder) => held.push(Held { index: device.gpu.index, holder }),
            }
        }
        drop(allocation);
        if taken.len() < count {
            return Err(GpuError::Busy { wanted: count, free: taken.len(), held });
        }
        let (devices, locks): (Vec<&Installed>, Vec<Lock>) = taken.into_iter().unzip();
        let nodes = match runtime {
            Runtime::Local => nodes::find(&self.places, &devices)?,
            Runtime::Docker | Runtime::Host => Vec::new(),
        };
        let devices = devices.into_iter().map(|device| device.gpu.clone()).collect();
        Ok(GpuGrant { devices, nodes, locks, _folder: kept, places: self.places.clone() })
    }

    fn refused(&self, source: researchgym_core::gpu::RequestError) -> GpuError {
        GpuError::Request { source, visible: self.places.visible.clone() }
    }
}

/// Devices that are one run's until it is dropped.
#[derive(Debug)]
pub struct GpuGrant {
    devices: Vec<Gpu>,
    nodes: Vec<DeviceNode>,
    locks: Vec<Lock>,
    _folder: File,
    places: GpuPlaces,
}

impl GpuGrant {
    /// The devices.
    pub fn devices(&self) -> &[Gpu] {
        &self.devices
    }

    /// What a sandbox needs to use them.
    pub fn access(&self) -> GpuAccess {
        let uuids = self.devices.iter().map(|gpu| gpu.uuid.clone()).collect();
        GpuAccess { uuids, nodes: self.nodes.clone() }
    }

    /// Tells others which run holds them.
    ///
    /// # Errors
    /// The lock's file cannot be written.
    pub fn hold_for(&mut self, run_id: &str) -> Result<(), GpuError> {
        self.locks.iter_mut().try_for_each(|lock| lock.name(run_id))
    }

    /// Says which programs compute on the devices, in a sentence; `None` if there are none or it cannot be known. Blocks
    /// until `nvidia-smi` has answered.
    pub fn users(&self) -> Option<String> {
        let processes = smi::processes(&self.places).ok()?;
        let used: Vec<String> = self
            .devices
            .iter()
            .filter_map(|gpu| {
                let on_it = processes.iter().filter(|process| process.uuid == gpu.uuid);
                let pids: Vec<String> = on_it.map(|process| process.pid.to_string()).collect();
                (!pids.is_empty()).then(|| format!("GPU {} by process {}", gpu.index, pids.join(", ")))
            })
            .collect();
        (!used.is_empty()).then(|| used.join("; "))
    }
}

/// What a sandbox needs to use devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuAccess {
    /// The devices' identities.
    pub uuids: Vec<String>,
    /// `local`: the nodes that are shown.
    pub nodes: Vec<DeviceNode>,
}

impl GpuAccess {
    /// The variables by which programs know which devices are theirs.
    pub fn environment(&self) -> [(String, String); 2] {
        ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"].map(|name| (name.to_owned(), self.uuids.join(",")))
    }
}

/// What `doctor` shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuReport {
    /// The driver's version; null if there is no device.
    pub driver: Option<String>,
    /// All devices of the machine.
    pub devices: Vec<GpuState>,
    /// What is wrong; null also where `nvidia-smi` is not installed.
    pub problem: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// One device and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuState {
    /// The device.
    #[serde(flatten)]
    pub gpu: Gpu,
    /// Whether it is divided into instances (MIG), so that it cannot be given out.
    pub partitioned: bool,
    /// Whether the operator's `CUDA_VISIBLE_DEVICES` leaves it.
    pub offered: bool,
    /// Who holds it.
    pub holder: Option<Holder>,
}

/// Looks at everything and changes nothing. Blocks until `nvidia-smi` has answered.
pub fn report(places: &GpuPlaces) -> GpuReport {
    let without = |problem: Option<GpuError>| GpuReport {
        driver: None,
        devices: Vec::new(),
        hint: problem.as_ref().and_then(GpuError::hint),
        problem: problem.map(|error| error.whole()),
    };
    let installed = match smi::devices(places) {
        Ok(installed) => installed,
        // A machine without the program is one without GPUs.
        Err(GpuError::NotInstalled) => return without(None),
        Err(error) => return without(Some(error)),
    };
    let offered = visible(installed.clone(), places.visible.as_deref());
    let (mut holders, problem) = match locks::holders(places.locks.as_deref()) {
        Ok(holders) => (holders, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut holder = |uuid: &str| {
        let at = holders.iter().position(|(held, _)| held == uuid)?;
        Some(holders.swap_remove(at).1)
    };
    GpuReport {
        driver: installed.first().map(|device| device.driver.clone()),
        devices: installed
            .iter()
            .map(|device| GpuState {
                gpu: device.gpu.clone(),
                partitioned: device.is_partitioned,
                offered: offered.contains(device),
                holder: holder(&device.gpu.uuid),
            })
            .collect(),
        hint: problem.as_ref().and_then(GpuError::hint),
        problem: problem.map(|error| error.whole()),
    }
}

#[cfg(test)]
mod tests;
