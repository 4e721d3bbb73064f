//! A tree of candidates from the top down: how good each is, which failed, and the way to the best.
//!
//! Where a level has more nodes than fit side by side they stand in several rows, in order.

use super::font::{self, Weight};
use super::frame::{EDGE, LABEL_SIZE, TICK_SIZE, WIDTH};
use super::scene::{Anchor, Area, Outline, Pen, Place, Scene, Words};
use crate::palette::{Dash, Ink};

/// A tree; a node's base stands before it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    pub(crate) nodes: Vec<Node>,
    /// The position of the best node.
    pub(crate) best: Option<usize>,
    /// What is said of the best node.
    pub(crate) best_label: String,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// The position of what it derives from; none for a root.
    pub(crate) base: Option<usize>,
    pub(crate) mark: Mark,
    /// What a page shows when it is pointed at.
    pub(crate) tip: String,
}

/// What a node is shown as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mark {
    /// A disc, the darker the better: from 0, the worst, to 1, the best.
    Measured(f64),
    /// A cross.
    Failed,
    /// A small ring.
    Dropped,
    /// A diamond.
    Unusable,
    /// A dot.
    Open,
}

const TREE_INK: u8 = 0;
const PATH: Ink = Ink::Hue(1);
/// The largest radius of a node, and the height of all levels together at most.
const RADIUS: f64 = 3.4;
const MOST_HEIGHT: f64 = 430.0;
const HEAD: f64 = EDGE + LABEL_SIZE + 9.0;

/// The tree with its key.
pub(crate) fn draw(chart: &Chart) -> Scene {
    let layout = Layout::of(&chart.nodes);
    let label = if chart.best.is_some() { LABEL_SIZE + 6.0 } else { 0.0 };
    let mut scene = Scene::new(WIDTH, HEAD + layout.height + label + RADIUS * 2.0 + EDGE);
    key(&mut scene, chart);
    let on_path = path(chart);
    for (position, node) in chart.nodes.iter().enumerate().filter(|(position, _)| !on_path[*position]) {
        edge(&mut scene, &layout, node.base, position, Pen::solid(Ink::Grid, 0.6));
    }
    for (position, node) in chart.nodes.iter().enumerate().filter(|(position, _)| on_path[*position]) {
        edge(&mut scene, &layout, node.base, position, Pen::solid(PATH, 1.5));
    }
    for (position, node) in chart.nodes.iter().enumerate() {
        mark(&mut scene, layout.places[position], layout.radius, node);
    }
    if let Some(place) = chart.best.and_then(|best| layout.places.get(best)) {
        let ring = Outline::Circle(*place, layout.radius + 2.0);
        scene.shape(ring, None, Some(Pen::solid(PATH, 1.2)), Some(chart.best_label.clone()));
        let most = WIDTH - 2.0 * EDGE;
        let text = font::fitted(&font::plain(&chart.best_label), most, LABEL_SIZE, Weight::Regular);
        let half = font::width(&text, LABEL_SIZE, Weight::Regular) / 2.0;
        let x = place.0.clamp(EDGE + half, (WIDTH - EDGE - half).max(EDGE + half));
        // Below it, unless fewer nodes stand above.
        let covers = |y: f64| {
            let covered = |node: &&Place| {
                (node.0 - x).abs() <= half + RADIUS && node.1 > y - LABEL_SIZE && node.1 < y + 2.0
            };
            layout.places.iter().filter(covered).count()
        };
        let (below, above) = (place.1 + layout.radius + LABEL_SIZE + 4.0, place.1 - layout.radius - 5.0);
        let is_below = above - LABEL_SIZE < HEAD - 6.0 || covers(below) <= covers(above);
        let y = if is_below { below } else { above };
        scene.words(Words::new((x, y), text, LABEL_SIZE).ink(PATH).anchor(Anchor::Middle).lit());
    }
    scene
}

/// Which nodes lie on the way from a root to the best one.
fn path(chart: &Chart) -> Vec<bool> {
    let mut on_path = vec![false; chart.nodes.len()];
    let mut next = chart.best;
    while let Some(position) = next.filter(|position| *position < chart.nodes.len() && !on_path[*position]) {
        on_path[position] = true;
        next = chart.nodes[position].base;
    }
    on_path
}

fn edge(scene: &mut Scene, layout: &Layout, base: Option<usize>, position: usize, pen: Pen) {
    if let Some(from) = base.and_then(|base| layout.places.get(base)) {
        scene.line(vec![*from, layout.places[position]], pen);
    }
}

fn mark(scene: &mut Scene, place: Place, radius: f64, node: &Node) {
    let (x, y) = place;
    let tip = Some(node.tip.clone());
    match node.mark {
        Mark::Measured(share) => {
            let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
            // The ground below covers the edges that would shine through.
            scene.shape(Outline::Circle(place, radius), Some((Ink::Ground, 1.0)), None, None);
            let pen = Pen::solid(Ink::Axis, (radius * 0.18).min(0.5));
            scene.shape(
                Outline::Circle(place, radius),
                Some((Ink::Part(TREE_INK), 0.08 + 0.92 * share)),
                Some(pen),
                tip,
            );
        }
        Mark::Failed => {
            let reach = radius * 0.8;
            let pen = Pen::solid(Ink::Part(3), (radius * 0.4).max(0.4));
            scene.shape(
                Outline::Open(vec![(x - reach, y - reach), (x + reach, y + reach)]),
                None,
                Some(pen),
                tip,
            );
            scene.line(vec![(x - reach, y + reach), (x + reach, y - reach)], pen);
        }
        Mark::Dropped => {
            let pen = Pen::solid(Ink::Axis, (radius * 0.25).max(0.3));
            scene.shape(Outline::Circle(place, radius * 0.6), Some((Ink::Ground, 1.0)), Some(pen), tip);
        }
        Mark::Unusable => {
            let corners = vec![(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)];
            scene.shape(Outline::Closed(corners), Some((Ink::Part(7), 1.0)), None, tip);
        }
        Mark::Open => {
            scene.shape(Outline::Circle(place, radius * 0.35), Some((Ink::Axis, 1.0)), None, tip);
        }
    }
}

fn key(scene: &mut Scene, chart: &Chart) {
    let has = |wanted: fn(&Mark) -> bool| chart.nodes.iter().any(|node| wanted(&node.mark));
    let sample = |mark: Mark| Node { base: None, mark, tip: String::new() };
    let mut entries: Vec<(Vec<Mark>, &str)> = Vec::new();
    if has(|mark| matches!(mark, Mark::Measured(_))) {
        let shades = vec![Mark::Measured(0.0), Mark::Measured(0.5), Mark::Measured(1.0)];
        entries.push((shades, "darker is better, by rank"));
    }
    if has(|mark| *mark == Mark::Failed) {
        entries.push((vec![Mark::Failed], "failed"));
    }
    if has(|mark| *mark == Mark::Dropped) {
        entries.push((vec![Mark::Dropped], "dropped"));
    }
    if has(|mark| *mark == Mark::Unusable) {
        entries.push((vec![Mark::Unusable], "lost, unusable"));
    }
    if has(|mark| *mark == Mark::Open) {
        entries.push((vec![Mark::Open], "open, screened"));
    }
    let mut x = EDGE;
    let y = EDGE + LABEL_SIZE * 0.6;
    for (marks, name) in entries {
        for shade in marks {
            mark(scene, (x + 3.4, y), RADIUS, &sample(shade));
            x += 8.4;
        }
        x += name_at(scene, x, name);
    }
    if chart.best.is_some() {
        scene.line(vec![(x, y), (x + 14.0, y)], Pen { ink: PATH, width: 1.5, dash: Dash::Solid });
        name_at(scene, x + 16.0, "the way to the best");
    }
}

/// Writes a name of the key, and tells how much room it takes.
fn name_at(scene: &mut Scene, x: f64, name: &str) -> f64 {
    let text = font::fitted(name, (WIDTH - EDGE - x).max(0.0), TICK_SIZE, Weight::Regular);
    let width = font::width(&text, TICK_SIZE, Weight::Regular);
    scene.words(Words::new((x + 2.0, EDGE + LABEL_SIZE * 0.95), text, TICK_SIZE).ink(Ink::Muted));
    width + 12.0
}

/// Where nodes stand.
struct Layout {
    places: Vec<Place>,
    radius: f64,
    /// Of all levels.
    height: f64,
}

impl Layout {
    fn of(nodes: &[Node]) -> Layout {
        let depths = depths(nodes);
        let columns = columns(nodes);
        let levels = depths.iter().max().map_or(0, |deepest| deepest + 1);
        let area =
            Area { left: EDGE + RADIUS + 2.0, top: HEAD, right: WIDTH - EDGE - RADIUS - 2.0, bottom: 0.0 };
        let widest = columns.iter().copied().fold(0.0, f64::max);
        let x = |column: f64| match widest > 0.0 {
            true => area.left + column / widest * area.width(),
            // One line of descent.
            false => area.middle().0,
        };
        let places: Vec<f64> = columns.iter().map(|column| x(*column)).collect();
        let mut layout = Layout { places: Vec::new(), radius: RADIUS, height: 0.0 };
        // Smaller nodes until all levels fit; a very deep tree has its levels closer together.
        loop {
            let rows = rows(&places, &depths, levels, layout.radius);
            let gap = (layout.radius * 5.0).min(24.0);
            let of_level = |rows: &usize| (*rows as f64 - 1.0).max(0.0) * layout.radius * 2.1;
            let heights: Vec<f64> = rows.counts.iter().map(of_level).collect();
            let whole = heights.iter().sum::<f64>() + gap * levels.saturating_sub(1) as f64;
            if whole > MOST_HEIGHT && layout.radius > 0.9 {
                layout.radius = (layout.radius - 0.2).max(0.9);
                continue;
            }
            let scale = (MOST_HEIGHT / whole.max(1.0)).min(1.0);
            let mut top = HEAD + layout.radius + 2.0;
            let mut tops = Vec::new();
            for height in &heights {
                tops.push(top);
                top += (height + gap) * scale;
            }
            layout.height = whole * scale + layout.radius * 2.0 + 4.0;
            let place = |position: usize| {
                let row = rows.of[position] as f64;
                (places[position], tops[depths[position]] + row * layout.radius * 2.1 * scale)
            };
            layout.places = (0..nodes.len()).map(place).collect();
            return layout;
        }
    }
}

/// How many bases lie above each node.
fn depths(nodes: &[Node]) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let depth = node.base.and_then(|base| depths.get(base)).map_or(0, |depth| depth + 1);
        depths.push(depth);
    }
    depths
}

/// How far to the right each node stands: leaves one after the other, others above the middle of what derives from them.
fn columns(nodes: &[Node]) -> Vec<f64> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut open: Vec<usize> = Vec::new();
    for (position, node) in nodes.iter().enumerate() {
        match node.base.filter(|base| *base < position) {
            Some(base) => children[base].push(position),
            None => open.push(position),
        }
    }
    open.reverse();
    let mut columns = vec![0.0; nodes.len()];
    let mut leaves = 0.0;
    while let Some(position) = open.pop() {
        if children[position].is_empty() {
            columns[position] = leaves;
            leaves += 1.0;
        }
        open.extend(children[position].iter().rev());
    }
    for position in (0..nodes.len()).rev() {
        if let (Some(first), Some(last)) = (children[position].first(), children[position].last()) {
            columns[position] = (columns[*first] + columns[*last]) / 2.0;
        }
    }
    columns
}

/// The rows in which the nodes of a level stand.
struct Rows {
    /// Of each node.
    of: Vec<usize>,
    /// How many, for each level.
    counts: Vec<usize>,
}

/// Nodes go to the first row of their level in which there is room beside the node before them.
fn rows(places: &[f64], depths: &[usize], levels: usize, radius: f64) -> Rows {
    const MOST_ROWS: usize = 14;
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|one, other| places[*one].total_cmp(&places[*other]));
    let mut ends: Vec<Vec<f64>> = vec![Vec::new(); levels];
    let mut rows = Rows { of: vec![0; places.len()], counts: vec![1; levels] };
    for position in order {
        let ends = &mut ends[depths[position]];
        let x = places[position];
        let free = ends.iter().position(|end| x - end >= radius * 2.1);
        let row = match free {
            Some(row) => row,
            None if ends.len() < MOST_ROWS => {
                ends.push(f64::NEG_INFINITY);
                ends.len() - 1
            }
            // All are taken: where it covers the least.
            None => (0..ends.len()).min_by(|one, other| ends[*one].total_cmp(&ends[*other])).unwrap_or(0),
        };
        ends[row] = x;
        rows.of[position] = row;
        rows.counts[depths[position]] = rows.counts[depths[position]].max(row + 1);
    }
    rows
}
