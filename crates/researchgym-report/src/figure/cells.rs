//! A table whose cells are shaded by their value: who was flagged where, who beats whom.

use super::font::{self, Weight};
use super::frame::{self, EDGE, LABEL_SIZE, TICK_SIZE, WIDTH};
use super::scene::{Anchor, Area, Outline, Scene, TURN, Words};
use crate::palette::{self, Ink};

const ROW: f64 = 13.0;

/// Rows and columns with a value where they meet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    pub(crate) rows: Vec<String>,
    pub(crate) columns: Vec<String>,
    /// By row, then by column.
    pub(crate) cells: Vec<Vec<Cell>>,
    /// What the shade is made of.
    pub(crate) part: u8,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Cell {
    /// How dark it is, from 0 to 1; `None` if there is nothing to tell.
    pub(crate) share: Option<f64>,
    /// What stands in it.
    pub(crate) text: String,
    /// What a page shows when it is pointed at.
    pub(crate) tip: String,
}

/// The table, its column names above: in lines where they fit, else rising.
pub(crate) fn draw(chart: &Chart) -> Scene {
    let names = frame::widest(chart.rows.iter().map(String::as_str), LABEL_SIZE, 150.0);
    let left = EDGE + names + 8.0;
    let count = chart.columns.len().max(1) as f64;
    let column_width = ((WIDTH - EDGE - left) / count).min(60.0);
    let heads: Vec<Vec<String>> =
        chart.columns.iter().map(|name| head(&font::plain(name), column_width - 3.0)).collect();
    let is_whole = |(head, name): (&Vec<String>, &String)| {
        !head.iter().any(|line| line.contains('…')) || name.contains('…')
    };
    if heads.iter().zip(&chart.columns).all(is_whole) {
        return below_lines(chart, names, left, column_width, &heads);
    }
    let (sine, cosine) = TURN.to_radians().sin_cos();
    let widest = frame::widest(chart.columns.iter().map(String::as_str), TICK_SIZE, 80.0);
    let column_width = ((WIDTH - EDGE - left - widest * cosine) / (count - 0.5)).min(60.0);
    let top = EDGE + widest * sine + TICK_SIZE + 2.0;
    let mut scene = Scene::new(WIDTH, top + chart.rows.len() as f64 * ROW + EDGE);
    for (number, name) in chart.columns.iter().enumerate() {
        let x = left + (number as f64 + 0.5) * column_width;
        let name = font::fitted(&font::plain(name), widest, TICK_SIZE, Weight::Regular);
        scene.words(Words::new((x, top - 4.0), name, TICK_SIZE).ink(Ink::Muted).turned());
    }
    rows(&mut scene, chart, names, Area { left, top, right: left + column_width, bottom: top + ROW });
    scene
}

fn below_lines(chart: &Chart, names: f64, left: f64, column_width: f64, heads: &[Vec<String>]) -> Scene {
    let lines = heads.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let top = EDGE + lines * (TICK_SIZE + 1.0) + 5.0;
    let mut scene = Scene::new(WIDTH, top + chart.rows.len() as f64 * ROW + EDGE);
    for (number, head) in heads.iter().enumerate() {
        let x = left + (number as f64 + 0.5) * column_width;
        let first = top - 5.0 - (head.len() as f64 - 1.0) * (TICK_SIZE + 1.0);
        for (line, text) in head.iter().enumerate() {
            let words = Words::new((x, first + line as f64 * (TICK_SIZE + 1.0)), text, TICK_SIZE);
            scene.words(words.ink(Ink::Muted).anchor(Anchor::Middle));
        }
    }
    rows(&mut scene, chart, names, Area { left, top, right: left + column_width, bottom: top + ROW });
    scene
}

/// Rows of cells, of which the first is given.
fn rows(scene: &mut Scene, chart: &Chart, names: f64, first: Area) {
    let Area { left, top, .. } = first;
    let column_width = first.width();
    for (number, (name, cells)) in chart.rows.iter().zip(&chart.cells).enumerate() {
        let y = top + number as f64 * ROW;
        let name = font::fitted(&font::plain(name), names, LABEL_SIZE, Weight::Regular);
        scene.words(
            Words::new((left - 6.0, y + ROW / 2.0 + 0.36 * LABEL_SIZE), name, LABEL_SIZE).anchor(Anchor::End),
        );
        for (column, cell) in cells.iter().enumerate() {
            let x = left + column as f64 * column_width;
            let area =
                Area { left: x + 0.5, top: y + 0.5, right: x + column_width - 0.5, bottom: y + ROW - 0.5 };
            draw_cell(scene, &area, cell, chart.part);
        }
    }
}

fn draw_cell(scene: &mut Scene, area: &Area, cell: &Cell, part: u8) {
    let tip = (!cell.tip.is_empty()).then(|| cell.tip.clone());
    let share = cell.share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0));
    let Area { left, top, right, bottom } = *area;
    let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
    match share {
        Some(share) if share > 0.0 => {
            let fill = Some((Ink::Part(part), opacity(share)));
            scene.shape(Outline::Closed(corners), fill, None, tip);
        }
        Some(_) => scene.shape(Outline::Closed(corners), Some((Ink::Band, 0.6)), None, tip),
        None => {}
    }
    let ink = match share {
        Some(share) if share > 0.0 => palette::on_shaded(part, opacity(share)),
        _ => Ink::Muted,
    };
    let size = TICK_SIZE - 0.3;
    let text = font::fitted(&cell.text, area.width() - 1.0, size, Weight::Regular);
    let (x, y) = area.middle();
    scene.words(Words::new((x, y + 0.36 * size), text, size).ink(ink).anchor(Anchor::Middle));
}

/// How much of the ground a cell of this share covers.
fn opacity(share: f64) -> f64 {
    0.1 + 0.9 * share
}

/// A column's name in lines: broken between its words, and where small letters meet capitals.
fn head(name: &str, most: f64) -> Vec<String> {
    let mut spaced = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        if before.is_lowercase() && letter.is_uppercase() || matches!(before, '-' | '_' | '/') {
            spaced.push(' ');
        }
        spaced.push(letter);
        before = letter;
    }
    let joined = |text: &str| {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if font::width(&format!("{line}{word}"), TICK_SIZE, Weight::Regular) <= most => {
                    line.push_str(word)
                }
                _ => lines.push(font::fitted(word, most, TICK_SIZE, Weight::Regular)),
            }
        }
        lines
    };
    if name.contains(' ') { font::wrapped(name, most, TICK_SIZE, Weight::Regular) } else { joined(&spaced) }
}
