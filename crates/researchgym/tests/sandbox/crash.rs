//! What is left after our own process is killed: nothing.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{Bench, control_groups_of, living};

pub(crate) const ROLE: &str = "RESEARCHGYM_TEST_VICTIM";

/// Not a test of its own: the process that the test below kills.
#[tokio::test]
async fn victim() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (runtime, marker) = role.split_once(' ').unwrap();
    let bench = Bench::all().into_iter().find(|bench| bench.name() == runtime).unwrap();
    let sandbox = bench.start().await;
    let daemon = format!("(setsid sh -c 'trap \"\" TERM HUP INT; sleep {marker}; :' >/dev/null 2>&1 &)");
    sandbox.exec(&format!("{daemon}; until pgrep -f '^sleep {marker}' > /dev/null; do :; done")).await;
    println!("\nready {}", bench.folder.path().display());
    std::future::pending::<()>().await;
}

#[test]
fn nothing_is_left_after_kill_9() {
    for runtime in Bench::all().into_iter().map(|bench| bench.runtime) {
        let marker = format!("6{}.{}", std::process::id(), runtime.name().len());
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::victim", "--nocapture"])
            .env(ROLE, format!("{} {marker}", runtime.name()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let ready =
            lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("ready ")?.to_owned()));
        let folder = ready.expect("the victim starts its sandbox");
        let daemon = format!("sleep\0{marker}");
        assert!(!living(&daemon).is_empty());
        victim.kill().unwrap();
        victim.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(15);
        let left = || (living(&daemon), living(&folder), control_groups_of(victim.id()));
        while left() != (Vec::new(), Vec::new(), Vec::new()) {
            assert!(Instant::now() < deadline, "{}: {:?}", runtime.name(), left());
            std::thread::yield_now();
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&folder), "{mounts}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
