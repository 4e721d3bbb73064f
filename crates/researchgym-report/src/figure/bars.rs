//! Wholes and their parts in rows: endings, failed runs, actions.

use super::font::{self, Weight};
use super::frame::{self, Axis, EDGE, LABEL_SIZE, TICK_SIZE, WIDTH};
use super::number;
use super::scale::Scale;
use super::scene::{Anchor, Area, Scene, Words};
use crate::palette::Ink;

/// Rows of parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    /// What the parts are called, with their colours, in the order in which they are drawn.
    pub(crate) parts: Vec<(Ink, String)>,
    pub(crate) rows: Vec<Row>,
    pub(crate) measure: Measure,
    /// What is counted.
    pub(crate) unit: String,
}

/// One whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// A count for each part.
    pub(crate) counts: Vec<u64>,
    /// How many there could have been: a track behind the bar.
    pub(crate) of: Option<u64>,
}

/// What the length of a bar tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// How many.
    Count,
    /// Which share of the row's whole.
    Share,
}

const ROW: f64 = 13.0;

/// Bars side by side, each part with its number where there is room, below a key.
pub(crate) fn draw(chart: &Chart) -> Scene {
    let key: Vec<(Ink, String)> =
        used_parts(chart).into_iter().map(|part| chart.parts[part].clone()).collect();
    drawn(chart, &key)
}

/// The same without a key, where rows have the names of their parts.
pub(crate) fn plain(chart: &Chart) -> Scene {
    drawn(chart, &[])
}

fn drawn(chart: &Chart, key: &[(Ink, String)]) -> Scene {
    let mut probe = Scene::new(WIDTH, 0.0);
    let used = used_parts(chart);
    let names = frame::widest(chart.rows.iter().map(|row| row.name.as_str()), LABEL_SIZE, 150.0);
    let left = EDGE + names + 8.0;
    let top = frame::key(&mut probe, left, EDGE, key);
    let height = top + chart.rows.len() as f64 * ROW + TICK_SIZE + LABEL_SIZE + 10.0 + EDGE;
    let mut scene = Scene::new(WIDTH, height);
    frame::key(&mut scene, left, EDGE, key);
    let totals: Vec<String> = chart.rows.iter().map(|row| total_told(chart.measure, row)).collect();
    let total_width = frame::widest(totals.iter().map(String::as_str), TICK_SIZE, 80.0);
    let area = Area {
        left,
        top,
        right: WIDTH - EDGE - total_width - 8.0,
        bottom: top + chart.rows.len() as f64 * ROW,
    };
    let longest = chart.rows.iter().map(|row| row.of.unwrap_or(0).max(total(row))).max().unwrap_or(0).max(1);
    let axis = axis(chart, longest);
    frame::bottom_axis(&mut scene, &area, &axis);
    frame::bottom_title(&mut scene, &area, &axis.title);
    for (number, (row, told)) in chart.rows.iter().zip(totals).enumerate() {
        let y = area.top + (number as f64 + 0.5) * ROW;
        let name = font::fitted(&font::plain(&row.name), names, LABEL_SIZE, Weight::Regular);
        scene.words(
            Words::new((area.left - 6.0, y + 0.36 * LABEL_SIZE), name, LABEL_SIZE).anchor(Anchor::End),
        );
        draw_row(&mut scene, &area, &axis.scale, chart, &used, row, y);
        let words = Words::new((WIDTH - EDGE, y + 0.36 * TICK_SIZE), told, TICK_SIZE);
        scene.words(words.ink(Ink::Muted).anchor(Anchor::End));
    }
    scene
}

/// The parts that occur at all.
fn used_parts(chart: &Chart) -> Vec<usize> {
    let occurs =
        |part: &usize| chart.rows.iter().any(|row| row.counts.get(*part).is_some_and(|count| *count > 0));
    (0..chart.parts.len()).filter(occurs).collect()
}

fn total(row: &Row) -> u64 {
    row.counts.iter().sum()
}

fn total_told(measure: Measure, row: &Row) -> String {
    let counted = number::decimals(total(row) as f64, 0);
    match (measure, row.of) {
        (Measure::Count, Some(of)) => format!("{counted} of {}", number::decimals(of as f64, 0)),
        (Measure::Count, None) => counted,
        (Measure::Share, _) => format!("n = {counted}"),
    }
}

fn axis(chart: &Chart, longest: u64) -> Axis {
    match chart.measure {
        Measure::Count => {
            let mut axis = Axis::new(&chart.unit, Scale::between(0.0, longest as f64), 6);
            axis.ticks.retain(|tick| tick.value.fract() == 0.0);
            for tick in &mut axis.ticks {
                tick.label = number::decimals(tick.value, 0);
            }
            axis
        }
        Measure::Share => {
            let mut axis = Axis::new(format!("share of {}", chart.unit), Scale::between(0.0, 1.0), 4);
            for tick in &mut axis.ticks {
                tick.label = number::percent(tick.value);
            }
            axis
        }
    }
}

fn draw_row(scene: &mut Scene, area: &Area, scale: &Scale, chart: &Chart, used: &[usize], row: &Row, y: f64) {
    let whole = match chart.measure {
        Measure::Count => 1.0,
        Measure::Share => total(row) as f64,
    };
    let bar = |from: f64, to: f64| Area {
        left: frame::across(area, scale, from),
        right: frame::across(area, scale, to),
        top: y - 4.6,
        bottom: y + 4.6,
    };
    if let Some(of) = row.of.filter(|_| chart.measure == Measure::Count) {
        scene.area(bar(0.0, of as f64), Ink::Band, None);
    }
    let mut from = 0.0;
    for part in used {
        let count = row.counts.get(*part).copied().unwrap_or(0);
        if count == 0 || whole <= 0.0 {
            continue;
        }
        let to = from + count as f64 / whole;
        let (ink, name) = &chart.parts[*part];
        let mut piece = bar(from, to);
        // A hair of ground between neighbours, so that they are told apart without their colours.
        piece.right = (piece.right - 0.6).max(piece.left + 0.3);
        let share = number::percent(count as f64 / total(row) as f64);
        scene.area(piece, *ink, Some(format!("{}: {name} {count} ({share})", row.name)));
        let text = match chart.measure {
            Measure::Count => number::decimals(count as f64, 0),
            Measure::Share => share,
        };
        if font::width(&text, TICK_SIZE - 0.5, Weight::Regular) + 3.0 <= piece.width() {
            let words = Words::new((piece.middle().0, y + 0.34 * TICK_SIZE), text, TICK_SIZE - 0.5);
            scene.words(words.ink(on(*ink)).anchor(Anchor::Middle));
        }
        from = to;
    }
}

/// The ink of words on an area.
pub(crate) fn on(ink: Ink) -> Ink {
    match ink {
        Ink::Part(part) => Ink::OnPart(part),
        Ink::Hue(_) | Ink::OnPart(_) => Ink::Ground,
        Ink::Text | Ink::Muted | Ink::Axis => Ink::Ground,
        Ink::Grid | Ink::Band | Ink::Ground => Ink::Text,
    }
}
