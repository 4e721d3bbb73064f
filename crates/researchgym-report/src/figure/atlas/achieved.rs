//! What was achieved: profiles, averages, ranks, scores task by task, who beats whom.

use researchgym_core::statistics::Analysis;
use researchgym_core::statistics::across::{ProfileRow, Profiles};
use researchgym_core::statistics::cell::Cell;
use researchgym_core::statistics::published::Areas;
use researchgym_core::statistics::tasks::Task;

use super::super::csv::{Csv, Value};
use super::super::frame::{Axis, Shown};
use super::super::scale::Scale;
use super::super::{Figure, cells, curves, intervals, number};
use super::{Cast, Drawn, ends, high, low, metric, slug};

pub(super) fn figures(analysis: &Analysis, cast: &Cast) -> Vec<Drawn> {
    let mut drawn = vec![
        averages(analysis, cast),
        published(analysis, cast, "best", "best attempts", &analysis.published.best),
        published(analysis, cast, "submission", "final submissions", &analysis.published.submission),
        comparable(analysis, cast),
        ranks(analysis, cast),
        pairs(analysis, cast),
        scores(analysis, cast),
    ];
    drawn.extend(analysis.tasks.iter().enumerate().map(|(number, task)| score(analysis, cast, number, task)));
    drawn
}

fn averages(analysis: &Analysis, cast: &Cast) -> Drawn {
    let mut csv = Csv::new(&[
        "contender",
        "average_submission",
        "low",
        "high",
        "average_best",
        "tasks_with_baseline",
        "tasks_improved",
    ]);
    let mut rows = Vec::new();
    for standing in &analysis.contenders {
        let Some(average) = standing.submission.average else { continue };
        let best = standing.best.average.map(|average| average.value);
        rows.push(intervals::Row {
            shown: cast.shown(&standing.contender),
            value: Some(average.value),
            interval: ends(average.interval),
            best,
            each: Vec::new(),
        });
        csv.line([
            Value::Text(&standing.contender),
            Value::Number(Some(average.value)),
            low(average.interval),
            high(average.interval),
            Value::Number(best),
            Value::Count(standing.tasks_with_baseline),
            Value::Count(standing.tasks_improved),
        ]);
    }
    if rows.is_empty() {
        return Err("average improvement: no task has a baseline".to_owned());
    }
    rows.sort_by(|one, other| {
        other.value.unwrap_or(f64::NEG_INFINITY).total_cmp(&one.value.unwrap_or(f64::NEG_INFINITY))
    });
    let panel = intervals::Panel {
        title: String::new(),
        unit: "average improvement over the baseline (0 = baseline, 1 = ten times better)".to_owned(),
        rows,
        reference: Some((0.0, "baseline".to_owned())),
        noise: 0.0,
    };
    let caption = format!(
        "The mean over tasks of the mean over runs of each final submission's place beside the baseline: 0 is the baseline, 1 ten times \
         better, −1 ten times worse or no score. Hollow: the same by best attempts. {}",
        cast.notes()
    );
    Ok(Figure::new(
        "average-improvement",
        "Average improvement over the baseline",
        &caption,
        intervals::single(&panel),
        csv.text(),
    ))
}

/// The corners of a profile that is given at many points: where it rises, and its ends.
fn corners(tau: &[f64], share: &[f64], place: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (tau, share) in tau.iter().zip(share) {
        if points.last().is_none_or(|(_, before)| before != share) {
            points.push((place(*tau), *share));
        }
    }
    if let (Some(tau), Some(share)) = (tau.last(), share.last()) {
        points.push((place(*tau), *share));
    }
    points
}

fn profile_csv(profiles: &Profiles, rows: &[ProfileRow]) -> String {
    let mut csv = Csv::new(&["contender", "log10_tau", "share_of_tasks"]);
    for row in rows {
        for (tau, share) in corners(&profiles.tau, &row.share, |tau| tau) {
            csv.line([Value::Text(&row.contender), Value::Number(Some(tau)), Value::Number(Some(share))]);
        }
    }
    csv.text()
}

fn profile_panel(
    profiles: &Profiles,
    rows: &[&ProfileRow],
    cast: &Cast,
    across: Axis,
    up: &str,
) -> curves::Panel {
    let shown = |row: &ProfileRow| {
        let shown = cast.shown(&row.contender);
        match row.area {
            Some(area) => Shown { name: format!("{:.3} {}", Areas::shown(area), shown.name), ..shown },
            None => shown,
        }
    };
    let curve = |row: &&ProfileRow| curves::Curve {
        shown: shown(row),
        points: corners(&profiles.tau, &row.share, |tau| 10f64.powf(tau)),
        band: Vec::new(),
    };
    curves::Panel {
        title: String::new(),
        across,
        up: Axis::new(up, Scale::between(0.0, 1.02), 5),
        curves: rows.iter().map(curve).collect(),
        reference: None,
    }
}

fn height(rows: usize) -> f64 {
    (rows as f64 * 10.0 + 90.0).max(230.0)
}

fn published(analysis: &Analysis, cast: &Cast, kind: &str, words: &str, rows: &[ProfileRow]) -> Drawn {
    let profiles = &analysis.published;
    if profiles.tasks.is_empty() || rows.is_empty() {
        return Err(format!("performance profiles of {words}: no task has scores and a direction"));
    }
    let last = profiles.tau.last().copied().unwrap_or(1.0);
    let across = Axis::new("times worse than the best of all (τ, logarithmic)", Scale::powers(0.0, last), 8);
    let panel = profile_panel(profiles, &ranked(rows), cast, across, "share of tasks within τ of the best");
    let caption = format!(
        "For each τ, the share of {} tasks on which the best of a contender's {words} is within τ of the best of all, as MLGym \
         computes it; beside it the areas under the profiles (AUP), the largest first. Their scale hangs on who is compared.",
        profiles.tasks.len()
    );
    let id = format!("profiles-{kind}");
    let title = format!("Performance profiles of {words}");
    Ok(Figure::new(
        &id,
        &title,
        &caption,
        curves::listed(&panel, height(rows.len()), "AUP"),
        profile_csv(profiles, rows),
    ))
}

fn ranked(rows: &[ProfileRow]) -> Vec<&ProfileRow> {
    let mut rows: Vec<&ProfileRow> = rows.iter().collect();
    rows.sort_by(|one, other| {
        other.area.unwrap_or(f64::NEG_INFINITY).total_cmp(&one.area.unwrap_or(f64::NEG_INFINITY))
    });
    rows
}

fn comparable(analysis: &Analysis, cast: &Cast) -> Drawn {
    let profiles = &analysis.comparable;
    let rows: Vec<ProfileRow> =
        profiles.submission.iter().filter(|row| !row.tasks.is_empty() || row.is_baseline).cloned().collect();
    if profiles.tasks.is_empty() || rows.is_empty() {
        return Err("profiles beside the baseline: no task has a baseline".to_owned());
    }
    let across = Axis::new(
        "score beside the baseline (τ; ← ten times better, 1 the same, ten times worse →)",
        Scale::powers(-1.0, 1.0),
        8,
    );
    let panel = profile_panel(profiles, &ranked(&rows), cast, across, "share of tasks at least that good");
    let caption = "The same for final submissions on a scale that does not hang on who is compared: ratios are to the baseline. A line further left and \
                   higher is better; the baseline's own line rises at 1, and its area is 1.";
    let scene = curves::listed(&panel, height(rows.len()), "area");
    Ok(Figure::new(
        "profiles-comparable",
        "Profiles beside the baseline",
        caption,
        scene,
        profile_csv(profiles, &rows),
    ))
}

fn ranks(analysis: &Analysis, cast: &Cast) -> Drawn {
    let mut csv = Csv::new(&["contender", "mean_rank", "low", "high", "tasks"]);
    let mut rows = Vec::new();
    for row in &analysis.ranks.submission.mean {
        let Some(rank) = row.mean_rank else { continue };
        let shown = cast.shown(&row.contender);
        rows.push(intervals::Row {
            shown,
            value: Some(rank),
            interval: ends(row.interval),
            best: None,
            each: Vec::new(),
        });
        csv.line([
            Value::Text(&row.contender),
            Value::Number(Some(rank)),
            low(row.interval),
            high(row.interval),
            Value::Count(row.tasks),
        ]);
    }
    if rows.len() < 2 {
        return Err("ranks: fewer than two contenders".to_owned());
    }
    let panel = intervals::Panel {
        title: String::new(),
        unit: "mean rank over tasks (1 = best)".to_owned(),
        rows,
        reference: None,
        noise: 0.0,
    };
    let caption = format!(
        "Ranks of the best final submissions, averaged over tasks; ties share their ranks, and who has no score is tied last. {}",
        cast.notes()
    );
    Ok(Figure::new("mean-ranks", "Mean ranks", &caption, intervals::single(&panel), csv.text()))
}

fn pairs(analysis: &Analysis, cast: &Cast) -> Drawn {
    let across = &analysis.pairs.submission.across;
    let order: Vec<String> = analysis.ranks.submission.mean.iter().map(|row| row.contender.clone()).collect();
    if across.is_empty() || order.len() < 2 {
        return Err("probability of improvement: fewer than two contenders with runs on one task".to_owned());
    }
    let mut csv =
        Csv::new(&["one", "other", "tasks", "probability_of_improvement", "low", "high", "p", "corrected_p"]);
    for pair in across {
        csv.line([
            Value::Text(&pair.one),
            Value::Text(&pair.other),
            Value::Count(pair.tasks),
            Value::Number(Some(pair.improvement)),
            low(pair.interval),
            high(pair.interval),
            Value::Number(pair.p),
            Value::Number(pair.corrected_p),
        ]);
    }
    let chance = |row: &str, column: &str| -> Option<(f64, Option<f64>)> {
        across.iter().find_map(|pair| match (&pair.one, &pair.other) {
            (one, other) if one == row && other == column => Some((pair.improvement, pair.corrected_p)),
            (one, other) if one == column && other == row => Some((1.0 - pair.improvement, pair.corrected_p)),
            _ => None,
        })
    };
    let cell = |row: &String, column: &String| match chance(row, column) {
        Some((chance, p)) => cells::Cell {
            share: Some((chance - 0.5).max(0.0) * 2.0),
            text: format!(
                "{}{}",
                number::decimals(chance, 2),
                if p.is_some_and(|p| p < 0.05) { "*" } else { "" }
            ),
            tip: format!("{} better than {}: {}", cast.name(row), cast.name(column), number::percent(chance)),
        },
        None => cells::Cell::default(),
    };
    let chart = cells::Chart {
        rows: order.iter().map(|contender| cast.name(contender)).collect(),
        columns: order.iter().map(|contender| cast.name(contender)).collect(),
        cells: order.iter().map(|row| order.iter().map(|column| cell(row, column)).collect()).collect(),
        part: 0,
    };
    let caption = format!(
        "The chance that a run of the row's contender ends with a better final submission than a run of the column's, averaged over tasks. *: p < 0.05 after \
         Holm's correction for all pairs (Wilcoxon's signed-rank test over tasks). {}",
        cast.notes()
    );
    Ok(Figure::new(
        "improvement-pairs",
        "Probability of improvement",
        &caption,
        cells::draw(&chart),
        csv.text(),
    ))
}

/// Contenders from the best average to the worst, which is the order of rows in all tasks.
fn order(analysis: &Analysis) -> Vec<&str> {
    let mut order: Vec<(&str, f64)> = analysis
        .contenders
        .iter()
        .map(|standing| {
            (
                standing.contender.as_str(),
                standing.submission.average.map_or(f64::NEG_INFINITY, |average| average.value),
            )
        })
        .collect();
    order.sort_by(|one, other| other.1.total_cmp(&one.1));
    order.into_iter().map(|(contender, _)| contender).collect()
}

fn panel(analysis: &Analysis, cast: &Cast, task: &Task, order: &[&str]) -> intervals::Panel {
    let row = |contender: &&str| {
        let cell = cell(analysis, contender, &task.label);
        let mean = cell.and_then(|cell| cell.submission.mean);
        intervals::Row {
            shown: cast.shown(contender),
            value: mean.map(|mean| mean.value),
            interval: mean.and_then(|mean| ends(mean.interval)),
            best: cell.and_then(|cell| cell.best.at_k),
            each: Vec::new(),
        }
    };
    intervals::Panel {
        title: task.label.clone(),
        unit: metric(task.primary.as_ref()),
        rows: order.iter().map(row).collect(),
        reference: task.baseline.map(|baseline| (baseline, "baseline".to_owned())),
        noise: task.noise_floor,
    }
}

fn cell<'a>(analysis: &'a Analysis, contender: &str, task: &str) -> Option<&'a Cell> {
    analysis.cells.iter().find(|cell| cell.contender == contender && cell.task == task)
}

fn scores_csv<'a>(analysis: &Analysis, tasks: impl Iterator<Item = &'a Task>, order: &[&str]) -> String {
    let mut csv = Csv::new(&[
        "task",
        "metric",
        "contender",
        "runs",
        "scored",
        "mean_submission",
        "low",
        "high",
        "median_submission",
        "best_submission_at_k",
        "best_attempt_at_k",
        "baseline",
        "noise_floor",
    ]);
    for task in tasks {
        for cell in order.iter().filter_map(|contender| cell(analysis, contender, &task.label)) {
            let mean = cell.submission.mean;
            csv.line([
                Value::Text(&task.label),
                Value::Text(task.primary.as_ref().map_or("", |primary| &primary.name)),
                Value::Text(&cell.contender),
                Value::Count(cell.runs),
                Value::Count(cell.submission.scored),
                Value::Number(mean.map(|mean| mean.value)),
                low(mean.and_then(|mean| mean.interval)),
                high(mean.and_then(|mean| mean.interval)),
                Value::Number(cell.submission.median.map(|median| median.value)),
                Value::Number(cell.submission.at_k),
                Value::Number(cell.best.at_k),
                Value::Number(cell.baseline),
                Value::Number(Some(cell.noise_floor)),
            ]);
        }
    }
    csv.text()
}

const READING: &str = "Disc or ring: the mean of final submissions, with its interval. Hollow diamond: the best attempt of all runs. Dashed: the \
                       baseline, with the task's noise around it in grey. Arrows and numbers tell what lies beyond the edge.";

fn scores(analysis: &Analysis, cast: &Cast) -> Drawn {
    let order = order(analysis);
    let panels: Vec<intervals::Panel> =
        analysis.tasks.iter().map(|task| panel(analysis, cast, task, &order)).collect();
    if panels.iter().all(|panel| panel.rows.iter().all(|row| row.value.is_none())) {
        return Err("scores by task: no run has a score".to_owned());
    }
    let caption = format!("Scores by task and contender, the best average first. {READING} {}", cast.notes());
    let csv = scores_csv(analysis, analysis.tasks.iter(), &order);
    Ok(Figure::new("scores", "Scores by task", &caption, intervals::grid(&panels, 4), csv))
}

fn score(analysis: &Analysis, cast: &Cast, number: usize, task: &Task) -> Drawn {
    let order = order(analysis);
    let mut panel = panel(analysis, cast, task, &order);
    if panel.rows.iter().all(|row| row.value.is_none()) {
        return Err(format!("scores on {}: no run has a score", task.label));
    }
    let better = task.primary.as_ref().map(|primary| primary.direction);
    panel.rows.sort_by(|one, other| match (one.value, other.value) {
        (Some(one), Some(other)) => match better {
            Some(researchgym_core::score::Direction::Minimize) => one.total_cmp(&other),
            Some(researchgym_core::score::Direction::Maximize) | None => other.total_cmp(&one),
        },
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
    let caption = format!("{READING} {}", cast.notes());
    let title = format!("Scores on {}", super::font::plain(&task.label));
    let id = format!("score-{:02}-{}", number + 1, slug(&task.label));
    let csv = scores_csv(analysis, std::iter::once(task), &order);
    Ok(Figure::new(id.trim_end_matches('-'), &title, &caption, intervals::single(&panel), csv))
}
