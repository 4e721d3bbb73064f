//! Training curves of a search's trials: what the programs of its best candidates told of themselves while they worked.

use std::collections::BTreeMap;

use researchgym_core::record::{NodeRecord, TrialRecord};
use researchgym_core::search::event::MetricPoint;

use super::super::super::csv::{Csv, Value};
use super::super::super::frame::{Axis, Shown};
use super::super::super::scale::{self, Scale};
use super::super::super::{Figure, curves, number};
use super::super::{Drawn, font, slug};
use super::{Run, Searches};
use crate::palette::Style;
use crate::search::{SearchTree, contender, task};

/// Metrics that are drawn: those that most trials have.
const MOST_METRICS: usize = 4;
/// Values beyond this are not drawn: differences between them may be no numbers.
const LARGEST: f64 = 1e300;

pub(super) fn figures(searches: &Searches<'_>, trees: &[SearchTree]) -> Vec<Drawn> {
    let of = |tree: &SearchTree| {
        let run = searches.runs().find(|run| run.record.run_id == tree.run_id)?;
        figure(run, tree).map(Ok)
    };
    trees.iter().filter_map(of).collect()
}

/// What one trial told of one metric.
struct Line<'a> {
    trial: &'a TrialRecord,
    points: Vec<&'a MetricPoint>,
}

fn figure(run: &Run<'_>, tree: &SearchTree) -> Option<Figure> {
    let trials: Vec<&TrialRecord> = tree.trials.values().collect();
    let metrics = metrics(&trials);
    if metrics.is_empty() {
        return None;
    }
    let all = || metrics.iter().flat_map(|(_, lines)| lines).flat_map(|line| &line.points);
    let has_steps = all().all(|point| point.step.is_some());
    let place = |point: &MetricPoint| match point.step.filter(|_| has_steps) {
        Some(step) => step as f64,
        None => point.at_ms as f64 / 1e3,
    };
    let (first, last) = all()
        .map(|point| place(point))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (low.min(place), high.max(place)));
    let across = if has_steps { "step" } else { "seconds since the program began" };
    let mut csv = Csv::new(&["node", "evaluation", "metric", "step", "at_ms", "value"]);
    let mut panels = Vec::new();
    for (name, lines) in &metrics {
        for (trial, point) in
            lines.iter().flat_map(|line| line.points.iter().map(|point| (line.trial, point)))
        {
            let step = point.step.map(|step| step.to_string()).unwrap_or_default();
            csv.line([
                Value::Count(u64::from(trial.node)),
                Value::Count(trial.evaluation),
                Value::Text(name),
                Value::Text(&step),
                Value::Count(point.at_ms),
                Value::Number(Some(point.value)),
            ]);
        }
        let values: Vec<f64> = lines.iter().flat_map(|line| &line.points).map(|point| point.value).collect();
        let (low, high) = scale::usual(&values)?;
        let curves = lines.iter().map(|line| {
            let mut points: Vec<(f64, f64)> =
                line.points.iter().map(|point| (place(point), point.value)).collect();
            // A program that began anew counts from the beginning.
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            curves::Curve { shown: shown(tree, line.trial), points, band: Vec::new() }
        });
        panels.push(curves::Panel {
            title: font::plain(name),
            across: Axis::new(across, Scale::linear([first, last], 0.0), 6),
            up: Axis::new(font::plain(name), Scale::linear([low, high], 0.06), 4),
            curves: curves.collect(),
            reference: None,
        });
    }
    let scene = match panels.as_slice() {
        [panel] => curves::single(&curves::Panel { title: String::new(), ..panel.clone() }, 230.0),
        several => curves::grid(several, 2, 110.0),
    };
    let title = format!(
        "Metrics of trials of run {} ({} on {})",
        tree.run_id,
        contender(run.record, run.search),
        task(run.record)
    );
    let caption = "What the programs of the four best candidates, of the middle one and of the baseline told of themselves while they were evaluated; no grader has seen it. \
                   The metrics that most of them have, each value until the next. Behind a node's number: its value by the primary metric.";
    Some(Figure::new(&format!("search-trials-{}", slug(&tree.run_id)), &title, caption, scene, csv.text()))
}

/// The metrics that are drawn, each with its lines in the order of the trials.
fn metrics<'a>(trials: &[&'a TrialRecord]) -> Vec<(&'a str, Vec<Line<'a>>)> {
    let mut order: BTreeMap<&str, usize> = BTreeMap::new();
    let mut metrics: Vec<(&str, Vec<Line<'_>>)> = Vec::new();
    for trial in trials {
        for (name, mut points) in trial.series() {
            points.retain(|point| point.value.abs() <= LARGEST);
            // One value is no curve.
            if points.len() < 2 {
                continue;
            }
            let place = *order.entry(name).or_insert(metrics.len());
            let line = Line { trial, points };
            match metrics.get_mut(place) {
                Some((_, lines)) => lines.push(line),
                None => metrics.push((name, vec![line])),
            }
        }
    }
    metrics.sort_by_key(|(_, lines)| std::cmp::Reverse(lines.len()));
    metrics.truncate(MOST_METRICS);
    metrics
}

/// A trial's node, the same in every panel.
fn shown(tree: &SearchTree, trial: &TrialRecord) -> Shown {
    if trial.node == 0 {
        return Shown { name: "baseline".to_owned(), style: Style::baseline() };
    }
    let node: Option<&NodeRecord> = tree.nodes.iter().find(|node| node.node == trial.node);
    let value = node.and_then(|node| node.value);
    let value = value.map(|value| format!(": {}", number::significant(value, 4))).unwrap_or_default();
    let place =
        tree.trials.values().filter(|other| other.node != 0).position(|other| other.node == trial.node);
    Shown { name: format!("node {}{value}", trial.node), style: Style::of(place.unwrap_or(0)) }
}
