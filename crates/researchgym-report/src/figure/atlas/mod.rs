//! The figures of a report, made from an analysis. What there is no data for is left out, and told.

mod achieved;
mod conduct;
mod cost;
mod doubt;
mod progress;
mod search;

use researchgym_core::score::{Direction, Primary};
use researchgym_core::statistics::sample::Interval;
use researchgym_core::statistics::{Analysis, Flagged};

use super::Figure;
use super::csv::Value;
use super::font;
use super::frame::Shown;
use crate::Given;
use crate::palette::Style;

/// All figures of a report, and those that there is no data for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Atlas {
    pub(crate) figures: Vec<Figure>,
    /// Each in a sentence.
    pub(crate) absent: Vec<String>,
}

/// A figure, or why there is none.
type Drawn = Result<Figure, String>;

/// Draws all figures of a report.
pub(crate) fn atlas(given: &Given<'_>) -> Atlas {
    let analysis = given.analysis;
    let cast = Cast::of(analysis);
    let mut drawn = Vec::new();
    drawn.extend(achieved::figures(analysis, &cast));
    drawn.extend(cost::figures(analysis, &cast));
    drawn.extend(progress::figures(analysis, &cast));
    drawn.extend(search::figures(given));
    drawn.extend(conduct::figures(analysis, &cast));
    drawn.extend(doubt::figures(analysis, &cast));
    let mut atlas = Atlas { figures: Vec::new(), absent: Vec::new() };
    for one in drawn {
        match one {
            Ok(figure) => atlas.figures.push(figure),
            Err(reason) => atlas.absent.push(reason),
        }
    }
    atlas
}

/// Who is shown, and as what: the same in every figure.
pub(crate) struct Cast {
    names: Vec<(String, String)>,
    notes: String,
}

impl Cast {
    pub(crate) fn of(analysis: &Analysis) -> Cast {
        let full: Vec<&str> =
            analysis.contenders.iter().map(|standing| standing.contender.as_str()).collect();
        let shared = shared_prefix(&full);
        let names =
            full.iter().map(|name| ((*name).to_owned(), font::plain(&name[shared.len()..]))).collect();
        Cast { names, notes: notes(analysis) }
    }

    /// A contender as it is shown. The baseline is nobody's.
    pub(super) fn shown(&self, contender: &str) -> Shown {
        match self.names.iter().position(|(full, _)| full == contender) {
            Some(number) => Shown { name: self.names[number].1.clone(), style: Style::of(number) },
            None => Shown { name: font::plain(contender), style: Style::baseline() },
        }
    }

    /// The short name of a contender.
    pub(crate) fn name(&self, contender: &str) -> String {
        self.shown(contender).name
    }

    /// How intervals were made, for captions.
    fn notes(&self) -> &str {
        &self.notes
    }
}

/// What all names begin with up to the end of an agent's name: there it tells nothing.
fn shared_prefix<'a>(names: &[&'a str]) -> &'a str {
    let Some(first) = names.first().filter(|_| names.len() > 1) else { return "" };
    let Some(end) = first.find(" / ") else { return "" };
    let prefix = &first[..end + 3];
    if names.iter().all(|name| name.starts_with(prefix) && name.len() > prefix.len()) { prefix } else { "" }
}

fn notes(analysis: &Analysis) -> String {
    let settings = &analysis.settings;
    let flagged = match settings.flagged {
        Flagged::Kept => "",
        Flagged::LeftOut => " Flagged runs are left out.",
    };
    if settings.resamples == 0 {
        return format!("No intervals were computed.{flagged}");
    }
    format!(
        "Intervals: {} bootstrap over runs within each cell, {} resamples, seed {}.{flagged}",
        super::number::percent(settings.confidence),
        super::number::decimals(f64::from(settings.resamples), 0),
        settings.seed
    )
}

/// A metric with an arrow to where it is better.
pub(crate) fn metric(primary: Option<&Primary>) -> String {
    match primary {
        Some(Primary { name, direction: Direction::Maximize }) => format!("{} ↑", font::plain(name)),
        Some(Primary { name, direction: Direction::Minimize }) => format!("{} ↓", font::plain(name)),
        None => "metric not known".to_owned(),
    }
}

fn ends(interval: Option<Interval>) -> Option<(f64, f64)> {
    interval.map(|interval| (interval.low, interval.high))
}

fn low<'a>(interval: Option<Interval>) -> Value<'a> {
    Value::Number(interval.map(|interval| interval.low))
}

fn high<'a>(interval: Option<Interval>) -> Value<'a> {
    Value::Number(interval.map(|interval| interval.high))
}

/// A name for files: small letters, digits and hyphens.
pub(crate) fn slug(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => out.push(letter),
            _ if out.ends_with('-') || out.is_empty() => {}
            _ => out.push('-'),
        }
    }
    let kept = out.trim_end_matches('-');
    kept[..kept.len().min(60)].to_owned()
}
