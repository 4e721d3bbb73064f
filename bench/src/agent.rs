//! What the basic agent needs for itself in a turn: early, later and after a thousand; then many agents at once.
//!
//! Each turn is one question to the model and one call of `bash` with `true` in it. The model is a script, which takes no
//! time, or the mock over HTTP. All turns done, the model is silent and the run is cancelled: nothing is graded.

use std::path::Path;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use researchgym_core::event::{Event, Line};
use researchgym_core::spec::{AgentSpec, BasicMode, BasicSpec};
use researchgym_core::state::RunState;
use researchgym_engine::agent::Surroundings;
use researchgym_engine::model::Door;
use researchgym_engine::runner::{ReadyRun, Runner};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::mock::{Mock, Says};
use crate::options::Options;
use crate::place::{self, Place};
use crate::process;
use crate::provider;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;

/// Turns whose costs are told: about the tenth, the hundredth, the thousandth and so on, with so many around each.
const AROUND: [(usize, usize); 4] = [(10, 10), (100, 40), (1000, 100), (3000, 100)];
/// No machine's own CPU in a turn, in microseconds; the aim of a whole step with a model over HTTP.
const AIM_CPU_US: f64 = 500.0;

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let turns = options.number("turns", 1000)?;
    let agents = options.number("agents", 256)?;
    let agents_turns = options.number("agents-turns", 20)?;
    let delay = Duration::from_millis(options.number("delay-ms", 200)? as u64);
    if turns > 0 {
        without_model(turns, report).await?;
        let place = Place::new()?;
        let folder = place.scratch("model")?;
        let scripted = provider::scripted(&folder, turns)?;
        one(&place, scripted, "a scripted model", turns, report).await?;
        let mock = Mock::start(Says::Bash { turns }, Duration::ZERO)?;
        let over_http = provider::over_http(&folder, &mock.address)?;
        one(&place, over_http, "a model over HTTP", turns, report).await?;
    }
    if agents > 0 {
        let mock = Mock::start(Says::Bash { turns: agents_turns }, delay)?;
        let place = Place::new()?;
        let door = provider::over_http(&place.scratch("model")?, &mock.address)?;
        let at_a_time = options.number("at-a-time", 8)?.max(1);
        Many { agents, turns: agents_turns, delay, at_a_time }.measure(&place, door, report).await?;
    }
    Ok(())
}

/// The floor: the same steps without an agent.
async fn without_model(steps: usize, report: &Report) -> Outcome<()> {
    let place = Place::new()?;
    let task = place::task("blotto")?;
    let runner = place.runner(&task, None, Arc::new(|_, _| {})).await?;
    let (mut ready, _) = place.ready(&runner, &task).await?;
    let session = ready.session();
    let before = process::own_cpu();
    let mut wall = Samples::default();
    for number in 0..steps {
        let began = Instant::now();
        session
            .step(place::exec(&format!("true # {number}")))
            .await
            .map_err(|stop| format!("the run stopped: {stop:?}"))?;
        wall.push(began.elapsed());
    }
    let cpu = process::own_cpu().saturating_sub(before) / u32::try_from(steps)?;
    let name = "a step without a model";
    report.write(
        Figure::samples(name, Unit::Microseconds, &wall).with("host_cpu_us", Unit::Microseconds.of(cpu)),
    );
    place.end(&runner, ready).await;
    Ok(())
}

/// One agent, many turns.
async fn one(place: &Place, door: Arc<Door>, model: &str, turns: usize, report: &Report) -> Outcome<()> {
    talk(&format!("one agent, {turns} turns with {model}"));
    let watch = Arc::new(Watch::for_questions(turns + 1));
    let runner = runner(place, door, &watch).await?;
    let open = place.open_as(&runner, &place::task("blotto")?, basic())?;
    let folder = open.path();
    let ready = runner.prepare(open).await.map_err(|result| place::failed(&result))?;
    let before = process::cpu_of(&process::descendants());
    let mut driven = drive(&runner, [ready]);
    watch.all_asked(&mut driven).await?;
    let inside = process::cpu_of(&process::descendants()).saturating_sub(before) / u32::try_from(turns)?;
    let marks = watch.marks();
    place.cancel();
    driven.join_all().await;
    place.revive();

    let log = log_bytes(&folder)?;
    let named = |what: &str| format!("{what}, {model}");
    for (turn, around) in AROUND.into_iter().filter(|(turn, _)| *turn <= turns) {
        let from = turn.saturating_sub(around / 2).max(1);
        let until = (from + around).min(turns);
        let of = marks.get(from..=until).unwrap_or_default();
        let (Some(first), Some(last)) = (of.first(), of.last()) else { continue };
        let wall: Samples = of.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at)).collect();
        let count = u32::try_from(until - from)?;
        let cpu = last.cpu.saturating_sub(first.cpu) / count;
        let bytes: usize = log.get(from..until).unwrap_or_default().iter().sum();
        report.write(
            Figure::duration(&named(&format!("own CPU of turn {turn}")), Unit::Microseconds, cpu)
                .with("turns", count)
                .with("wall_p50_us", Unit::Microseconds.of(wall.median()))
                .with("log_bytes", bytes / count as usize)
                .aim(AIM_CPU_US),
        );
    }
    let total: usize = log.iter().sum();
    report.write(Figure::number(&named("log of a turn"), "bytes", total as f64 / turns as f64));
    let blobs = bytes_below(&folder.join("blobs"))? as f64;
    report.write(Figure::number(&named("blobs of a turn"), "bytes", blobs / turns as f64));
    report.write(Figure::duration(&named("CPU of guest and bash in a turn"), Unit::Microseconds, inside));
    let memory = process::peak_memory_kib() as f64;
    report.write(Figure::number(&named("peak memory of the parent so far"), "KiB", memory));
    Ok(())
}

/// Many agents at once, with a model that takes its time.
struct Many {
    agents: usize,
    turns: usize,
    delay: Duration,
    at_a_time: usize,
}

impl Many {
    async fn measure(&self, place: &Place, door: Arc<Door>, report: &Report) -> Outcome<()> {
        let Many { agents, turns, delay, at_a_time } = *self;
        let name = |what: &str| format!("{what}, {agents} agents");
        let watch = Arc::new(Watch::for_questions(agents * (turns + 1)));
        let runner = runner(place, door, &watch).await?;
        talk(&format!("bringing up {agents} agents, {at_a_time} at a time"));
        let began = Instant::now();
        let ready = bring_up(place, &runner, agents, at_a_time).await?;
        report.write(Figure::duration(&name("bringing up"), Unit::Seconds, began.elapsed()));

        talk(&format!("{agents} agents of {turns} turns, each with {delay:?} of waiting"));
        let cpu_before = (process::tree_cpu(), process::own_cpu());
        let began = Instant::now();
        let mut driven = drive(&runner, ready);
        watch.all_asked(&mut driven).await?;
        let wall = watch.last().unwrap_or(began).duration_since(began);
        let own_cpu = process::own_cpu().saturating_sub(cpu_before.1);
        let cpu = process::tree_cpu().saturating_sub(cpu_before.0);
        let ideal = delay * u32::try_from(turns)?;
        report.write(
            Figure::duration(&name("from the beginning to the last turn of all"), Unit::Seconds, wall)
                .beside_duration("the waiting alone", Unit::Seconds, ideal),
        );
        let ratio = wall.as_secs_f64() / ideal.as_secs_f64();
        report.write(Figure::number(&name("wall over waiting"), "times", ratio).aim(2.0));
        let all_turns = u32::try_from(agents * turns)?;
        report.write(
            Figure::duration(&name("CPU of the parent in a turn"), Unit::Microseconds, own_cpu / all_turns)
                .with("all_s", Unit::Seconds.of(own_cpu))
                .aim(AIM_CPU_US),
        );
        report.write(
            Figure::duration(&name("CPU of all processes in a turn"), Unit::Microseconds, cpu / all_turns)
                .with("all_s", Unit::Seconds.of(cpu)),
        );
        let memory = process::peak_memory_kib() as f64;
        report.write(Figure::number(&name("peak memory of the parent"), "KiB", memory));

        let began = Instant::now();
        place.cancel();
        driven.join_all().await;
        report.write(Figure::duration(&name("ending, without grading"), Unit::Seconds, began.elapsed()));
        Ok(())
    }
}

async fn bring_up(place: &Place, runner: &Runner, agents: usize, at_a_time: usize) -> Outcome<Vec<ReadyRun>> {
    let task = place::task("blotto")?;
    let permits = Arc::new(Semaphore::new(at_a_time));
    let mut prepared = JoinSet::new();
    for _ in 0..agents {
        let permit = permits.clone().acquire_owned().await?;
        let open = place.open_as(runner, &task, basic())?;
        let runner = runner.clone();
        prepared.spawn(async move {
            let ready = runner.prepare(open).await;
            drop(permit);
            ready
        });
    }
    let prepared = prepared.join_all().await.into_iter();
    prepared.map(|one| one.map_err(|result| place::failed(&result))).collect()
}

/// Lets them all work at once.
fn drive(runner: &Runner, all: impl IntoIterator<Item = ReadyRun>) -> JoinSet<()> {
    let mut driven = JoinSet::new();
    for ready in all {
        let runner = runner.clone();
        driven.spawn(async move {
            let result = runner.drive(ready, &mut Surroundings::default()).await;
            if let Some(error) = result.error {
                talk(&format!("run {}: {}", result.run_id, error.message));
            }
        });
    }
    driven
}

async fn runner(place: &Place, door: Arc<Door>, watch: &Arc<Watch>) -> Outcome<Runner> {
    let observer = watch.clone();
    let runner = place
        .runner(&place::task("blotto")?, None, Arc::new(move |line, state| observer.see(line, state)))
        .await?;
    Ok(Runner { door: Some(door), ..runner })
}

fn basic() -> AgentSpec {
    AgentSpec::Basic(BasicSpec {
        mode: BasicMode::Plus,
        may_end: true,
        idea_hint: None,
        reasoning: None,
        temperature: None,
    })
}

/// Bytes of the log between one question and the next; first what was before the first.
fn log_bytes(folder: &Path) -> Outcome<Vec<usize>> {
    let mut bytes = vec![0];
    for line in std::fs::read_to_string(folder.join("events.jsonl"))?.split_inclusive('\n') {
        let event: Line = serde_json::from_str(line)?;
        if let Event::ModelAsked(_) = event.event {
            bytes.push(0);
        }
        if let Some(last) = bytes.last_mut() {
            *last += line.len();
        }
    }
    Ok(bytes)
}

fn bytes_below(folder: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        sum += if data.is_dir() { bytes_below(&entry.path())? } else { data.len() };
    }
    Ok(sum)
}

/// Sees all questions of all agents.
struct Watch {
    wanted: usize,
    marks: Mutex<Vec<Mark>>,
    through: Notify,
}

/// A question: when, and this process's CPU time until then.
#[derive(Clone, Copy)]
struct Mark {
    at: Instant,
    cpu: Duration,
}

impl Watch {
    fn for_questions(wanted: usize) -> Watch {
        Watch { wanted, marks: Mutex::default(), through: Notify::new() }
    }

    fn see(&self, line: &Line, _state: &RunState) {
        if let Event::ModelAsked(_) = &line.event {
            let mark = Mark { at: Instant::now(), cpu: process::own_cpu() };
            let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.push(mark);
            if marks.len() == self.wanted {
                self.through.notify_one();
            }
        }
    }

    fn marks(&self) -> Vec<Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn last(&self) -> Option<Instant> {
        self.marks().last().map(|mark| mark.at)
    }

    /// Waits for the last question; an agent that ends before it has failed.
    async fn all_asked(&self, driven: &mut JoinSet<()>) -> Outcome<()> {
        tokio::select! {
            () = self.through.notified() => Ok(()),
            _ = driven.join_next() => {
                let asked = self.marks().len();
                Err(format!("an agent ended early, after {asked} of {} questions in all", self.wanted).into())
            }
        }
    }
}
