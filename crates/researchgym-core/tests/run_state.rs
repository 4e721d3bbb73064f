//! The fold over a run's events, held against random runs: what the sequences below generate is what a session, kills
//! and resumptions can write.

use std::collections::BTreeMap;

use proptest::prelude::*;
use researchgym_core::action::{Action, Body, Origin};
use researchgym_core::digest::Digest;
use researchgym_core::event::{
    AskedRequest, CallOutcome, Caller, Digests, Ending, Event, Line, ModelAsked, ModelCalled, RunStarted,
};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::isolation::{Isolation, IsolationLevel, Runtime};
use researchgym_core::keys::GradingSecret;
use researchgym_core::ledger::Hold;
use researchgym_core::model::{FailureKind, ModelFailure, Stop, Usage, Wire};
use researchgym_core::observation::Observation;
use researchgym_core::result::{Context, Progress, RunResult, worst_exit_code};
use researchgym_core::score::{AttemptKind, Finding, Metrics, Score, Severity, Split};
use researchgym_core::spec::{AgentSpec, Limits, MicroUsd, RunSpec};
use researchgym_core::state::RunState;

const TASK: &str = r#"
schema = 1
id = "guess"
title = "Guess"
domain = "testing"
description = "description.md"
metrics = [{ name = "error", direction = "minimize", primary = true }]
baseline = { measured = { error = 5.0 }, noise_floor = 0.5 }
workspace = { starter = "starter" }
submission = { artefacts = ["guess.txt"] }
grader = { files = "grader", command = ["true"], validate_on = "validation" }
"#;

fn limits(steps: Option<u64>) -> Limits {
    Limits { working_ms: Some(1000), steps, budget: None, tokens: None }
}

fn started() -> Event {
    let task = researchgym_core::task::parse(TASK, "task.toml").expect("a task");
    Event::RunStarted(Box::new(RunStarted {
        schema: 1,
        run_id: "12345678".into(),
        version: "0.1.0".into(),
        spec: RunSpec {
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
            gpus: None,
            limits: limits(Some(100)),
            web: false,
            network: None,
            tags: Vec::new(),
            data_dir: None,
            executor: Default::default(),
        },
        task: Box::new(task),
        digests: Digests { task: Digest::of(b"task"), agent: Digest::of(b"agent") },
        grading_secret: GradingSecret::from_seed(7),
    }))
}

fn score(error: Option<f64>, finding: bool) -> Score {
    let findings = finding.then(|| Finding {
        kind: "odd".into(),
        severity: Severity::Warning,
        events: Vec::new(),
        evidence: "it was seen".into(),
    });
    let (metrics, invalid) = match error {
        Some(error) => (Metrics::from([("error".to_owned(), error)]), None),
        None => (Metrics::new(), Some("not a guess".to_owned())),
    };
    Score { metrics, invalid, findings: findings.into_iter().collect() }
}

/// A log with what it must come to, written along with it.
#[derive(Clone, Debug, Default)]
struct Log {
    lines: Vec<Line>,
    steps: u64,
    actions: u64,
    in_flight: Vec<(u64, Origin)>,
    scores: Vec<(AttemptKind, Option<f64>)>,
    working_ms: u64,
    is_over: bool,
}

impl Log {
    fn begun() -> Log {
        let mut log = Log::default();
        log.push(started());
        log.push(Event::WorkspaceReady {
            isolation: Isolation { level: IsolationLevel::Full, enforced: vec![], missing: vec![] },
            snapshot: Digest::of(b"start"),
            protected: BTreeMap::new(),
            gpus: vec![],
        });
        log
    }

    fn push(&mut self, event: Event) {
        let seq = self.lines.len() as u64;
        let time = format!("2026-01-01T00:00:{:02}.000Z", seq % 60);
        self.lines.push(Line { seq, prev: Digest::ZERO, time, event });
    }

    fn act(&mut self, origin: Origin, action: Action) {
        self.actions += 1;
        self.steps += u64::from(origin == Origin::Agent);
        self.in_flight.push((self.actions, origin));
        self.push(Event::Acted { action_id: self.actions, origin, action });
    }

    fn observe(&mut self, took_ms: u64) {
        let Some((action_id, _)) = self.in_flight.pop() else { return };
        self.working_ms += took_ms;
        let working_ms = self.working_ms;
        self.push(Event::Observed { action_id, observation: Observation::Said, took_ms, working_ms });
    }

    fn grade(&mut self, kind: AttemptKind, error: Option<f64>, finding: bool) {
        let split = if kind == AttemptKind::Validate { Split::Validation } else { Split::Test };
        self.scores.push((kind, error));
        self.push(Event::Scored {
            attempt: self.scores.len() as u64,
            kind,
            split,
            score: score(error, finding),
            submission: Digest::of(b"guess"),
            grading_ms: 10,
        });
    }

    fn interrupt_all(&mut self) {
        for (action_id, origin) in std::mem::take(&mut self.in_flight) {
            self.steps -= u64::from(origin == Origin::Agent);
            self.push(Event::Interrupted { action_id });
        }
    }

    fn end(&mut self, ending: Ending) {
        let failure = (ending == Ending::Failed).then(|| Failure::new(Boundary::Grader, "it broke"));
        self.is_over = true;
        self.push(Event::RunEnded {
            ending,
            failure,
            working_ms: self.working_ms,
            segment_wall_ms: self.working_ms + 5,
        });
    }

    fn fold(&self) -> RunState {
        RunState::fold(&self.lines).unwrap_or_else(|error| panic!("{error}: {:#?}", self.lines))
    }
}

/// One thing that may happen to a run.
#[derive(Clone, Debug)]
enum Move {
    Act(Origin),
    Observe(u64),
    Grade(AttemptKind, Option<u8>, bool),
    Kill,
    End(Ending),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let kinds = prop_oneof![Just(AttemptKind::Validate), Just(AttemptKind::Submit), Just(AttemptKind::Auto)];
    let grade = (kinds, proptest::option::of(0u8..20), any::<bool>());
    let end = prop_oneof![
        Just(Ending::TimeLimit),
        Just(Ending::StepLimit),
        Just(Ending::Cancelled),
        Just(Ending::Failed)
    ];
    let one = prop_oneof![
        4 => prop_oneof![Just(Origin::Agent), Just(Origin::Sandbox)].prop_map(Move::Act),
        5 => (0u64..50).prop_map(Move::Observe),
        2 => grade.prop_map(|(kind, error, finding)| Move::Grade(kind, error, finding)),
        1 => Just(Move::Kill),
        1 => end.prop_map(Move::End),
    ];
    proptest::collection::vec(one, 0..60)
}

fn log(moves: Vec<Move>) -> Log {
    let mut log = Log::begun();
    for next in moves {
        if log.is_over {
            // A new segment.
            log.is_over = false;
            log.push(Event::RunExtended { limits: limits(None) });
            log.interrupt_all();
        }
        match next {
            Move::Act(origin) => log.act(origin, Action::Say { text: Body::Text("hm".into()) }),
            Move::Observe(took_ms) => log.observe(took_ms),
            Move::Grade(kind, error, finding) => log.grade(kind, error.map(f64::from), finding),
            Move::Kill => {
                log.push(Event::RunResumed);
                log.interrupt_all();
            }
            Move::End(ending) => log.end(ending),
        }
    }
    log
}

fn context(is_running: bool) -> Context {
    Context { run: "/runs/12345678".into(), log_head: Digest::ZERO, is_running, segment_ms: None }
}

proptest! {
    #[test]
    fn a_state_is_what_its_events_say(moves in moves()) {
        let log = log(moves);
        let state = log.fold();
        prop_assert_eq!(
            (state.steps, state.actions, state.events, state.working_ms),
            (log.steps, log.actions, log.lines.len() as u64, log.working_ms)
        );
        let in_flight: Vec<_> = state.in_flight.iter().map(|begun| (begun.action_id, begun.origin)).collect();
        prop_assert_eq!(in_flight, log.in_flight.clone());
        let validations = log.scores.iter().filter(|(kind, _)| *kind == AttemptKind::Validate).count() as u64;
        prop_assert_eq!(state.validations(), validations);
        prop_assert_eq!(state.ended.is_some(), log.is_over);
        let submission = log.scores.iter().rev().find(|(kind, _)| kind.is_submission());
        prop_assert_eq!(
            state.submission().map(|attempt| attempt.score.value(&state.started.task.primary())),
            submission.map(|(_, error)| *error)
        );
        // Lower is better; the first of equals.
        let best = log.scores.iter().filter_map(|(_, error)| *error).fold(f64::INFINITY, f64::min);
        let expected = log.scores.iter().position(|(_, error)| *error == Some(best));
        prop_assert_eq!(state.best().map(|attempt| attempt.number as usize), expected.map(|at| at + 1));
        // One finding however often it was seen, resting on all the events.
        let flagged: Vec<u64> = log.lines.iter().filter_map(|line| match &line.event {
            Event::Scored { score, .. } if !score.findings.is_empty() => Some(line.seq),
            _ => None,
        }).collect();
        let integrity: Vec<_> = state.integrity().into_iter().map(|finding| finding.events).collect();
        prop_assert_eq!(integrity, if flagged.is_empty() { vec![] } else { vec![flagged] });
        prop_assert!(state.wall_ms(None) >= state.wall_ms, "wall time never runs backwards");
    }

    #[test]
    fn a_prefix_goes_on_to_the_whole(moves in moves(), cut in any::<prop::sample::Index>()) {
        let log = log(moves);
        let at = 1 + cut.index(log.lines.len());
        let (before, after) = log.lines.split_at(at);
        let mut state = RunState::fold(before).expect("a prefix of a log is a log");
        for line in after {
            state.apply(line).expect("it goes on");
        }
        prop_assert_eq!(state, log.fold());
    }

    #[test]
    fn wall_time_is_never_less_than_working_time(moves in moves()) {
        let mut log = log(moves);
        if !log.is_over {
            log.end(Ending::Cancelled);
        }
        let state = log.fold();
        prop_assert!(state.wall_ms(None) >= state.working_ms);
    }

    #[test]
    fn any_order_of_events_is_folded_or_refused(moves in moves(), order in any::<u64>()) {
        // Shuffled by a key: most orders are impossible, none may panic.
        let mut lines = log(moves).lines;
        lines.sort_by_key(|line| (line.seq.wrapping_mul(order | 1)).rotate_left(17));
        if let Ok(state) = RunState::fold(&lines) {
            RunResult::of(&state, context(false));
        }
    }

    #[test]
    fn a_line_is_the_same_after_writing_and_reading(moves in moves()) {
        for line in log(moves).lines {
            let text = serde_json::to_string(&line).expect("a line");
            prop_assert_eq!(serde_json::from_str::<Line>(&text).expect("a line"), line);
        }
    }
}

fn refusal(change: impl FnOnce(&mut Log)) -> String {
    let mut log = Log::begun();
    log.act(Origin::Agent, Action::Validate);
    change(&mut log);
    RunState::fold(&log.lines).expect_err("it is impossible").to_string()
}

#[test]
fn impossible_events_are_named() {
    let seen =
        |action_id| Event::Observed { action_id, observation: Observation::Said, took_ms: 0, working_ms: 0 };
    let check = |expected: &str, change: &dyn Fn(&mut Log)| assert_eq!(refusal(change), expected);
    check("event 3: a run starts once", &|log| log.push(started()));
    check("event 3: an outcome of an action that is not in flight", &|log| log.push(seen(9)));
    check("event 4: an outcome of an action that is not in flight", &|log| {
        log.observe(0);
        log.push(seen(1));
    });
    check("event 3: an interruption of an action that is not in flight", &|log| {
        log.push(Event::Interrupted { action_id: 2 });
    });
    check("event 3: actions are numbered one by one", &|log| {
        log.push(Event::Acted { action_id: 3, origin: Origin::Agent, action: Action::Submit });
    });
    check("event 3: attempts are numbered one by one", &|log| {
        log.scores.push((AttemptKind::Auto, None));
        log.grade(AttemptKind::Auto, None, false);
    });
    check("event 4: the run had ended", &|log| {
        log.end(Ending::Cancelled);
        log.observe(0);
    });
    check("event 4: the run had ended", &|log| {
        log.end(Ending::Submitted);
        log.end(Ending::Submitted);
    });
    assert_eq!(
        RunState::fold(&[]).expect_err("empty").to_string(),
        "event 0: the log is empty: the run never started"
    );
    let headless = &Log::begun().lines[1..];
    assert_eq!(
        RunState::fold(headless).expect_err("no start").to_string(),
        "event 1: a log begins with `run_started`"
    );
}

#[test]
fn every_ending_has_its_result_and_exit_code() {
    // What was graded -> the exit code of each ending.
    let check =
        |graded: Option<Option<f64>>, ending: Option<Ending>, expected: (u8, Option<f64>, Option<bool>)| {
            let mut log = Log::begun();
            if let Some(error) = graded {
                log.grade(AttemptKind::Submit, error, false);
            }
            if let Some(ending) = ending {
                log.end(ending);
            }
            let result = RunResult::of(&log.fold(), context(false));
            let score = result.score.as_ref().map(|score| score["error"]);
            assert_eq!((result.exit_code(), score, result.improved), expected, "{ending:?}, {graded:?}");
            assert_eq!(result.ending, ending);
            assert_eq!(result.boundary.is_some(), ending == Some(Ending::Failed));
            assert_eq!(result.error.is_some(), ending == Some(Ending::Failed));
        };
    let graded = [Ending::Submitted, Ending::GaveUp, Ending::TimeLimit, Ending::StepLimit, Ending::Budget];
    for ending in graded {
        check(Some(Some(4.0)), Some(ending), (0, Some(4.0), Some(true)));
        check(Some(Some(4.6)), Some(ending), (0, Some(4.6), Some(false)));
        check(Some(None), Some(ending), (1, None, None));
        check(None, Some(ending), (1, None, None));
    }
    check(None, Some(Ending::Cancelled), (130, None, None));
    check(Some(Some(4.0)), Some(Ending::Cancelled), (130, Some(4.0), Some(true)));
    check(Some(Some(4.0)), Some(Ending::Failed), (3, Some(4.0), Some(true)));
    check(None, None, (3, None, None));
    assert_eq!(worst_exit_code([0, 1, 0].into_iter()), 1);
    assert_eq!(worst_exit_code([3, 1, 0].into_iter()), 3);
    assert_eq!(worst_exit_code([3, 130].into_iter()), 130);
}

#[test]
fn a_result_says_whether_somebody_works_on_the_run() {
    let mut log = Log::begun();
    let progress = |log: &Log, is_running| RunResult::of(&log.fold(), context(is_running)).state;
    assert_eq!((progress(&log, true), progress(&log, false)), (Progress::Running, Progress::Interrupted));
    log.push(Event::Paused);
    assert_eq!((progress(&log, true), progress(&log, false)), (Progress::Paused, Progress::Interrupted));
    log.push(Event::Unpaused { paused_ms: 1 });
    assert_eq!(progress(&log, true), Progress::Running);
    log.end(Ending::Submitted);
    assert_eq!((progress(&log, true), progress(&log, false)), (Progress::Ended, Progress::Ended));
}

#[test]
fn a_run_is_concluded_by_submitting_or_giving_up() {
    let mut log = Log::begun();
    log.act(Origin::Agent, Action::Validate);
    log.grade(AttemptKind::Validate, Some(1.0), false);
    log.observe(1);
    assert_eq!(log.fold().concluded, None);
    let mut given_up = log.clone();
    given_up.act(Origin::Agent, Action::GiveUp { reason: String::new() });
    let ended = Event::Observed { action_id: 2, observation: Observation::Ended, took_ms: 0, working_ms: 1 };
    given_up.push(ended);
    assert_eq!(given_up.fold().concluded, Some(Ending::GaveUp));
    log.act(Origin::Sandbox, Action::Submit);
    log.grade(AttemptKind::Submit, None, false);
    assert_eq!(log.fold().concluded, Some(Ending::Submitted));
}

fn asked(call: u64, request: AskedRequest) -> Event {
    Event::ModelAsked(Box::new(ModelAsked {
        call,
        caller: Caller::Gateway { dialect: Wire::Chat, named: "m".into() },
        model: "fake/m".into(),
        wire: Wire::Chat,
        request,
        max_output_tokens: 1,
        hold: Hold::default(),
        retry_of: None,
    }))
}

fn called(call: u64, outcome: CallOutcome) -> Event {
    Event::ModelCalled(Box::new(ModelCalled {
        call,
        outcome,
        cost: MicroUsd(0),
        usage: Usage::default(),
        usage_reported: true,
        attempts: 1,
        waited_ms: 0,
        latency_ms: 0,
        first_byte_ms: None,
        working_ms: 0,
    }))
}

#[test]
fn a_score_of_a_run_whose_model_never_answered_says_so() {
    let mut log = Log::begun();
    log.push(asked(1, AskedRequest::Bytes { body: Body::Text("?".into()) }));
    let failure = ModelFailure { kind: FailureKind::Server, status: None, message: "busy".into() };
    log.push(called(1, CallOutcome::Failed { failure }));
    assert!(log.fold().is_unanswered() && log.fold().integrity().is_empty());
    log.act(Origin::Agent, Action::Submit);
    log.grade(AttemptKind::Submit, Some(1.0), false);
    let kinds: Vec<String> = log.fold().integrity().into_iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, ["model_never_answered"]);
    log.observe(1);
    log.push(asked(2, AskedRequest::Bytes { body: Body::Text("?".into()) }));
    log.push(called(2, CallOutcome::Answered { response: Body::Text("!".into()), stop: Stop::EndTurn }));
    assert!(!log.fold().is_unanswered() && log.fold().integrity().is_empty());
}

#[test]
fn what_is_kept_of_model_calls_is_counted() {
    let mut log = Log::begun();
    let body = |bytes| Body::Blob { sha256: Digest::of(b"body"), bytes };
    log.push(asked(1, AskedRequest::Bytes { body: body(10_000) }));
    log.push(called(1, CallOutcome::Answered { response: Body::Text("four".into()), stop: Stop::EndTurn }));
    log.push(asked(2, AskedRequest::Bytes { body: Body::Text("five5".into()) }));
    let failure = ModelFailure { kind: FailureKind::Server, status: None, message: "oh".into() };
    log.push(called(2, CallOutcome::Failed { failure }));
    assert_eq!(log.fold().model_bytes, 10_009);
}
