//! Parts of a whole along an axis, one upon the other: what is done at each step.

use super::font::{self, Weight};
use super::frame::{self, Axis, EDGE, LABEL_SIZE, TICK_SIZE, WIDTH};
use super::placing;
use super::scale::Scale;
use super::scene::{Area, Outline, Pen, Scene, Words};
use crate::palette::Ink;

/// Layers over steps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    /// What the layers are called, from the lowest, with their colours.
    pub(crate) parts: Vec<(Ink, String)>,
    /// For each step, from the first, a count for each part.
    pub(crate) steps: Vec<Vec<u64>>,
    pub(crate) across: String,
    pub(crate) up: String,
}

/// Layers with their names: in them where they are thick enough, else beside their ends.
pub(crate) fn draw(chart: &Chart) -> Scene {
    const HEIGHT: f64 = 250.0;
    let mut scene = Scene::new(WIDTH, HEIGHT);
    let total = |step: &Vec<u64>| step.iter().sum::<u64>();
    let most = chart.steps.iter().map(total).max().unwrap_or(0).max(1);
    let up = Axis::new(&chart.up, Scale::between(0.0, most as f64), 5);
    let count = chart.steps.len().max(1);
    let across = Axis::new(&chart.across, Scale::between(0.5, count as f64 + 0.5), 8);
    let used: Vec<usize> =
        (0..chart.parts.len()).filter(|part| chart.steps.iter().any(|step| at(step, *part) > 0)).collect();
    let names = frame::widest(used.iter().map(|part| chart.parts[*part].1.as_str()), LABEL_SIZE, 100.0);
    let area = Area {
        left: EDGE + up.label_width() + 6.0,
        top: EDGE + LABEL_SIZE + 8.0,
        right: WIDTH - EDGE - names - 16.0,
        bottom: HEIGHT - EDGE - TICK_SIZE - LABEL_SIZE - 9.0,
    };
    scene.words(Words::new((EDGE, EDGE + LABEL_SIZE), &chart.up, LABEL_SIZE));
    frame::left_axis(&mut scene, &area, &up);
    let mut ticks = across.clone();
    ticks.ticks.retain(|tick| tick.value >= 1.0 && tick.value.fract() == 0.0);
    frame::bottom_axis(&mut scene, &area, &ticks);
    frame::bottom_title(&mut scene, &area, &chart.across);
    let mut outside = Vec::new();
    let mut below = vec![0u64; chart.steps.len()];
    for part in used {
        let lower = below.clone();
        for (step, below) in chart.steps.iter().zip(&mut below) {
            *below += at(step, part);
        }
        let edge = |heights: &[u64]| -> Vec<(f64, f64)> {
            let ends = heights
                .iter()
                .enumerate()
                .flat_map(|(step, height)| [(step as f64 + 0.5, *height), (step as f64 + 1.5, *height)]);
            ends.map(|(x, height)| {
                (frame::across(&area, &across.scale, x), frame::up(&area, &up.scale, height as f64))
            })
            .collect()
        };
        let (ink, name) = &chart.parts[part];
        let corners = edge(&below).into_iter().chain(edge(&lower).into_iter().rev()).collect();
        let pen = Pen::solid(Ink::Ground, 0.5);
        scene.shape(Outline::Closed(corners), Some((*ink, 1.0)), Some(pen), Some(name.clone()));
        match room(&area, &across.scale, &up.scale, &lower, &below, name) {
            Some(place) => {
                let words = Words::new(place, name.clone(), LABEL_SIZE).ink(super::bars::on(*ink));
                scene.words(words);
            }
            None => {
                let (low, high) = (lower.last().copied().unwrap_or(0), below.last().copied().unwrap_or(0));
                outside.push((*ink, name.clone(), frame::up(&area, &up.scale, (low + high) as f64 / 2.0)));
            }
        }
    }
    frame::floor(&mut scene, &area);
    name_outside(&mut scene, &area, &outside);
    scene
}

fn at(step: &[u64], part: usize) -> u64 {
    step.get(part).copied().unwrap_or(0)
}

/// Where a name fits inside its layer: the place with the most room around it.
fn room(
    area: &Area,
    across: &Scale,
    up: &Scale,
    lower: &[u64],
    upper: &[u64],
    name: &str,
) -> Option<(f64, f64)> {
    let width = font::width(name, LABEL_SIZE, Weight::Regular) + 6.0;
    let step_width = area.width() / lower.len().max(1) as f64;
    let span = ((width / step_width).ceil() as usize).max(1);
    let mut best: Option<(f64, (f64, f64))> = None;
    for first in 0..=lower.len().checked_sub(span)? {
        let steps = first..first + span;
        // The free height is what all steps under the name have in common.
        let bottom = lower[steps.clone()].iter().max().copied()?;
        let top = upper[steps].iter().min().copied()?;
        let (bottom, top) = (frame::up(area, up, bottom as f64), frame::up(area, up, top as f64));
        if bottom - top >= LABEL_SIZE + 1.5 && best.is_none_or(|(most, _)| bottom - top > most) {
            let x = frame::across(area, across, first as f64 + 0.5) + 3.0;
            best = Some((bottom - top, (x, (bottom + top) / 2.0 + 0.36 * LABEL_SIZE)));
        }
    }
    best.map(|(_, place)| place)
}

fn name_outside(scene: &mut Scene, area: &Area, outside: &[(Ink, String, f64)]) {
    let wanted: Vec<f64> = outside.iter().map(|(_, _, y)| *y).collect();
    let places = placing::column(&wanted, LABEL_SIZE + 2.0, area.top, area.bottom);
    for ((ink, name, end), y) in outside.iter().zip(places) {
        let x = area.right + 6.0;
        scene.line(vec![(area.right, *end), (area.right + 2.0, *end), (x, y)], Pen::solid(Ink::Axis, 0.5));
        scene.area(Area { left: x, top: y - 3.0, right: x + 6.0, bottom: y + 3.0 }, *ink, None);
        let name = font::fitted(name, WIDTH - EDGE - x - 8.5, LABEL_SIZE, Weight::Regular);
        scene.words(Words::new((x + 8.5, y + 0.36 * LABEL_SIZE), name, LABEL_SIZE));
    }
}
