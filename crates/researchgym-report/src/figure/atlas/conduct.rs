//! What runs did and how they ended.

use std::collections::BTreeMap;

use researchgym_core::record::{Category, Cause};
use researchgym_core::statistics::Analysis;
use researchgym_core::statistics::behaviour::{Edits, Named, Outcomes, Tally};

use super::super::csv::{Csv, Value};
use super::super::{Figure, bars, cells, layers};
use super::{Cast, Drawn};
use crate::palette::Ink;

/// Causes in the order in which bars show them, with their colours: what an agent chose, then limits, then what broke.
const CAUSES: [(Cause, u8); 13] = [
    (Cause::Submitted, 1),
    (Cause::GaveUp, 12),
    (Cause::StepLimit, 0),
    (Cause::TimeLimit, 4),
    (Cause::Budget, 11),
    (Cause::TokenLimit, 5),
    (Cause::Context, 2),
    (Cause::Format, 6),
    (Cause::Evaluation, 3),
    (Cause::Provider, 7),
    (Cause::Failed, 9),
    (Cause::Cancelled, 8),
    (Cause::Unknown, 10),
];

/// Categories with their colours, in the order of tables.
fn category_ink(category: Category) -> Ink {
    Ink::Part(match category {
        Category::Edit => 0,
        Category::View => 4,
        Category::Validate => 2,
        Category::Submit => 1,
        Category::Search => 5,
        Category::Python => 3,
        Category::Bash => 8,
        Category::Web => 7,
        Category::Talk => 6,
        Category::Other => 10,
    })
}

pub(super) fn figures(analysis: &Analysis, cast: &Cast) -> Vec<Drawn> {
    let behaviour = &analysis.behaviour;
    let contender = |name: &str| cast.name(name);
    let task = super::font::plain;
    let endings = |rows: &[Named<BTreeMap<Cause, u64>>], name: &dyn Fn(&str) -> String, by: &str| {
        endings(rows, name, by)
    };
    let outcomes =
        |rows: &[Named<Outcomes>], name: &dyn Fn(&str) -> String, by: &str| outcomes(rows, name, by);
    let actions = &behaviour.actions;
    vec![
        endings(&behaviour.endings.by_contender, &contender, "contender"),
        endings(&behaviour.endings.by_task, &task, "task"),
        exits(analysis, cast),
        outcomes(&behaviour.outcomes.by_contender, &contender, "contender"),
        outcomes(&behaviour.outcomes.by_task, &task, "task"),
        overall(actions),
        parts("actions-by-contender", "Actions by contender", "actions", &actions.by_contender, &contender),
        parts("actions-by-task", "Actions by task", "actions", &actions.by_task, &task),
        by_step(analysis),
        parts(
            "time-by-contender",
            "Time by category and contender",
            "time",
            &seconds(&behaviour.time_ms),
            &contender,
        ),
        edits(&behaviour.edits.by_contender, &contender),
    ]
}

fn endings(rows: &[Named<BTreeMap<Cause, u64>>], name: &dyn Fn(&str) -> String, by: &str) -> Drawn {
    let unknown = |row: &Named<BTreeMap<Cause, u64>>| row.row.get(&Cause::Unknown).copied().unwrap_or(0);
    let known = |row: &Named<BTreeMap<Cause, u64>>| row.row.values().sum::<u64>() - unknown(row);
    if rows.iter().all(|row| known(row) == 0) {
        return Err(format!("endings by {by}: no run tells how it ended"));
    }
    let mut csv = Csv::new(&[by, "cause", "runs"]);
    let mut drawn = Vec::new();
    for row in rows {
        let counts: Vec<u64> =
            CAUSES.iter().map(|(cause, _)| row.row.get(cause).copied().unwrap_or(0)).collect();
        for ((cause, _), count) in CAUSES.iter().zip(&counts).filter(|(_, count)| **count > 0) {
            csv.line([Value::Text(&row.name), Value::Text(cause.name()), Value::Count(*count)]);
        }
        if known(row) > 0 {
            drawn.push(bars::Row {
                name: name(&row.name),
                counts: counts[..CAUSES.len() - 1].to_vec(),
                of: None,
            });
        }
    }
    let chart = bars::Chart {
        parts: CAUSES.iter().map(|(cause, part)| (Ink::Part(*part), cause.name().to_owned())).collect(),
        rows: drawn,
        measure: bars::Measure::Share,
        unit: "runs".to_owned(),
    };
    let missing: u64 = rows.iter().map(unknown).sum();
    let caption = format!(
        "How runs ended, by {by}: what the agent chose stands left, then limits, then what broke. A run counts once; n is the number of runs.{}",
        if missing > 0 {
            format!(" Not shown: {missing} runs whose sources do not tell.")
        } else {
            String::new()
        }
    );
    Ok(Figure::new(
        &format!("endings-by-{by}"),
        &format!("Endings by {by}"),
        &caption,
        bars::draw(&chart),
        csv.text(),
    ))
}

fn exits(analysis: &Analysis, cast: &Cast) -> Drawn {
    let told = analysis.behaviour.exits.as_ref().filter(|exits| !exits.categories.all.is_empty());
    let Some(exits) = told else {
        return Err("exit categories of MLGym: no run of MLGym tells its status".to_owned());
    };
    let mut columns: Vec<&String> = exits.categories.all.keys().collect();
    columns.sort_by_key(|column| std::cmp::Reverse(exits.categories.all.get(*column)));
    let rows: Vec<_> = exits.categories.by_contender.iter().filter(|row| !row.row.is_empty()).collect();
    let most = exits
        .categories
        .by_contender
        .iter()
        .flat_map(|row| row.row.values())
        .max()
        .copied()
        .unwrap_or(1)
        .max(1);
    let mut csv = Csv::new(&["contender", "category", "runs"]);
    let mut drawn = Vec::new();
    for row in &rows {
        let cell = |column: &&String| {
            let count = row.row.get(*column).copied().unwrap_or(0);
            cells::Cell {
                share: Some(count as f64 / most as f64),
                text: if count > 0 { count.to_string() } else { "·".to_owned() },
                tip: format!("{}: {column} {count}", cast.name(&row.name)),
            }
        };
        for (category, count) in &row.row {
            csv.line([Value::Text(&row.name), Value::Text(category), Value::Count(*count)]);
        }
        drawn.push(columns.iter().map(cell).collect());
    }
    let chart = cells::Chart {
        rows: rows.iter().map(|row| cast.name(&row.name)).collect(),
        columns: columns.iter().map(|name| (*name).clone()).collect(),
        cells: drawn,
        part: 0,
    };
    let caption = format!(
        "Exit categories as MLGym counts them: a run counts once in each of its categories. {} runs tell their status, {} do not.",
        exits.runs, exits.unknown
    );
    Ok(Figure::new("exit-categories", "Exit categories of MLGym", &caption, cells::draw(&chart), csv.text()))
}

fn outcomes(rows: &[Named<Outcomes>], name: &dyn Fn(&str) -> String, by: &str) -> Drawn {
    if rows.iter().all(|row| row.row.runs == 0) {
        return Err(format!("failed and incomplete runs by {by}: there are no runs"));
    }
    let mut csv = Csv::new(&[by, "runs", "failed", "incomplete", "incomplete_or_failed", "ending_unknown"]);
    let mut sorted: Vec<&Named<Outcomes>> = rows.iter().collect();
    sorted.sort_by_key(|row| std::cmp::Reverse(row.row.failed + row.row.incomplete));
    let mut drawn = Vec::new();
    for Named { name: full, row } in sorted {
        csv.line([
            Value::Text(full),
            Value::Count(row.runs),
            Value::Count(row.failed),
            Value::Count(row.incomplete),
            Value::Count(row.incomplete_or_failed),
            Value::Count(row.unknown),
        ]);
        drawn.push(bars::Row {
            name: name(full),
            counts: vec![row.failed, row.incomplete],
            of: Some(row.runs),
        });
    }
    let chart = bars::Chart {
        parts: vec![
            (Ink::Part(3), "failed: no score at all".to_owned()),
            (Ink::Part(2), "incomplete: a score, but cut short".to_owned()),
        ],
        rows: drawn,
        measure: bars::Measure::Count,
        unit: "runs".to_owned(),
    };
    let caption = format!(
        "Runs by {by} without any score, and runs with a score that neither submitted nor used up their steps (MLGym's definitions), of all \
         runs in grey; the most first."
    );
    Ok(Figure::new(
        &format!("failed-by-{by}"),
        &format!("Failed and incomplete runs by {by}"),
        &caption,
        bars::draw(&chart),
        csv.text(),
    ))
}

fn overall(actions: &Tally<Category>) -> Drawn {
    if actions.all.is_empty() {
        return Err("actions: no source has steps".to_owned());
    }
    let mut csv = Csv::new(&["category", "actions"]);
    let mut rows = Vec::new();
    for (category, count) in
        Category::ALL.iter().filter_map(|category| Some((category, *actions.all.get(category)?)))
    {
        csv.line([Value::Text(category.name()), Value::Count(count)]);
        let counts = Category::ALL.iter().map(|other| if other == category { count } else { 0 }).collect();
        rows.push(bars::Row { name: category.name().to_owned(), counts, of: None });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.counts.iter().sum::<u64>()));
    let chart =
        bars::Chart { parts: categories(), rows, measure: bars::Measure::Count, unit: "actions".to_owned() };
    Ok(Figure::new(
        "actions",
        "Actions",
        "What all steps of all runs were for.",
        bars::plain(&chart),
        csv.text(),
    ))
}

fn categories() -> Vec<(Ink, String)> {
    Category::ALL.iter().map(|category| (category_ink(*category), category.name().to_owned())).collect()
}

fn parts(
    id: &str,
    title: &str,
    unit: &str,
    rows: &[Named<BTreeMap<Category, u64>>],
    name: &dyn Fn(&str) -> String,
) -> Drawn {
    if rows.iter().all(|row| row.row.is_empty()) {
        return Err(format!("{}: no source tells", title.to_lowercase()));
    }
    let mut csv = Csv::new(&["name", "category", if unit == "time" { "seconds" } else { unit }]);
    let mut drawn = Vec::new();
    for row in rows.iter().filter(|row| !row.row.is_empty()) {
        let counts: Vec<u64> =
            Category::ALL.iter().map(|category| row.row.get(category).copied().unwrap_or(0)).collect();
        for (category, count) in Category::ALL.iter().zip(&counts).filter(|(_, count)| **count > 0) {
            csv.line([Value::Text(&row.name), Value::Text(category.name()), Value::Count(*count)]);
        }
        drawn.push(bars::Row { name: name(&row.name), counts, of: None });
    }
    let left_out = rows.len() - drawn.len();
    let caption = format!(
        "Shares of {unit} by category{}.{}",
        if unit == "time" {
            ", as far as sources tell how long steps took; n in seconds"
        } else {
            "; n counts all actions"
        },
        if left_out > 0 { format!(" {left_out} rows without steps are not shown.") } else { String::new() }
    );
    let chart = bars::Chart {
        parts: categories(),
        rows: drawn,
        measure: bars::Measure::Share,
        unit: unit.to_owned(),
    };
    Ok(Figure::new(id, title, &caption, bars::draw(&chart), csv.text()))
}

fn seconds(tally: &Tally<Category>) -> Vec<Named<BTreeMap<Category, u64>>> {
    let row = |row: &Named<BTreeMap<Category, u64>>| Named {
        name: row.name.clone(),
        row: row.row.iter().map(|(category, ms)| (*category, ms.div_ceil(1000))).collect(),
    };
    tally.by_contender.iter().map(row).collect()
}

fn by_step(analysis: &Analysis) -> Drawn {
    let steps = &analysis.behaviour.actions_by_step;
    // What happens after the step that few runs reach is a long tail of single runs.
    let enough = (analysis.behaviour.runs_with_steps / 100).max(1);
    let total = |actions: &BTreeMap<Category, u64>| actions.values().sum::<u64>();
    let shown = steps.iter().rposition(|step| total(&step.actions) >= enough).map_or(0, |last| last + 1);
    if shown == 0 {
        return Err("actions by step: no source has steps one by one".to_owned());
    }
    let mut csv = Csv::new(&["step", "category", "runs"]);
    for step in steps {
        for (category, count) in &step.actions {
            csv.line([Value::Count(step.step), Value::Text(category.name()), Value::Count(*count)]);
        }
    }
    let counts = |actions: &BTreeMap<Category, u64>| {
        Category::ALL.iter().map(|category| actions.get(category).copied().unwrap_or(0)).collect()
    };
    let chart = layers::Chart {
        parts: categories(),
        steps: steps[..shown].iter().map(|step| counts(&step.actions)).collect(),
        across: "step".to_owned(),
        up: "runs, by what they do at a step".to_owned(),
    };
    let caption = format!(
        "What {} runs do at each of their steps; the height falls as runs end.{}",
        analysis.behaviour.runs_with_steps,
        if shown < steps.len() {
            format!(
                " Steps after {shown}, which fewer than one run in a hundred reaches, are in the data alone."
            )
        } else {
            String::new()
        }
    );
    Ok(Figure::new("actions-by-step", "Actions by step", &caption, layers::draw(&chart), csv.text()))
}

fn edits(rows: &[Named<Edits>], name: &dyn Fn(&str) -> String) -> Drawn {
    if rows.iter().all(|row| row.row.tried == 0) {
        return Err("edits refused: no source tells of edits".to_owned());
    }
    let mut csv = Csv::new(&["contender", "edits", "refused"]);
    let mut drawn = Vec::new();
    for Named { name: full, row } in rows.iter().filter(|row| row.row.tried > 0) {
        csv.line([Value::Text(full), Value::Count(row.tried), Value::Count(row.rejected)]);
        drawn.push(bars::Row {
            name: name(full),
            counts: vec![row.rejected, row.tried.saturating_sub(row.rejected)],
            of: None,
        });
    }
    let chart = bars::Chart {
        parts: vec![
            (Ink::Part(3), "refused: changed nothing".to_owned()),
            (Ink::Part(4), "applied".to_owned()),
        ],
        rows: drawn,
        measure: bars::Measure::Share,
        unit: "edits".to_owned(),
    };
    Ok(Figure::new(
        "edits",
        "Edits refused",
        "Edits that were tried, and the share that was refused.",
        bars::draw(&chart),
        csv.text(),
    ))
}
