//! Device nodes of granted GPUs in a sandbox. Files stand for the nodes: making real ones needs a right that tests do not have.

use std::os::unix::fs::PermissionsExt as _;

use researchgym_engine::gpu::{DeviceNode, GpuAccess};
use researchgym_engine::sandbox::SandboxSpec;

use crate::bench::Bench;

#[tokio::test]
async fn the_nodes_that_were_granted_are_the_only_ones() {
    let Some(bench) = Bench::local() else { return };
    let node = |name: &str| {
        let source = bench.path(name);
        std::fs::write(&source, "").unwrap();
        std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o666)).unwrap();
        DeviceNode { source, target: format!("/dev/{name}") }
    };
    let ordinary = bench.start().await;
    let before = ordinary.exec("ls /dev").await.stdout;
    assert!(!ordinary.sandbox.isolation().enforced.contains(&"gpu_devices".to_owned()));
    ordinary.sandbox.stop().await;

    let nodes = ["nvidia5", "nvidiactl", "nvidia-uvm"].map(node).to_vec();
    let gpus = Some(GpuAccess { uuids: vec!["GPU-aaaa1111".to_owned()], nodes });
    let sandbox = bench.start_with(SandboxSpec { gpus, ..bench.spec() }).await;
    let shown = sandbox.exec("ls /dev").await.stdout;
    let added: Vec<&str> = shown.lines().filter(|name| !before.lines().any(|old| old == *name)).collect();
    assert_eq!(added, ["nvidia-uvm", "nvidia5", "nvidiactl"]);
    let used = sandbox.exec("echo 1 > /dev/nvidia5 && cat /dev/nvidia5; touch /dev/nvidia6; echo $?").await;
    assert_eq!(used.stdout, "1\n1\n");
    assert!(sandbox.sandbox.isolation().enforced.contains(&"gpu_devices".to_owned()));
    sandbox.sandbox.stop().await;
    assert_eq!(std::fs::read_to_string(bench.path("nvidia5")).unwrap(), "1\n");
}
