//! `report`: runs compared, as a folder with a page, figures and tables, or as one document on standard output.

use std::fs;
use std::path::Path;

use researchgym_core::record::{NodeRecord, RunRecord};
use researchgym_core::statistics::Analysis;
use researchgym_engine::records::{ideas_of, islands_of, nodes_of, trials_of};
use researchgym_report::leaderboard::{Sort, csv, rows};
use researchgym_report::{Given, PageFacts, ReportError, SearchTree, leaderboard_page, pictured};

use super::comparison::{Meant, analysed, meant};
use super::export::stoppable;
use super::folder::{self, Contents};
use crate::arguments::{OutputFormat, ReportArguments};
use crate::error::{CommandError, Kind};
use crate::output::{Outcome, Printer};

/// The file by which a folder is known to be a report's.
const MARK: &str = "report.json";

pub(crate) fn report(arguments: &ReportArguments, printer: &Printer) -> Outcome {
    let out =
        arguments.out.clone().or_else(|| (printer.format() == OutputFormat::Text).then(|| "report".into()));
    if let Some(out) = &out {
        folder::may_be_written(out, MARK, "a report")?;
    }
    let meant = meant(&arguments.runs, &arguments.comparison, printer)?;
    let (analysis, without_flagged) = analysed(&meant.records, &arguments.comparison)?;
    let facts = facts(arguments.title.clone());
    let trees = trees(&meant, printer);
    let given = Given {
        analysis: &analysis,
        without_flagged: without_flagged.as_ref(),
        records: &meant.records,
        trees: &trees,
    };
    let report = researchgym_report::report(&given, &facts).map_err(|error| broken(&error))?;
    if let Some(out) = &out {
        let leaderboard = csv(&rows(&analysis, Sort::Score));
        let contents = Contents {
            documents: vec![
                ("report.html", &report.html),
                ("report.md", &report.markdown),
                ("leaderboard.csv", &leaderboard),
                (MARK, &report.json),
            ],
            figures: &report.figures,
            earlier: figures_of(&out.join(MARK)),
        };
        let written = stoppable(printer, |is_stopped| folder::write(out, &contents, is_stopped))?;
        if !written? {
            return Ok(130);
        }
    }
    match (printer.format(), &out) {
        (OutputFormat::Json, _) => printer.document(&report.json),
        (OutputFormat::Md, _) => printer.document(&report.markdown),
        (OutputFormat::Html, _) => printer.document(&report.html),
        (OutputFormat::Csv, _) => printer.document(&csv(&rows(&analysis, Sort::Score))),
        (OutputFormat::Text, Some(out)) => {
            printer.reported(&out.join("report.html"), report.figures.len(), &analysis)
        }
        (OutputFormat::Text, None) => {}
    }
    Ok(0)
}

/// The nodes of the searches that are shown one by one, and what their trials told. One that cannot be read is told, and not shown.
fn trees(meant: &Meant, printer: &Printer) -> Vec<SearchTree> {
    let of = |record: &RunRecord| {
        let folder = meant.folders.iter().find(|folder| folder.id() == record.run_id)?;
        let has_epochs = |nodes: &[NodeRecord]| nodes.iter().any(|node| node.tag.epoch.is_some());
        let read = nodes_of(folder).and_then(|nodes| {
            let ideas = if has_epochs(&nodes) { ideas_of(folder)? } else { Vec::new() };
            let mut tree = SearchTree::of(record, nodes);
            tree.ideas = ideas;
            tree.islands = islands_of(folder)?;
            let mut trials = Vec::new();
            trials_of(folder, &|node| tree.draws_trial(node), &mut |trial| {
                trials.push(trial);
                true
            })?;
            trials.iter().for_each(|trial| tree.take(trial));
            Ok(tree)
        });
        match read {
            Ok(tree) => Some(tree),
            Err(error) => {
                printer.warn(&error.to_string());
                None
            }
        }
    };
    pictured(&meant.records).into_iter().filter_map(of).collect()
}

/// The leaderboard alone as a page.
pub(super) fn page(analysis: &Analysis, records: &[RunRecord]) -> Result<String, CommandError> {
    leaderboard_page(analysis, records, &facts(Some("Leaderboard".to_owned())))
        .map_err(|error| broken(&error))
}

fn facts(title: Option<String>) -> PageFacts {
    PageFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: researchgym_engine::store::now(),
        title: title.unwrap_or_else(|| "Runs compared".to_owned()),
    }
}

/// The figures that an earlier report wrote, by what it says of itself. A name that is none of ours is passed over.
fn figures_of(mark: &Path) -> Vec<String> {
    let text = fs::read(mark).unwrap_or_default();
    let report: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let ids = report["figures"].as_array().into_iter().flatten().filter_map(|figure| figure["id"].as_str());
    ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        .map(str::to_owned)
        .collect()
}

fn broken(error: &ReportError) -> CommandError {
    CommandError { kind: Kind::Infrastructure, message: error.to_string(), hint: None }
}
