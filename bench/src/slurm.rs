//! What a trial costs on a Slurm cluster: beside the same trial on this machine, and beside bare `sbatch`. What a queue of
//! many jobs costs whoever follows it, and how long it takes until jobs under way are followed again after a kill.
//!
//! The cluster is the one that `sbatch` finds (`SLURM_CONF`); `.ci/slurm-cluster start` makes one of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use researchgym_core::executor::SlurmSpec;
use researchgym_core::search::Operator;
use researchgym_engine::executor::slurm::Slurm;
use researchgym_engine::executor::{Cluster, ClusterJob, JobState, Needs};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::options::Options;
use crate::place::{self, Place};
use crate::process;
use crate::program;
use crate::report::{Figure, Report, Unit, talk};
use crate::searching::{self, Hands, Wanted};

const TASK: &str = "function-minimisation";
/// How long a queue is followed to see what that costs.
const WATCHED: Duration = Duration::from_secs(60);
/// How often files are looked for.
const LOOK: Duration = Duration::from_millis(100);
/// After which a measurement is given up.
const PATIENCE: Duration = Duration::from_mins(8);

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let trials = options.number("trials", 48)?;
    let slots = u32::try_from(options.number("slots", 8)?)?;
    let queued = options.number("queued", 1000)?;
    let again = options.number("again", 200)?;
    if trials > 0 {
        bare(trials, report).await?;
        compared(trials, slots, report).await?;
    }
    if queued > 0 {
        queue(queued, report).await?;
    }
    if again > 0 {
        recovery(options, again, report).await?;
    }
    Ok(())
}

/// Jobs that do next to nothing, as one array and without anything of ours.
async fn bare(trials: usize, report: &Report) -> Outcome<()> {
    let place = Place::new()?;
    let folder = place.scratch("bare")?;
    let script = folder.join("job.sh");
    fs::write(&script, format!("#!/bin/sh\n: > {}/$SLURM_ARRAY_TASK_ID.done\n", folder.display()))?;
    let began = Instant::now();
    let submitted = Command::new("sbatch")
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            name == "PATH" || name.starts_with("SLURM_") || name.starts_with("SBATCH_")
        }))
        .args(["--parsable", "--output=/dev/null", "--export=ALL", "--mem=64", "--chdir=/"])
        .arg(format!("--array=1-{trials}"))
        .arg(&script)
        .output()?;
    if !submitted.status.success() {
        return Err(format!("sbatch: {}", String::from_utf8_lossy(&submitted.stderr)).into());
    }
    until("the jobs of bare sbatch", || Ok(files_in(&folder, ".done") >= trials)).await?;
    let per_trial = began.elapsed() / u32::try_from(trials)?;
    report.write(
        Figure::duration("bare sbatch: a job that touches a file", Unit::Milliseconds, per_trial)
            .with("jobs", trials),
    );
    Ok(())
}

/// The same search on this machine and on the cluster. What is taken is the wall time of a trial at full occupation.
async fn compared(trials: usize, slots: u32, report: &Report) -> Outcome<()> {
    let mut task = place::task(TASK)?;
    if let Some(search) = &mut task.task.search {
        // On a cluster nothing stays warm.
        search.warm = None;
    }
    let mut local = None;
    for kind in ["local", "slurm"] {
        let place = Place::new()?;
        let wanted = Wanted { slots, ..Wanted::new("best-of-n", &[Operator::Tune], trials as u64)? };
        let cluster = match kind {
            "slurm" => Some(connected(SlurmSpec::default(), std::env::current_exe()?)?),
            _ => None,
        };
        let ran = searching::run(
            &place,
            &task,
            &wanted,
            Hands { cluster: cluster.map(as_cluster), ..Hands::default() },
        )
        .await?;
        let Some(span) = ran.span else { return Err(format!("the search ({kind}) ended early").into()) };
        let wall = span.wall / span.candidates;
        let figure = Figure::duration(
            &format!("a trial with its isolated evaluation, {kind}, {slots} at once"),
            Unit::Milliseconds,
            wall,
        )
        .with("own_cpu_ms", Unit::Milliseconds.of(span.own_cpu / span.candidates))
        .with("trials", span.candidates);
        report.write(match local {
            None => figure,
            Some(local) => figure.beside_duration("local", Unit::Milliseconds, local),
        });
        local = Some(wall);
    }
    Ok(())
}

/// Jobs that the cluster holds back: what it costs to follow them.
async fn queue(jobs: usize, report: &Report) -> Outcome<()> {
    let place = Place::new()?;
    let held = SlurmSpec { options: vec!["--hold".to_owned()], ..SlurmSpec::default() };
    let (memory, cpu, began) = (resident_kib(), process::own_cpu(), Instant::now());
    let (followed, mut states) =
        follow(connected(held, PathBuf::from("/bin/true"))?, &place.scratch("held")?, jobs)?;
    told(&mut states, jobs).await?;
    let (submitted, submitting) = (began.elapsed(), process::own_cpu().saturating_sub(cpu));
    let cpu = process::own_cpu();
    let whole = process::whole_cpu();
    tokio::time::sleep(WATCHED).await;
    let following = process::own_cpu().saturating_sub(cpu);
    let with_commands = process::whole_cpu().saturating_sub(whole);
    report.write(
        Figure::duration(&format!("{jobs} jobs until all are told to be queued"), Unit::Seconds, submitted)
            .with("own_cpu_ms", Unit::Milliseconds.of(submitting)),
    );
    report.write(
        Figure::duration(
            &format!("CPU of following {jobs} queued jobs for {} s", WATCHED.as_secs()),
            Unit::Milliseconds,
            following,
        )
        .with("with_commands_ms", Unit::Milliseconds.of(with_commands)),
    );
    report.write(Figure::number(
        &format!("memory of {jobs} queued jobs"),
        "KiB",
        resident_kib().saturating_sub(memory) as f64,
    ));
    let began = Instant::now();
    drop(followed);
    let gone = tokio::task::spawn_blocking(move || drop(states)).await;
    report.write(Figure::duration(&format!("cancelling {jobs} queued jobs"), Unit::Seconds, began.elapsed()));
    Ok(gone?)
}

/// A search of that many slots is killed by signal 9 with all of them under way, and goes on.
async fn recovery(options: &Options, jobs: usize, report: &Report) -> Outcome<()> {
    let program = match options.text("program") {
        Some(program) => PathBuf::from(program),
        None => program::built()?,
    };
    let place = Place::new()?;
    let runs = place.scratch("runs")?;
    let settings = runs.join("researchgym.toml");
    // No job begins before the kill, and all are known to the cluster.
    fs::write(&settings, "[slurm]\npoll_s = 1\noptions = [\"--begin=now+45\"]\n")?;
    let slots = jobs.to_string();
    let steps = (jobs * 2).to_string();
    let mut search = started(
        &program,
        &runs,
        &[
            "run",
            TASK,
            "search",
            "--policy",
            "best-of-n",
            "--operators",
            "tune",
            "--executor",
            "slurm",
            "--slots",
            &slots,
            "--steps",
            &steps,
            "--seed",
            "1",
            "--hours",
            "unlimited",
            "--trust-project-settings",
        ],
    )?;
    // The baseline is a job of its own, and comes first.
    let folder = until_some("the run's folder", || Ok(only_run(&runs))).await?;
    until("the jobs of the search", || Ok(handed_over(&folder) >= jobs)).await?;
    search.kill()?;
    search.wait()?;
    let before = evaluated(&folder)?;
    let began = Instant::now();
    let name = folder.display().to_string();
    let mut resumed = started(&program, &runs, &["run", "--resume", &name, "--trust-project-settings"])?;
    until("the search to go on", || Ok(lines_of(&folder, "run_resumed")? > 0)).await?;
    let opened = began.elapsed();
    until("a result after the kill", || Ok(evaluated(&folder)? > before)).await?;
    let first = began.elapsed();
    until("all results of what was under way", || Ok(evaluated(&folder)? >= before + jobs)).await?;
    let all = began.elapsed();
    // As a user would stop it.
    let pid = rustix::process::Pid::from_child(&resumed);
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    resumed.wait()?;
    let log = fs::read_to_string(folder.join("events.jsonl"))?;
    let begun: Vec<&str> =
        log.lines().filter(|line| line.contains("\"type\":\"evaluation_began\"")).collect();
    let numbers: BTreeSet<&str> =
        begun.iter().filter_map(|line| line.split("\"evaluation\":").nth(1)?.split(',').next()).collect();
    report.write(
        Figure::duration(
            &format!("after a kill with {jobs} trials under way: the search is open"),
            Unit::Seconds,
            opened,
        )
        .with("first_result_s", Unit::Seconds.of(first))
        .with("all_results_s", Unit::Seconds.of(all))
        .with("evaluations_begun", begun.len())
        .with("of_them_different", numbers.len()),
    );
    Ok(())
}

fn connected(spec: SlurmSpec, program: PathBuf) -> Outcome<Arc<Slurm>> {
    Ok(tokio::task::block_in_place(|| Slurm::connect(spec, program, Arc::new(|text: &str| talk(text))))?)
}

fn as_cluster(slurm: Arc<Slurm>) -> Arc<dyn Cluster> {
    slurm
}

/// Jobs under way; dropping it cancels them.
type Followed = JoinSet<()>;

/// Hands jobs over, each with an empty folder.
fn follow(
    cluster: Arc<Slurm>,
    folder: &Path,
    jobs: usize,
) -> Outcome<(Followed, mpsc::UnboundedReceiver<(usize, JobState)>)> {
    let mut followed = JoinSet::new();
    let (teller, told) = mpsc::unbounded_channel();
    for number in 0..jobs {
        let folder = folder.join(number.to_string());
        fs::create_dir_all(&folder)?;
        let (states, mut own) = mpsc::unbounded_channel();
        let needs = Needs { cpus: 1, memory_mib: 64, gpus: 0, time: None };
        let job = ClusterJob { folder, name: format!("bench-{number}"), needs, group: None, states };
        let cluster: Arc<dyn Cluster> = cluster.clone();
        followed.spawn(async move {
            let _ = cluster.carry_out(job).await;
        });
        let teller = teller.clone();
        tokio::spawn(async move {
            while let Some(state) = own.recv().await {
                let _ = teller.send((number, state));
            }
        });
    }
    Ok((followed, told))
}

/// Waits until each job has been told of.
async fn told(states: &mut mpsc::UnboundedReceiver<(usize, JobState)>, jobs: usize) -> Outcome<()> {
    let mut seen = BTreeSet::new();
    while seen.len() < jobs {
        let next = tokio::time::timeout(PATIENCE, states.recv()).await?;
        let Some((number, _)) = next else { return Err("jobs ended before they were told of".into()) };
        seen.insert(number);
    }
    Ok(())
}

fn started(program: &Path, runs: &Path, arguments: &[&str]) -> Outcome<Child> {
    Ok(Command::new(program)
        .args(arguments)
        .args(["--tasks-dir".as_ref(), place::repository().join("tasks").as_os_str()])
        .arg("--runs-dir")
        .arg(runs.join("runs"))
        .current_dir(runs)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(runs.join("stderr.txt"))?)
        .spawn()?)
}

fn only_run(runs: &Path) -> Option<PathBuf> {
    let day = fs::read_dir(runs.join("runs")).ok()?.flatten().next()?.path();
    let run = fs::read_dir(day).ok()?.flatten().next()?.path();
    run.join("events.jsonl").exists().then_some(run)
}

fn handed_over(run: &Path) -> usize {
    let entries = fs::read_dir(run.join("jobs")).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().join("submitted.json").exists()).count()
}

fn evaluated(run: &Path) -> Outcome<usize> {
    lines_of(run, "evaluated")
}

fn lines_of(run: &Path, kind: &str) -> Outcome<usize> {
    let mark = format!("\"type\":\"{kind}\"");
    Ok(fs::read_to_string(run.join("events.jsonl"))?.lines().filter(|line| line.contains(&mark)).count())
}

fn files_in(folder: &Path, ending: &str) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(ending)).count()
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

async fn until(what: &str, mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    until_some(what, || Ok(is_so()?.then_some(()))).await
}

async fn until_some<T>(what: &str, mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{what}: not within {} s", PATIENCE.as_secs()).into());
        }
        tokio::time::sleep(LOOK).await;
    }
}
