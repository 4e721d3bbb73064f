//! What speaks against scores, and what they hang on.

use researchgym_core::statistics::Analysis;
use researchgym_core::statistics::influence::AreaChanges;

use super::super::csv::{Csv, Value};
use super::super::{Figure, cells, number};
use super::{Cast, Drawn};

pub(super) fn figures(analysis: &Analysis, cast: &Cast) -> Vec<Drawn> {
    vec![flagged(analysis, cast), influence(analysis, cast)]
}

fn flagged(analysis: &Analysis, cast: &Cast) -> Drawn {
    if analysis.cells.iter().all(|cell| cell.flagged == 0) {
        return Err("flagged runs: none is flagged".to_owned());
    }
    let mut csv = Csv::new(&["contender", "task", "runs", "flagged"]);
    for cell in &analysis.cells {
        csv.line([
            Value::Text(&cell.contender),
            Value::Text(&cell.task),
            Value::Count(cell.runs),
            Value::Count(cell.flagged),
        ]);
    }
    let cell = |contender: &str, task: &str| {
        let Some(cell) = analysis.cells.iter().find(|cell| cell.contender == contender && cell.task == task)
        else {
            return cells::Cell::default();
        };
        cells::Cell {
            share: Some(cell.flagged as f64 / cell.runs.max(1) as f64),
            text: if cell.flagged > 0 { format!("{}/{}", cell.flagged, cell.runs) } else { "·".to_owned() },
            tip: format!(
                "{} on {}: {} of {} runs flagged",
                cast.name(contender),
                task,
                cell.flagged,
                cell.runs
            ),
        }
    };
    let row = |contender: &str| analysis.tasks.iter().map(|task| cell(contender, &task.label)).collect();
    let chart = cells::Chart {
        rows: analysis.contenders.iter().map(|standing| cast.name(&standing.contender)).collect(),
        columns: analysis.tasks.iter().map(|task| task.label.clone()).collect(),
        cells: analysis.contenders.iter().map(|standing| row(&standing.contender)).collect(),
        part: 3,
    };
    let caption = "Runs with something that makes their score unusable, of all runs of a contender on a task. A dot: runs, none flagged. Empty: no runs.";
    Ok(Figure::new("flagged", "Flagged runs", caption, cells::draw(&chart), csv.text()))
}

fn influence(analysis: &Analysis, cast: &Cast) -> Drawn {
    let influence = &analysis.influence;
    if influence.tasks.len() < 2 || analysis.published.best.iter().all(|row| row.area.is_none()) {
        return Err("what areas hang on: fewer than two tasks have profiles".to_owned());
    }
    let contenders: Vec<&str> = analysis.published.best.iter().map(|row| row.contender.as_str()).collect();
    let mut lines: Vec<(String, &AreaChanges)> =
        influence.tasks.iter().map(|task| (format!("without {}", task.task), &task.without)).collect();
    if let Some(flagged) = &influence.flagged {
        lines.push(("without all flagged runs".to_owned(), flagged));
    }
    let most = lines
        .iter()
        .flat_map(|(_, changes)| changes.best.iter().flatten())
        .map(|change| change.abs())
        .fold(1e-9, f64::max);
    let mut csv = Csv::new(&["left_out", "contender", "change_of_area", "tau_max"]);
    let mut drawn = Vec::new();
    for (name, changes) in &lines {
        let mut row = Vec::new();
        for (contender, change) in contenders.iter().zip(&changes.best) {
            csv.line([
                Value::Text(name),
                Value::Text(contender),
                Value::Number(*change),
                Value::Number(Some(changes.tau_max)),
            ]);
            row.push(match change {
                Some(change) => cells::Cell {
                    share: Some(change.abs() / most),
                    text: format!("{}{}", if *change > 0.0 { "+" } else { "" }, number::decimals(*change, 3)),
                    tip: format!("{name}: {} {}", cast.name(contender), number::signed(*change, 3)),
                },
                None => cells::Cell { text: "–".to_owned(), ..cells::Cell::default() },
            });
        }
        drawn.push(row);
    }
    let chart = cells::Chart {
        rows: lines.into_iter().map(|(name, _)| name).collect(),
        columns: contenders.iter().map(|contender| cast.name(contender)).collect(),
        cells: drawn,
        part: 11,
    };
    let caption = "How the published area (AUP) of best attempts changes when one task is left out, or all flagged runs: the darker, the more. One task can \
                   set the scale of all areas.";
    Ok(Figure::new("influence-tasks", "What AUP hangs on", caption, cells::draw(&chart), csv.text()))
}
