//! What achievement costs.

use std::collections::BTreeMap;

use researchgym_core::statistics::Analysis;
use researchgym_core::statistics::across::ProfileRow;
use researchgym_core::statistics::sample::Estimate;
use researchgym_core::statistics::standing::{FrontPoint, Standing};

use super::super::csv::{Csv, Value};
use super::super::{Figure, scatter};
use super::{Cast, Drawn, ends, high, low};

/// One way to weigh achievement against spending.
struct View {
    id: &'static str,
    title: &'static str,
    up: &'static str,
    across: &'static str,
    /// How many of the analysis' units are one of the axis'.
    unit: f64,
    spent: &'static str,
}

const PUBLISHED: &str = "AUP of best attempts as published ↑";
const AVERAGE: &str = "average improvement of final submissions ↑";
const DOLLARS: &str = "mean cost of a run in dollars (logarithmic)";
const MINUTES: &str = "mean time of a run in minutes (logarithmic)";

pub(super) fn figures(analysis: &Analysis, cast: &Cast) -> Vec<Drawn> {
    let front = &analysis.front;
    let view = |id, title, up, across, unit, spent| View { id, title, up, across, unit, spent };
    // A resample moves the scale of all published areas at once: their intervals tell nothing of their order.
    let area =
        |standing: &Standing| standing.best.published_area.map(|area| Estimate { interval: None, ..area });
    let average = |standing: &Standing| standing.submission.average;
    let baseline = |rows: &[ProfileRow]| rows.iter().find(|row| row.is_baseline).and_then(|row| row.area);
    let published_baseline = baseline(&analysis.published.best);
    vec![
        draw(
            analysis,
            cast,
            &view("area-cost", "AUP against cost", PUBLISHED, DOLLARS, 1e6, "money"),
            &front.money,
            area,
            published_baseline,
        ),
        draw(
            analysis,
            cast,
            &view("improvement-cost", "Improvement against cost", AVERAGE, DOLLARS, 1e6, "money"),
            &front.money,
            average,
            Some(0.0),
        ),
        draw(
            analysis,
            cast,
            &view("area-time", "AUP against time", PUBLISHED, MINUTES, 60_000.0, "time"),
            &front.time,
            area,
            published_baseline,
        ),
    ]
}

fn draw(
    analysis: &Analysis,
    cast: &Cast,
    view: &View,
    spent: &[FrontPoint],
    achieved: fn(&Standing) -> Option<Estimate>,
    baseline: Option<f64>,
) -> Drawn {
    let estimates: BTreeMap<&str, Estimate> = analysis
        .contenders
        .iter()
        .filter_map(|standing| Some((standing.contender.as_str(), achieved(standing)?)))
        .collect();
    let known: Vec<(&FrontPoint, Estimate)> =
        spent.iter().filter_map(|point| Some((point, *estimates.get(point.contender.as_str())?))).collect();
    if known.is_empty() {
        return Err(format!("{}: no contender's {} is known beside its scores", view.title, view.spent));
    }
    let is_front = |point: &FrontPoint, value: f64| {
        !known.iter().any(|(other, estimate)| {
            other.cost <= point.cost
                && estimate.value >= value
                && (other.cost < point.cost || estimate.value > value)
        })
    };
    let mut csv = Csv::new(&["contender", "mean_spent", "runs", "value", "low", "high", "is_on_front"]);
    let mut points = Vec::new();
    for (point, estimate) in &known {
        let across = point.cost / view.unit;
        let is_front = is_front(point, estimate.value);
        csv.line([
            Value::Text(&point.contender),
            Value::Number(Some(across)),
            Value::Count(point.runs),
            Value::Number(Some(estimate.value)),
            low(estimate.interval),
            high(estimate.interval),
            Value::Text(if is_front { "true" } else { "false" }),
        ]);
        points.push(scatter::Point {
            shown: cast.shown(&point.contender),
            across,
            across_interval: None,
            up: estimate.value,
            up_interval: ends(estimate.interval),
            is_front,
        });
    }
    let missing = analysis.contenders.len() - known.len();
    let missing = match missing {
        0 => String::new(),
        missing => format!(
            " Not shown, since it is not known: {missing} of {} contenders.",
            analysis.contenders.len()
        ),
    };
    let what = match view.spent {
        "money" => "What a run costs on average against what it achieves.",
        _ => "How long a run takes on average against what it achieves.",
    };
    let costs = match (view.spent, analysis.settings.is_priced) {
        ("money", false) => {
            " Costs are as they were recorded, which is not always comparable between providers."
        }
        ("money", true) => " Costs are computed from tokens and a table of prices.",
        _ => "",
    };
    let intervals = if known.iter().any(|(_, estimate)| estimate.interval.is_some()) {
        cast.notes()
    } else {
        "Intervals of areas are not drawn: a resample moves the scale of all of them at once."
    };
    let caption = format!(
        "{what} The line joins those whom nobody beats at a lower or equal price (Pareto front).{costs}{missing} {intervals}"
    );
    let chart = scatter::Chart {
        across: view.across.to_owned(),
        up: view.up.to_owned(),
        points,
        reference: baseline.map(|value| (value, "baseline".to_owned())),
    };
    Ok(Figure::new(view.id, view.title, &caption, scatter::draw(&chart), csv.text()))
}
