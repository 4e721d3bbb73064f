//! Against a real Slurm: the one of `SLURM_CONF`, as `.ci/slurm-cluster start` brings it up. Without it these tests are skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::executor::SlurmSpec;
use researchgym_core::failure::Boundary;

use super::super::super::{Cause, Group, JobEnd, JobState, Lost, Needs};
use super::super::facts::Facts;
use super::super::{Commands, Slurm, Timing};
use super::bench::{Bench, Running, begin, needs, until};

pub(super) const FINISH: &str = "echo '{}' >.result && ln .result result.json\n";

/// Whether there is a cluster to test with; says so if not.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(super) fn has_cluster() -> bool {
    let answers = std::env::var_os("SLURM_CONF").is_some() && slurm("scontrol", &["ping"]).contains("is UP");
    if !answers {
        eprintln!(
            "skipped: no Slurm cluster answers (`eval \"$(bash .ci/slurm-cluster start)\"` brings one up)"
        );
    }
    answers
}

/// What one of Slurm's commands says.
pub(super) fn slurm(name: &str, arguments: &[&str]) -> String {
    Command::new(name)
        .args(arguments)
        .output()
        .map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(super) fn timing() -> Timing {
    Timing {
        poll: Duration::from_secs(1),
        grace: Duration::from_secs(3),
        ..Timing::of(&SlurmSpec::default())
    }
}

pub(super) fn connect(bench: &Bench, spec: SlurmSpec) -> Arc<Slurm> {
    bench.connect(Commands::default(), timing(), spec).unwrap()
}

pub(super) fn lines(path: PathBuf) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

pub(super) fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

pub(super) fn lost(end: (Result<JobEnd, researchgym_core::failure::Failure>, Vec<JobState>)) -> Lost {
    match end.0.unwrap() {
        JobEnd::Lost(lost) => lost,
        JobEnd::Result => panic!("it has a result"),
    }
}

/// The number that a job has, or had before it was lost.
pub(super) fn id(folder: &Path) -> String {
    let text = std::fs::read(folder.join("submitted.json"))
        .or_else(|_| std::fs::read(folder.join("lost.json")))
        .unwrap();
    let submitted: serde_json::Value = serde_json::from_slice(&text).unwrap();
    submitted["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_plain_job_is_carried_out() {
    if !has_cluster() {
        return;
    }
    let bench = Bench::new();
    let slurm = connect(&bench, SlurmSpec::default());
    let folder = bench.folder(
        "it's one",
        &format!("echo hello\necho trouble >&2\nenv | sed 's/=.*//' | sort >environment\n{FINISH}"),
    );
    let (end, told) = begin(&slurm, &folder, needs(), None).end().await;
    assert_eq!(end, Ok(JobEnd::Result));
    assert_eq!(told.first(), Some(&JobState::Queued { id: id(&folder), reason: String::new() }));
    assert_eq!(lines(folder.join("output.log")), ["hello", "trouble"]);
    let ours = [
        "PATH",
        "PWD",
        "TMPDIR",
        "_",
        "OLDPWD",
        "SHLVL",
        "SLURMD_NODENAME",
        "CUDA_VISIBLE_DEVICES",
        "GPU_DEVICE_ORDINAL",
    ];
    let foreign = |name: &&String| !ours.contains(&name.as_str()) && !name.starts_with("SLURM_");
    let environment = lines(folder.join("environment"));
    assert!(environment.contains(&"SLURM_JOB_ID".to_owned()));
    assert_eq!(environment.iter().filter(foreign).collect::<Vec<_>>(), [""; 0].iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_array_of_a_group_works_within_its_limit() {
    if !has_cluster() {
        return;
    }
    let bench = Bench::new();
    let slurm = connect(&bench, SlurmSpec::default());
    // Each notes how many work while it does.
    let crowd = bench.path("crowd");
    std::fs::create_dir(&crowd).unwrap();
    let work = format!("touch {0}/$$\nls {0} | wc -l >seen\nsleep 0.5\nrm {0}/$$\n{FINISH}", crowd.display());
    let group = Some(Group { name: "epoch-3".to_owned(), jobs: 6, at_once: 2 });
    let folders: Vec<PathBuf> = (0..6).map(|number| bench.folder(&format!("job-{number}"), &work)).collect();
    let jobs: Vec<Running> =
        folders.iter().map(|folder| begin(&slurm, folder, needs(), group.clone())).collect();
    for job in jobs {
        assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    }
    let arrays: std::collections::BTreeSet<String> =
        folders.iter().map(|folder| id(folder).split('_').next().unwrap().to_owned()).collect();
    assert_eq!(arrays.len(), 1);
    for folder in folders {
        let seen: usize = lines(folder.join("seen"))[0].trim().parse().unwrap();
        assert!((1..=2).contains(&seen), "{seen} at once");
    }
}

#[tokio::test]
async fn settings_that_the_cluster_does_not_know_are_refused_at_once() {
    if !has_cluster() {
        return;
    }
    let bench = Bench::new();
    let refused = |spec: SlurmSpec| {
        let failure = bench.connect(Commands::default(), timing(), spec).err().unwrap();
        assert_eq!(failure.boundary, Boundary::Executor);
        (failure.message, failure.hint.unwrap())
    };
    let (message, hint) =
        refused(SlurmSpec { partition: Some("nowhere".to_owned()), ..SlurmSpec::default() });
    assert!(message.to_lowercase().contains("invalid partition"), "{message}");
    assert!(hint.contains("`sinfo`"), "{hint}");
    let (message, _) = refused(SlurmSpec { gres: Some("unicorn:1".to_owned()), ..SlurmSpec::default() });
    assert!(message.contains("generic resource"), "{message}");
    let (message, _) = refused(SlurmSpec { options: vec!["--bogus".to_owned()], ..SlurmSpec::default() });
    assert!(message.contains("--bogus"), "{message}");
}

#[tokio::test]
async fn a_dropped_job_is_told_first_and_leaves_no_process() {
    if !has_cluster() {
        return;
    }
    let facts = Facts::ask(&Commands::default()).await.unwrap();
    let bench = Bench::new();
    let slurm = connect(&bench, SlurmSpec::default());
    let polite = bench
        .folder("polite", "trap 'echo told >said; exit 0' TERM\ntouch ready\nwhile :; do sleep 0.05; done\n");
    let stubborn = bench.folder(
        "stubborn",
        "trap '' TERM\n(setsid sh -c 'echo $$ >daemon; exec sleep 1000' >/dev/null 2>&1 &)\n\
         (sleep 1000 & echo $! >child)\necho $$ >self\ntouch ready\nwhile :; do sleep 0.1; done\n",
    );
    let jobs = [begin(&slurm, &polite, needs(), None), begin(&slurm, &stubborn, needs(), None)];
    let waits = bench.folder("waits", FINISH);
    let held = begin(&slurm, &waits, Needs { cpus: 16, memory_mib: 60000, ..needs() }, None);
    until("both to work", || polite.join("ready").exists() && stubborn.join("ready").exists()).await;
    until("the third in the queue", || waits.join("submitted.json").exists()).await;
    until("the daemon", || stubborn.join("daemon").exists()).await;
    let ids: Vec<String> = [&polite, &stubborn, &waits].map(|folder| id(folder)).to_vec();
    for job in jobs.into_iter().chain([held]) {
        job.drop_it().await;
    }
    slurm.settle().await;
    assert_eq!(lines(polite.join("said")), ["told"]);
    if facts_track_strongly(&facts) {
        for name in ["self", "child", "daemon"] {
            assert!(!is_alive(lines(stubborn.join(name))[0].trim()), "{name} lives");
        }
    }
    let queue = slurm_queue();
    assert!(ids.iter().all(|id| !queue.contains(id)), "{ids:?} in {queue}");
    assert_eq!(*bench.warnings.lock().unwrap(), [""; 0]);
}

fn facts_track_strongly(facts: &Facts) -> bool {
    facts.tracking().ends_with("/cgroup")
}

/// What is in the queue and has not ended, element by element.
fn slurm_queue() -> String {
    slurm("squeue", &["--noheader", "--array", "--format=%F_%K %A"])
}

#[tokio::test]
async fn the_cluster_s_own_reasons_are_told_apart_from_a_job_that_just_ends() {
    if !has_cluster() {
        return;
    }
    let facts = Facts::ask(&Commands::default()).await.unwrap();
    let bench = Bench::new();
    let slurm = connect(&bench, SlurmSpec::default());
    let failing = bench.folder("failing", "exit 3\n");
    let cancelled = bench.folder("cancelled", "exec sleep 1000\n");
    let hungry = bench.folder("hungry", "head -c 400M /dev/zero | tail >/dev/null\nexit 1\n");
    let slow = bench.folder("slow", "exec sleep 1000\n");
    let minute = Needs { time: Some(Duration::from_mins(1)), ..needs() };
    let jobs = [begin(&slurm, &failing, needs(), None), begin(&slurm, &hungry, needs(), None)];
    let late = begin(&slurm, &slow, minute, None);
    let mut stopped = begin(&slurm, &cancelled, needs(), None);
    let node = stopped.works().await;
    let number = id(&cancelled);
    slurm_command("scancel", &number);
    let end = lost(stopped.end().await);
    assert_eq!(end.cause, Cause::Cancelled);
    assert!(
        end.message.starts_with(&format!("job {number} on {node} ended without a result: CANCELLED")),
        "{}",
        end.message
    );
    let [failed, ate] = jobs;
    let number = id(&failing);
    let end = lost(failed.end().await);
    assert_eq!(end.cause, Cause::Failed);
    assert!(
        end.message.starts_with(&format!("job {number} on ")) && end.message.ends_with("exit code 3"),
        "{}",
        end.message
    );
    let end = lost(ate.end().await);
    let expected = if facts.limits_memory() { Cause::OutOfMemory } else { Cause::Failed };
    assert_eq!(end.cause, expected, "{}", end.message);
    let end = lost(late.end().await);
    assert_eq!(end.cause, Cause::TimeOut, "{}", end.message);
}

pub(super) fn slurm_command(name: &str, argument: &str) {
    assert!(Command::new(name).args(argument.split(' ')).status().unwrap().success(), "{name} {argument}");
}

#[tokio::test]
async fn a_job_that_is_put_back_into_the_queue_is_told_of_and_ends_well() {
    if !has_cluster() {
        return;
    }
    let bench = Bench::new();
    let slurm = connect(&bench, SlurmSpec::default());
    let folder = bench.folder(
        "again",
        &format!("echo run >>runs\n[ \"$SLURM_RESTART_COUNT\" = 1 ] || exec sleep 1000\n{FINISH}"),
    );
    let mut job = begin(&slurm, &folder, needs(), None);
    job.works().await;
    slurm_command("scontrol", &format!("requeue {}", id(&folder)));
    let (end, told) = job.end().await;
    assert_eq!(end, Ok(JobEnd::Result));
    assert!(told.iter().any(|state| matches!(state, JobState::Queued { .. })), "{told:?}");
    assert_eq!(lines(folder.join("runs")), ["run", "run"]);
}

#[tokio::test]
async fn a_job_that_is_put_back_and_held_after_its_end_is_swept_by_whoever_sees_it() {
    if !has_cluster() {
        return;
    }
    let bench = Bench::new();
    let folder = bench.folder("over", FINISH);
    {
        let slurm = connect(&bench, SlurmSpec::default());
        assert_eq!(begin(&slurm, &folder, needs(), None).end().await.0, Ok(JobEnd::Result));
    }
    let number = id(&folder);
    let state =
        || slurm_says("squeue", &["--noheader", "--states=all", "--format=%T", &format!("--jobs={number}")]);
    until("the end of the job", || state() == "COMPLETED").await;
    slurm_command("scontrol", &format!("requeuehold {number}"));
    until("the job to be held", || state() == "PENDING").await;
    let slurm = connect(&bench, SlurmSpec::default());
    let other = bench.folder("other", &format!("sleep 4\n{FINISH}"));
    let job = begin(&slurm, &other, needs(), None);
    until("the job to be gone", || ["CANCELLED", ""].contains(&state().as_str())).await;
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
}

fn slurm_says(name: &str, arguments: &[&str]) -> String {
    slurm(name, arguments).trim().to_owned()
}
