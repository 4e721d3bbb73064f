//! A store of many runs: `list`, `leaderboard` and `report`, without and with the index, and `show` of one very long run.
//!
//! The runs are written as logs with all that analysis reads (actions, outcomes, scores, endings) and nothing else: no
//! sandbox is started. The floor is reading all logs once.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::chain::encode_line;
use researchgym_core::digest::Digest;
use researchgym_core::event::{Digests, Ending, Event, Line, RunStarted};
use researchgym_core::isolation::{Isolation, IsolationLevel, Runtime};
use researchgym_core::keys::GradingSecret;
use researchgym_core::observation::{Captured, ExecEnding, Observation};
use researchgym_core::score::{AttemptKind, Metrics, Score, Split};
use researchgym_core::spec::{AgentSpec, Limits, RunSpec, SCHEMA};
use researchgym_engine::catalogue::{Catalogue, LoadedTask};

use crate::Outcome;
use crate::options::Options;
use crate::place;
use crate::process::peak_memory_of;
use crate::program::built;
use crate::report::{Figure, Report, Unit, talk};

const TASKS: [&str; 5] = ["battle-of-sexes", "blotto", "house-price", "prisoners-dilemma", "three-sat"];
const AGENTS: u64 = 10;

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let (runs, events) = (options.number("runs", 10_000)?, options.number("events", 200)?);
    let long = options.number("long", 300_000)?;
    let program = built()?;
    let folder = tempfile::Builder::new().prefix("researchgym-bench-").tempdir()?;
    let store = folder.path().join("runs");
    let catalogue = Catalogue::new(vec![place::repository().join("tasks")]);
    let tasks: Vec<LoadedTask> = TASKS.iter().map(|name| catalogue.find(name)).collect::<Result<_, _>>()?;
    talk(&format!("writing {runs} runs of {events} events"));
    let mut bytes = 0;
    for number in 0..runs {
        let task = &tasks[number % tasks.len()];
        bytes += write_run(&store.join("2026-01-01"), task, number as u64, events)?;
    }
    let floor = read_all(&store)?;
    let name = |what: &str| format!("{what}: {runs} runs, {events} events each");
    let megabytes = bytes as f64 / 1e6;
    report.write(
        Figure::duration(&name("reading all logs"), Unit::Milliseconds, floor).with("megabytes", megabytes),
    );
    let out = folder.path().join("report");
    let out = out.display().to_string();
    let commands: [(&str, &[&str]); 5] = [
        ("list without an index", &["list"]),
        ("list", &["list"]),
        ("list as JSON", &["list", "--output", "json"]),
        ("leaderboard", &["leaderboard"]),
        ("report", &["report", "--out", &out]),
    ];
    for (what, words) in commands {
        let ran = run(&program, &store, words)?;
        report.write(ran.figure(&name(what)).beside_duration("reading all logs", Unit::Milliseconds, floor));
    }
    let long_store = folder.path().join("long");
    let bytes = write_run(&long_store.join("2026-01-01"), &tasks[0], 1, long)?;
    let floor = read_all(&long_store)?;
    let run_name = format!("{:08x}", 1);
    let ran = run(&program, &long_store, &["show", &run_name])?;
    let figure =
        ran.figure(&format!("show of a run with {long} events")).with("megabytes", bytes as f64 / 1e6);
    report.write(figure.beside_duration("reading the log", Unit::Milliseconds, floor));
    Ok(())
}

struct Ran {
    wall: Duration,
    peak_kib: u64,
}

impl Ran {
    fn figure(&self, name: &str) -> Figure {
        Figure::duration(name, Unit::Milliseconds, self.wall).with("peak_mib", self.peak_kib as f64 / 1024.0)
    }
}

fn run(program: &Path, store: &Path, words: &[&str]) -> Outcome<Ran> {
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(words)
        .env("RESEARCHGYM_RUNS", store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let peak_kib = peak_memory_of(&mut child)?;
    let status = child.wait()?;
    match status.success() {
        true => Ok(Ran { wall: began.elapsed(), peak_kib }),
        false => Err(format!("researchgym {words:?} ended with {status}").into()),
    }
}

fn read_all(store: &Path) -> Outcome<Duration> {
    let began = Instant::now();
    for run in fs::read_dir(store.join("2026-01-01"))? {
        fs::read(run?.path().join("events.jsonl"))?;
    }
    Ok(began.elapsed())
}

/// Writes a run's log; gives its length in bytes.
fn write_run(day: &Path, task: &LoadedTask, number: u64, events: usize) -> Outcome<u64> {
    let id = format!("{number:08x}");
    let folder = day.join(&id);
    fs::create_dir_all(folder.join("blobs"))?;
    let mut log = Log::begin(folder.join("events.jsonl"))?;
    log.push(started(task, &id, number))?;
    log.push(Event::WorkspaceReady {
        isolation: Isolation { level: IsolationLevel::Full, enforced: vec![], missing: vec![] },
        snapshot: Digest::of(b"start"),
        protected: [].into(),
        gpus: vec![],
    })?;
    let actions = (events as u64).saturating_sub(5) / 2;
    let mut attempts = 0;
    for action_id in 1..=actions {
        let command = if action_id % 3 == 0 { "python train.py" } else { "ls -l" };
        let action = Action::Exec { command: Body::Text(command.into()), timeout_s: None };
        log.push(Event::Acted { action_id, origin: Origin::Agent, action })?;
        log.push(observed(action_id))?;
        if action_id % 40 == 0 {
            attempts += 1;
            log.push(scored(task, attempts, AttemptKind::Validate, number + action_id))?;
        }
    }
    log.push(scored(task, attempts + 1, AttemptKind::Submit, number))?;
    log.push(Event::RunEnded {
        ending: Ending::Submitted,
        failure: None,
        working_ms: actions * 100,
        segment_wall_ms: actions * 110,
    })?;
    log.end()
}

fn started(task: &LoadedTask, id: &str, number: u64) -> Event {
    let spec = RunSpec {
        schema: SCHEMA,
        task: task.task.id.clone(),
        task_dir: task.folder.display().to_string(),
        variant: "default".into(),
        agent: AgentSpec::External {
            agent: format!("agent-{}", number % AGENTS),
            declaration: String::new(),
            files: None,
        },
        model: Some("local/some-model".into()),
        model_spec: None,
        fork: None,
        seed: number,
        seed_given: true,
        runtime: Runtime::Local,
        image: None,
        gpus: None,
        limits: Limits { working_ms: None, steps: None, budget: None, tokens: None },
        web: false,
        network: None,
        tags: Vec::new(),
        data_dir: None,
        executor: Default::default(),
    };
    Event::RunStarted(Box::new(RunStarted {
        schema: SCHEMA,
        run_id: id.to_owned(),
        version: env!("CARGO_PKG_VERSION").into(),
        spec,
        task: Box::new(task.task.clone()),
        digests: Digests { task: task.digest, agent: Digest::of(b"agent") },
        grading_secret: GradingSecret::from_seed(number),
    }))
}

fn observed(action_id: u64) -> Event {
    let text = "epoch 3 loss 0.25 accuracy 0.91\n".repeat(6);
    let stdout = Captured { bytes: text.len() as u64, text, ..Captured::default() };
    Event::Observed {
        action_id,
        observation: Observation::Exec {
            exit_code: Some(0),
            ending: ExecEnding::Exited,
            new_shell: false,
            stdout,
            stderr: Captured::default(),
            limits: vec![],
        },
        took_ms: 90,
        working_ms: action_id * 100,
    }
}

fn scored(task: &LoadedTask, attempt: u64, kind: AttemptKind, luck: u64) -> Event {
    let primary = task.task.primary();
    let baseline =
        task.task.baseline.as_ref().and_then(|baseline| baseline.shown(&primary).get(&primary.name).copied());
    // A spread around the baseline that depends on the run alone.
    let factor = 0.8 + (luck.wrapping_mul(2_654_435_761) % 1000) as f64 / 2000.0;
    let metrics = Metrics::from([(primary.name, baseline.unwrap_or(1.0) * factor)]);
    let split = if kind == AttemptKind::Validate { Split::Validation } else { Split::Test };
    let score = Score { metrics, invalid: None, findings: vec![] };
    Event::Scored {
        attempt,
        kind,
        split,
        score,
        submission: Digest::of(&attempt.to_le_bytes()),
        grading_ms: 10,
    }
}

struct Log {
    writer: BufWriter<fs::File>,
    seq: u64,
    prev: Digest,
    bytes: u64,
}

impl Log {
    fn begin(path: PathBuf) -> Outcome<Log> {
        Ok(Log { writer: BufWriter::new(fs::File::create(path)?), seq: 0, prev: Digest::ZERO, bytes: 0 })
    }

    fn push(&mut self, event: Event) -> Outcome<()> {
        let time = format!("2026-01-01T00:00:{:02}.{:03}Z", self.seq / 1000 % 60, self.seq % 1000);
        let (text, digest) = encode_line(&Line { seq: self.seq, prev: self.prev, time, event })?;
        self.writer.write_all(&text)?;
        self.writer.write_all(b"\n")?;
        self.bytes += text.len() as u64 + 1;
        (self.seq, self.prev) = (self.seq + 1, digest);
        Ok(())
    }

    fn end(mut self) -> Outcome<u64> {
        self.writer.flush()?;
        Ok(self.bytes)
    }
}
