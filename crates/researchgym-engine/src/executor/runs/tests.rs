use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use researchgym_core::digest::Digest;
use researchgym_core::event::{Digests, Event, RunStarted};
use researchgym_core::executor::{Executor, SlurmSpec};
use researchgym_core::isolation::Runtime;
use researchgym_core::keys::GradingSecret;
use researchgym_core::spec::Limits;

use super::*;
use crate::executor::folder::Started;
use crate::store::EventLog;

const TASK: &str = r#"
    schema = 1
    id = "guess"
    title = "Guess"
    domain = "testing"
    description = "description.md"
    [[metrics]]
    name = "score"
    direction = "maximize"
    primary = true
    [workspace]
    starter = "starter"
    [submission]
    artefacts = ["answer.json"]
    max_bytes = 1000
    max_files = 1
    [grader]
    files = "grader"
    command = ["/usr/bin/python3", "grade.py"]
    timeout_s = 60
    validate_on = "validation"
    validations = 3
    [resources]
    memory_mib = 1000
    cpus = 1.5
    [limits]
    hours = 1.0
"#;

fn spec() -> RunSpec {
    RunSpec {
        schema: 1,
        task: "guess".into(),
        task_dir: "/tasks/guess".into(),
        variant: "default".into(),
        agent: AgentSpec::Human,
        model: None,
        model_spec: None,
        fork: None,
        seed: 7,
        seed_given: true,
        runtime: Runtime::Local,
        image: None,
        limits: Limits { working_ms: Some(3_600_000), steps: None, budget: None, tokens: None },
        web: false,
        network: None,
        gpus: None,
        tags: Vec::new(),
        data_dir: None,
        executor: Executor::Slurm(Box::default()),
    }
}

/// The first event of a run on a cluster.
pub(in crate::executor) fn started(folder: &RunFolder) -> Event {
    Event::RunStarted(Box::new(RunStarted {
        schema: 1,
        run_id: folder.id().to_owned(),
        version: "0.1.0".into(),
        spec: spec(),
        task: Box::new(researchgym_core::task::parse(TASK, "task.toml").unwrap()),
        digests: Digests { task: Digest::of(b"task"), agent: Digest::of(b"agent") },
        grading_secret: GradingSecret::from_seed(7),
    }))
}

/// What befalls the next job.
enum Fate {
    /// It is lost.
    Lost(Cause),
    /// It ends its run.
    Done,
    /// It waits for its turn for ever.
    Waits,
    /// The cluster refuses it.
    Refused,
}

/// A cluster on which what is to happen happens.
struct Fated(Mutex<VecDeque<Fate>>, Mutex<Vec<String>>);

impl Cluster for Fated {
    fn carry_out(self: Arc<Self>, job: ClusterJob) -> BoxFuture<'static, Result<JobEnd, Failure>> {
        let fate = self.0.lock().unwrap().pop_front().expect("no more jobs are meant to come");
        let name = job.folder.file_name().unwrap().to_string_lossy().into_owned();
        self.1.lock().unwrap().push(name);
        async move {
            let queued = JobState::Queued { id: "1".into(), reason: "Resources".into() };
            job.states.send(queued).unwrap();
            match fate {
                Fate::Lost(cause) => Ok(JobEnd::Lost(Lost { cause, message: "job 1 is lost".into() })),
                Fate::Refused => Err(Failure::new(Boundary::Executor, "no such partition")),
                Fate::Waits => std::future::pending().await,
                Fate::Done => {
                    let order = JobFolder::at(&job.folder).order().unwrap();
                    let run = RunFolder::open(&order.run).unwrap();
                    let _lock = run.lock().unwrap();
                    let (mut log, lines, _) = EventLog::reopen(&run).unwrap();
                    if lines.len() > 1 {
                        log.append("2026-01-01T00:00:01.000Z", Event::RunResumed).unwrap();
                    }
                    let ended = Event::RunEnded {
                        ending: Ending::GaveUp,
                        failure: None,
                        working_ms: 1,
                        segment_wall_ms: 1,
                    };
                    log.append("2026-01-01T00:00:02.000Z", ended).unwrap();
                    JobFolder::at(&job.folder).conclude(&"done").unwrap();
                    Ok(JobEnd::Result)
                }
            }
        }
        .boxed()
    }

    fn leave(&self) {}

    fn name(&self) -> &'static str {
        "fated"
    }
}

struct World {
    _place: tempfile::TempDir,
    run: RunFolder,
    cluster: Arc<Fated>,
    cancel: watch::Sender<bool>,
    submitter: Submitter,
}

fn world(fates: impl IntoIterator<Item = Fate>) -> World {
    let place = tempfile::tempdir().unwrap();
    let run = RunFolder::create(place.path(), Timestamp::now()).unwrap();
    let mut log = EventLog::create(&run).unwrap();
    log.append("2026-01-01T00:00:00.000Z", started(&run)).unwrap();
    let cluster = Arc::new(Fated(Mutex::new(fates.into_iter().collect()), Mutex::default()));
    let (cancel, cancelled) = watch::channel(false);
    let submitter = Submitter {
        cluster: cluster.clone(),
        place: RelayPlace::of(&SlurmSpec::default()).unwrap(),
        relay: None,
        door: None,
        home: place.path().join("home"),
        data_dir: None,
        observer: Arc::new(|_, _| {}),
        tell: Arc::new(|_, _| {}),
        warn: Arc::new(|_| {}),
        cancelled,
    };
    World { _place: place, run, cluster, cancel, submitter }
}

impl World {
    async fn see_through(&self) -> RunResult {
        self.submitter.see_through(&self.run, &LimitChanges::default(), None).await.unwrap()
    }

    fn jobs(&self) -> Vec<String> {
        self.cluster.1.lock().unwrap().clone()
    }

    fn shown(&self) -> Progress {
        crate::records::record_of(&self.run).unwrap().0.state
    }
}

fn outcome(result: &RunResult) -> (Progress, Option<Ending>, Option<Boundary>) {
    (result.state, result.ending, result.boundary)
}

const FAILED: (Progress, Option<Ending>, Option<Boundary>) =
    (Progress::Ended, Some(Ending::Failed), Some(Boundary::Executor));
const GAVE_UP: (Progress, Option<Ending>, Option<Boundary>) = (Progress::Ended, Some(Ending::GaveUp), None);

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_job_is_no_fault_of_the_agent_and_the_run_goes_on_with_another() {
    for fate in [Fate::Lost(Cause::NodeFailed), Fate::Lost(Cause::OutOfMemory), Fate::Refused] {
        let world = world([fate, Fate::Done]);
        let lost = world.see_through().await;
        assert_eq!((outcome(&lost), lost.steps), (FAILED, 0));
        assert!(
            lost.error.unwrap().hint.is_some_and(|hint| hint.contains("--resume")) || world.jobs() == ["run"]
        );
        assert_eq!(outcome(&world.see_through().await), GAVE_UP);
        assert_eq!(world.jobs(), ["run", "run-2"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_time_of_a_lost_run_is_what_is_known_of_its_work() {
    // It never began.
    assert_eq!(world([Fate::Lost(Cause::NodeFailed)]).see_through().await.wall_seconds, 0.0);
    let begin = |world: &World| {
        world.submitter.place(&world.run, &LimitChanges::default()).unwrap();
        let started = Started {
            host: "n".to_owned(),
            pid: 1,
            id: "1".to_owned(),
            time: "2026-01-01T00:01:00.000Z".to_owned(),
        };
        JobFolder::at(world.run.root().join("jobs/run")).claim(0, &started).unwrap();
    };
    let noted = |world: &World, time: &str| {
        let (mut log, ..) = EventLog::reopen(&world.run).unwrap();
        log.append(time, Event::Noted { text: "at work".to_owned() }).unwrap();
    };
    // From its first sign of life to the last; the time before it was in the queue.
    let worked = async |times: &[&str]| {
        let world = world([Fate::Lost(Cause::Vanished), Fate::Lost(Cause::NodeFailed)]);
        begin(&world);
        times.iter().for_each(|time| noted(&world, time));
        world.see_through().await.wall_seconds
    };
    assert_eq!(worked(&["2026-01-01T00:01:02.000Z", "2026-01-01T00:01:09.500Z"]).await, 7.5);
    assert_eq!(worked(&[]).await, 0.0);
    let world = world([]);
    begin(&world);
    noted(&world, "2026-01-01T00:01:09.500Z");
    let folder = JobFolder::at(world.run.root().join("jobs/run"));
    let until = "2026-01-01T00:01:20.000Z".parse().unwrap();
    let known = at_work(&folder, Some(until));
    end_elsewhere(&world.run, Ending::Failed, None, known).unwrap();
    let mut follower = Follower::new(world.run.clone(), Arc::new(|_, _| {}));
    follower.read().unwrap();
    assert_eq!(follower.result().unwrap().wall_seconds, 20.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_again_finds_the_job_and_a_lost_one_is_handed_over_anew_once() {
    // Somebody placed the job, and was killed.
    let found = world([Fate::Done]);
    found.submitter.place(&found.run, &LimitChanges::default()).unwrap();
    assert_eq!(found.shown(), Progress::Queued);
    assert_eq!(outcome(&found.see_through().await), GAVE_UP);
    assert_eq!((found.jobs(), standing(&found.run)), (vec!["run".to_owned()], Standing::None));

    let lost = world([Fate::Lost(Cause::Vanished), Fate::Done]);
    lost.submitter.place(&lost.run, &LimitChanges::default()).unwrap();
    assert_eq!(outcome(&lost.see_through().await), GAVE_UP);
    assert_eq!(lost.jobs(), ["run", "run-2"]);

    let lost_twice = world([Fate::Lost(Cause::Vanished), Fate::Lost(Cause::Preempted)]);
    lost_twice.submitter.place(&lost_twice.run, &LimitChanges::default()).unwrap();
    assert_eq!(outcome(&lost_twice.see_through().await), FAILED);
    assert!(lost_twice.run.root().join("jobs/run/cancel").exists(), "no late incarnation goes on with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_run_that_is_cancelled_is_cancelled() {
    let world = world([Fate::Waits]);
    world.cancel.send_replace(true);
    let cancelled = world.see_through().await;
    assert_eq!(outcome(&cancelled), (Progress::Ended, Some(Ending::Cancelled), None));
    assert_eq!(world.shown(), Progress::Ended);
}

#[test]
fn a_run_needs_room_for_the_grader_and_time_for_all_gradings() {
    let task = researchgym_core::task::parse(TASK, "task.toml").unwrap();
    let gpus = Some(GpuRequest::Count(2));
    let bounded = needs(&task, &RunSpec { gpus, ..spec() });
    let time = Some(Duration::from_secs(3600 + 4 * 60 + 45 * 60));
    assert_eq!(bounded, Needs { cpus: 2, memory_mib: 2512, gpus: 2, time });
    let limits = Limits { working_ms: None, ..spec().limits };
    assert_eq!(needs(&task, &RunSpec { limits, ..spec() }).time, None);
}

#[test]
fn jobs_are_numbered() {
    let cases =
        [("run", Some(1)), ("run-2", Some(2)), ("run-x", None), ("runs", None), ("evaluation-1", None)];
    for (name, expected) in cases {
        assert_eq!(number(name), expected, "{name}");
    }
}
