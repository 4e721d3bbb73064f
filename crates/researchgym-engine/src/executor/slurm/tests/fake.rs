//! Against commands of our own making, which do what a test tells them: refusals, outages, batching, and that nothing is handed
//! over twice.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::executor::SlurmSpec;
use researchgym_core::failure::{Boundary, Failure};
use serde_json::{Value, json};

use super::super::super::{Cause, Cluster as _, Group, JobEnd, JobState, Lost, Needs};
use super::super::trace::{self, Intent, Submitted};
use super::super::{Commands, Slurm, Timing};
use super::bench::{Bench, begin, needs, until};

const SBATCH: &str = r#"#!/bin/sh
cd "$(dirname "$0")/../state" || exit 9
[ ! -e away ] || { echo "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)" >&2; exit 1; }
[ ! -e refusal ] || { cat refusal >&2; exit 1; }
case "$*" in *--test-only*) cat >/dev/null; exit 0 ;; esac
number=$(($(cat number 2>/dev/null || echo 0) + 1))
echo "$number" >number
cat >"script.$number"
env | sed 's/=.*//' | sort >"environment.$number"
echo "$*" | sed 's/ --nodes=1.*--mem=100M//; s/ --requeue.*//' >>submissions
if [ -e mute ]; then
    mark=$(echo "$*" | sed 's/.*--comment=\([^ ]*\).*/\1/')
    echo '{"jobs": [{"job_id": '$number', "comment": "'$mark'", "job_state": "RUNNING", "nodes": "n1"}]}' >queue
    rm mute
    echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
    exit 1
fi
echo "$number"
"#;
const SQUEUE: &str = r#"#!/bin/sh
cd "$(dirname "$0")/../state" || exit 9
# As Slurm 22.05 does: no jobs, and success.
[ ! -e away ] || { echo '{"jobs": [], "errors": [{"description": "Failed while looking for jobs"}]}'; exit 0; }
echo "$*" >>looks
cat queue
"#;
const SCANCEL: &str = r#"#!/bin/sh
cd "$(dirname "$0")/../state" || exit 9
echo "$*" >>cancelled
echo '{"jobs": []}' >queue
"#;
const SCONTROL: &str = r#"#!/bin/sh
cd "$(dirname "$0")/../state" || exit 9
[ ! -e away ] || { echo "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)" >&2; exit 1; }
cat config
"#;
const SACCT: &str = "#!/bin/sh\necho \"OUT_OF_MEMORY|n3\"\n";

struct Fake {
    bench: Bench,
}

impl Fake {
    fn new() -> Fake {
        let bench = Bench::new();
        for (name, text) in [
            ("sbatch", SBATCH),
            ("squeue", SQUEUE),
            ("scancel", SCANCEL),
            ("scontrol", SCONTROL),
            ("sacct", SACCT),
        ] {
            bench.program(&format!("commands/{name}"), text);
        }
        std::fs::create_dir(bench.path("state")).unwrap();
        let fake = Fake { bench };
        fake.set("config", "AccountingStorageType = accounting_storage/none\nMaxArraySize = 1001\n");
        fake.set("queue", "{\"jobs\": []}");
        fake
    }

    fn set(&self, name: &str, text: &str) {
        let path = self.bench.path("state").join(name);
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    fn unset(&self, name: &str) {
        std::fs::remove_file(self.bench.path("state").join(name)).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.bench.path("state").join(name).exists()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.bench.path("state").join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What was handed over, without the mark.
    fn submissions(&self) -> Vec<String> {
        let bare = |line: String| {
            let words: Vec<&str> = line.split(' ').filter(|word| !word.starts_with("--comment=")).collect();
            words.join(" ")
        };
        self.lines("submissions").into_iter().map(bare).collect()
    }

    /// The queue holds one job, in this state.
    fn queue(&self, id: u64, comment: &str, state: &str) {
        self.queues(&[(id, comment, state)]);
    }

    fn queues(&self, jobs: &[(u64, &str, &str)]) {
        let job = |(id, comment, state): &(u64, &str, &str)| {
            json!({ "job_id": id, "array_job_id": 0, "comment": comment, "job_state": state, "state_reason": "Priority",
                "nodes": if *state == "PENDING" { "" } else { "n1" }, "exit_code": 0 })
        };
        self.set("queue", &json!({ "jobs": jobs.iter().map(job).collect::<Vec<_>>() }).to_string());
    }

    fn try_connect(&self) -> Result<Arc<Slurm>, Failure> {
        let commands = Commands { folder: Some(self.bench.path("commands")) };
        let timing = Timing {
            poll: Duration::from_millis(50),
            quick: Duration::from_millis(50),
            grace: Duration::from_secs(1),
            patience: Duration::from_millis(1500),
            leave_taking: Duration::from_secs(20),
        };
        self.bench.connect(commands, timing, SlurmSpec::default())
    }

    fn connect(&self) -> Arc<Slurm> {
        self.try_connect().unwrap()
    }
}

fn finish(folder: &Path) {
    std::fs::write(folder.join("result.json"), "{}").unwrap();
}

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_cluster_that_cannot_be_used_says_so_at_once() {
    let failure = |fake: &Fake| {
        fake.try_connect().err().map(|failure| (failure.boundary, failure.message, failure.hint.is_some()))
    };
    let fake = Fake::new();
    fake.set("refusal", "sbatch: error: invalid partition specified: nope\n");
    let refused = "Slurm refuses the job: invalid partition specified: nope".to_owned();
    assert_eq!(failure(&fake), Some((Boundary::Executor, refused, true)));
    // That nodes are down is no reason not to wait for them.
    fake.set("refusal", "allocation failure: Required node not available (down, drained or reserved)\n");
    assert_eq!(failure(&fake), None);
    fake.set("away", "");
    let away = "Slurm does not answer: slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)".to_owned();
    assert_eq!(failure(&fake), Some((Boundary::Executor, away, true)));
    std::fs::remove_file(fake.bench.path("commands/scontrol")).unwrap();
    let missing = "there is no Slurm here: `scontrol` is not found".to_owned();
    assert_eq!(failure(&fake), Some((Boundary::Executor, missing, true)));
}

#[tokio::test]
async fn jobs_that_come_together_become_one_array() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let folders: Vec<PathBuf> =
        (0..20).map(|number| fake.bench.folder(&format!("job-{number:02}"), "")).collect();
    let jobs: Vec<_> = folders.iter().map(|folder| begin(&slurm, folder, needs(), None)).collect();
    until("submissions", || folders.iter().all(|folder| folder.join("submitted.json").exists())).await;
    assert_eq!(fake.submissions(), ["--parsable --job-name=job-00 --time=5 --array=0-19"]);
    let submitted = read(folders[3].join("submitted.json"));
    assert_eq!(submitted["id"], "1_3");
    let batch = PathBuf::from(submitted["batch"].as_str().unwrap());
    let list = std::fs::read_to_string(batch.join("folders")).unwrap();
    assert_eq!(list.lines().map(PathBuf::from).collect::<Vec<_>>(), folders);
    folders.iter().for_each(|folder| finish(folder));
    for job in jobs {
        assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    }
    drop(slurm);
    assert_eq!(fake.lines("cancelled"), [""; 0]);
    assert_eq!(*fake.bench.warnings.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn groups_are_limited_also_where_arrays_are_short() {
    let fake = Fake::new();
    fake.set("config", "MaxArraySize = 4\n");
    let slurm = fake.connect();
    let group = Some(Group { name: "epoch-1".to_owned(), jobs: 6, at_once: 2 });
    let folders: Vec<PathBuf> =
        (0..7).map(|number| fake.bench.folder(&format!("job-{number}"), "")).collect();
    let mut jobs: Vec<_> =
        folders[..6].iter().map(|folder| begin(&slurm, folder, needs(), group.clone())).collect();
    jobs.push(begin(&slurm, &folders[6], Needs { gpus: 1, ..needs() }, None));
    until("submissions", || folders.iter().all(|folder| folder.join("submitted.json").exists())).await;
    let mut submissions = fake.submissions();
    submissions.sort();
    assert_eq!(
        submissions,
        [
            "--parsable --job-name=epoch-1 --time=5 --array=0-1 --dependency=afterany:1",
            "--parsable --job-name=epoch-1 --time=5 --array=0-3%2",
            "--parsable --job-name=job-6 --time=5 --gres=gpu:1",
        ]
    );
    slurm.leave();
    drop(jobs);
}

#[tokio::test]
async fn a_job_is_found_again_and_not_handed_over_twice() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let done = fake.bench.folder("done", "");
    finish(&done);
    assert_eq!(begin(&slurm, &done, needs(), None).end().await, (Ok(JobEnd::Result), Vec::new()));

    let known = fake.bench.folder("known", "");
    trace::submitted(&known, &Submitted { id: "77".to_owned(), mark: String::new(), at_ms: 1, batch: None })
        .unwrap();
    fake.queue(77, "", "RUNNING");
    let mut job = begin(&slurm, &known, needs(), None);
    assert_eq!(job.works().await, "n1");
    finish(&known);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));

    let intended = fake.bench.folder("intended", "");
    trace::intend(&intended, &Intent { mark: "mark-1".to_owned(), task: None, batch: None }).unwrap();
    fake.queue(78, "mark-1", "RUNNING");
    let mut job = begin(&slurm, &intended, needs(), None);
    assert_eq!(job.works().await, "n1");
    until("the note", || intended.join("submitted.json").exists()).await;
    assert_eq!(read(intended.join("submitted.json"))["id"], "78");
    finish(&intended);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    assert_eq!(fake.submissions(), [""; 0]);

    // The queue knows no such mark: it was not handed over.
    let unknown = fake.bench.folder("unknown", "");
    trace::intend(&unknown, &Intent { mark: "mark-2".to_owned(), task: None, batch: None }).unwrap();
    let job = begin(&slurm, &unknown, needs(), None);
    until("a submission", || unknown.join("submitted.json").exists()).await;
    assert_eq!(fake.submissions().len(), 1);
    finish(&unknown);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
}

#[tokio::test]
async fn a_submission_whose_answer_is_lost_is_found_in_the_queue() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let folder = fake.bench.folder("job", "");
    fake.set("mute", "");
    let mut job = begin(&slurm, &folder, needs(), None);
    assert_eq!(job.works().await, "n1");
    finish(&folder);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    assert_eq!(fake.submissions().len(), 1);
}

#[tokio::test]
async fn a_controller_that_is_away_is_waited_for_and_results_are_seen_meanwhile() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let (first, second) = (fake.bench.folder("first", ""), fake.bench.folder("second", ""));
    let job = begin(&slurm, &first, needs(), None);
    until("a submission", || first.join("submitted.json").exists()).await;
    fake.queues(&[(1, "", "RUNNING"), (2, "", "RUNNING")]);
    let other = begin(&slurm, &second, needs(), None);
    until("both", || second.join("submitted.json").exists()).await;
    fake.set("away", "");
    until("a warning", || !fake.bench.warnings.lock().unwrap().is_empty()).await;
    finish(&first);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    // Longer than its patience: the job is given up, but not cancelled.
    let failure = other.end().await.0.unwrap_err();
    assert_eq!(failure.boundary, Boundary::Executor);
    assert!(failure.message.starts_with("Slurm has not answered for"), "{}", failure.message);
    fake.unset("away");
    // And found again.
    let mut again = begin(&slurm, &second, needs(), None);
    fake.queue(2, "", "RUNNING");
    assert_eq!(again.works().await, "n1");
    finish(&second);
    assert_eq!(again.end().await.0, Ok(JobEnd::Result));
    drop(slurm);
    assert!(!fake.has("cancelled"));
    assert_eq!(fake.submissions().len(), 2);
    let warnings = fake.bench.warnings.lock().unwrap();
    assert!(
        warnings[0].starts_with("Slurm does not answer, which is tried again; jobs go on meanwhile:"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn a_lost_job_tells_why_and_is_handed_over_anew_when_asked_for_again() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let folder = fake.bench.folder("job", "");
    let mut job = begin(&slurm, &folder, needs(), None);
    until("a submission", || folder.join("submitted.json").exists()).await;
    fake.queue(1, "", "PENDING");
    let queued = |reason: &str| JobState::Queued { id: "1".to_owned(), reason: reason.to_owned() };
    assert_eq!(job.states.recv().await, Some(queued("")));
    assert_eq!(job.states.recv().await, Some(queued("Priority")));
    fake.queue(1, "", "RUNNING");
    assert_eq!(job.works().await, "n1");
    fake.queue(1, "", "REQUEUED");
    assert_eq!(job.states.recv().await, Some(queued("Priority")));
    fake.queue(1, "", "RUNNING");
    assert_eq!(job.works().await, "n1");
    fake.queue(1, "", "PREEMPTED");
    let message = "job 1 on n1 ended without a result: PREEMPTED, Priority, exit code 0".to_owned();
    assert_eq!(job.end().await.0, Ok(JobEnd::Lost(Lost { cause: Cause::Preempted, message })));
    assert!(!folder.join("submitted.json").exists());

    let job = begin(&slurm, &folder, needs(), None);
    until("another submission", || folder.join("submitted.json").exists()).await;
    fake.set("queue", "{\"jobs\": []}");
    let message = "job 2 left no result, and the cluster does not know it any more".to_owned();
    assert_eq!(job.end().await.0, Ok(JobEnd::Lost(Lost { cause: Cause::Vanished, message })));
}

#[tokio::test]
async fn accounts_are_asked_where_there_are_any() {
    let fake = Fake::new();
    fake.set("config", "AccountingStorageType = accounting_storage/slurmdbd\n");
    let slurm = fake.connect();
    let job = begin(&slurm, &fake.bench.folder("job", ""), needs(), None);
    let message = "job 1 on n3 ended without a result: OUT_OF_MEMORY by the accounts".to_owned();
    assert_eq!(job.end().await.0, Ok(JobEnd::Lost(Lost { cause: Cause::OutOfMemory, message })));
}

#[tokio::test]
async fn jobs_that_are_dropped_are_cancelled_together_and_not_after_leaving() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let folders: Vec<PathBuf> =
        (0..3).map(|number| fake.bench.folder(&format!("job-{number}"), "")).collect();
    let jobs: Vec<_> = folders.iter().map(|folder| begin(&slurm, folder, needs(), None)).collect();
    until("submissions", || folders.iter().all(|folder| folder.join("submitted.json").exists())).await;
    for job in jobs {
        job.drop_it().await;
    }
    slurm.settle().await;
    let mut cancelled: Vec<String> = fake
        .lines("cancelled")
        .iter()
        .flat_map(|line| line.split(' ').skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    cancelled.sort();
    assert_eq!(cancelled, ["1_0", "1_1", "1_2"]);
    until("forgetting", || folders.iter().all(|folder| !folder.join("submitted.json").exists())).await;

    // Dropped at once: nobody knows yet whether it was handed over.
    begin(&slurm, &folders[0], needs(), None).drop_it().await;
    slurm.settle().await;
    let job = begin(&slurm, &folders[1], needs(), None);
    until("a submission", || folders[1].join("submitted.json").exists()).await;
    let before = fake.lines("cancelled").len();
    slurm.leave();
    job.drop_it().await;
    drop(slurm);
    assert_eq!(fake.lines("cancelled").len(), before);
    assert!(folders[1].join("submitted.json").exists());
}

#[tokio::test]
async fn a_refusal_and_a_full_queue_are_told_apart() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let folder = fake.bench.folder("job", "");
    fake.set("refusal", "sbatch: error: Memory specification can not be satisfied\n");
    let failure = begin(&slurm, &folder, needs(), None).end().await.0.unwrap_err();
    assert_eq!(failure.message, "Slurm refuses the job: Memory specification can not be satisfied");
    assert!(failure.hint.unwrap().contains("`memory_mib`"));
    assert!(!folder.join("submitting.json").exists());

    fake.set("refusal", "sbatch: error: QOSMaxSubmitJobPerUserLimit\n");
    let job = begin(&slurm, &folder, needs(), None);
    until("a warning", || !fake.bench.warnings.lock().unwrap().is_empty()).await;
    fake.unset("refusal");
    until("a submission", || folder.join("submitted.json").exists()).await;
    finish(&folder);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    assert_eq!(
        *fake.bench.warnings.lock().unwrap(),
        ["Slurm takes no more jobs at the moment, which is tried again: QOSMaxSubmitJobPerUserLimit"]
    );
}

#[tokio::test]
async fn what_our_environment_holds_is_not_seen_by_commands() {
    let fake = Fake::new();
    let slurm = fake.connect();
    let folder = fake.bench.folder("job", "");
    let job = begin(&slurm, &folder, needs(), None);
    until("a submission", || folder.join("submitted.json").exists()).await;
    // Cargo gives it to every test, as a shell gives keys.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let known = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LD_LIBRARY_PATH",
        "SLURM_CONF",
        "TMPDIR",
        "TZ",
        "LC_ALL",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    let seen = fake.lines("environment.1");
    assert!(seen.iter().any(|name| name == "PATH"));
    assert_eq!(seen.iter().filter(|name| !known.contains(&name.as_str())).count(), 0, "{seen:?}");
    finish(&folder);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
}

#[tokio::test]
async fn held_jobs_in_whose_folders_nothing_is_left_to_do_are_cancelled() {
    let fake = Fake::new();
    let folders = ["works", "over", "open"].map(|name| fake.bench.folder(name, ""));
    finish(&folders[1]);
    let slurm = fake.connect();
    let job = begin(&slurm, &folders[0], needs(), None);
    until("the submission", || folders[0].join("submitted.json").exists()).await;
    let held = |id: u64, mark: &str, folder: &Path, reason: &str| {
        json!({ "job_id": id, "array_job_id": 0, "comment": mark, "job_state": "PENDING", "state_reason": reason,
            "priority": if reason == "None" { 5 } else { 0 }, "nodes": "", "current_working_directory": folder })
    };
    let works =
        json!({ "job_id": 1, "array_job_id": 0, "comment": "", "job_state": "RUNNING", "nodes": "n1" });
    let jobs = json!({ "jobs": [
        works,
        held(71, "researchgym-a", &folders[1], "JobHoldMaxRequeue"),
        // Of somebody who waits for it, of another program, and one that will end by itself.
        held(72, "researchgym-b", &folders[2], "JobHoldMaxRequeue"),
        held(73, "other", &folders[1], "JobHeldUser"),
        held(74, "researchgym-c", &folders[1], "None"),
    ] });
    fake.set("queue", &jobs.to_string());
    until("the end of the held job", || !fake.lines("cancelled").is_empty()).await;
    finish(&folders[0]);
    assert_eq!(job.end().await.0, Ok(JobEnd::Result));
    drop(slurm);
    assert_eq!(fake.lines("cancelled"), ["--quiet 71"]);
    let told = format!(
        "job 71 was held in Slurm's queue although nothing is left to do in {}; it is cancelled",
        folders[1].display()
    );
    assert_eq!(*fake.bench.warnings.lock().unwrap(), [told]);
}

#[tokio::test]
async fn a_rehearsal_asks_everything_and_hands_nothing_over() {
    let fake = Fake::new();
    fake.set("config", "ClusterName = lab\nSLURM_VERSION = 22.05.8\nMaxArraySize = 4\n");
    fake.bench.program("commands/sinfo", "#!/bin/sh\necho 'long'; echo 'short*'\n");
    let commands = Commands { folder: Some(fake.bench.path("commands")) };
    let spec = SlurmSpec { partition: Some("long".to_owned()), ..SlurmSpec::default() };
    let ask = async |patience| {
        super::super::rehearsal::by(&commands, patience, (&spec, &needs()), 9, Some(2)).await
    };
    let patience = Duration::from_secs(30);
    let rehearsal = ask(patience).await;
    assert_eq!((rehearsal.failure, rehearsal.arrays), (None, vec![4, 4, 1]));
    assert_eq!(
        (rehearsal.report.version.as_str(), rehearsal.report.partitions),
        ("22.05.8", vec!["short".to_owned(), "long".to_owned()])
    );
    let words = rehearsal.options.join(" ");
    assert!(words.contains("--partition=long --array=0-3%2 "), "{words}");
    assert_eq!(fake.submissions(), [""; 0]);
    let problem = async || ask(patience).await.report.problem.unwrap_or_default();
    fake.set("refusal", "sbatch: error: invalid partition specified: long\n");
    assert_eq!(problem().await, "Slurm refuses the job: invalid partition specified: long");
    fake.unset("refusal");
    std::fs::remove_file(fake.bench.path("commands/scancel")).unwrap();
    assert_eq!(problem().await, "there is no Slurm here: `scancel` is not found");
    fake.set("away", "");
    assert!(problem().await.starts_with("Slurm does not answer: slurm_load_ctl_conf error"));
    // A controller that hangs is not waited for.
    fake.bench.program("commands/scontrol", "#!/bin/sh\nexec sleep 1000\n");
    let hangs = ask(Duration::from_millis(100)).await;
    assert_eq!(
        hangs.report.problem.as_deref(),
        Some("Slurm does not answer: its commands say nothing for 0 s")
    );
    assert!(hangs.report.installed && hangs.failure.is_some_and(|failure| failure.hint.is_some()));
}
