//! A search while it works: the lines that are told of it, and at a terminal a view of all of it.
//!
//! Every event costs a few additions; the view is put into words when it is drawn, at most four times a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use researchgym_core::event::Event;
use researchgym_core::search::{Change, Chronicle, NodeId, Operator, Status, Tree};
use researchgym_core::spec::{AgentSpec, Limits};
use researchgym_core::state::RunState;

use super::search::failures;
use super::words::{counted, duration, first_line, money, number, printable};

/// How long a drawing stands, in milliseconds.
pub(super) const REDRAWN_MS: u64 = 250;
/// After so many failures their kinds are told in a line.
const FAILURES_A_LINE: u64 = 50;
/// Values of the best so far that are kept for its curve; when there are more, every other goes.
const CURVE: usize = 512;
/// Columns of the curve.
const CURVE_COLUMNS: usize = 32;
const TOP: usize = 5;
const MOST_SLOTS: usize = 12;
const MOST_ISLANDS: usize = 8;

/// A search that is watched.
#[derive(Default)]
pub(super) struct Watch {
    /// Whether somebody sees the view.
    pub(super) is_drawn: bool,
    seen: Option<Seen>,
}

/// What was seen of it so far.
struct Seen {
    head: String,
    metric: String,
    chronicle: Chronicle,
    slots: BTreeMap<NodeId, Slot>,
    top: Vec<Top>,
    islands: BTreeMap<u32, Island>,
    curve: Curve,
    limits: Limits,
    steps: u64,
    spent_usd: f64,
    working_ms: u64,
    seen_at: Instant,
    is_over: bool,
    /// Failures that no line has told yet, by kind.
    untold: BTreeMap<&'static str, u64>,
    /// A line about a new best that waits, because one was told just before.
    waiting: Option<String>,
    told_at: Option<Instant>,
}

/// What is done with a node at this moment.
struct Slot {
    operator: Operator,
    doing: String,
    since: Instant,
}

/// One of the best candidates.
#[derive(PartialEq)]
struct Top {
    node: NodeId,
    operator: Operator,
    value: f64,
    n: usize,
}

/// What was found on an island.
struct Island {
    measured: u64,
    /// Of the best, turned so that more is better, and as it is.
    fitness: f64,
    value: f64,
}

/// The best so far after each candidate, turned so that more is better.
struct Curve {
    values: Vec<f64>,
    every: u64,
    skipped: u64,
}

impl Watch {
    /// Takes in an event that `state` has taken in just before. Gives the lines that are told of it.
    pub(super) fn observe(&mut self, event: &Event, state: &RunState, now: Instant) -> Vec<String> {
        let Some(tree) = state.search.as_deref() else { return Vec::new() };
        let is_drawn = self.is_drawn;
        match &mut self.seen {
            Some(seen) => seen.observe(event, tree, state, now, is_drawn),
            none => {
                *none = Some(Seen::taken_up(tree, state, now));
                Vec::new()
            }
        }
    }

    /// The view in lines, for a terminal of so many columns and lines.
    pub(super) fn frame(&self, now: Instant, (columns, lines): (u16, u16)) -> Vec<String> {
        let mut frame = match &self.seen {
            Some(seen) => seen.frame(now),
            None => vec!["the search begins".to_owned()],
        };
        // Two lines stay for what is told above it.
        frame.truncate(usize::from(lines).saturating_sub(2).max(1));
        let columns = usize::from(columns).saturating_sub(1);
        frame.into_iter().map(|line| printable(&line).chars().take(columns).collect()).collect()
    }
}

impl Seen {
    fn taken_up(tree: &Tree, state: &RunState, now: Instant) -> Seen {
        let started = &state.started;
        let policy = match &started.spec.agent {
            AgentSpec::Search(search) => search.policy.name(),
            _ => started.spec.agent.name(),
        };
        let mut seen = Seen {
            head: format!("{policy} on {}, run {}", started.task.id, started.run_id),
            metric: tree.primary().name.clone(),
            chronicle: Chronicle::taken_up(state),
            slots: BTreeMap::new(),
            top: Vec::new(),
            islands: BTreeMap::new(),
            curve: Curve { values: Vec::new(), every: 1, skipped: 0 },
            limits: state.limits.clone(),
            steps: 0,
            spent_usd: 0.0,
            working_ms: 0,
            seen_at: now,
            is_over: false,
            untold: BTreeMap::new(),
            waiting: None,
            told_at: None,
        };
        for node in tree.nodes() {
            if node.status.is_settled() {
                seen.place(tree, node.id);
            } else {
                seen.do_with(node.id, node.operator, "waiting", now);
            }
        }
        seen.rank(tree);
        seen.count(state, now);
        seen
    }

    fn observe(
        &mut self,
        event: &Event,
        tree: &Tree,
        state: &RunState,
        now: Instant,
        is_drawn: bool,
    ) -> Vec<String> {
        let is_best = self.chronicle.observe(event, state);
        self.follow(event, tree, now);
        let mut lines = Vec::new();
        if matches!(event, Event::Evaluated(_) | Event::NodeDropped(_)) {
            for change in tree.changed() {
                match change {
                    Change::Settled(node) => self.settled(tree, *node),
                    Change::Remeasured(_) => self.rank(tree),
                    Change::Planned(..) | Change::Built(_) => {}
                }
            }
            if is_best {
                self.waiting = self.best_line();
            }
            if self.untold.values().sum::<u64>() >= FAILURES_A_LINE {
                lines.push(self.failure_line());
            }
        }
        if let Event::Planned(planned) = event
            && let Some(note) = &planned.note
        {
            lines.push(format!("        {}", first_line(note, 100)));
        }
        self.is_over = matches!(event, Event::RunEnded { .. });
        if self.is_over && !self.untold.is_empty() {
            lines.push(self.failure_line());
        }
        self.count(state, now);
        // At a terminal the view shows what a line would: there they come no faster than it is drawn.
        let was_just_told = |told: Instant| now.duration_since(told) < Duration::from_millis(REDRAWN_MS);
        let is_due = self.is_over || !is_drawn || !self.told_at.is_some_and(was_just_told);
        if is_due && let Some(line) = self.waiting.take() {
            self.told_at = Some(now);
            lines.insert(0, line);
        }
        lines
    }

    /// What slots do.
    fn follow(&mut self, event: &Event, tree: &Tree, now: Instant) {
        match event {
            Event::Planned(planned) => {
                for (node, plan) in (planned.first..).zip(&planned.plans) {
                    self.do_with(node, plan.operator, "making", now);
                }
            }
            Event::NodeBuilt(built) => self.turn_to(built.node, "waiting", now),
            Event::EvaluationBegan(began) => self.turn_to(began.node, &began.stage, now),
            Event::Evaluated(_) => {
                // Whatever is evaluated no more and was not settled waits for its next stage.
                let idle: Vec<NodeId> = self
                    .slots
                    .keys()
                    .filter(|node| tree.get(**node).is_some_and(|node| node.status == Status::Built))
                    .filter(|node| !tree.under_way().values().any(|busy| busy == *node))
                    .copied()
                    .collect();
                for node in idle {
                    self.turn_to(node, "waiting", now);
                }
            }
            _ => {}
        }
    }

    fn do_with(&mut self, node: NodeId, operator: Operator, doing: &str, now: Instant) {
        self.slots.insert(node, Slot { operator, doing: doing.to_owned(), since: now });
    }

    fn turn_to(&mut self, node: NodeId, doing: &str, now: Instant) {
        if let Some(slot) = self.slots.get_mut(&node).filter(|slot| slot.doing != doing) {
            slot.doing = doing.to_owned();
            slot.since = now;
        }
    }

    fn settled(&mut self, tree: &Tree, node: NodeId) {
        self.slots.remove(&node);
        self.place(tree, node);
        self.rank(tree);
        let kind = tree.get(node).and_then(|node| researchgym_core::search::failure_of(&node.status));
        if let Some(kind) = kind {
            *self.untold.entry(kind).or_default() += 1;
        }
    }

    /// Takes a settled node into the curve, and into its island.
    fn place(&mut self, tree: &Tree, id: NodeId) {
        if let Some(best) = tree.best().and_then(|best| tree.fitness(best)) {
            self.curve.push(best);
        }
        let island = tree.get(id).and_then(|node| node.tag.island);
        if let (Some(island), Some(fitness)) = (island, tree.fitness(id)) {
            let value = tree.turned(fitness);
            let found = self.islands.entry(island).or_insert(Island { measured: 0, fitness, value });
            found.measured += 1;
            if fitness > found.fitness {
                (found.fitness, found.value) = (fitness, value);
            }
        }
    }

    fn rank(&mut self, tree: &Tree) {
        let top = |id: NodeId| {
            let node = tree.get(id)?;
            let aggregate = node.aggregate()?;
            Some(Top { node: id, operator: node.operator, value: aggregate.mean, n: aggregate.n })
        };
        self.top.clear();
        self.top.extend(tree.ranked().take(TOP).filter_map(top));
    }

    fn count(&mut self, state: &RunState, now: Instant) {
        if self.limits != state.limits {
            self.limits = state.limits.clone();
        }
        self.steps = state.steps;
        self.spent_usd = state.ledger.spent().as_usd();
        self.working_ms = state.working_ms;
        self.seen_at = now;
    }

    fn best_line(&self) -> Option<String> {
        let best = self.chronicle.moments().last()?;
        let after = counted(best.candidates, "candidate");
        let spent = if self.spent_usd > 0.0 { format!(", {}", money(self.spent_usd)) } else { String::new() };
        Some(format!(
            "{:>6}  {} {} {}  the best so far, after {after}{spent}",
            best.node,
            best.operator,
            self.metric,
            number(best.value)
        ))
    }

    fn failure_line(&mut self) -> String {
        let untold = std::mem::take(&mut self.untold);
        let count: u64 = untold.values().sum();
        format!("        {count} came to nothing: {}", failures(&untold))
    }

    fn frame(&self, now: Instant) -> Vec<String> {
        let mut lines = vec![self.head.clone()];
        let best = match self.top.first() {
            Some(Top { node, value, n, .. }) => {
                format!(
                    "best {} {} (node {node}, n = {n})  {}",
                    self.metric,
                    number(*value),
                    self.curve.drawn()
                )
            }
            None => "nothing measured yet".to_owned(),
        };
        lines.push(best);
        lines.push(self.counts());
        lines.push(self.spend(now));
        if !self.chronicle.failures().is_empty() {
            lines.push(format!("failures: {}", failures(self.chronicle.failures())));
        }
        lines.extend(self.slots.iter().take(MOST_SLOTS).map(|(node, slot)| {
            let seconds = whole(now.saturating_duration_since(slot.since).as_secs());
            format!("  {node:>6}  {:<10} {:<10} {seconds}", slot.operator.name(), slot.doing)
        }));
        if self.slots.len() > MOST_SLOTS {
            lines.push(format!("          and {} more", self.slots.len() - MOST_SLOTS));
        }
        if self.islands.is_empty() {
            lines.extend(self.top.iter().enumerate().map(|(place, top)| {
                let name = format!("#{} node {}", place + 1, top.node);
                format!("  {name:<16} {:<10} {} (n = {})", top.operator.name(), number(top.value), top.n)
            }));
        }
        lines.extend(self.islands.iter().take(MOST_ISLANDS).map(|(island, found)| {
            format!("  island {island:<3} {:>6} measured, best {}", found.measured, number(found.value))
        }));
        lines
    }

    fn counts(&self) -> String {
        let candidates = match self.limits.steps {
            Some(limit) => format!("{} of {limit} candidates planned", self.steps),
            None => format!("{} planned", counted(self.steps, "candidate")),
        };
        let settled = self.chronicle.settled();
        let settled = settled.iter().map(|(status, count)| format!(", {count} {status}"));
        format!("{candidates}{}", settled.collect::<String>())
    }

    fn spend(&self, now: Instant) -> String {
        let since =
            if self.is_over { 0 } else { now.saturating_duration_since(self.seen_at).as_millis() as u64 };
        let time = whole((self.working_ms + since) / 1000);
        let time = match self.limits.working_ms {
            Some(limit) => format!("{time} of {}", duration(limit as f64 / 1e3)),
            None => time,
        };
        let money = match self.limits.budget {
            Some(limit) => format!("{} of {}", money(self.spent_usd), money(limit.as_usd())),
            None => money(self.spent_usd),
        };
        format!("{time}, {money}, {}", counted(self.chronicle.evaluations(), "evaluation"))
    }
}

/// Whole seconds: a view that counts has no use for parts of them.
fn whole(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { duration(seconds as f64) }
}

impl Curve {
    fn push(&mut self, value: f64) {
        self.skipped += 1;
        if self.skipped < self.every {
            return;
        }
        self.skipped = 0;
        self.values.push(value);
        if self.values.len() > CURVE {
            let mut number = 0;
            self.values.retain(|_| {
                number += 1;
                number % 2 == 0
            });
            self.every *= 2;
        }
    }

    /// In blocks of eight heights, from the worst to the best that there was.
    fn drawn(&self) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if high.partial_cmp(&low) != Some(std::cmp::Ordering::Greater) {
            return String::new();
        }
        let columns = self.values.len().min(CURVE_COLUMNS);
        let block = |column: usize| {
            let last = ((column + 1) * self.values.len()).div_ceil(columns) - 1;
            let share = (self.values[last] - low) / (high - low);
            BLOCKS[((share * 7.0).round() as usize).min(7)]
        };
        (0..columns).map(block).collect()
    }
}

#[cfg(test)]
mod tests {
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
            self.tell(json!({ "type": "evaluation_began", "evaluation": evaluation, "node": node, "stage": "full" }));
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
            "16 s of 10 min 0 s, 0.00 USD, 3 evaluations",
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
        assert_eq!(
            frame[5..7],
            ["       4  tune       waiting    0 s", "       5  tune       waiting    0 s"]
        );
    }

    #[test]
    fn a_curve_keeps_its_form_however_long_it_grows() {
        let mut curve = Curve { values: Vec::new(), every: 1, skipped: 0 };
        assert_eq!(curve.drawn(), "");
        (0..100_000).for_each(|value| curve.push(f64::from(value)));
        assert!(curve.values.len() <= CURVE);
        assert_eq!(curve.drawn(), "▁▁▂▂▂▂▃▃▃▃▃▄▄▄▄▄▅▅▅▅▆▆▆▆▆▇▇▇▇███");
    }
}
