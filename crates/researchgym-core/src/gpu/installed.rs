//! What `nvidia-smi` says of a machine's devices, and which of them the operator offers.

use super::Gpu;
use super::request::is_identity;

/// What `nvidia-smi --query-gpu` is asked for, to be read by [`parse_devices`].
pub const DEVICE_FIELDS: &str = "index,uuid,name,memory.total,driver_version,pci.bus_id,mig.mode.current";
/// What `nvidia-smi --query-compute-apps` is asked for, to be read by [`parse_processes`].
pub const PROCESS_FIELDS: &str = "gpu_uuid,pid";
/// As much of a line that cannot be understood is shown.
const SHOWN: usize = 120;

/// A device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// What results name.
    pub gpu: Gpu,
    /// The driver's version.
    pub driver: String,
    /// Its place on the bus, such as `00000000:18:00.0`.
    pub bus_id: String,
    /// Whether it is divided into instances (MIG).
    pub is_partitioned: bool,
}

impl Installed {
    /// Whether an index, an identity, or the beginning of one is this device's.
    pub(super) fn is_called(&self, id: &str) -> bool {
        match id.parse::<u32>() {
            Ok(index) => index == self.gpu.index,
            Err(_) => is_identity(id) && self.gpu.uuid.starts_with(id),
        }
    }

    /// Number, identity and product.
    pub fn title(&self) -> String {
        format!("GPU {} ({}, {})", self.gpu.index, self.gpu.uuid, self.gpu.name)
    }
}

/// A program that computes on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The device's identity.
    pub uuid: String,
    /// The process.
    pub pid: u32,
}

/// What was printed cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {number} is `{line}`, which does not describe a GPU")]
pub struct OutputError {
    /// From 1.
    pub number: usize,
    /// The line's beginning.
    pub line: String,
}

/// Reads what `nvidia-smi --query-gpu=FIELDS --format=csv,noheader,nounits` prints for [`DEVICE_FIELDS`].
///
/// # Errors
/// A line does not describe a device, or one that is there already.
pub fn parse_devices(text: &str) -> Result<Vec<Installed>, OutputError> {
    let mut devices: Vec<Installed> = Vec::new();
    if text.trim() == "No devices were found" {
        return Ok(devices);
    }
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let is_new = |device: &Installed| {
            devices
                .iter()
                .all(|other| other.gpu.index != device.gpu.index && other.gpu.uuid != device.gpu.uuid)
        };
        let device = device(line).filter(is_new);
        devices.push(device.ok_or_else(|| {
            let shown = line.chars().filter(|character| !character.is_control()).take(SHOWN);
            OutputError { number: number + 1, line: shown.collect() }
        })?);
    }
    Ok(devices)
}

fn device(line: &str) -> Option<Installed> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [index, uuid, name @ .., memory, driver, bus_id, mig] = fields.as_slice() else { return None };
    let is_unknown = |value: &str| value.starts_with('[') && value.ends_with(']');
    let memory_mib = match is_unknown(memory) {
        true => None,
        false => Some(memory.parse().ok()?),
    };
    let name = name.join(", ");
    if name.is_empty() || !is_identity(uuid) || driver.is_empty() || is_unknown(driver) {
        return None;
    }
    let is_partitioned = match *mig {
        "Enabled" => true,
        "Disabled" => false,
        other if is_unknown(other) => false,
        _ => return None,
    };
    Some(Installed {
        gpu: Gpu { index: index.parse().ok()?, uuid: (*uuid).to_owned(), name, memory_mib },
        driver: (*driver).to_owned(),
        bus_id: (*bus_id).to_owned(),
        is_partitioned,
    })
}

/// Reads what `nvidia-smi --query-compute-apps` prints for [`PROCESS_FIELDS`]; other lines say nothing.
pub fn parse_processes(text: &str) -> Vec<Process> {
    let process = |line: &str| {
        let (uuid, pid) = line.split_once(',')?;
        Some(Process { uuid: uuid.trim().to_owned(), pid: pid.trim().parse().ok()? })
    };
    text.lines().filter_map(process).filter(|process| is_identity(&process.uuid)).collect()
}

/// The devices that a value of `CUDA_VISIBLE_DEVICES` leaves, in its order. As for CUDA itself, an entry that names none
/// ends the list; indices are those of `nvidia-smi`.
pub fn visible(devices: Vec<Installed>, variable: Option<&str>) -> Vec<Installed> {
    let Some(value) = variable else { return devices };
    let mut left: Vec<Installed> = Vec::new();
    for id in value.split(',').map(str::trim) {
        let mut found = devices.iter().filter(|device| device.is_called(id));
        match (found.next(), found.next()) {
            (Some(device), None) if !left.contains(device) => left.push(device.clone()),
            _ => break,
        }
    }
    left
}

/// The number in a device's node (`/dev/nvidiaN`), from the driver's `information` about it.
pub fn device_minor(information: &str) -> Option<u32> {
    let minor = |line: &str| line.strip_prefix("Device Minor:")?.trim().parse().ok();
    information.lines().find_map(minor)
}

/// Whether two spellings mean one place on the bus: domains have four digits here and eight there.
pub fn is_same_bus(one: &str, other: &str) -> bool {
    let parts = |place: &str| {
        let (domain, rest) = place.split_once(':')?;
        Some((u32::from_str_radix(domain, 16).ok()?, rest.to_ascii_lowercase()))
    };
    parts(one).is_some_and(|place| parts(other) == Some(place))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::gpu) fn installed(index: u32, uuid: &str) -> Installed {
        Installed {
            gpu: Gpu { index, uuid: uuid.to_owned(), name: "A".to_owned(), memory_mib: Some(10) },
            driver: "550.54.15".to_owned(),
            bus_id: format!("00000000:{index:02X}:00.0"),
            is_partitioned: false,
        }
    }

    fn check(text: &str, expected: Result<Vec<Installed>, (usize, &str)>) {
        let expected = expected.map_err(|(number, line)| OutputError { number, line: line.to_owned() });
        assert_eq!(parse_devices(text), expected, "{text}");
    }

    fn device_of(index: u32, uuid: &str, name: &str, memory_mib: Option<u64>) -> Installed {
        let gpu = Gpu { index, uuid: uuid.to_owned(), name: name.to_owned(), memory_mib };
        Installed { gpu, ..installed(index, uuid) }
    }

    #[test]
    fn devices_of_many_kinds_are_understood() {
        let uuid = "GPU-2f7b9c1e-4d3a-8c55-90aa-6f1d2b3c4e5f";
        let other = "GPU-77d1f2a0-0b1c-2d3e-4f50-61728394a5b6";
        let h100 = Installed {
            bus_id: "00000000:18:00.0".to_owned(),
            ..device_of(0, uuid, "NVIDIA H100 80GB HBM3", Some(81559))
        };
        let second = Installed {
            bus_id: "00000000:2A:00.0".to_owned(),
            is_partitioned: true,
            ..device_of(1, other, "NVIDIA H100 80GB HBM3", Some(81559))
        };
        check(
            &format!(
                "0, {uuid}, NVIDIA H100 80GB HBM3, 81559, 550.54.15, 00000000:18:00.0, Disabled\n\
                 1, {other}, NVIDIA H100 80GB HBM3, 81559, 550.54.15, 00000000:2A:00.0, Enabled\n"
            ),
            Ok(vec![h100, second]),
        );
        let desktop = Installed {
            driver: "535.183.01".to_owned(),
            bus_id: "00000000:01:00.0".to_owned(),
            ..device_of(0, uuid, "NVIDIA GeForce RTX 3090", Some(24576))
        };
        check(
            &format!("0, {uuid}, NVIDIA GeForce RTX 3090, 24576, 535.183.01, 00000000:01:00.0, [N/A]\r\n"),
            Ok(vec![desktop]),
        );
        let shared = Installed {
            driver: "580.95.05".to_owned(),
            bus_id: "0000000F:01:00.0".to_owned(),
            ..device_of(0, uuid, "NVIDIA GB10", None)
        };
        check(
            &format!("0, {uuid}, NVIDIA GB10, [N/A], 580.95.05, 0000000F:01:00.0, [N/A]"),
            Ok(vec![shared]),
        );
        let virtual_machine = Installed {
            driver: "580.159.04".to_owned(),
            bus_id: "00000000:00:06.0".to_owned(),
            ..device_of(0, uuid, "NVIDIA H200", Some(143_771))
        };
        check(
            &format!("0, {uuid}, NVIDIA H200, 143771, 580.159.04, 00000000:00:06.0, Disabled\n"),
            Ok(vec![virtual_machine]),
        );
        check("No devices were found\n", Ok(Vec::new()));
        check("", Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_device_is_refused() {
        let line = "0, GPU-aaaa1111, A, 10, 1.0, 0:0:0.0, Disabled";
        check(&format!("{line}\n{line}"), Err((2, line)));
        for wrong in [
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            "0, [Unknown Error], A, 10, 1.0, 0:0:0.0, Disabled",
            "0, GPU-../../x1, A, 10, 1.0, 0:0:0.0, Disabled",
            "0, GPU-aaaa1111, A, ten, 1.0, 0:0:0.0, Disabled",
            "0, GPU-aaaa1111, A, 10, [GPU is lost], 0:0:0.0, Disabled",
            "-1, GPU-aaaa1111, A, 10, 1.0, 0:0:0.0, Disabled",
            "0, GPU-aaaa1111, 10, 1.0, 0:0:0.0, Disabled",
            "0, GPU-aaaa1111, A, 10, 1.0, 0:0:0.0, Perhaps",
        ] {
            check(wrong, Err((1, wrong)));
        }
    }

    #[test]
    fn the_operators_variable_leaves_what_cuda_would_see() {
        let all =
            || vec![installed(0, "GPU-aaaa1111"), installed(1, "GPU-bbbb1111"), installed(2, "GPU-bbbb2222")];
        let check = |variable: Option<&str>, expected: &[u32]| {
            let left: Vec<u32> = visible(all(), variable).iter().map(|device| device.gpu.index).collect();
            assert_eq!(left, expected, "{variable:?}");
        };
        check(None, &[0, 1, 2]);
        check(Some(""), &[]);
        check(Some("-1"), &[]);
        check(Some("2,0"), &[2, 0]);
        check(Some("1,7,0"), &[1]);
        check(Some("GPU-aaaa, 1"), &[0, 1]);
        check(Some("0,GPU-bbbb"), &[0]);
        check(Some("0,0,1"), &[0]);
        check(Some("MIG-aaaa1111"), &[]);
    }

    #[test]
    fn processes_nodes_and_places_are_read() {
        let processes = parse_processes("GPU-aaaa1111, 42\nno process\nGPU-bbbb1111, [N/A]\n");
        assert_eq!(processes, [Process { uuid: "GPU-aaaa1111".to_owned(), pid: 42 }]);
        let information =
            "Model: \t\t NVIDIA A100\nIRQ:   \t\t 52\nGPU UUID: \t GPU-aaaa1111\nDevice Minor: \t 3\n";
        assert_eq!(device_minor(information), Some(3));
        assert_eq!(device_minor("Model: A\n"), None);
        assert!(is_same_bus("0000:3b:00.0", "00000000:3B:00.0"));
        assert!(!is_same_bus("0001:3b:00.0", "00000000:3B:00.0") && !is_same_bus("3b", "3b"));
    }

    proptest! {
        #[test]
        fn any_output_is_devices_or_an_error(text in "\\PC{0,200}", lines in prop::collection::vec("[0-9]{1,2}, GPU-[a-f0-9]{4,8}, A, 1, 2, 0:1:0.0, Disabled", 0..6)) {
            if let Err(error) = parse_devices(&text) {
                prop_assert!(error.line.chars().count() <= SHOWN);
            }
            parse_processes(&text);
            device_minor(&text);
            if let Ok(devices) = parse_devices(&lines.join("\n")) {
                prop_assert_eq!(devices.len(), lines.len());
                prop_assert!(visible(devices, Some(&text)).len() <= lines.len());
            }
        }
    }
}
