//! `leaderboard`: the contenders in a line each.

use researchgym_core::spec::SCHEMA;
use researchgym_report::leaderboard::{Row, csv, markdown, rows, table};
use serde_json::json;

use super::comparison::{analysed, meant};
use crate::arguments::{LeaderboardArguments, OutputFormat};
use crate::output::{Outcome, Printer};

pub(crate) fn leaderboard(arguments: &LeaderboardArguments, printer: &Printer) -> Outcome {
    let meant = meant(&arguments.runs, &arguments.comparison, printer)?;
    let (analysis, _) = analysed(&meant.records, &arguments.comparison)?;
    let rows = rows(&analysis, arguments.sort.into());
    match printer.format() {
        OutputFormat::Text => {
            printer.leaderboard(&table(&analysis, &rows), &analysis);
        }
        OutputFormat::Json => {
            let place = |row: &Row<'_>| json!({ "place": row.place, "standing": row.standing });
            let rows: Vec<_> = rows.iter().map(place).collect();
            printer.json(&json!({
                "schema": SCHEMA, "rows": rows, "settings": analysis.settings,
                "warnings": analysis.warnings, "left_out": analysis.left_out,
                "broken": meant.broken.iter().map(|broken| json!({ "run": broken.run, "error": broken.error })).collect::<Vec<_>>(),
            }));
        }
        OutputFormat::Md => printer.document(&markdown(&analysis, &rows)),
        OutputFormat::Csv => printer.document(&csv(&rows)),
        OutputFormat::Html => printer.document(&super::report::page(&analysis, &meant.records)?),
    }
    Ok(0)
}
