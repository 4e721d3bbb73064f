//! Allocation and detection against a program that stands in for `nvidia-smi`, and folders that stand in for the driver's.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const TWO: &str = "\
0, GPU-aaaa1111, NVIDIA A100-SXM4-40GB, 40960, 550.54.15, 00000000:07:00.0, Disabled
1, GPU-bbbb2222, NVIDIA A100-SXM4-40GB, 40960, 550.54.15, 00000000:0F:00.0, Disabled
";

/// A machine in a folder.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// Whose `nvidia-smi` is this shell script.
    fn saying(script: &str) -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        machine.file("nvidia-smi", &format!("#!/bin/sh\n{script}\n"), 0o755);
        machine
    }

    /// With two devices, whose nodes are numbered otherwise than they are.
    fn of_two() -> Machine {
        let machine = Machine::saying("");
        let path = machine.file("devices", TWO, 0o644);
        machine.file("processes", "", 0o644);
        let script = format!(
            "case $1 in\n--query-gpu=*) cat {0}/devices ;;\n*) cat {0}/processes ;;\nesac",
            path.parent().unwrap().display()
        );
        machine.file("nvidia-smi", &format!("#!/bin/sh\n{script}\n"), 0o755);
        for (bus, minor) in [("0000:07:00.0", 5), ("0000:0f:00.0", 3)] {
            machine.file(&format!("gpus/{bus}/information"), &format!("Device Minor: \t {minor}\n"), 0o444);
            machine.file(&format!("dev/nvidia{minor}"), "", 0o666);
        }
        for name in ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"] {
            machine.file(&format!("dev/{name}"), "", 0o666);
        }
        machine
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn places(&self) -> GpuPlaces {
        GpuPlaces {
            program: Some(self.folder.path().join("nvidia-smi")),
            devices: self.folder.path().join("dev"),
            information: self.folder.path().join("gpus"),
            locks: Some(self.folder.path().join("locks")),
            visible: None,
            patience: Duration::from_secs(60),
        }
    }

    fn gpus(&self) -> Gpus {
        Gpus::find(self.places()).unwrap()
    }

    /// What is said of the machine, with its folder left out.
    fn refusal(&self, places: GpuPlaces) -> String {
        let error = Gpus::find(places).unwrap_err().whole();
        error.replace(&self.folder.path().display().to_string(), "")
    }
}

fn indices(grant: &GpuGrant) -> Vec<u32> {
    grant.devices().iter().map(|gpu| gpu.index).collect()
}

#[test]
fn a_device_is_one_runs_until_it_is_dropped() {
    let machine = Machine::of_two();
    // Another process, as far as locks are concerned: a lock belongs to an opened file.
    let (ours, theirs) = (machine.gpus(), machine.gpus());
    let one = GpuRequest::Count(1);
    let mut first = ours.take(&one, Runtime::Host).unwrap();
    first.hold_for("20260101-one").unwrap();
    let second = theirs.take(&one, Runtime::Host).unwrap();
    assert_eq!((indices(&first), indices(&second)), (vec![0], vec![1]));
    let pid = std::process::id();
    let refused = theirs.take(&one, Runtime::Host).unwrap_err().to_string();
    let held = format!("GPU 0 is held by run 20260101-one (process {pid}), GPU 1 is held by process {pid}");
    assert_eq!(refused, format!("1 GPU(s) are asked for and 0 are free: {held}"));
    drop(first);
    // Nothing is kept of what could not be had whole.
    let both = ours.take(&GpuRequest::Count(2), Runtime::Host).unwrap_err().to_string();
    assert_eq!(both, format!("2 GPU(s) are asked for and 1 are free: GPU 1 is held by process {pid}"));
    let named = GpuRequest::Devices(vec!["GPU-aaaa1".to_owned()]);
    assert_eq!(indices(&theirs.take(&named, Runtime::Host).unwrap()), [0]);
    drop(second);
    assert_eq!(indices(&theirs.take(&GpuRequest::All, Runtime::Host).unwrap()), [0, 1]);
}

#[test]
fn only_the_nodes_of_granted_devices_are_shown() {
    let machine = Machine::of_two();
    let gpus = machine.gpus();
    let second = GpuRequest::Devices(vec!["1".to_owned()]);
    let access = gpus.take(&second, Runtime::Local).unwrap().access();
    let node = |name: &str| DeviceNode {
        source: machine.folder.path().join("dev").join(name),
        target: format!("/dev/{name}"),
    };
    let nodes = ["nvidia3", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"].map(node).to_vec();
    assert_eq!(access, GpuAccess { uuids: vec!["GPU-bbbb2222".to_owned()], nodes });
    let variables = ["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"];
    assert_eq!(access.environment(), variables.map(|name| (name.to_owned(), "GPU-bbbb2222".to_owned())));
    assert_eq!(gpus.take(&second, Runtime::Docker).unwrap().access().nodes, []);

    let refused = |runtime| gpus.take(&GpuRequest::All, runtime).map(drop).map_err(|error| error.to_string());
    machine.file("dev/nvidiactl", "", 0o600);
    if rustix::process::geteuid().is_root() {
        assert!(
            refused(Runtime::Local)
                .unwrap_err()
                .ends_with("dev/nvidiactl may not be read and written by the user that commands run as")
        );
    }
    std::fs::remove_file(machine.folder.path().join("dev/nvidia5")).unwrap();
    assert!(refused(Runtime::Local).unwrap_err().ends_with("dev/nvidia5 is not there"));
    std::fs::remove_dir_all(machine.folder.path().join("gpus")).unwrap();
    assert!(refused(Runtime::Local).unwrap_err().ends_with("says which device node is its own"));
    assert_eq!(refused(Runtime::Host), Ok(()));
}

#[test]
fn the_operators_choice_is_kept() {
    let machine = Machine::of_two();
    let gpus = Gpus::find(GpuPlaces { visible: Some("1".to_owned()), ..machine.places() }).unwrap();
    assert_eq!(indices(&gpus.take(&GpuRequest::All, Runtime::Host).unwrap()), [1]);
    let refused = gpus.check(&GpuRequest::Count(2), 1).unwrap_err();
    assert_eq!(refused.to_string(), "2 GPU(s) are asked for at once, and 1 are offered");
    assert_eq!(
        refused.hint().unwrap(),
        "CUDA_VISIBLE_DEVICES=1 limits what is offered; `researchgym doctor` lists the GPUs"
    );
}

#[test]
fn others_on_a_device_are_named() {
    let machine = Machine::of_two();
    let grant = machine.gpus().take(&GpuRequest::Count(1), Runtime::Host).unwrap();
    assert_eq!(grant.users(), None);
    machine.file("processes", "GPU-bbbb2222, 7\nGPU-aaaa1111, 8\nGPU-aaaa1111, 9\n", 0o644);
    assert_eq!(grant.users(), Some("GPU 0 by process 8, 9".to_owned()));
}

#[test]
fn a_report_shows_all_devices_and_disturbs_nobody() {
    let machine = Machine::of_two();
    let places = GpuPlaces { visible: Some("0".to_owned()), ..machine.places() };
    let state = |index: u32, uuid: &str, holder: Option<Holder>| GpuState {
        gpu: Gpu {
            index,
            uuid: uuid.to_owned(),
            name: "NVIDIA A100-SXM4-40GB".to_owned(),
            memory_mib: Some(40960),
        },
        partitioned: false,
        offered: index == 0,
        holder,
    };
    let expected = |holder| GpuReport {
        driver: Some("550.54.15".to_owned()),
        devices: vec![state(0, "GPU-aaaa1111", holder), state(1, "GPU-bbbb2222", None)],
        problem: None,
        hint: None,
    };
    assert_eq!(report(&places), expected(None));
    assert!(!machine.folder.path().join("locks").exists(), "a look makes nothing");
    let grant = machine.gpus().take(&GpuRequest::Count(1), Runtime::Host).unwrap();
    let holder = Holder { pid: Some(std::process::id()), run: None };
    assert_eq!(report(&places), expected(Some(holder)));
    drop(grant);
    assert_eq!(report(&places), expected(None));
    let nothing = GpuReport { driver: None, devices: Vec::new(), problem: None, hint: None };
    assert_eq!(report(&GpuPlaces { program: None, ..places }), nothing);
}

#[test]
fn a_program_that_fails_is_quoted() {
    let check = |script: &str, expected: &str| {
        let machine = Machine::saying(script);
        assert_eq!(machine.refusal(machine.places()), expected);
    };
    check(
        "echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\nMake sure.\"; exit 9",
        "`/nvidia-smi` failed (exit status: 9): NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure.",
    );
    check(
        "echo 'Failed to initialize NVML: Driver/library version mismatch' >&2; exit 18",
        "`/nvidia-smi` failed (exit status: 18): Failed to initialize NVML: Driver/library version mismatch",
    );
    check(
        "printf 'much \\033[31mred\\n'",
        "`/nvidia-smi` cannot be understood: line 1 is `much [31mred`, which does not describe a GPU",
    );
    check(
        "head -c 3000000 /dev/zero | tr '\\0' x",
        &format!(
            "`/nvidia-smi` cannot be understood: line 1 is `{}`, which does not describe a GPU",
            "x".repeat(120)
        ),
    );
    let none = Machine::saying("echo 'No devices were found'; exit 6").gpus();
    let refused = none.check(&GpuRequest::Count(1), 1).unwrap_err().to_string();
    assert_eq!(refused, "1 GPU(s) are asked for at once, and 0 are offered");
}

#[test]
fn a_program_that_hangs_is_ended_with_all_that_it_started() {
    let machine = Machine::saying("echo $$ > \"${0%/*}/pid\"; sleep 1000 & sleep 1000");
    let places = GpuPlaces { patience: Duration::from_secs(1), ..machine.places() };
    assert_eq!(machine.refusal(places), "`/nvidia-smi` did not answer within 1 s");
    let group = std::fs::read_to_string(machine.folder.path().join("pid")).unwrap();
    let group = rustix::process::Pid::from_raw(group.trim().parse().unwrap()).unwrap();
    let begun = std::time::Instant::now();
    while rustix::process::test_kill_process_group(group).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(60), "something of it is left");
        std::thread::yield_now();
    }
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let machine = Machine::of_two();
    let devices = machine.folder.path().join("devices");
    let locks = machine.folder.path().join("locks");
    std::fs::create_dir(&locks).unwrap();
    std::os::unix::fs::symlink(&devices, locks.join("GPU-aaaa1111.lock")).unwrap();
    let refused = machine.gpus().take(&GpuRequest::Count(1), Runtime::Host).unwrap_err();
    assert!(matches!(refused, GpuError::Lock { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(devices).unwrap(), TWO);
}
