use researchgym_core::digest::Digest;
use researchgym_core::event::{Digests, RunStarted};
use researchgym_core::isolation::Runtime;
use researchgym_core::keys::GradingSecret;
use researchgym_core::ledger::Hold;
use researchgym_core::model::{Conversation, Message, Stop, Turn, Usage, Wire};
use researchgym_core::observation::Captured;
use researchgym_core::spec::{AgentSpec, Limits, MicroUsd, RunSpec};

use super::*;

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

fn started() -> Event {
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
            limits: Limits { working_ms: None, steps: None, budget: None, tokens: None },
            web: false,
            network: None,
            gpus: None,
            tags: Vec::new(),
            data_dir: None,
            executor: Default::default(),
        },
        task: Box::new(researchgym_core::task::parse(TASK, "task.toml").unwrap()),
        digests: Digests { task: Digest::of(b"task"), agent: Digest::of(b"agent") },
        grading_secret: GradingSecret::from_seed(7),
    }))
}

fn log(events: &[Event]) -> Vec<Line> {
    let events = std::iter::once(started()).chain(events.iter().cloned());
    let line = |(seq, event)| Line { seq: seq as u64, prev: Digest::ZERO, time: String::new(), event };
    events.enumerate().map(line).collect()
}

fn asked(call: u64, kept: u64, added: &[&str], retry_of: Option<u64>) -> Event {
    Event::ModelAsked(Box::new(ModelAsked {
        call,
        caller: Caller::Agent,
        model: "a/b".into(),
        wire: Wire::Chat,
        request: AskedRequest::Conversation {
            conversation: 0,
            kept,
            added: added.iter().map(|text| Body::Text((*text).to_owned())).collect(),
            settings: None,
            told: None,
        },
        max_output_tokens: 10,
        hold: Hold { cost: MicroUsd(5), tokens: 20 },
        retry_of,
    }))
}

fn ended(call: u64, outcome: CallOutcome) -> Event {
    Event::ModelCalled(Box::new(ModelCalled {
        call,
        outcome,
        cost: MicroUsd(1),
        usage: Usage::default(),
        usage_reported: true,
        attempts: 1,
        waited_ms: 0,
        latency_ms: 0,
        first_byte_ms: None,
        working_ms: 0,
    }))
}

fn answered(call: u64) -> Event {
    ended(call, CallOutcome::Answered { response: Body::Text(format!("answer {call}")), stop: Stop::EndTurn })
}

fn failed(call: u64, kind: FailureKind) -> Event {
    ended(call, CallOutcome::Failed { failure: ModelFailure { kind, status: None, message: "no".into() } })
}

fn acted(action_id: u64) -> Event {
    Event::Acted { action_id, origin: Origin::Agent, action: action(action_id) }
}

fn action(action_id: u64) -> Action {
    Action::Read { path: format!("file {action_id}") }
}

fn observed(action_id: u64, observation: Observation) -> Event {
    Event::Observed { action_id, observation, took_ms: 0, working_ms: 0 }
}

fn cut_off() -> Observation {
    Observation::Exec {
        exit_code: None,
        ending: ExecEnding::Stopped,
        new_shell: false,
        stdout: Captured::default(),
        stderr: Captured::default(),
        limits: Vec::new(),
    }
}

/// The record in words: `kept+added of a question -> call`, or `action: what came of it`.
fn shown(events: &[Event], unfinished: Unfinished) -> Vec<String> {
    let text = |body: &Body| match body {
        Body::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let record = record(&log(events), unfinished).unwrap();
    let item = |recorded: &Recorded| match &recorded.item {
        Item::Act(act) => match &**act {
            (Action::Read { path }, observation) if *observation == interrupted() => {
                format!("{path}: interrupted")
            }
            (Action::Read { path }, Observation::Exec { .. }) => format!("{path}: cut off"),
            (Action::Read { path }, _) => format!("{path}: done"),
            (other, _) => panic!("{other:?}"),
        },
        Item::Ask(ask) => {
            let added: Vec<String> = ask.added.iter().map(text).collect();
            format!("{}+{} -> {}", ask.kept, added.join(","), ask.called.call)
        }
    };
    record.iter().map(item).collect()
}

fn check(events: &[Event], expected: &[&str]) {
    for unfinished in [Unfinished::Tell, Unfinished::DoAgain] {
        assert_eq!(shown(events, unfinished), expected, "{unfinished:?}");
    }
}

#[test]
fn questions_and_actions_are_recorded_in_order_with_what_came_of_them() {
    let events = [
        asked(1, 0, &["system", "task"], None),
        answered(1),
        acted(1),
        observed(1, Observation::Said),
        asked(2, 3, &["result"], None),
        answered(2),
    ];
    check(&events, &["0+system,task -> 1", "file 1: done", "3+result -> 2"]);
    assert_eq!(unanswered(&log(&events)), None);
}

#[test]
fn a_lost_question_is_not_in_the_record_and_is_the_one_that_is_repeated() {
    let events = [
        asked(1, 0, &["task"], None),
        answered(1),
        asked(2, 2, &["result", "note"], None),
        Event::RunResumed,
        Event::ModelLost { call: 2 },
    ];
    check(&events, &["0+task -> 1"]);
    assert_eq!(unanswered(&log(&events)), Some(2));
    // Asked once more after the kill, from the same place, in the words of that day.
    let again = [&events[..], &[asked(3, 2, &["result", "resumed"], Some(2)), answered(3)]].concat();
    check(&again, &["0+task -> 1", "2+result,resumed -> 3"]);
    assert_eq!(unanswered(&log(&again)), None);
}

#[test]
fn a_question_that_is_repeated_at_once_is_one_with_the_one_that_broke_off() {
    let broken = [
        asked(1, 0, &["task"], None),
        answered(1),
        asked(2, 2, &["result"], None),
        failed(2, FailureKind::BrokenStream),
        asked(3, 3, &[], Some(2)),
    ];
    let events = [&broken[..], &[answered(3), asked(4, 4, &["next"], None), answered(4)]].concat();
    check(&events, &["0+task -> 1", "2+result -> 3", "4+next -> 4"]);
    // Twice, the second time lost in a kill, and then answered.
    let lost = [&broken[..], &[Event::RunResumed, Event::ModelLost { call: 3 }]].concat();
    check(&lost, &["0+task -> 1"]);
    assert_eq!(unanswered(&log(&lost)), Some(3));
    let events = [
        &lost[..],
        &[
            asked(4, 2, &["result", "resumed"], Some(3)),
            failed(4, FailureKind::Malformed),
            asked(5, 4, &[], Some(4)),
            answered(5),
        ],
    ];
    check(&events.concat(), &["0+task -> 1", "2+result,resumed -> 5"]);
}

/// What [`Session::ask`](super::super::Session::ask) does with the record: it must fit a conversation that grows by it.
#[test]
fn a_conversation_can_be_recalled_from_questions_that_were_repeated() {
    let events = [
        asked(1, 0, &["task"], None),
        failed(1, FailureKind::BrokenStream),
        asked(2, 1, &[], Some(1)),
        answered(2),
        asked(3, 2, &["result"], None),
        answered(3),
    ];
    let mut conversation = Conversation::new(0);
    for recorded in record(&log(&events), Unfinished::Tell).unwrap() {
        let Item::Ask(ask) = recorded.item else { panic!("{recorded:?}") };
        let added = ask.added.iter().map(|body| Message::user(format!("{body:?}"))).collect();
        assert!(conversation.recall(ask.kept as usize, added), "{ask:?}");
        conversation.answered(Turn::default(), None);
    }
    assert_eq!(conversation.messages().len(), 4);
}

#[test]
fn a_context_that_was_full_was_told_and_other_failures_were_not() {
    let full = [asked(1, 0, &["task"], None), failed(1, FailureKind::ContextLength)];
    check(&full, &["0+task -> 1"]);
    assert_eq!(unanswered(&log(&full)), None);
    let shorter = [&full[..], &[asked(2, 0, &["shorter"], None), answered(2)]].concat();
    check(&shorter, &["0+task -> 1", "0+shorter -> 2"]);
    for kind in [FailureKind::Authentication, FailureKind::Stopped, FailureKind::Malformed] {
        let events = [asked(1, 0, &["task"], None), failed(1, kind)];
        check(&events, &[]);
        assert_eq!(unanswered(&log(&events)), Some(1), "{kind:?}");
    }
}

#[test]
fn attempts_that_were_not_billed_leave_no_trace() {
    let failure = ModelFailure { kind: FailureKind::Overloaded, status: Some(529), message: "busy".into() };
    let events =
        [asked(1, 0, &["task"], None), Event::ModelRetried { call: 1, failure, wait_ms: 5 }, answered(1)];
    check(&events, &["0+task -> 1"]);
}

#[test]
fn what_was_under_way_is_told_or_done_again() {
    let events = [
        acted(1),
        observed(1, Observation::Said),
        acted(2),
        Event::RunResumed,
        Event::Interrupted { action_id: 2 },
    ];
    assert_eq!(shown(&events, Unfinished::Tell), ["file 1: done", "file 2: interrupted"]);
    assert_eq!(shown(&events, Unfinished::DoAgain), ["file 1: done"]);
    let events = [acted(1), observed(1, cut_off())];
    assert_eq!(shown(&events, Unfinished::Tell), ["file 1: cut off"]);
    assert_eq!(shown(&events, Unfinished::DoAgain), [""; 0]);
}

#[test]
fn what_programs_inside_did_is_not_the_agents() {
    let gateway = Event::ModelAsked(Box::new(ModelAsked {
        call: 1,
        caller: Caller::Gateway { dialect: Wire::Chat, named: "x".into() },
        model: "a/b".into(),
        wire: Wire::Chat,
        request: AskedRequest::Bytes { body: Body::Text("{}".into()) },
        max_output_tokens: 1,
        hold: Hold::default(),
        retry_of: None,
    }));
    let validated = Event::Acted { action_id: 1, origin: Origin::Sandbox, action: Action::Validate };
    let events = [gateway, answered(1), validated, observed(1, Observation::Said)];
    check(&events, &[]);
    assert_eq!(unanswered(&log(&events)), None);
}
