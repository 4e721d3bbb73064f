//! How scores grow with what is spent.

use researchgym_core::score::Direction;
use researchgym_core::statistics::Analysis;
use researchgym_core::statistics::curve::{Average, Axis as Spending, Curve, Spent};
use researchgym_core::statistics::tasks::Task;

use super::super::csv::{Csv, Value};
use super::super::frame::Axis;
use super::super::scale::{self, Scale};
use super::super::{Figure, curves};
use super::{Cast, Drawn, metric};

pub(super) fn figures(analysis: &Analysis, cast: &Cast) -> Vec<Drawn> {
    let mut drawn: Vec<Drawn> =
        [Spending::Steps, Spending::Time, Spending::Money].map(|axis| averages(analysis, cast, axis)).into();
    drawn.push(by_task(analysis, cast));
    drawn
}

/// The name of an axis in titles, its unit, and how many of the analysis' units are one.
fn unit(axis: Spending) -> (&'static str, &'static str, f64) {
    match axis {
        Spending::Money => ("money", "dollars spent by a run", 1e6),
        Spending::Time => ("time", "minutes into a run", 60_000.0),
        Spending::Steps => ("steps", "steps into a run", 1.0),
    }
}

fn averages(analysis: &Analysis, cast: &Cast, axis: Spending) -> Drawn {
    let (name, across, unit) = unit(axis);
    let averages: Vec<&Average> = analysis
        .curves
        .contenders
        .iter()
        .filter(|average| average.axis == axis && average.spent.len() > 1)
        .collect();
    if averages.is_empty() {
        return Err(format!("best score so far against {name}: no source tells when scores were reached"));
    }
    let mut csv = Csv::new(&["contender", "spent", "mean_place", "runs", "runs_left_out"]);
    let mut drawn = Vec::new();
    for average in &averages {
        let points: Vec<(f64, f64)> =
            average.spent.iter().zip(&average.place).map(|(spent, place)| (spent / unit, *place)).collect();
        for (spent, place) in &points {
            csv.line([
                Value::Text(&average.contender),
                Value::Number(Some(*spent)),
                Value::Number(Some(*place)),
                Value::Count(average.runs),
                Value::Count(average.left_out),
            ]);
        }
        drawn.push(curves::Curve { shown: cast.shown(&average.contender), points, band: Vec::new() });
    }
    let most = drawn.iter().flat_map(|curve| curve.points.iter().map(|point| point.0)).fold(0.0, f64::max);
    let values = drawn.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    let left_out: u64 = averages.iter().map(|average| average.left_out).sum();
    let runs: u64 = averages.iter().map(|average| average.runs).sum();
    let panel = curves::Panel {
        title: String::new(),
        across: Axis::new(across, Scale::between(0.0, most), 8),
        up: Axis::new(
            "mean best score so far beside the baseline ↑",
            Scale::linear(values.chain([0.0]), 0.04),
            5,
        ),
        reference: Some((0.0, "baseline".to_owned())),
        curves: drawn,
    };
    let caption = format!(
        "The best score so far of {runs} runs on tasks with a baseline, averaged on the comparable scale (0 = the baseline, 1 = ten times better, −1 = ten \
         times worse or no score yet). Runs that ended keep their score.{}",
        if left_out > 0 {
            format!(" {left_out} runs do not count: they do not tell when all of their scores were reached.")
        } else {
            String::new()
        }
    );
    let scene = curves::single(&panel, (panel.curves.len() as f64 * 10.0 + 90.0).max(230.0));
    Ok(Figure::new(
        &format!("best-so-far-{name}"),
        &format!("Best score so far against {name}"),
        &caption,
        scene,
        csv.text(),
    ))
}

/// What a point's place is on the first axis that enough runs tell.
fn by_task(analysis: &Analysis, cast: &Cast) -> Drawn {
    let steps: fn(&Spent) -> Option<f64> = |spent| spent.steps.map(|steps| steps as f64);
    let minutes: fn(&Spent) -> Option<f64> = |spent| spent.ms.map(|ms| ms as f64 / 60_000.0);
    let known = |pick: fn(&Spent) -> Option<f64>| {
        analysis
            .curves
            .runs
            .iter()
            .filter(|curve| curve.points.iter().all(|point| pick(&point.after).is_some()))
            .count()
    };
    let (pick, across) = if known(steps) >= known(minutes) {
        (steps, "steps into a run")
    } else {
        (minutes, "minutes into a run")
    };
    if known(pick) == 0 {
        return Err("best score so far by task: no source tells when scores were reached".to_owned());
    }
    let mut csv = Csv::new(&["task", "contender", "spent", "best_of_all_runs_so_far"]);
    let panels: Vec<curves::Panel> =
        analysis.tasks.iter().filter_map(|task| panel(analysis, cast, task, pick, across)).collect();
    for panel in &panels {
        for curve in &panel.curves {
            for (spent, value) in &curve.points {
                csv.line([
                    Value::Text(&panel.title),
                    Value::Text(&curve.shown.name),
                    Value::Number(Some(*spent)),
                    Value::Number(Some(*value)),
                ]);
            }
        }
    }
    let (columns, height) = if panels.len() > 6 {
        (4, 78.0)
    } else if panels.len() > 1 {
        (2, 120.0)
    } else {
        (1, 180.0)
    };
    let caption = "For each task, the best score that any run of a contender had reached after so much; lines end where its last run ended. Dashed: the \
                   baseline. Vertical axes show what is usual on a task: lines along an edge lie beyond it.";
    Ok(Figure::new(
        "best-so-far-tasks",
        "Best score so far by task",
        caption,
        curves::grid(&panels, columns, height),
        csv.text(),
    ))
}

fn panel(
    analysis: &Analysis,
    cast: &Cast,
    task: &Task,
    pick: fn(&Spent) -> Option<f64>,
    across: &str,
) -> Option<curves::Panel> {
    let direction = task.primary.as_ref()?.direction;
    let of_task = || analysis.curves.runs.iter().filter(|curve| curve.task == task.label);
    let drawn: Vec<curves::Curve> = analysis
        .contenders
        .iter()
        .filter_map(|standing| {
            let runs: Vec<&Curve> = of_task().filter(|curve| curve.contender == standing.contender).collect();
            let points = envelope(&runs, pick, direction);
            (!points.is_empty()).then(|| curves::Curve {
                shown: cast.shown(&standing.contender),
                points,
                band: Vec::new(),
            })
        })
        .collect();
    if drawn.is_empty() {
        return None;
    }
    let values: Vec<f64> = drawn
        .iter()
        .flat_map(|curve| curve.points.iter().map(|point| point.1))
        .chain(task.baseline)
        .collect();
    let (low, high) = scale::usual(&values).unwrap_or((0.0, 1.0));
    let most = drawn.iter().flat_map(|curve| curve.points.iter().map(|point| point.0)).fold(1.0, f64::max);
    Some(curves::Panel {
        title: super::super::font::plain(&task.label),
        across: Axis::new(across, Scale::between(0.0, most), 3),
        up: Axis::new(metric(task.primary.as_ref()), Scale::linear([low, high], 0.06), 3),
        curves: drawn,
        reference: task.baseline.map(|baseline| (baseline, String::new())),
    })
}

/// The best of several runs so far.
fn envelope(runs: &[&Curve], pick: fn(&Spent) -> Option<f64>, direction: Direction) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = runs
        .iter()
        .flat_map(|run| &run.points)
        .filter_map(|point| Some((pick(&point.after)?, point.value)))
        .collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut best: Vec<(f64, f64)> = Vec::new();
    for (spent, value) in all {
        match best.last().copied() {
            Some((_, before)) if direction.gain(value, before) <= 0.0 => {}
            _ => best.push((spent, value)),
        }
    }
    let end = runs.iter().filter_map(|run| pick(&run.end)).fold(f64::NEG_INFINITY, f64::max);
    if let Some((spent, value)) = best.last().copied()
        && end > spent
    {
        best.push((end, value));
    }
    best
}

#[cfg(test)]
mod tests {
    use researchgym_core::statistics::curve::CurvePoint;

    use super::*;

    fn run(points: &[(u64, f64)], end: u64) -> Curve {
        let spent = |steps| Spent { steps: Some(steps), ms: None, cost: None };
        let points = points.iter().map(|(steps, value)| CurvePoint {
            attempt: 1,
            value: *value,
            after: spent(*steps),
        });
        Curve {
            run_id: String::new(),
            contender: String::new(),
            task: String::new(),
            points: points.collect(),
            end: spent(end),
        }
    }

    #[test]
    fn envelopes_take_the_best_of_all_runs() {
        let (one, other) = (run(&[(1, 5.0), (9, 2.0)], 10), run(&[(4, 3.0)], 20));
        let steps: fn(&Spent) -> Option<f64> = |spent| spent.steps.map(|steps| steps as f64);
        assert_eq!(
            envelope(&[&one, &other], steps, Direction::Minimize),
            [(1.0, 5.0), (4.0, 3.0), (9.0, 2.0), (20.0, 2.0)]
        );
        assert_eq!(envelope(&[&one, &other], steps, Direction::Maximize), [(1.0, 5.0), (20.0, 5.0)]);
        assert_eq!(envelope(&[], steps, Direction::Maximize), []);
    }
}
