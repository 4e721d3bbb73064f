//! Points of two quantities: what a contender achieves against what it costs, and who is beaten by nobody.

use super::font::{self, Weight};
use super::frame::{self, Axis, EDGE, LABEL_SIZE, Shown, TICK_SIZE, WIDTH};
use super::placing;
use super::scale::Scale;
use super::scene::{Anchor, Area, Outline, Pen, Place, Scene, Words};
use crate::palette::{Dash, Ink};

/// Points with their names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    /// What lies across; less is better.
    pub(crate) across: String,
    /// What lies up; more is better.
    pub(crate) up: String,
    pub(crate) points: Vec<Point>,
    /// Something that costs nothing, and its name.
    pub(crate) reference: Option<(f64, String)>,
}

/// One contender.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) shown: Shown,
    pub(crate) across: f64,
    pub(crate) across_interval: Option<(f64, f64)>,
    pub(crate) up: f64,
    pub(crate) up_interval: Option<(f64, f64)>,
    /// Whether nobody is both cheaper and better.
    pub(crate) is_front: bool,
}

/// Where what costs nothing stands, left of a logarithmic axis.
const FREE_WIDTH: f64 = 30.0;

/// Points, the front through those whom nobody beats, and names beside the points.
pub(crate) fn draw(chart: &Chart) -> Scene {
    const HEIGHT: f64 = 290.0;
    let points: Vec<&Point> =
        chart.points.iter().filter(|point| point.across.is_finite() && point.up.is_finite()).collect();
    let mut scene = Scene::new(WIDTH, HEIGHT);
    let has_free = points.iter().any(|point| point.across <= 0.0);
    let across_bounds = points.iter().flat_map(|point| {
        [
            Some(point.across),
            point.across_interval.map(|bounds| bounds.0),
            point.across_interval.map(|bounds| bounds.1),
        ]
    });
    let across = Axis::new(&chart.across, Scale::log(across_bounds.flatten()), 6);
    let up_bounds = points.iter().flat_map(|point| {
        [Some(point.up), point.up_interval.map(|bounds| bounds.0), point.up_interval.map(|bounds| bounds.1)]
    });
    let up_values = up_bounds.flatten().chain(chart.reference.as_ref().map(|(value, _)| *value));
    let up = Axis::new(&chart.up, Scale::linear(up_values, 0.08), 5);
    let area = Area {
        left: EDGE + up.label_width() + 6.0 + if has_free { FREE_WIDTH } else { 0.0 },
        top: EDGE + LABEL_SIZE + 8.0,
        right: WIDTH - EDGE - 6.0,
        bottom: HEIGHT - EDGE - TICK_SIZE - LABEL_SIZE - 9.0,
    };
    let whole = Area { left: area.left - if has_free { FREE_WIDTH } else { 0.0 }, ..area };
    scene.words(Words::new((EDGE, EDGE + LABEL_SIZE), &chart.up, LABEL_SIZE));
    frame::left_axis(&mut scene, &whole, &up);
    frame::bottom_axis(&mut scene, &area, &across);
    frame::bottom_title(&mut scene, &area, &chart.across);
    if has_free {
        let words =
            Words::new((whole.left + FREE_WIDTH / 2.0, area.bottom + TICK_SIZE + 3.0), "0", TICK_SIZE);
        scene.words(words.ink(Ink::Muted).anchor(Anchor::Middle));
        scene.line(
            vec![(area.left, area.top), (area.left, area.bottom)],
            Pen { ink: Ink::Axis, width: 0.6, dash: Dash::Dotted },
        );
    }
    let mut taken = Vec::new();
    if let Some((value, name)) = &chart.reference {
        let y = frame::up(&area, &up.scale, *value);
        scene.line(
            vec![(whole.left, y), (area.right, y)],
            Pen { ink: Ink::Axis, width: 1.0, dash: Dash::Dashed },
        );
        let words =
            Words::new((area.right - 2.0, y - 3.0), name, TICK_SIZE).ink(Ink::Muted).anchor(Anchor::End);
        taken.extend([
            words.area(),
            Area { left: whole.left, top: y, right: area.right, bottom: y }.grown(0.5),
        ]);
        scene.words(words);
    }
    let at = |point: &Point| -> Place {
        let x = if point.across > 0.0 {
            frame::across(&area, &across.scale, point.across)
        } else {
            whole.left + FREE_WIDTH / 2.0
        };
        (x, frame::up(&area, &up.scale, point.up))
    };
    let corners = front(&area, &points, &at);
    for pair in corners.windows(2) {
        let (one, other) = (pair[0], pair[1]);
        let line = Area {
            left: one.0.min(other.0),
            top: one.1.min(other.1),
            right: one.0.max(other.0),
            bottom: one.1.max(other.1),
        };
        taken.push(line.grown(0.5));
    }
    for point in &points {
        draw_bars(&mut scene, &area, &across.scale, &up.scale, point, at(point), &mut taken);
    }
    draw_front(&mut scene, corners, &mut taken);
    for point in &points {
        scene.marker(at(point), point.shown.style, 3.4, Some(point.shown.name.clone()));
    }
    frame::floor(&mut scene, &whole);
    let places: Vec<Place> = points.iter().map(|point| at(point)).collect();
    draw_names(&mut scene, &whole, &points, &places, &taken);
    scene
}

/// The corners of the line through those whom nobody beats.
fn front(area: &Area, points: &[&Point], at: &dyn Fn(&Point) -> Place) -> Vec<Place> {
    let mut front: Vec<Place> = points.iter().filter(|point| point.is_front).map(|point| at(point)).collect();
    front.sort_by(|one, other| one.0.total_cmp(&other.0));
    let end = front.last().map(|last| (area.right, last.1));
    let mut corners: Vec<Place> = Vec::new();
    for (x, y) in front.into_iter().chain(end) {
        if let Some((_, before)) = corners.last().copied() {
            corners.push((x, before));
        }
        corners.push((x, y));
    }
    corners
}

/// The front with its name, which stands over one of its level pieces where least is in the way.
fn draw_front(scene: &mut Scene, corners: Vec<Place>, taken: &mut Vec<Area>) {
    let place = |x: f64, y: f64| {
        Words::new((x, y - 2.8), "Pareto front", TICK_SIZE).ink(Ink::Muted).anchor(Anchor::End).lit()
    };
    let level = corners.windows(2).filter(|pair| pair[0].1 == pair[1].1);
    let places = level.flat_map(|pair| {
        let (left, right) = (pair[0].0, pair[1].0);
        (0..12)
            .map(move |step| right - 6.0 - f64::from(step) * (right - left) / 12.0)
            .map(move |x| (x, pair[0].1, left))
    });
    let words = places.map(|(x, y, left)| {
        let words = place(x, y);
        let area = words.area();
        let lies_on: f64 = taken.iter().map(|taken| taken.overlap(&area)).sum();
        (words, lies_on + (left + 4.0 - area.left).max(0.0) * 10.0)
    });
    let best = words.min_by(|one, other| one.1.total_cmp(&other.1));
    scene.line(corners, Pen { ink: Ink::Muted, width: 0.9, dash: Dash::Solid });
    if let Some((words, _)) = best {
        taken.push(words.area());
        scene.words(words);
    }
}

fn draw_bars(
    scene: &mut Scene,
    area: &Area,
    across: &Scale,
    up: &Scale,
    point: &Point,
    place: Place,
    taken: &mut Vec<Area>,
) {
    let pen = Pen::solid(point.shown.style.ink, 0.8);
    if let Some((low, high)) = point.up_interval {
        let (bottom, top) = (frame::up(area, up, low), frame::up(area, up, high));
        scene.line(vec![(place.0, bottom), (place.0, top)], pen);
        taken.push(Area { left: place.0, top, right: place.0, bottom }.grown(0.6));
    }
    if let Some((low, high)) = point.across_interval.filter(|(low, _)| *low > 0.0) {
        let (left, right) = (frame::across(area, across, low), frame::across(area, across, high));
        scene.line(vec![(left, place.1), (right, place.1)], pen);
        taken.push(Area { left, top: place.1, right, bottom: place.1 }.grown(0.6));
    }
}

fn draw_names(scene: &mut Scene, bounds: &Area, points: &[&Point], places: &[Place], taken: &[Area]) {
    let names: Vec<String> = points
        .iter()
        .map(|point| font::fitted(&font::plain(&point.shown.name), 140.0, LABEL_SIZE, Weight::Regular))
        .collect();
    let sizes: Vec<(f64, f64)> = names
        .iter()
        .map(|name| (font::width(name, LABEL_SIZE, Weight::Regular), LABEL_SIZE * 0.95))
        .collect();
    for (((place, name), point), around) in
        places.iter().zip(names).zip(points).zip(placing::around(places, &sizes, *bounds, taken))
    {
        if around.is_far {
            let near = (
                place.0.clamp(around.area.left, around.area.right),
                place.1.clamp(around.area.top, around.area.bottom),
            );
            scene.line(vec![*place, near], Pen::solid(point.shown.style.ink, 0.5));
            scene.shape(Outline::Circle(*place, 1.0), Some((point.shown.style.ink, 1.0)), None, None);
        }
        let words = Words::new((around.area.left, around.area.bottom - 0.2 * LABEL_SIZE), name, LABEL_SIZE);
        scene.words(words.ink(point.shown.style.ink).lit());
    }
}
