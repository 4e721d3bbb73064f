//! What is told of searches, as whole lines and views.

use researchgym_core::digest::Digest;
use researchgym_core::event::Line;
use serde_json::{Value, json};

use super::*;

const TASK: &str = r#"
schema = 1
id = "guess"
title = "Guess"
domain = "testing"
description = "description.md"
metrics = [{ name = "error", direction = "minimize", primary = true }]
workspace = { starter = "starter" }
submission = { artefacts = ["guess.txt"] }
grader = { files = "grader", command = ["true"], validate_on = "validation" }
"#;

/// A search that is watched, told events one second after the other.
struct Told {
    state: RunState,
    watch: Watch,
    begun: Instant,
    seconds: u64,
    lines: Vec<String>,
}

fn line(event: &Value) -> Line {
    Line {
        seq: 0,
        prev: Digest::ZERO,
        time: "2026-11-25T10:00:00.000Z".to_owned(),
        event: serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{error}: {event}")),
    }
}

impl Told {
    fn begun(is_drawn: bool) -> Told {
        let task = researchgym_core::task::parse(TASK, "task.toml").expect("a task");
        let search = json!({
            "policy": { "name": "hill-climb" }, "operators": { "tune": 1.0 }, "parallel": 2, "measurements": 1,
            "novelty": {}, "form": "search-replace", "repairs": 1, "context_tokens": 1000, "inheritance": "code",
            "model_weight": 1.0, "selection": "weights",
        });
        let agent = AgentSpec::Search(serde_json::from_value(search).expect("a search"));
        let started = json!({
            "type": "run_started", "schema": 1, "run_id": "12345678", "version": "0",
            "spec": {
                "schema": 1, "task": "guess", "task_dir": "/tasks/guess", "variant": "default", "agent": agent,
                "model": null, "seed": 7, "seed_given": true, "runtime": "local",
                "limits": { "working_ms": 600_000, "steps": 100, "budget_micro_usd": null },
            },
            "task": task, "digests": { "task": Digest::of(b""), "agent": Digest::of(b"") },
            "grading_secret": researchgym_core::keys::GradingSecret::from_seed(7),
        });
        let line = line(&started);
        let state = RunState::start(&line).expect("a start");
        let begun = Instant::now();
        let mut watch = Watch { is_drawn, ..Watch::default() };
        assert_eq!(watch.observe(&line.event, &state, begun), [] as [&str; 0]);
        Told { state, watch, begun, seconds: 0, lines: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_secs(self.seconds)
    }

    fn tell(&mut self, event: Value) {
        self.seconds += 1;
        let line = line(&event);
        self.state.apply(&line).unwrap_or_else(|error| panic!("{error}: {event}"));
        let now = self.now();
        self.lines.extend(self.watch.observe(&line.event, &self.state, now));
    }

    fn plan(&mut self, first: u32, plans: Value) {
        let (ask, working_ms) = (u64::from(first), 1000 * self.seconds);
        self.tell(json!({
            "type": "planned", "ask": ask, "free": 1, "first": first, "plans": plans, "working_ms": working_ms,
        }));
    }

    fn build(&mut self, node: u32) {
        self.tell(json!({
            "type": "node_built", "node": node, "artefact": Digest::of(b""), "size": 1, "attempts": 1, "working_ms": 0,
        }));
    }

    fn evaluate(&mut self, evaluation: u64, node: u32, outcome: Value) {
        self.tell(
            json!({ "type": "evaluation_began", "evaluation": evaluation, "node": node, "stage": "full" }),
        );
        self.tell(json!({
            "type": "evaluated", "evaluation": evaluation, "outcome": outcome, "wall_ms": 1, "cpu_ms": 1,
            "working_ms": 1000 * (self.seconds + 1),
        }));
    }

    fn drop_node(&mut self, node: u32) {
        self.tell(json!({
            "type": "node_dropped", "node": node, "gate": "duplicate", "reason": "again", "attempts": 1, "working_ms": 0,
        }));
    }
}

fn graded(value: f64) -> Value {
    json!({ "type": "graded", "score": { "metrics": { "error": value }, "invalid": null } })
}

fn tuned(base: u32) -> Value {
    json!({ "operator": "tune", "parents": [base], "tag": { "island": 1 } })
}

/// A search with everything in it.
fn told(is_drawn: bool) -> Told {
    let mut told = Told::begun(is_drawn);
    told.plan(0, json!([{ "operator": "baseline" }]));
    told.build(0);
    told.evaluate(1, 0, graded(5.0));
    told.plan(1, json!([tuned(0), tuned(0)]));
    told.build(1);
    told.evaluate(2, 1, graded(3.0));
    told.drop_node(2);
    told.plan(3, json!([tuned(1), tuned(1), tuned(1)]));
    told.build(3);
    told.evaluate(3, 3, json!({ "type": "failed", "kind": "time_out", "reason": "after 2 s" }));
    told.build(4);
    told.tell(json!({ "type": "evaluation_began", "evaluation": 4, "node": 4, "stage": "full" }));
    told.seconds += 3;
    told
}

#[test]
fn the_view_tells_where_everything_stands() {
    let told = told(true);
    let expected = [
        "hill-climb on guess, run 12345678",
        "best error 3.0000 (node 1, n = 1)  ▁███",
        "5 of 100 candidates planned, 1 dropped, 1 failed, 2 measured",
        "16 s of 10 min 0 s, 3 evaluations",
        "failures: 1 duplicate, 1 time out",
        "       4  tune       full       3 s",
        "       5  tune       making     8 s",
        "  island 1        1 measured, best 3.0000",
    ];
    assert_eq!(told.watch.frame(told.now(), (100, 40)), expected);
    let small = told.watch.frame(told.now(), (12, 5));
    assert_eq!(small, ["hill-climb ", "best error ", "5 of 100 ca"]);
}

#[test]
fn a_pipe_is_told_new_bests_and_what_failed() {
    let mut told = told(false);
    let first = told.state.search.as_ref().expect("a tree").nodes().len() as u32;
    for node in first..first + 48 {
        told.plan(node, json!([tuned(1)]));
        told.drop_node(node);
    }
    told.plan(first + 48, json!([tuned(1)]));
    told.drop_node(first + 48);
    told.tell(json!({ "type": "run_ended", "ending": "step_limit", "working_ms": 99_000, "segment_wall_ms": 99_000 }));
    let expected = [
        "     0  baseline error 5.0000  the best so far, after 0 candidates",
        "     1  tune error 3.0000  the best so far, after 1 candidate",
        "        50 came to nothing: 49 duplicate, 1 time out",
        "        1 came to nothing: 1 duplicate",
    ];
    assert_eq!(told.lines, expected);
}

#[test]
fn at_a_terminal_bests_that_follow_at_once_are_told_together() {
    let mut told = Told::begun(true);
    told.plan(0, json!([{ "operator": "baseline" }]));
    told.build(0);
    told.evaluate(1, 0, graded(5.0));
    let now = told.now();
    told.plan(1, json!([tuned(0), tuned(0)]));
    for (node, evaluation, value) in [(1, 2, 4.0), (2, 3, 3.0)] {
        told.build(node);
        told.evaluate(evaluation, node, graded(value));
        // All of it happens in one moment.
        if let Some(seen) = &mut told.watch.seen {
            seen.told_at = Some(told.begun + Duration::from_secs(told.seconds + 1));
        }
        told.seconds -= 3;
    }
    assert!(told.now() > now - Duration::from_secs(9));
    told.seconds += 60;
    told.tell(json!({ "type": "run_ended", "ending": "step_limit", "working_ms": 99_000, "segment_wall_ms": 99_000 }));
    assert_eq!(
        told.lines.last().map(String::as_str),
        Some("     2  tune error 3.0000  the best so far, after 2 candidates")
    );
}

#[test]
fn a_search_that_goes_on_is_shown_as_it_stands() {
    let told = told(true);
    let mut watch = Watch { is_drawn: true, ..Watch::default() };
    watch.observe(&Event::RunResumed, &told.state, told.now());
    let frame = watch.frame(told.now(), (100, 40));
    assert_eq!(frame[1], "best error 3.0000 (node 1, n = 1)  ");
    assert_eq!(
        frame[2..5],
        told.watch.frame(told.now(), (100, 40))[2..5]
            .iter()
            .map(|line| line.replace("16 s", "13 s"))
            .collect::<Vec<_>>()
    );
    assert_eq!(frame[5..7], ["       4  tune       waiting    0 s", "       5  tune       waiting    0 s"]);
}

#[test]
fn a_curve_keeps_its_form_however_long_it_grows() {
    let mut curve = Curve { values: Vec::new(), every: 1, skipped: 0 };
    assert_eq!(curve.drawn(), "");
    (0..100_000).for_each(|value| curve.push(f64::from(value)));
    assert!(curve.values.len() <= CURVE);
    assert_eq!(curve.drawn(), "▁▁▂▂▂▂▃▃▃▃▃▄▄▄▄▄▅▅▅▅▆▆▆▆▆▇▇▇▇███");
}

impl Told {
    fn report(&mut self, evaluation: u64, node: u32, points: Value) {
        self.tell(
            json!({ "type": "trial_reported", "evaluation": evaluation, "node": node, "points": points }),
        );
    }
}

#[test]
fn a_slot_shows_what_its_program_told_last() {
    let mut told = told(true);
    told.report(4, 4, json!([{ "name": "loss", "step": 1, "value": 2.0, "at_ms": 5 }]));
    told.report(4, 4, json!([
        { "name": "loss", "step": 20, "value": 0.5, "at_ms": 9 }, { "name": "lr\u{1b}[2J", "step": 20, "value": 0.1, "at_ms": 9 },
        { "name": "c", "value": 1, "at_ms": 9 }, { "name": "d", "value": 1, "at_ms": 9 },
    ]));
    let row = |told: &Told| {
        let frame = told.watch.frame(told.now(), (100, 40));
        frame.into_iter().find(|line| line.starts_with("       4 ")).expect("a slot")
    };
    let shown = row(&told);
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let expected = "       4  tune       full       5 s      step 20, loss 0.5000, lr";
    assert!(shown.starts_with(expected) && shown.ends_with(", c 1.0000"), "{shown}");
    // Another stage is another program.
    told.tell(json!({
        "type": "evaluated", "evaluation": 4, "outcome": { "type": "stopped" }, "wall_ms": 1, "cpu_ms": 1, "working_ms": 90_000,
    }));
    assert_eq!(row(&told), "       4  tune       waiting    0 s");
}

#[test]
fn a_pipe_is_told_metrics_at_a_bounded_rate() {
    let mut told = told(false);
    told.lines.clear();
    for step in 1..=25 {
        told.report(
            4,
            4,
            json!([{ "name": "loss", "step": step, "value": 1.0 / f64::from(step), "at_ms": 0 }]),
        );
    }
    let expected = [
        "     4  tune full: step 1, loss 1.0000",
        "     4  tune full: step 11, loss 0.0909",
        "     4  tune full: step 21, loss 0.0476",
    ];
    assert_eq!(told.lines, expected);
}
