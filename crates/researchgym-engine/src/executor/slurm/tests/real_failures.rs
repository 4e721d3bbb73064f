//! Against a real Slurm whose daemons are killed, and with a process of ours that is killed. Only on a cluster that
//! `.ci/slurm-cluster` has made: others' daemons are never touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use researchgym_core::executor::SlurmSpec;

use super::super::super::{Cluster as _, JobEnd};
use super::bench::{Bench, begin, needs, until};
use super::real::{FINISH, connect, has_cluster, id, is_alive, lines, slurm};

/// The folder of a cluster whose daemons may be killed; says so if there is none.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn own_cluster() -> Option<PathBuf> {
    let folder = std::env::var_os("RESEARCHGYM_TEST_SLURM")
        .map(PathBuf::from)
        .filter(|folder| folder.join("nodes").exists());
    if folder.is_none() {
        eprintln!("skipped: no Slurm cluster of `.ci/slurm-cluster` whose daemons may be killed");
    }
    folder.filter(|_| has_cluster())
}

/// Kills a daemon by its pid file.
fn kill(path: &Path) {
    let pid = lines(path.to_owned())[0].trim().to_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
}

/// Starts what of a cluster does not run.
fn start_again(cluster: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/slurm-cluster");
    let status = Command::new("bash").arg(script).arg("again").arg(cluster).stdout(Stdio::null()).status();
    assert!(status.unwrap().success());
}

/// Works until a file says that it may end.
fn patient() -> String {
    format!("echo run >>runs\nuntil [ -e go ]; do sleep 0.05; done\n{FINISH}")
}

#[tokio::test]
async fn jobs_outlive_the_controller_and_the_node_daemon() {
    let Some(cluster) = own_cluster() else { return };
    let bench = Bench::new();
    let slurm = connect(&bench, SlurmSpec::default());
    let folders = ["first", "second", "third"].map(|name| bench.folder(name, &patient()));
    let mut first = begin(&slurm, &folders[0], needs(), None);
    let mut second = begin(&slurm, &folders[1], needs(), None);
    first.works().await;
    second.works().await;
    // A controller that is killed forgets what it has not written down.
    let saved = || std::fs::metadata(cluster.join("state/job_state")).and_then(|state| state.modified()).ok();
    let working = std::time::SystemTime::now();
    until("the controller to save its state", || saved().is_some_and(|time| time > working)).await;
    kill(&cluster.join("controller.pid"));
    // One ends, and one comes, while there is no controller.
    std::fs::write(folders[0].join("go"), "").unwrap();
    assert_eq!(first.end().await.0, Ok(JobEnd::Result));
    let third = begin(&slurm, &folders[2], needs(), None);
    until("a warning", || !bench.warnings.lock().unwrap().is_empty()).await;
    start_again(&cluster);
    until("the third", || folders[2].join("runs").exists()).await;
    // Job and daemon are not one.
    kill(&cluster.join(format!("{}.pid", lines(cluster.join("nodes"))[0])));
    std::fs::write(folders[1].join("go"), "").unwrap();
    assert_eq!(second.end().await.0, Ok(JobEnd::Result));
    start_again(&cluster);
    std::fs::write(folders[2].join("go"), "").unwrap();
    assert_eq!(third.end().await.0, Ok(JobEnd::Result));
    for folder in folders {
        assert_eq!(lines(folder.join("runs")), ["run"], "{}", folder.display());
    }
}

/// Set for a process that is this test's second self: it carries jobs out until it is killed.
const SECOND_SELF: &str = "RESEARCHGYM_TEST_SECOND_SELF";

#[tokio::test]
async fn jobs_of_a_process_that_was_killed_are_found_again_and_hold_none_of_its_keys() {
    if !has_cluster() {
        return;
    }
    const KEY: &str = "sk-test-0123456789";
    let bench = Bench::new();
    if let Some(place) = std::env::var_os(SECOND_SELF).map(PathBuf::from) {
        let slurm = connect(&bench, SlurmSpec::default());
        let jobs: Vec<_> =
            ["a", "b"].iter().map(|name| begin(&slurm, &place.join(name), needs(), None).end).collect();
        futures_util::future::join_all(jobs).await;
        return;
    }
    let folders = ["a", "b"]
        .map(|name| bench.folder(name, &format!("cat /proc/$$/environ >environment\n{}", patient())));
    // `connect` of the second self writes the program of its own bench, which ends with it: ours is the same.
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "executor::slurm::tests::real_failures::jobs_of_a_process_that_was_killed_are_found_again_and_hold_none_of_its_keys"])
        .env(SECOND_SELF, bench.path("jobs"))
        .env("OPENAI_API_KEY", KEY)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the jobs", || folders.iter().all(|folder| folder.join("runs").exists())).await;
    until("their notes", || folders.iter().all(|folder| folder.join("submitted.json").exists())).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let ids = folders.each_ref().map(|folder| id(folder));

    let slurm_again = connect(&bench, SlurmSpec::default());
    let jobs = folders.each_ref().map(|folder| begin(&slurm_again, folder, needs(), None));
    for mut job in jobs {
        job.works().await;
        std::fs::write(job.folder.join("go"), "").unwrap();
        assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    }
    assert_eq!(folders.each_ref().map(|folder| id(folder)), ids);
    for (folder, id) in folders.iter().zip(&ids) {
        assert_eq!(lines(folder.join("runs")), ["run"]);
        let environment =
            String::from_utf8_lossy(&std::fs::read(folder.join("environment")).unwrap()).into_owned();
        assert!(
            environment.contains("SLURM_JOB_ID=")
                && !environment.contains(KEY)
                && !environment.contains("OPENAI")
        );
        let script = slurm("scontrol", &["write", "batch_script", id, "-"]);
        assert!(!script.contains(KEY));
    }
    // The controller keeps environments of jobs in its state.
    if let Some(cluster) = std::env::var_os("RESEARCHGYM_TEST_SLURM") {
        let found = Command::new("grep").args(["-rlF", KEY]).arg(cluster).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    }
}

#[tokio::test]
async fn jobs_that_were_left_go_on_and_are_found_by_another_handle() {
    if !has_cluster() {
        return;
    }
    let bench = Bench::new();
    let folder = bench.folder("left", &format!("echo $$ >self\n{}", patient()));
    let slurm = connect(&bench, SlurmSpec::default());
    let mut job = begin(&slurm, &folder, needs(), None);
    job.works().await;
    slurm.leave();
    job.drop_it().await;
    drop(slurm);
    assert!(is_alive(lines(folder.join("self"))[0].trim()));
    let slurm = connect(&bench, SlurmSpec::default());
    let job = begin(&slurm, &folder, needs(), None);
    std::fs::write(folder.join("go"), "").unwrap();
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    assert_eq!(lines(folder.join("runs")), ["run"]);
}
