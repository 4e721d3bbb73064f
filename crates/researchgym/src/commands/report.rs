//! `report`: runs compared, as a folder with a page, figures and tables, or as one document on standard output.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use researchgym_core::record::{NodeRecord, RunRecord};
use researchgym_core::statistics::Analysis;
use researchgym_engine::records::{ideas_of, islands_of, nodes_of, trials_of};
use researchgym_report::leaderboard::{Sort, csv, rows};
use researchgym_report::{Given, PageFacts, Report, ReportError, SearchTree, leaderboard_page, pictured};

use super::comparison::{Meant, analysed, meant};
use super::export::stoppable;
use crate::arguments::{OutputFormat, ReportArguments};
use crate::error::{CommandError, Kind};
use crate::output::{Outcome, Printer};

/// The file by which a folder is known to be a report's.
const MARK: &str = "report.json";

pub(crate) fn report(arguments: &ReportArguments, printer: &Printer) -> Outcome {
    let out =
        arguments.out.clone().or_else(|| (printer.format() == OutputFormat::Text).then(|| "report".into()));
    if let Some(out) = &out {
        may_be_written(out)?;
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
        let written = stoppable(printer, |is_stopped| write(out, &report, &analysis, is_stopped))?;
        if !written.map_err(|error| unwritten(out, &error))? {
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

/// A folder that is not there, is empty, or holds an earlier report.
fn may_be_written(out: &Path) -> Result<(), CommandError> {
    match fs::read_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CommandError::input(format!("{}: {error}", out.display()))
            .hinted("-o names the folder of the report")),
        Ok(entries) => match entries.take(1).count() == 0 || out.join(MARK).is_file() {
            true => Ok(()),
            false => {
                Err(CommandError::input(format!("{} holds something else than a report", out.display()))
                    .hinted("name another folder with -o; nothing was changed"))
            }
        },
    }
}

/// Writes the folder beside its place and puts it there whole. Nothing, and false, if that was stopped.
fn write(
    out: &Path,
    report: &Report,
    analysis: &Analysis,
    is_stopped: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent)?;
    let draft = tempfile::Builder::new().prefix(".report-").tempdir_in(&parent)?;
    let figures = draft.path().join("figures");
    fs::create_dir(&figures)?;
    let put = |path: PathBuf, bytes: &[u8]| fs::File::create(path)?.write_all(bytes);
    put(draft.path().join("report.html"), report.html.as_bytes())?;
    put(draft.path().join("report.md"), report.markdown.as_bytes())?;
    put(draft.path().join("leaderboard.csv"), csv(&rows(analysis, Sort::Score)).as_bytes())?;
    for figure in &report.figures {
        if is_stopped() {
            return Ok(false);
        }
        put(figures.join(format!("{}.svg", figure.id)), figure.svg.as_bytes())?;
        put(figures.join(format!("{}.pdf", figure.id)), &figure.pdf().map_err(io::Error::other)?)?;
        put(figures.join(format!("{}.csv", figure.id)), figure.csv.as_bytes())?;
    }
    put(draft.path().join(MARK), report.json.as_bytes())?;
    if out.is_dir() {
        replace(draft.path(), out)?;
    } else {
        fs::rename(draft.path(), out)?;
    }
    open_to_readers(out)?;
    Ok(true)
}

/// Puts the new report in the old one's place, whose figures go. What others have put beside an old report stays.
fn replace(draft: &Path, out: &Path) -> io::Result<()> {
    let figures = out.join("figures");
    fs::create_dir_all(&figures)?;
    for id in figures_of(&out.join(MARK)) {
        for form in ["svg", "pdf", "csv"] {
            match fs::remove_file(figures.join(format!("{id}.{form}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    for entry in fs::read_dir(draft.join("figures"))? {
        let entry = entry?;
        fs::rename(entry.path(), figures.join(entry.file_name()))?;
    }
    fs::remove_dir(draft.join("figures"))?;
    for entry in fs::read_dir(draft)? {
        let entry = entry?;
        fs::rename(entry.path(), out.join(entry.file_name()))?;
    }
    Ok(())
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

/// Folders of drafts are their owner's alone; a report is to be shown.
fn open_to_readers(out: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(out, fs::Permissions::from_mode(0o755))
}

fn broken(error: &ReportError) -> CommandError {
    CommandError { kind: Kind::Infrastructure, message: error.to_string(), hint: None }
}

fn unwritten(out: &Path, error: &io::Error) -> CommandError {
    CommandError {
        kind: Kind::Infrastructure,
        message: format!("{}: {error}", out.display()),
        hint: Some("see whether there is room, and whether you may write there".to_owned()),
    }
}
