//! Values with their intervals in rows: scores of contenders on a task, with what they must beat and what is noise.

use super::font::{self, Weight};
use super::frame::{self, Axis, EDGE, LABEL_SIZE, Shown, TICK_SIZE, TITLE_SIZE, WIDTH};
use super::number;
use super::scale::{self, Scale};
use super::scene::{Anchor, Area, Outline, Pen, Scene, Words};
use crate::palette::{Dash, Ink};

/// One task, or one quantity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panel {
    pub(crate) title: String,
    /// What the values are, and which are better.
    pub(crate) unit: String,
    pub(crate) rows: Vec<Row>,
    /// What is to be beaten, and what it is called.
    pub(crate) reference: Option<(f64, String)>,
    /// Differences from the reference up to this are noise.
    pub(crate) noise: f64,
}

/// One contender's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) shown: Shown,
    pub(crate) value: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    /// A second value: the best of several.
    pub(crate) best: Option<f64>,
    /// What the value was made of, each by itself.
    pub(crate) each: Vec<f64>,
}

impl Panel {
    fn values(&self) -> Vec<f64> {
        let rows = self.rows.iter().flat_map(|row| [row.value, row.best]).flatten();
        let each = self.rows.iter().flat_map(|row| row.each.iter().copied());
        rows.chain(each).chain(self.reference.as_ref().map(|(value, _)| *value)).collect()
    }

    /// A scale for what is usual, so that one value that lies far off does not hide all others.
    fn scale(&self) -> Scale {
        let (low, high) = scale::usual(&self.values()).unwrap_or((0.0, 1.0));
        let span = (high - low).max(1e-12 * high.abs().max(low.abs()));
        let within = |bound: &f64| *bound >= low - 1.5 * span && *bound <= high + 1.5 * span;
        let bounds =
            self.rows.iter().filter_map(|row| row.interval).flat_map(|(lower, upper)| [lower, upper]);
        let noise = self.reference.iter().flat_map(|(value, _)| [value - self.noise, value + self.noise]);
        Scale::linear([low, high].into_iter().chain(bounds.chain(noise).filter(within)), 0.06)
    }
}

/// One panel with values written out.
pub(crate) fn single(panel: &Panel) -> Scene {
    const ROW: f64 = 12.5;
    let names = frame::widest(panel.rows.iter().map(|row| row.shown.name.as_str()), LABEL_SIZE, 150.0);
    let places = number::places(&panel.values());
    let told: Vec<String> = panel.rows.iter().map(|row| told(row, places)).collect();
    let told_width = frame::widest(told.iter().map(String::as_str), TICK_SIZE, 150.0);
    let top = EDGE + if panel.reference.is_some() { TICK_SIZE + 5.0 } else { 2.0 };
    let height = top + panel.rows.len() as f64 * ROW + TICK_SIZE + LABEL_SIZE + 10.0 + EDGE;
    let mut scene = Scene::new(WIDTH, height);
    let area = Area {
        left: EDGE + names + 8.0,
        top,
        right: WIDTH - EDGE - told_width - 10.0,
        bottom: top + panel.rows.len() as f64 * ROW,
    };
    let axis = Axis::new(&panel.unit, panel.scale(), 6);
    draw(&mut scene, &area, panel, &axis, ROW);
    frame::bottom_title(&mut scene, &area, &panel.unit);
    for (number, (row, told)) in panel.rows.iter().zip(told).enumerate() {
        let y = area.top + (number as f64 + 0.5) * ROW;
        name(&mut scene, &area, row, y, names, LABEL_SIZE);
        let words = Words::new((WIDTH - EDGE, y + 0.36 * TICK_SIZE), told, TICK_SIZE);
        scene.words(words.ink(Ink::Muted).anchor(Anchor::End));
    }
    if let Some((value, name)) = panel.reference.as_ref().filter(|(value, _)| axis.scale.holds(*value)) {
        let text = format!("{name} {}", number::decimals(*value, places));
        let half = font::width(&text, TICK_SIZE, Weight::Regular) / 2.0;
        let x = frame::across(&area, &axis.scale, *value)
            .clamp(area.left + half, area.right.max(area.left + half) - half);
        scene.words(Words::new((x, area.top - 4.0), text, TICK_SIZE).ink(Ink::Muted).anchor(Anchor::Middle));
    }
    scene
}

fn told(row: &Row, places: usize) -> String {
    let Some(value) = row.value else { return "no score".to_owned() };
    let value_text = number::decimals(value, places);
    match row.interval {
        Some((low, high)) => {
            format!("{value_text} [{}, {}]", number::decimals(low, places), number::decimals(high, places))
        }
        None => value_text,
    }
}

/// Many panels whose rows are the same contenders: names stand at the left alone.
pub(crate) fn grid(panels: &[Panel], columns: usize) -> Scene {
    const ROW: f64 = 8.6;
    let columns = columns.min(panels.len()).max(1);
    let named = panels.iter().flat_map(|panel| panel.rows.iter().map(|row| row.shown.name.as_str()));
    let names = frame::widest(named, TICK_SIZE, 110.0);
    let most = panels.iter().map(|panel| panel.rows.len()).max().unwrap_or(0) as f64;
    let head = TITLE_SIZE + TICK_SIZE + 6.0;
    let step = head + most * ROW + TICK_SIZE + 12.0;
    let rows = panels.len().div_ceil(columns).max(1);
    let mut scene = Scene::new(WIDTH, EDGE + rows as f64 * step);
    let column_width = (WIDTH - 2.0 * EDGE - names - 6.0) / columns as f64;
    for (number, panel) in panels.iter().enumerate() {
        let (column, line) = (number % columns, number / columns);
        let left = EDGE + names + 6.0 + column as f64 * column_width;
        let top = EDGE + line as f64 * step;
        let area = Area {
            left: left + 4.0,
            top: top + head,
            right: left + column_width - 5.0,
            bottom: top + head + panel.rows.len() as f64 * ROW,
        };
        let title = font::fitted(&panel.title, area.width(), TITLE_SIZE, Weight::Bold);
        scene.words(Words::new((area.left, top + TITLE_SIZE), title, TITLE_SIZE).bold());
        let unit = font::fitted(&panel.unit, area.width(), TICK_SIZE, Weight::Regular);
        scene.words(
            Words::new((area.left, top + TITLE_SIZE + TICK_SIZE + 1.5), unit, TICK_SIZE).ink(Ink::Muted),
        );
        draw(&mut scene, &area, panel, &Axis::new("", panel.scale(), 4).inner(), ROW);
        if column == 0 {
            for (number, row) in panel.rows.iter().enumerate() {
                name(&mut scene, &area, row, area.top + (number as f64 + 0.5) * ROW, names, TICK_SIZE);
            }
        }
    }
    scene
}

fn name(scene: &mut Scene, area: &Area, row: &Row, y: f64, most: f64, size: f64) {
    let text = font::fitted(&font::plain(&row.shown.name), most, size, Weight::Regular);
    scene.words(Words::new((area.left - 6.0, y + 0.36 * size), text, size).anchor(Anchor::End));
}

fn draw(scene: &mut Scene, area: &Area, panel: &Panel, axis: &Axis, row_height: f64) {
    if let Some((value, _)) = &panel.reference
        && panel.noise > 0.0
    {
        let at = |value: f64| frame::across(area, &axis.scale, value).clamp(area.left, area.right);
        let band = Area { left: at(value - panel.noise), right: at(value + panel.noise), ..*area };
        if band.width() > 0.3 {
            scene.area(band, Ink::Band, Some(format!("noise: ±{}", number::significant(panel.noise, 2))));
        }
    }
    frame::bottom_axis(scene, area, axis);
    if let Some((value, _)) = panel.reference.as_ref().filter(|(value, _)| axis.scale.holds(*value)) {
        let x = frame::across(area, &axis.scale, *value);
        let pen = Pen { ink: Ink::Axis, width: 1.0, dash: Dash::Dashed };
        scene.line(vec![(x, area.top - 1.0), (x, area.bottom)], pen);
    }
    for (number, row) in panel.rows.iter().enumerate() {
        draw_row(scene, area, &axis.scale, row, area.top + (number as f64 + 0.5) * row_height);
    }
    frame::floor(scene, area);
}

fn draw_row(scene: &mut Scene, area: &Area, scale: &Scale, row: &Row, y: f64) {
    let Some(value) = row.value.filter(|value| value.is_finite()) else {
        let words = Words::new((area.left + 2.0, y + 2.0), "no score", TICK_SIZE - 1.2);
        return scene.words(words.ink(Ink::Muted).lit());
    };
    let tip = format!("{}: {}", row.shown.name, told(row, 4));
    if let Some((low, high)) = row.interval.filter(|(low, high)| low.is_finite() && high.is_finite()) {
        let at = |value: f64| frame::across(area, scale, value).clamp(area.left, area.right);
        scene.line(vec![(at(low), y), (at(high), y)], Pen::solid(row.shown.style.ink, 1.3));
        for bound in [low, high] {
            if scale.holds(bound) {
                scene.line(
                    vec![(at(bound), y - 1.8), (at(bound), y + 1.8)],
                    Pen::solid(row.shown.style.ink, 0.8),
                );
            } else {
                arrow(scene, area, y, side(scale, bound), row);
            }
        }
    }
    for one in row.each.iter().filter(|one| scale.holds(**one)) {
        let place = (frame::across(area, scale, *one), y);
        let tip = format!("{}: {}", row.shown.name, number::significant(*one, 4));
        let pen = Pen::solid(row.shown.style.ink, 0.7);
        scene.shape(Outline::Circle(place, 1.7), Some((Ink::Ground, 1.0)), Some(pen), Some(tip));
    }
    if let Some(best) = row.best.filter(|best| scale.holds(*best)) {
        let x = frame::across(area, scale, best);
        let tick = vec![(x, y - 2.9), (x + 1.9, y), (x, y + 2.9), (x - 1.9, y)];
        let tip = format!("{}: best {}", row.shown.name, number::significant(best, 3));
        scene.shape(
            Outline::Closed(tick),
            Some((Ink::Ground, 1.0)),
            Some(Pen::solid(row.shown.style.ink, 0.8)),
            Some(tip),
        );
    }
    if scale.holds(value) {
        scene.marker((frame::across(area, scale, value), y), row.shown.style, 2.5, Some(tip));
        return;
    }
    let side = side(scale, value);
    arrow(scene, area, y, side, row);
    let text = number::significant(value, 2);
    let size = TICK_SIZE - 0.7;
    let width = font::width(&text, size, Weight::Regular) + 3.0;
    // Where the best or the interval stands in the way, the number stands behind it.
    let bounds = row.interval.map(|(low, high)| if side < 0.0 { high } else { low });
    let held = [row.best, bounds].into_iter().flatten().filter(|value| scale.holds(*value));
    let edge = if side < 0.0 { area.left } else { area.right };
    let inward = held.map(|value| (frame::across(area, scale, value) - edge).abs()).fold(0.0, f64::max);
    let x = edge - side * if inward > 0.0 && inward + width < area.width() { inward + 5.0 } else { 6.0 };
    let anchor = if side < 0.0 { Anchor::Start } else { Anchor::End };
    scene.words(Words::new((x, y + 2.3), text, size).anchor(anchor).lit());
}

/// At which edge a value lies that the scale does not hold.
fn side(scale: &Scale, value: f64) -> f64 {
    if scale.share(value) < 0.0 { -1.0 } else { 1.0 }
}

/// What tells that something lies beyond the edge.
fn arrow(scene: &mut Scene, area: &Area, y: f64, side: f64, row: &Row) {
    let edge = if side < 0.0 { area.left } else { area.right };
    let head = vec![(edge + side * 1.0, y), (edge - side * 3.5, y - 2.4), (edge - side * 3.5, y + 2.4)];
    scene.shape(Outline::Closed(head), Some((row.shown.style.ink, 1.0)), None, None);
}
