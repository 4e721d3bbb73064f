//! Every kind of chart with hard data: what must hold for all drawings, and pictures to look at (`RESEARCHGYM_GALLERY=DIR`).
//! Longer than other files: each kind is drawn from the same data and held to the same rules, in one place.

use proptest::prelude::*;

use super::frame::{Axis, Shown};
use super::scale::Scale;
use super::scene::{Mark, Outline, Scene};
use super::{Figure, bars, branches, cells, curves, intervals, layers, scatter};
use crate::palette::{Ink, Style};

/// Names, AUP and a cost each, as published and invented.
const MODELS: [(&str, f64, f64); 13] = [
    ("gpt4o2", 1.288, 1.1),
    ("gpt-o3-mini", 1.214, 0.35),
    ("gpt-o1", 1.423, 7.2),
    ("deepseek-r1", 1.249, 0.42),
    ("llama3-405b-tools", 1.33, 0.9),
    ("llama4-17b-16", 1.267, 0.11),
    ("llama4-17b-128", 1.303, 0.16),
    ("claude-35-sonnet-new", 1.426, 1.35),
    ("claude-37-sonnet", 1.35, 1.6),
    ("gemini-15-pro", 1.42, 0.62),
    ("gemini-20-flash-thinking", 1.374, 0.0),
    ("gemini-25-pro", 1.419, 0.85),
    ("gemini-20-pro", 1.38, 0.7),
];

/// Names that want to break out.
const HOSTILE: &str = "<script>alert('x')</script> & \"é\" \u{202e}\u{1b}[31m 漢字 very long name of an agent / and of its model, 2026-11-25";

fn shown(number: usize, name: &str) -> Shown {
    Shown { name: name.to_owned(), style: Style::of(number) }
}

/// Numbers that look random and are always the same.
fn noise(seed: usize) -> f64 {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555;
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 53) as f64
}

fn profiles(count: usize) -> curves::Panel {
    let curves = MODELS.iter().take(count).enumerate().map(|(number, (name, aup, _))| {
        let points: Vec<(f64, f64)> = (0..=13)
            .map(|task| {
                let share = f64::from(task) / 13.0;
                (10f64.powf(share * share * 1.2 * (1.5 - aup / 1.5)), (share * aup / 1.43).min(1.0))
            })
            .chain([(31.0, (aup / 1.43).min(1.0))])
            .collect();
        curves::Curve { shown: shown(number, name), points, band: Vec::new() }
    });
    curves::Panel {
        title: String::new(),
        across: Axis::new("times worse than the best (τ, logarithmic)", Scale::log([1.0, 31.0]), 6),
        up: Axis::new("share of tasks within τ", Scale::between(0.0, 1.0), 5),
        curves: curves.collect(),
        reference: None,
    }
}

fn best_so_far(task: usize, count: usize) -> curves::Panel {
    let curves = MODELS.iter().take(count).enumerate().map(|(number, (name, _, _))| {
        let mut value = 0.3;
        let last = 10 + (noise(number * 7 + task) * 40.0) as usize;
        let points: Vec<(f64, f64)> = (1..=last)
            .step_by(4)
            .map(|step| {
                value += noise(number * 100 + task * 31 + step) * 0.08;
                (step as f64, value)
            })
            .collect();
        let band = points.iter().map(|(x, y)| (*x, y - 0.05, y + 0.03)).collect();
        curves::Curve { shown: shown(number, name), points, band }
    });
    let curves: Vec<curves::Curve> = curves.collect();
    let values: Vec<f64> = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1)).collect();
    curves::Panel {
        title: format!("imageClassificationTask{task}"),
        across: Axis::new("steps", Scale::between(0.0, 51.0), 5),
        up: Axis::new("accuracy, best so far (↑ better)", Scale::linear(values, 0.05), 4),
        curves,
        reference: Some((0.5, "baseline".to_owned())),
    }
}

fn scores(task: usize, count: usize) -> intervals::Panel {
    let rows = MODELS.iter().take(count).enumerate().map(|(number, (name, _, _))| {
        let value = match (task, number) {
            (1, 3) => -31_167_493_439_488.0,
            (2, _) => 1.44,
            _ => noise(task * 50 + number) * 60.0 + 15.0,
        };
        let spread = noise(task * 91 + number) * value.abs() * 0.2;
        let is_known = (number + task) % 6 != 5;
        intervals::Row {
            shown: shown(number, name),
            value: is_known.then_some(value),
            interval: is_known.then_some((value - spread, value + spread * 0.7)),
            best: is_known.then_some(value + spread * 0.9),
            each: if is_known { vec![value - spread, value, value + spread] } else { Vec::new() },
        }
    });
    intervals::Panel {
        title: ["houseprice", "rlMountainCarContinuous", "battleOfSexes"]
            .get(task)
            .map_or_else(|| format!("naturalLanguageTask{task}"), |name| (*name).to_owned()),
        unit: "Reward Mean ↑".to_owned(),
        rows: rows.collect(),
        reference: Some((33.79, "baseline".to_owned())),
        noise: 2.0,
    }
}

fn costs(count: usize) -> scatter::Chart {
    let points = MODELS.iter().take(count).enumerate().map(|(number, (name, aup, cost))| scatter::Point {
        shown: shown(number, name),
        across: *cost,
        across_interval: None,
        up: *aup,
        up_interval: Some((aup - 0.03 * noise(number) - 0.01, aup + 0.02)),
        is_front: [10, 7].contains(&number),
    });
    scatter::Chart {
        across: "mean cost of a run ($, logarithmic)".to_owned(),
        up: "AUP of best attempts (↑ better)".to_owned(),
        points: points.collect(),
        reference: Some((1.22, "baseline".to_owned())),
    }
}

fn causes(measure: bars::Measure, count: usize) -> bars::Chart {
    let names = [
        "submitted",
        "step limit",
        "budget",
        "context",
        "format",
        "evaluation",
        "provider",
        "failed",
        "unknown",
    ];
    let parts = names
        .iter()
        .enumerate()
        .map(|(number, name)| (Ink::Part([1, 0, 5, 2, 6, 3, 7, 9, 10][number]), (*name).to_owned()));
    let rows = MODELS.iter().take(count).enumerate().map(|(number, (name, _, _))| {
        let mut left = 52u64;
        let mut counts: Vec<u64> = (0..8)
            .map(|part| {
                let share =
                    if part == 0 { 0.5 + noise(number) * 0.4 } else { noise(number * 9 + part) * 0.6 };
                let count = (left as f64 * share) as u64;
                left -= count;
                count
            })
            .collect();
        counts.push(left);
        bars::Row { name: (*name).to_owned(), counts, of: None }
    });
    bars::Chart { parts: parts.collect(), rows: rows.collect(), measure, unit: "runs".to_owned() }
}

fn failures(count: usize) -> bars::Chart {
    let rows = MODELS.iter().take(count).enumerate().map(|(number, (name, _, _))| bars::Row {
        name: (*name).to_owned(),
        counts: vec![(noise(number) * 20.0) as u64, (noise(number + 50) * 12.0) as u64],
        of: Some(52),
    });
    bars::Chart {
        parts: vec![
            (Ink::Part(3), "failed: no score".to_owned()),
            (Ink::Part(2), "incomplete: a score, but cut short".to_owned()),
        ],
        rows: rows.collect(),
        measure: bars::Measure::Count,
        unit: "runs".to_owned(),
    }
}

fn actions() -> layers::Chart {
    let names = ["Edit", "View", "Validate", "Submit", "Search", "Python", "Bash"];
    let steps = (0..51).map(|step| {
        let alive = 670.0 * (1.0 - step as f64 / 62.0);
        [0.42, 0.1, 0.13, if step > 4 { 0.03 } else { 0.0 }, 0.005, 0.2, 0.08]
            .iter()
            .enumerate()
            .map(|(part, share)| (alive * share * (0.8 + 0.4 * noise(step * 7 + part))) as u64)
            .collect()
    });
    layers::Chart {
        parts: names
            .iter()
            .enumerate()
            .map(|(number, name)| (Ink::Part([0, 4, 2, 1, 5, 3, 8][number]), (*name).to_owned()))
            .collect(),
        steps: steps.collect(),
        across: "step".to_owned(),
        up: "runs".to_owned(),
    }
}

fn flags() -> cells::Chart {
    let columns = [
        "3SATHeuristic",
        "battleOfSexes",
        "blotto",
        "imageCaptioningCOCO",
        "languageModelingFineWeb",
        "rlMountainCarContinuous",
        "regressionKaggleHousePrice",
        "naturalLanguageInferenceMNLI",
    ];
    let cells = (0..13).map(|row| {
        (0..8)
            .map(|column| {
                let count = (noise(row * 13 + column) * 6.0 - 2.0).max(0.0).floor();
                cells::Cell {
                    share: Some(count / 4.0),
                    text: if count > 0.0 { format!("{count}") } else { "·".to_owned() },
                    tip: format!("{count} of 4 runs"),
                }
            })
            .collect()
    });
    cells::Chart {
        rows: MODELS.iter().map(|(name, _, _)| (*name).to_owned()).collect(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        cells: cells.collect(),
        part: 3,
    }
}

fn gallery() -> Vec<(&'static str, Scene)> {
    let panels: Vec<curves::Panel> = (0..13).map(|task| best_so_far(task, 13)).collect();
    let tasks: Vec<intervals::Panel> = (0..13).map(|task| scores(task, 13)).collect();
    vec![
        ("profiles", curves::single(&profiles(13), 270.0)),
        ("profiles-few", curves::single(&profiles(3), 240.0)),
        ("best-so-far", curves::single(&best_so_far(0, 13), 250.0)),
        ("best-so-far-all", curves::grid(&panels, 4, 78.0)),
        ("scores", intervals::single(&scores(0, 13))),
        ("scores-extreme", intervals::single(&scores(1, 13))),
        ("scores-equal", intervals::single(&scores(2, 5))),
        ("scores-all", intervals::grid(&tasks, 4)),
        ("costs", scatter::draw(&costs(13))),
        ("costs-few", scatter::draw(&costs(3))),
        ("causes", bars::draw(&causes(bars::Measure::Share, 13))),
        ("causes-one", bars::draw(&causes(bars::Measure::Count, 1))),
        ("failures", bars::draw(&failures(13))),
        ("actions", layers::draw(&actions())),
        ("flags", cells::draw(&flags())),
    ]
}

/// What must hold for every drawing.
fn check(name: &str, scene: &Scene) {
    assert!(scene.width.is_finite() && scene.height.is_finite() && scene.height > 0.0, "{name}");
    for words in scene.all_words() {
        let area = words.area();
        let is_inside = area.left >= -0.5
            && area.right <= scene.width + 0.5
            && area.top >= -0.5
            && area.bottom <= scene.height + 0.5;
        assert!(is_inside, "{name}: {words:?} at {area:?} in {} x {}", scene.width, scene.height);
    }
    for mark in &scene.marks {
        let Mark::Shape(shape) = mark else { continue };
        let places = match &shape.outline {
            Outline::Open(places) | Outline::Closed(places) => places.clone(),
            Outline::Circle(place, radius) => vec![*place, (*radius, *radius)],
        };
        for (x, y) in places {
            assert!(x.is_finite() && y.is_finite(), "{name}: {shape:?}");
            assert!(
                x >= -1.0 && x <= scene.width + 1.0 && y >= -1.0 && y <= scene.height + 1.0,
                "{name}: {shape:?}"
            );
        }
    }
}

/// No words of a drawing cover others.
fn check_words_apart(name: &str, scene: &Scene) {
    let words: Vec<_> = scene.all_words().filter(|words| !words.is_turned).collect();
    for (index, one) in words.iter().enumerate() {
        for other in &words[..index] {
            let overlap = one.area().grown(-0.4).overlap(&other.area().grown(-0.4));
            assert!(overlap <= 1.0, "{name}: {:?} and {:?} overlap by {overlap}", one.text, other.text);
        }
    }
}

#[test]
fn drawings_are_sound() {
    let folder = std::env::var_os("RESEARCHGYM_GALLERY").map(std::path::PathBuf::from);
    for (name, scene) in gallery() {
        let figure = Figure::new(name, name, "A caption.", scene.clone(), String::new());
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.svg")), &figure.svg).unwrap();
            std::fs::write(folder.join(format!("{name}.pdf")), figure.pdf().unwrap()).unwrap();
        }
        check(name, &scene);
        check_words_apart(name, &scene);
    }
}

/// A tree in which each node derives from an earlier one that `pick` gives for its number.
fn tree(count: usize, pick: impl Fn(usize) -> usize) -> branches::Chart {
    let mark = |number: usize| match (noise(number * 13) * 10.0) as usize {
        0 | 1 => branches::Mark::Failed,
        2 => branches::Mark::Dropped,
        3 if number.is_multiple_of(7) => branches::Mark::Unusable,
        3 if number % 7 == 1 => branches::Mark::Open,
        _ => branches::Mark::Measured(noise(number * 31)),
    };
    let node = |number: usize| branches::Node {
        base: (number > 0).then(|| pick(number)),
        mark: mark(number),
        tip: format!("node {number}, {HOSTILE}"),
    };
    branches::Chart {
        nodes: (0..count).map(node).collect(),
        best: count.checked_sub(1),
        best_label: format!("node {}: 2.6359", count.saturating_sub(1)),
    }
}

#[test]
fn trees_of_all_shapes_are_sound() {
    let folder = std::env::var_os("RESEARCHGYM_GALLERY").map(std::path::PathBuf::from);
    let early = |number: usize| (noise(number * 17) * noise(number * 19) * number as f64) as usize;
    let late = |number: usize| number - 1 - (noise(number * 17).powi(3) * number as f64 * 0.99) as usize;
    let trees = [
        ("tree-none", tree(0, |_| 0)),
        ("tree-one", tree(1, |_| 0)),
        ("tree-small", tree(24, early)),
        ("tree-500", tree(500, early)),
        ("tree-deep-500", tree(500, late)),
        ("tree-star-500", tree(500, |_| 0)),
        ("tree-chain-500", tree(500, |number| number - 1)),
        ("tree-broad-500", tree(500, |number| (number - 1) / 3)),
    ];
    for (name, chart) in trees {
        let scene = branches::draw(&chart);
        let figure = Figure::new(name, name, "A caption.", scene.clone(), String::new());
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.svg")), &figure.svg).unwrap();
        }
        check(name, &scene);
        assert!(figure.pdf().unwrap().starts_with(b"%PDF-"), "{name}");
    }
}

#[test]
fn nodes_of_a_tree_stand_apart_where_there_is_room() {
    for chart in [tree(24, |number| number / 2), tree(60, |_| 0)] {
        let discs: Vec<((f64, f64), f64)> = branches::draw(&chart)
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Shape(shape) => match (&shape.outline, &shape.tip) {
                    (Outline::Circle(place, radius), Some(tip)) if tip.contains("script") => {
                        Some((*place, *radius))
                    }
                    _ => None,
                },
                Mark::Words(_) => None,
            })
            .collect();
        assert!(discs.len() > chart.nodes.len() / 2);
        for (index, (one, radius)) in discs.iter().enumerate() {
            for (other, other_radius) in &discs[..index] {
                let apart = (one.0 - other.0).hypot(one.1 - other.1);
                assert!(apart >= (radius + other_radius) * 0.9, "{one:?} and {other:?} at {apart}");
            }
        }
    }
}

/// Numbers as runs have them at their worst.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        -100.0f64..100.0,
        Just(0.0),
        Just(-3.1e13),
        Just(1e300),
        Just(-1e300),
        Just(1e-300),
        Just(f64::NAN),
        Just(f64::INFINITY)
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,12}",
        Just(HOSTILE.to_owned()),
        Just("w".repeat(400)),
        Just("漢".repeat(90)),
        Just(String::new())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn intervals_of_anything_are_sound(
        rows in prop::collection::vec((any_name(), prop::option::of(any_value()), any_value(), any_value()), 1..14),
        baseline in prop::option::of(any_value()),
        noise in 0.0f64..10.0,
    ) {
        let row = |(number, (name, value, low, high)): (usize, (String, Option<f64>, f64, f64))| intervals::Row {
            shown: shown(number, &name),
            value,
            interval: value.map(|_| (low.min(high), low.max(high))),
            best: value,
            each: value.into_iter().chain([low]).collect(),
        };
        let panel = intervals::Panel {
            title: HOSTILE.to_owned(),
            unit: HOSTILE.to_owned(),
            rows: rows.into_iter().enumerate().map(row).collect(),
            reference: baseline.map(|baseline| (baseline, "baseline".to_owned())),
            noise,
        };
        check("interval", &intervals::single(&panel));
        check("intervals", &intervals::grid(&[panel.clone(), panel], 4));
    }

    #[test]
    fn scatters_of_anything_are_sound(points in prop::collection::vec((any_name(), any_value(), any_value()), 0..14)) {
        let point = |(number, (name, across, up)): (usize, (String, f64, f64))| scatter::Point {
            shown: shown(number, &name),
            across: across.abs(),
            across_interval: None,
            up,
            up_interval: Some((up, up)),
            is_front: number % 3 == 0,
        };
        let chart = scatter::Chart {
            across: "cost".to_owned(),
            up: "gain".to_owned(),
            points: points.into_iter().enumerate().map(point).collect(),
            reference: Some((0.0, "baseline".to_owned())),
        };
        check("scatter", &scatter::draw(&chart));
    }

    #[test]
    fn curves_of_anything_are_sound(
        lines in prop::collection::vec((any_name(), prop::collection::vec((0.0f64..50.0, any_value()), 0..6)), 1..14),
    ) {
        let values: Vec<f64> = lines.iter().flat_map(|line| line.1.iter().map(|point| point.1)).collect();
        let curve = |(number, (name, mut points)): (usize, (String, Vec<(f64, f64)>))| {
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            curves::Curve { shown: shown(number, &name), points, band: Vec::new() }
        };
        let panel = curves::Panel {
            title: HOSTILE.to_owned(),
            across: Axis::new("steps", Scale::between(0.0, 50.0), 5),
            up: Axis::new("score", Scale::linear(values, 0.05), 5),
            curves: lines.into_iter().enumerate().map(curve).collect(),
            reference: None,
        };
        check("curve", &curves::single(&panel, 230.0));
        check("list", &curves::listed(&panel, 230.0, "AUP"));
        check("curves", &curves::grid(&[panel.clone(), panel], 4, 78.0));
    }

    #[test]
    fn bars_and_cells_of_anything_are_sound(
        rows in prop::collection::vec((any_name(), prop::collection::vec(prop_oneof![0u64..60, Just(u64::MAX / 64)], 13)), 1..14),
        measure in prop_oneof![Just(bars::Measure::Count), Just(bars::Measure::Share)],
    ) {
        let chart = bars::Chart {
            parts: (0..13).map(|part| (Ink::Part(part), HOSTILE.to_owned())).collect(),
            rows: rows.iter().map(|(name, counts)| bars::Row { name: name.clone(), counts: counts.clone(), of: Some(100) }).collect(),
            measure,
            unit: "runs".to_owned(),
        };
        check("bars", &bars::draw(&chart));
        check("layers", &layers::draw(&layers::Chart {
            parts: chart.parts,
            steps: rows.iter().map(|(_, counts)| counts.clone()).collect(),
            across: "step".to_owned(),
            up: "runs".to_owned(),
        }));
        check("cells", &cells::draw(&cells::Chart {
            rows: rows.iter().map(|(name, _)| name.clone()).collect(),
            columns: rows.iter().map(|(name, _)| name.clone()).collect(),
            cells: rows.iter().map(|(name, counts)| counts.iter().take(rows.len()).map(|count| cells::Cell {
                share: Some(*count as f64 / 60.0),
                text: count.to_string(),
                tip: name.clone(),
            }).collect()).collect(),
            part: 3,
        }));
    }
}
