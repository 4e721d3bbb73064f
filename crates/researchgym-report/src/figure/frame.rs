//! What all charts share: sizes, axes, keys, and the shell around a drawing.

use super::font::{self, Weight};
use super::scale::{Scale, Tick};
use super::scene::{Anchor, Area, Pen, Scene, Words};
use crate::palette::{Ink, Style};

/// The width of a figure: seven inches, the text of a page in two columns.
pub(crate) const WIDTH: f64 = 504.0;
/// Sizes of words.
pub(crate) const TICK_SIZE: f64 = 7.0;
pub(crate) const LABEL_SIZE: f64 = 7.5;
pub(crate) const TITLE_SIZE: f64 = 8.0;
/// What lies between a drawing and its edge.
pub(crate) const EDGE: f64 = 4.0;

/// Somebody who is shown: a name and what it looks like throughout a report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) style: Style,
}

/// An axis: what it tells, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) scale: Scale,
    pub(crate) ticks: Vec<Tick>,
}

impl Axis {
    pub(crate) fn new(title: impl Into<String>, scale: Scale, about: usize) -> Axis {
        Axis { title: title.into(), scale, ticks: scale.ticks(about) }
    }

    /// The same without labels near the ends, where those of the next panel begin.
    pub(crate) fn inner(mut self) -> Axis {
        for tick in &mut self.ticks {
            if !(0.06..=0.94).contains(&self.scale.share(tick.value)) {
                tick.label.clear();
            }
        }
        self
    }

    /// How wide the widest label is.
    pub(crate) fn label_width(&self) -> f64 {
        self.ticks.iter().map(|tick| font::width(&tick.label, TICK_SIZE, Weight::Regular)).fold(0.0, f64::max)
    }
}

/// Where a value lies from left to right.
pub(crate) fn across(area: &Area, scale: &Scale, value: f64) -> f64 {
    area.left + scale.share(value) * area.width()
}

/// Where a value lies from bottom to top.
pub(crate) fn up(area: &Area, scale: &Scale, value: f64) -> f64 {
    area.bottom - scale.share(value) * area.height()
}

/// Lines to read values by, with labels below; labels that would touch are left out.
pub(crate) fn bottom_axis(scene: &mut Scene, area: &Area, axis: &Axis) {
    let mut free_from = f64::NEG_INFINITY;
    for tick in &axis.ticks {
        let x = across(area, &axis.scale, tick.value);
        scene.line(vec![(x, area.top), (x, area.bottom)], Pen::solid(Ink::Grid, 0.6));
        let half = font::width(&tick.label, TICK_SIZE, Weight::Regular) / 2.0;
        let at = x.clamp(half + 1.0, (scene.width - half - 1.0).max(half + 1.0));
        if at - half >= free_from && !tick.label.is_empty() {
            let words = Words::new((at, area.bottom + TICK_SIZE + 3.0), &tick.label, TICK_SIZE);
            scene.words(words.ink(Ink::Muted).anchor(Anchor::Middle));
            free_from = at + half + 4.0;
        }
    }
}

/// The title of the axis below.
pub(crate) fn bottom_title(scene: &mut Scene, area: &Area, title: &str) {
    let title = font::fitted(title, scene.width - 2.0 * EDGE, LABEL_SIZE, Weight::Regular);
    let half = font::width(&title, LABEL_SIZE, Weight::Regular) / 2.0;
    let x = area.middle().0.clamp(EDGE + half, (scene.width - EDGE - half).max(EDGE + half));
    let words = Words::new((x, area.bottom + TICK_SIZE + LABEL_SIZE + 7.0), title, LABEL_SIZE);
    scene.words(words.anchor(Anchor::Middle));
}

/// Lines to read values by, with labels at their left.
pub(crate) fn left_axis(scene: &mut Scene, area: &Area, axis: &Axis) {
    for tick in &axis.ticks {
        let y = up(area, &axis.scale, tick.value);
        scene.line(vec![(area.left, y), (area.right, y)], Pen::solid(Ink::Grid, 0.6));
        let words = Words::new((area.left - 4.0, y + 0.36 * TICK_SIZE), &tick.label, TICK_SIZE);
        scene.words(words.ink(Ink::Muted).anchor(Anchor::End));
    }
}

/// The line that a chart stands on.
pub(crate) fn floor(scene: &mut Scene, area: &Area) {
    scene.line(vec![(area.left, area.bottom), (area.right, area.bottom)], Pen::solid(Ink::Axis, 0.8));
}

/// A key: squares with their names, in rows from left to right; what is below it begins at the height that it gives.
pub(crate) fn key(scene: &mut Scene, left: f64, top: f64, entries: &[(Ink, String)]) -> f64 {
    const SQUARE: f64 = 7.0;
    let all: f64 =
        entries.iter().map(|(_, name)| SQUARE + 15.5 + font::width(name, LABEL_SIZE, Weight::Regular)).sum();
    let left = if all > scene.width - EDGE - left { EDGE } else { left };
    let (mut x, mut y) = (left, top);
    let most = scene.width - EDGE - left;
    for (ink, name) in entries {
        let name = font::fitted(name, most - SQUARE - 4.0, LABEL_SIZE, Weight::Regular);
        let width = SQUARE + 3.5 + font::width(&name, LABEL_SIZE, Weight::Regular);
        if x > left && x + width > scene.width - EDGE {
            (x, y) = (left, y + LABEL_SIZE + 5.0);
        }
        scene.area(Area { left: x, top: y, right: x + SQUARE, bottom: y + SQUARE }, *ink, None);
        scene.words(Words::new((x + SQUARE + 3.5, y + SQUARE - 0.6), name, LABEL_SIZE));
        x += width + 12.0;
    }
    if entries.is_empty() { top } else { y + SQUARE + 7.0 }
}

/// A key of contenders: their lines with their names.
pub(crate) fn line_key(scene: &mut Scene, left: f64, top: f64, entries: &[Shown]) -> f64 {
    const SAMPLE: f64 = 16.0;
    let named = |shown: &Shown| font::fitted(&shown.name, 150.0, LABEL_SIZE, Weight::Regular);
    let widest = entries
        .iter()
        .map(|shown| font::width(&named(shown), LABEL_SIZE, Weight::Regular))
        .fold(0.0, f64::max);
    let step = widest + SAMPLE + 18.0;
    let columns = (((scene.width - EDGE - left) / step).floor() as usize).clamp(1, 8);
    let rows = entries.len().div_ceil(columns);
    for (number, shown) in entries.iter().enumerate() {
        let (x, y) =
            (left + (number % columns) as f64 * step, top + (number / columns) as f64 * (LABEL_SIZE + 4.0));
        scene.line(vec![(x, y + 4.5), (x + SAMPLE, y + 4.5)], Pen::of(shown.style, 1.6));
        scene.words(Words::new((x + SAMPLE + 4.0, y + 7.0), named(shown), LABEL_SIZE));
    }
    if entries.is_empty() { top } else { top + rows as f64 * (LABEL_SIZE + 4.0) + 6.0 }
}

/// How wide the widest of some names is, up to a limit.
pub(crate) fn widest<'a>(names: impl IntoIterator<Item = &'a str>, size: f64, most: f64) -> f64 {
    names
        .into_iter()
        .map(|name| font::width(&font::plain(name), size, Weight::Regular))
        .fold(0.0, f64::max)
        .min(most)
}
