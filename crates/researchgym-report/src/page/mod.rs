//! A report: one page that needs nothing but itself, its figures, and the same as Markdown and JSON.
//!
//! Names and texts of runs are hostile: everything is escaped, and the page's policy lets it load and send nothing.

mod ideas;
mod markdown;
mod model;
mod searches;
mod sections;
mod tables;
mod words;

pub(crate) use self::markdown::escaped;

use minijinja::{AutoEscape, Environment, context};
use researchgym_core::record::RunRecord;
use researchgym_core::statistics::Analysis;
use serde_json::json;

use self::model::{Note, Section};
use self::sections::Matter;
use crate::figure::{Atlas, Figure, atlas, plain, svg};
use crate::search::{SearchTree, shown};

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// What is shown.
    pub analysis: &'a Analysis,
    /// The analysis of the same records with [`researchgym_core::statistics::Flagged::LeftOut`]: tables with and without
    /// flagged runs.
    pub without_flagged: Option<&'a Analysis>,
    /// The runs: where they come from, what of them could not be taken over, and what searches were.
    pub records: &'a [RunRecord],
    /// Searches node by node: those that [`crate::pictured`] names, as far as they can be read.
    pub trees: &'a [SearchTree],
}

/// What a page cannot know by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFacts {
    /// The program's version.
    pub version: String,
    /// When the report was made, RFC 3339.
    pub made_at: String,
    /// What it is called.
    pub title: String,
}

/// A report: write `report.html`, `report.md` and `report.json`, and of each figure `figures/ID.svg`, `.pdf` and `.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The page.
    pub html: String,
    /// The same as Markdown, without tables of single runs.
    pub markdown: String,
    /// Everything with all digits.
    pub json: String,
    /// All figures.
    pub figures: Vec<Figure>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The page could not be filled in.
    #[error("the page: {0}")]
    Page(#[from] minijinja::Error),
    /// The JSON could not be written.
    #[error("the report's json: {0}")]
    Json(#[from] serde_json::Error),
}

/// The leaderboard alone as a page.
///
/// # Errors
/// The page could not be filled in.
pub fn leaderboard_page(
    analysis: &Analysis,
    records: &[RunRecord],
    facts: &PageFacts,
) -> Result<String, ReportError> {
    let atlas = Atlas { figures: Vec::new(), absent: Vec::new() };
    let section =
        Matter { analysis, without_flagged: None, records, trees: &[], atlas: &atlas }.leaderboard();
    Ok(Page::of(analysis, records, facts, &[section]).html()?)
}

/// Makes a report.
///
/// # Errors
/// The page could not be filled in.
pub fn report(given: &Given<'_>, facts: &PageFacts) -> Result<Report, ReportError> {
    let Given { analysis, without_flagged, records, trees } = *given;
    let atlas = atlas(given);
    let without_flagged = without_flagged.filter(|_| !analysis.integrity.flagged.is_empty());
    let sections = Matter { analysis, without_flagged, records, trees, atlas: &atlas }.sections();
    let page = Page::of(analysis, records, facts, &sections);
    let markdown = page.markdown();
    let html = page.html()?;
    let mut json = json!({
        "schema": 1,
        "title": facts.title,
        "made_at": facts.made_at,
        "version": facts.version,
        "analysis": analysis,
        "without_flagged": without_flagged,
        "figures": atlas.figures.iter().map(|figure| json!({
            "id": figure.id,
            "title": figure.title,
            "caption": figure.caption,
        })).collect::<Vec<_>>(),
        "figures_without_data": atlas.absent,
    });
    let searches: Vec<_> = shown(records, analysis)
        .map(|(record, search)| json!({ "run_id": record.run_id, "search": search }))
        .collect();
    if !searches.is_empty() {
        json["searches"] = searches.into();
    }
    Ok(Report { html, markdown, json: serde_json::to_string_pretty(&json)?, figures: atlas.figures })
}

/// What a page shows, whatever its form.
struct Page<'a> {
    title: String,
    lead: String,
    warnings: Vec<String>,
    sections: &'a [Section],
    methods: Vec<Note>,
    provenance: Vec<Note>,
}

impl<'a> Page<'a> {
    fn of(
        analysis: &Analysis,
        records: &[RunRecord],
        facts: &PageFacts,
        sections: &'a [Section],
    ) -> Page<'a> {
        Page {
            title: plain(&facts.title),
            lead: plain(&words::lead(analysis, facts)),
            warnings: analysis.warnings.iter().map(|warning| plain(warning)).collect(),
            sections,
            methods: words::methods(analysis),
            provenance: words::provenance(analysis, records, facts),
        }
    }

    fn markdown(&self) -> String {
        markdown::page(
            &self.title,
            &self.lead,
            &self.warnings,
            self.sections,
            &self.methods,
            &self.provenance,
        )
    }

    fn html(&self) -> Result<String, minijinja::Error> {
        let Page { title, lead, warnings, sections, methods, provenance } = self;
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_template("report.html", include_str!("report.html"))?;
        environment.get_template("report.html")?.render(context! {
            title, lead, warnings, sections, methods, provenance,
            style => include_str!("style.css"),
            figure_style => svg::dark_style(),
            script => include_str!("sort.js"),
        })
    }
}
