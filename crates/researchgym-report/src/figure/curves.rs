//! Steps over an axis: performance profiles, and the best score so far over steps, time or money.

use super::font::{self, Weight};
use super::frame::{self, Axis, EDGE, LABEL_SIZE, Shown, TICK_SIZE, TITLE_SIZE, WIDTH};
use super::placing;
use super::scale::Scale;
use super::scene::{Area, Outline, Pen, Place, Scene, Words};
use crate::palette::{Dash, Ink, Style};

/// Lines over one axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panel {
    /// What it is of, if there are several.
    pub(crate) title: String,
    pub(crate) across: Axis,
    pub(crate) up: Axis,
    pub(crate) curves: Vec<Curve>,
    /// A value to compare with, and its name.
    pub(crate) reference: Option<(f64, String)>,
}

/// One line: it keeps a value until the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    pub(crate) shown: Shown,
    pub(crate) points: Vec<Place>,
    /// What lies between the bounds of its interval: place, lower, upper.
    pub(crate) band: Vec<(f64, f64, f64)>,
}

/// One panel with names at the ends of the lines.
pub(crate) fn single(panel: &Panel, height: f64) -> Scene {
    let (mut scene, area, label_width) = framed(panel, height, "", 14.0);
    end_labels(&mut scene, &area, panel, label_width);
    scene
}

/// One panel with a list of names beside it, in the order of the curves: for lines that end in one place.
pub(crate) fn listed(panel: &Panel, height: f64, title: &str) -> Scene {
    const SAMPLE: f64 = 14.0;
    let (mut scene, area, label_width) = framed(panel, height, title, SAMPLE + 16.0);
    let x = area.right + 10.0;
    scene.words(Words::new((x + SAMPLE + 4.0, area.top - 6.0), title, TICK_SIZE).ink(Ink::Muted));
    let step = ((area.height() + LABEL_SIZE) / panel.curves.len().max(1) as f64).min(LABEL_SIZE + 3.5);
    for (number, curve) in panel.curves.iter().enumerate() {
        let y = area.top + number as f64 * step + LABEL_SIZE * 0.6;
        let style = curve.shown.style;
        scene.line(vec![(x, y), (x + SAMPLE, y)], Pen::of(style, 1.6));
        let name = font::fitted(&font::plain(&curve.shown.name), label_width, LABEL_SIZE, Weight::Regular);
        scene.words(Words::new((x + SAMPLE + 4.0, y + 0.36 * LABEL_SIZE), name, LABEL_SIZE));
    }
    scene
}

/// The panel, what it covers, and how wide labels beside it may be.
fn framed(panel: &Panel, height: f64, title: &str, before_labels: f64) -> (Scene, Area, f64) {
    let mut scene = Scene::new(WIDTH, height);
    let names = panel.curves.iter().map(|curve| curve.shown.name.as_str()).chain([title]);
    let label_width = frame::widest(names, LABEL_SIZE, 150.0);
    let area = Area {
        left: EDGE + panel.up.label_width() + 6.0,
        top: EDGE + TITLE_SIZE + 8.0,
        right: WIDTH - EDGE - label_width - 2.0 - before_labels,
        bottom: height - EDGE - TICK_SIZE - LABEL_SIZE - 9.0,
    };
    scene.words(Words::new((EDGE, EDGE + LABEL_SIZE), &panel.up.title, LABEL_SIZE));
    draw(&mut scene, &area, panel);
    frame::bottom_title(&mut scene, &area, &panel.across.title);
    (scene, area, label_width)
}

/// Many panels with one key.
pub(crate) fn grid(panels: &[Panel], columns: usize, panel_height: f64) -> Scene {
    let shown = everyone(panels);
    let mut probe = Scene::new(WIDTH, 0.0);
    let key_bottom = frame::line_key(&mut probe, EDGE, EDGE, &shown);
    let rows = panels.len().div_ceil(columns).max(1);
    let head = TITLE_SIZE + TICK_SIZE + 7.0;
    let step = head + panel_height + TICK_SIZE + 13.0;
    let mut scene = Scene::new(WIDTH, key_bottom + rows as f64 * step + LABEL_SIZE + 6.0);
    frame::line_key(&mut scene, EDGE, EDGE, &shown);
    let labels = panels.iter().map(|panel| panel.up.label_width()).fold(0.0, f64::max);
    let column_width = (WIDTH - 2.0 * EDGE) / columns as f64;
    for (number, panel) in panels.iter().enumerate() {
        let (column, row) = (number % columns, number / columns);
        let left = EDGE + column as f64 * column_width;
        let top = key_bottom + row as f64 * step;
        let area = Area {
            left: left + labels + 5.0,
            top: top + head,
            right: left + column_width - 6.0,
            bottom: top + head + panel_height,
        };
        let title = font::fitted(&panel.title, column_width - 8.0, TITLE_SIZE, Weight::Bold);
        scene.words(Words::new((left, top + TITLE_SIZE - 1.0), title, TITLE_SIZE).bold());
        let unit = font::fitted(&panel.up.title, column_width - 8.0, TICK_SIZE, Weight::Regular);
        scene.words(Words::new((left, top + TITLE_SIZE + TICK_SIZE), unit, TICK_SIZE).ink(Ink::Muted));
        draw(
            &mut scene,
            &area,
            &Panel {
                reference: panel.reference.as_ref().map(|(value, _)| (*value, String::new())),
                ..panel.clone()
            },
        );
    }
    if let Some(panel) = panels.first() {
        let whole = Area {
            left: EDGE,
            top: 0.0,
            right: WIDTH - EDGE,
            bottom: scene.height - EDGE - LABEL_SIZE - TICK_SIZE - 7.0,
        };
        frame::bottom_title(&mut scene, &whole, &panel.across.title);
    }
    scene
}

/// All who occur, in the order of their first panel.
fn everyone(panels: &[Panel]) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for curve in panels.iter().flat_map(|panel| &panel.curves) {
        if !shown.contains(&curve.shown) {
            shown.push(curve.shown.clone());
        }
    }
    if panels.iter().any(|panel| panel.reference.is_some()) {
        shown.push(Shown { name: "baseline".to_owned(), style: Style::baseline() });
    }
    shown
}

fn draw(scene: &mut Scene, area: &Area, panel: &Panel) {
    frame::left_axis(scene, area, &panel.up);
    frame::bottom_axis(scene, area, &panel.across);
    for curve in &panel.curves {
        draw_band(scene, area, panel, curve);
    }
    if let Some((value, name)) = panel.reference.as_ref().filter(|(value, _)| panel.up.scale.holds(*value)) {
        let y = frame::up(area, &panel.up.scale, *value);
        let pen = Pen { ink: Ink::Axis, width: 1.0, dash: Dash::Dashed };
        scene.line(vec![(area.left, y), (area.right, y)], pen);
        scene.words(Words::new((area.left + 3.0, y - 2.5), name, TICK_SIZE).ink(Ink::Muted).lit());
    }
    // The first of a list is drawn last, upon all others.
    for curve in panel.curves.iter().rev() {
        let points = steps(area, &panel.across.scale, &panel.up.scale, &curve.points);
        scene.shape(
            Outline::Open(points),
            None,
            Some(Pen::of(curve.shown.style, 1.3)),
            Some(curve.shown.name.clone()),
        );
    }
    frame::floor(scene, area);
}

/// The corners of a line that keeps each value until the next, inside the area.
fn steps(area: &Area, across: &Scale, up: &Scale, points: &[Place]) -> Vec<Place> {
    let mut corners: Vec<Place> = Vec::new();
    for (x, y) in points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
        let x = frame::across(area, across, *x).clamp(area.left, area.right);
        let y = frame::up(area, up, *y).clamp(area.top, area.bottom);
        if let Some((_, before)) = corners.last().copied() {
            corners.push((x, before));
        }
        corners.push((x, y));
    }
    corners
}

fn draw_band(scene: &mut Scene, area: &Area, panel: &Panel, curve: &Curve) {
    let edge = |pick: fn(&(f64, f64, f64)) -> f64| -> Vec<Place> {
        let points: Vec<Place> = curve.band.iter().map(|bound| (bound.0, pick(bound))).collect();
        steps(area, &panel.across.scale, &panel.up.scale, &points)
    };
    let (lower, upper) = (edge(|bound| bound.1), edge(|bound| bound.2));
    if lower.len() > 1 {
        let corners = lower.into_iter().chain(upper.into_iter().rev()).collect();
        scene.shape(Outline::Closed(corners), Some((curve.shown.style.ink, 0.1)), None, None);
    }
}

/// Names beside the ends of lines: in their colours, in a column, with lines that lead to them.
fn end_labels(scene: &mut Scene, area: &Area, panel: &Panel, label_width: f64) {
    let ends: Vec<(&Shown, Place)> = panel
        .curves
        .iter()
        .filter_map(|curve| {
            let corners = steps(area, &panel.across.scale, &panel.up.scale, &curve.points);
            Some((&curve.shown, *corners.last()?))
        })
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, end)| end.1).collect();
    let places = placing::column(&wanted, LABEL_SIZE + 1.3, area.top, area.bottom);
    for ((shown, end), y) in ends.into_iter().zip(places) {
        let x = area.right + 14.0;
        let pen = Pen { ink: shown.style.ink, width: 0.6, dash: Dash::Solid };
        let mut lead = vec![end];
        if area.right - end.0 > 0.5 {
            lead.push((area.right, end.1));
        }
        lead.extend([(area.right + 3.0, end.1), (x - 4.5, y), (x - 2.0, y)]);
        scene.line(lead, pen);
        if area.right - end.0 > 0.5 {
            scene.marker(end, shown.style, 2.0, None);
        }
        let name = font::fitted(&font::plain(&shown.name), label_width, LABEL_SIZE, Weight::Regular);
        scene.words(Words::new((x, y + 0.36 * LABEL_SIZE), name, LABEL_SIZE).ink(shown.style.ink));
    }
}
