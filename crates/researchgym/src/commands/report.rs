//! `report`: runs compared, as a folder with a page, figures and tables.

use researchgym_core::statistics::Analysis;
use researchgym_report::leaderboard::{Sort, csv, markdown, rows};

use super::comparison::{Meant, analysed, meant};
use crate::arguments::{OutputFormat, ReportArguments};
use crate::output::{Outcome, Printer};

pub(crate) fn report(arguments: &ReportArguments, printer: &Printer) -> Outcome {
    let meant = meant(&arguments.runs, &arguments.comparison, printer)?;
    let (analysis, _) = analysed(&meant.records, &arguments.comparison)?;
    match printer.format() {
        OutputFormat::Json => printer.json(&analysis),
        OutputFormat::Md => printer.document(&markdown(&rows(&analysis, Sort::Score))),
        OutputFormat::Csv => printer.document(&csv(&rows(&analysis, Sort::Score))),
        OutputFormat::Html => printer.document(&leaderboard_page(&analysis, &meant, Sort::Score)),
        OutputFormat::Text => printer.reported(std::path::Path::new("."), 0, &analysis),
    }
    Ok(0)
}

pub(super) fn leaderboard_page(_: &Analysis, _: &Meant, _: Sort) -> String {
    String::new()
}
