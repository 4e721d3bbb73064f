//! A run while it works, or again: one line per event that matters, and at a terminal one live line below them.
//!
//! `replay` feeds recorded events through the same door.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::event::{CallOutcome, Event, Line, ModelCalled};
use researchgym_core::model::Usage;
use researchgym_core::network::{NetworkRequested, Phase, Verdict};
use researchgym_core::observation::Observation;
use researchgym_core::state::RunState;
use researchgym_engine::session::Observer;

use super::Printer;
use super::live::{REDRAWN_MS, Watch};
use super::terminal;
use super::words::{bytes, counted, duration, ended, first_line, limits, metrics, money, number};

/// Shows runs as they go.
#[derive(Clone)]
pub(crate) struct Console {
    printer: Printer,
    /// With several runs at once only starts, scores and endings are shown, with the run's id in front.
    several: bool,
    /// For whom has typed the actions and is shown their outcomes, only what else happens is told.
    is_person: bool,
    runs: u64,
    live: Option<Arc<Live>>,
    /// A search, if one run is shown and it is one.
    search: Arc<Mutex<Watch>>,
}

struct Live {
    bar: ProgressBar,
    ended: Mutex<u64>,
}

impl Console {
    /// Shows one run in full, or `runs` of them in brief; with a live line if someone is watching.
    pub(crate) fn new(printer: &Printer, runs: u64, live: bool) -> Console {
        let live = (live && printer.is_live()).then(|| {
            let bar = printer.bar.add(ProgressBar::new_spinner());
            bar.enable_steady_tick(Duration::from_millis(200));
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            Arc::new(Live { bar, ended: Mutex::new(0) })
        });
        Console {
            printer: printer.clone(),
            several: runs > 1,
            is_person: false,
            runs,
            live,
            search: Arc::default(),
        }
    }

    /// Shows a run to the person who works on it: without a live line, which would draw over what is being typed.
    pub(crate) fn for_person(printer: &Printer) -> Console {
        Console { is_person: true, ..Console::new(printer, 1, false) }
    }

    /// Shows one search: at a terminal a view of all of it, drawn again in its place.
    pub(crate) fn for_search(printer: &Printer) -> Console {
        let console = Console::new(printer, 1, true);
        if let Some(live) = &console.live {
            let watch = console.search.clone();
            let style = ProgressStyle::with_template("{search}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner())
                .with_key("search", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                    let lines = locked(&watch).frame(Instant::now(), terminal::size());
                    // A drawing that cannot be written is one that nobody sees.
                    let _ = out.write_str(&lines.join("\n"));
                });
            live.bar.set_style(style);
            live.bar.enable_steady_tick(Duration::from_millis(REDRAWN_MS));
            locked(&console.search).is_drawn = true;
            printer.echo.silence();
        }
        console
    }

    /// For the runner: is told every event.
    pub(crate) fn observer(&self) -> Observer {
        let console = self.clone();
        Arc::new(move |line, state| console.show(line, state))
    }

    /// Takes the live line away.
    pub(crate) fn finish(&self) {
        if let Some(live) = &self.live {
            live.bar.finish_and_clear();
            self.printer.echo.restore();
        }
    }

    /// Shows one event.
    pub(crate) fn show(&self, line: &Line, state: &RunState) {
        let text = match &line.event {
            Event::Acted { .. } | Event::Observed { .. } if self.is_person => None,
            event if self.several => brief(event, state),
            event => full(event, state),
        };
        if state.search.is_some() && !self.several {
            let told = locked(&self.search).observe(&line.event, state, Instant::now());
            for line in told {
                self.printer.talk(&line);
            }
        }
        if let Some(text) = text {
            self.printer.talk(&text);
        }
        let Some(live) = &self.live else { return };
        if matches!(line.event, Event::RunEnded { .. }) {
            *live.ended.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        let ended = *live.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if locked(&self.search).is_drawn {
            return;
        }
        live.bar.set_message(if self.several {
            format!("{ended} of {} runs ended,", self.runs)
        } else {
            standing(state)
        });
    }
}

fn locked(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Step, best score and spend, for the live line.
fn standing(state: &RunState) -> String {
    let steps = match state.limits.steps {
        Some(limit) => format!("step {} of {limit}", state.steps),
        None => format!("step {}", state.steps),
    };
    let primary = state.started.task.primary();
    let best = match state.best().and_then(|attempt| attempt.score.value(&primary)) {
        Some(best) => format!("best {} {}", primary.name, number(best)),
        None => "no score yet".to_owned(),
    };
    format!("{steps}, {best}, {},", money(state.ledger.spent().as_usd()))
}

fn full(event: &Event, state: &RunState) -> Option<String> {
    Some(match event {
        Event::RunStarted(started) => {
            format!("Run {} of {} on task {}", started.run_id, started.spec.agent.name(), started.task.id)
        }
        Event::WorkspaceReady { isolation, .. } => match isolation.missing.as_slice() {
            [] => "  sandbox ready, fully isolated".to_owned(),
            missing => format!("  sandbox ready; not enforced: {}", missing.join(", ")),
        },
        Event::Acted { origin, action, .. } => {
            let number = match origin {
                Origin::Agent => format!("{:>4}", state.steps),
                Origin::Sandbox => "   >".to_owned(),
            };
            format!("{number}  {}", acted(action))
        }
        Event::Observed { observation, took_ms, .. } => format!("      {}", observed(observation, *took_ms)?),
        Event::Interrupted { .. } => {
            "      interrupted when the program died; done again if the agent asks again".to_owned()
        }
        Event::Scored { .. } | Event::SnapshotTaken { .. } => return None,
        Event::NetworkRequested(request) => format!("      {}", requested(request)),
        Event::ModelAsked(_) => return None,
        Event::ModelRetried { failure, wait_ms, .. } => {
            let wait = duration(*wait_ms as f64 / 1e3);
            format!(
                "      the model did not answer ({}); next attempt in {wait}",
                first_line(&failure.message, 80)
            )
        }
        // A search asks so often that each answer would hide what comes of them.
        Event::ModelCalled(_) if state.search.is_some() => return None,
        Event::ModelCalled(called) => called_in_words(called),
        Event::ModelLost { .. } => {
            "      a model call was under way when the program died; it is booked at the most it can cost"
                .to_owned()
        }
        // What of these matters, `live` tells.
        Event::Planned(_)
        | Event::IdeasHad(_)
        | Event::NodeBuilt(_)
        | Event::NodeDropped(_)
        | Event::EvaluationBegan(_)
        | Event::TrialReported(_)
        | Event::Evaluated(_) => return None,
        Event::UserNoted { .. } => "  note for the agent recorded".to_owned(),
        Event::Paused => format!("  paused; go on with: researchgym unpause {}", state.started.run_id),
        Event::Unpaused { .. } => "  goes on".to_owned(),
        Event::LimitsChanged { limits: new } => format!("  new limits: {}", limits(new)),
        Event::RunResumed => "Resumed".to_owned(),
        Event::RunExtended { .. } => "Resumed under raised limits".to_owned(),
        Event::Noted { text } => format!("  note: {text}"),
        Event::RunEnded { ending, failure, .. } => match failure {
            Some(failure) => format!("Failed ({}): {}", failure.boundary.name(), failure.message),
            None => format!("Ended: {}", ending.name()),
        },
    })
}

fn requested(request: &NetworkRequested) -> String {
    let NetworkRequested { method, host, port, url, verdict, bytes_down, times, phase, .. } = request;
    let place = url.as_ref().map_or_else(|| format!("{host}:{port}"), |url| url.clone());
    let who = match phase {
        Phase::Agent => "network",
        Phase::Grader => "network of the grader",
    };
    let often = if *times > 1 { format!(", {times} times") } else { String::new() };
    let what = match verdict {
        Verdict::Allowed => format!("{} down", bytes(*bytes_down)),
        Verdict::Refused { reason } => format!("refused: {reason}"),
    };
    format!("{who}: {method} {}{often}, {what}", first_line(&place, 90))
}

fn called_in_words(called: &ModelCalled) -> String {
    let Usage { input, cache_read, output, .. } = called.usage;
    let took = duration(called.latency_ms as f64 / 1e3);
    let cached = if cache_read > 0 { format!(" ({cache_read} cached)") } else { String::new() };
    let cost = called.cost.as_usd();
    match &called.outcome {
        CallOutcome::Answered { .. } => {
            format!("      model: {input} tokens in{cached}, {output} out, {cost:.4} USD, {took}")
        }
        CallOutcome::Embedded { vectors, .. } => {
            let texts = counted(vectors.len() as u64, "text");
            format!("      embedded: {texts}, {input} tokens, {cost:.4} USD, {took}")
        }
        CallOutcome::Failed { failure } => {
            format!("      the model did not answer: {}", first_line(&failure.message, 100))
        }
    }
}

fn brief(event: &Event, state: &RunState) -> Option<String> {
    let id = &state.started.run_id;
    match event {
        Event::Noted { text } => Some(format!("{id}  note: {text}")),
        Event::RunEnded { ending, failure, .. } => Some(match failure {
            Some(failure) => format!("{id}  failed ({}): {}", failure.boundary.name(), failure.message),
            None => match state.submission() {
                Some(attempt) => format!("{id}  {}  {}", ending.name(), metrics(&attempt.score.metrics)),
                None => format!("{id}  {}  no submission", ending.name()),
            },
        }),
        _ => None,
    }
}

fn acted(action: &Action) -> String {
    let body = |body: &Body| match body {
        Body::Text(text) => first_line(text, 90),
        Body::Base64(_) => "(bytes)".to_owned(),
        Body::Blob { bytes, .. } => format!("({bytes} bytes)"),
    };
    match action {
        Action::Exec { command, .. } => format!("$ {}", body(command)),
        Action::Write { path, .. } => format!("write {}", first_line(path, 90)),
        Action::Read { path } => format!("read {}", first_line(path, 90)),
        Action::Search { query, .. } => format!("search: {}", first_line(query, 90)),
        Action::Fetch { url } => format!("fetch {}", first_line(url, 90)),
        Action::Say { text } => format!("say: {}", body(text)),
        Action::Validate => "validate".to_owned(),
        Action::Submit => "submit".to_owned(),
        Action::GiveUp { reason } => format!("give up: {}", first_line(reason, 90)),
    }
}

fn observed(observation: &Observation, took_ms: u64) -> Option<String> {
    let took = duration(took_ms as f64 / 1e3);
    Some(match observation {
        Observation::Exec { exit_code, ending, stdout, stderr, .. } => {
            let status = format!("{}, {took}", ended(*ending, *exit_code));
            let said = [&stdout.text, &stderr.text].into_iter().find(|text| !text.trim().is_empty());
            match said {
                Some(text) => format!("{status}: {}", first_line(text, 80)),
                None => status,
            }
        }
        Observation::Graded { score, .. } => match &score.invalid {
            None => format!("{} ({took})", metrics(&score.metrics)),
            Some(reason) => format!("no valid score: {}", first_line(reason, 100)),
        },
        Observation::Found { results } => format!("{} results ({took})", results.len()),
        Observation::Fetched { status, content, .. } => {
            format!("status {status}, {} bytes ({took})", content.bytes)
        }
        Observation::Refused { reason } => format!("refused: {}", first_line(reason, 100)),
        Observation::Wrote { .. } | Observation::Read { .. } | Observation::Said | Observation::Ended => {
            return None;
        }
    })
}
