//! A search while it works: the lines that are told of it, and at a terminal a view of all of it.
//!
//! Every event costs a few additions; the view is put into words when it is drawn, at most four times a second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use researchgym_core::event::Event;
use researchgym_core::search::event::TrialReported;
use researchgym_core::search::{Change, Chronicle, NodeId, Operator, Status, Tree};
use researchgym_core::spec::{AgentSpec, Limits};
use researchgym_core::state::RunState;

use super::search::failures;
use super::sparkline::sparkline;
use super::trials::Newest;
use super::words::{counted, duration, first_line, money, number, printable};

/// How long a drawing stands, in milliseconds.
pub(super) const REDRAWN_MS: u64 = 250;
/// After so many failures their kinds are told in a line.
const FAILURES_A_LINE: u64 = 50;
/// Where nobody sees the view, trials' metrics are told in a line, no more often than this.
const TRIALS_A_LINE: Duration = Duration::from_secs(10);
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
    /// When a trial's metrics were told last.
    metrics_at: Option<Instant>,
}

/// What is done with a node at this moment.
struct Slot {
    operator: Operator,
    doing: String,
    since: Instant,
    /// What its program has told.
    newest: Newest,
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
            metrics_at: None,
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
        if let Event::TrialReported(told) = event {
            lines.extend(self.metrics_line(told, now, is_drawn));
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
            Event::TrialReported(told) => {
                if let Some(slot) = self.slots.get_mut(&told.node) {
                    slot.newest.take(&told.points);
                }
            }
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
        self.slots
            .insert(node, Slot { operator, doing: doing.to_owned(), since: now, newest: Newest::default() });
    }

    fn turn_to(&mut self, node: NodeId, doing: &str, now: Instant) {
        if let Some(slot) = self.slots.get_mut(&node).filter(|slot| slot.doing != doing) {
            slot.doing = doing.to_owned();
            slot.since = now;
            slot.newest = Newest::default();
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

    /// What a trial has told, where nobody sees its slot.
    fn metrics_line(&mut self, told: &TrialReported, now: Instant, is_drawn: bool) -> Option<String> {
        let was_told = |told: Instant| now.duration_since(told) < TRIALS_A_LINE;
        if is_drawn || self.metrics_at.is_some_and(was_told) {
            return None;
        }
        let slot = self.slots.get(&told.node)?;
        self.metrics_at = Some(now);
        Some(format!("{:>6}  {} {}: {}", told.node, slot.operator, slot.doing, slot.newest))
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
            let line = format!(
                "  {node:>6}  {:<10} {:<10} {seconds:<8} {}",
                slot.operator.name(),
                slot.doing,
                slot.newest
            );
            line.trim_end().to_owned()
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
            Some(limit) => format!(", {} of {}", money(self.spent_usd), money(limit.as_usd())),
            None if self.spent_usd > 0.0 => format!(", {}", money(self.spent_usd)),
            // Nobody is asked who could be paid.
            None => String::new(),
        };
        format!("{time}{money}, {}", counted(self.chronicle.evaluations(), "evaluation"))
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
        sparkline(&self.values, CURVE_COLUMNS)
    }
}

#[cfg(test)]
mod tests;
