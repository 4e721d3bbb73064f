//! Numbers read, written, changed and combined; the tree that step sizes follow.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tune::{Mix, Near, sample, tune};
use super::*;
use crate::digest::Digest;
use crate::event::Event;
use crate::score::{Metrics, Score};
use crate::search::event::{
    Evaluated, EvaluationBegan, EvaluationFailure, EvaluationOutcome, Gate, NodeBuilt, NodeDropped, Planned,
};
use crate::search::{Change, FULL, NodeId, Operator, Plan, Stream, Tree};
use crate::task::{self, Parameter, Range, Task, Tunable};

/// A task whose metric is maximized.
pub(super) fn task() -> Task {
    let text = r#"
schema = 1
id = "numbers"
title = "t"
domain = "d"
description = "description.md"
[[metrics]]
name = "gain"
direction = "maximize"
primary = true
[workspace]
starter = "starter"
[submission]
artefacts = ["a"]
[grader]
files = "grader"
command = ["true"]
validate_on = "test"
"#;
    task::parse(text, "task.toml").expect("a task")
}

/// What becomes of a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Measured(f64),
    Failed,
    Dropped,
}

/// A tree that tests grow by hand.
pub(super) struct Grown {
    pub(super) tree: Tree,
}

impl Grown {
    pub(super) fn new(baseline: f64) -> Grown {
        let mut grown = Grown { tree: Tree::new(&task()) };
        grown.plan(Operator::Baseline, &[], 1);
        grown.settle(0, Fate::Measured(baseline));
        grown
    }

    pub(super) fn plan(&mut self, operator: Operator, parents: &[NodeId], count: usize) -> Vec<Change> {
        let first = self.tree.nodes().len() as NodeId;
        let plans = vec![Plan::new(operator, parents.to_vec()); count];
        let ask = u64::from(first);
        let planned = Planned { ask, free: 1, first, plans, note: None, working_ms: 0 };
        self.apply(Event::Planned(Box::new(planned)))
    }

    pub(super) fn settle(&mut self, node: NodeId, fate: Fate) -> Vec<Change> {
        if let Fate::Dropped = fate {
            let dropped = NodeDropped {
                node,
                gate: Gate::Duplicate,
                reason: String::new(),
                of: None,
                idea: None,
                idea_refused: false,
                model: None,
                attempts: 1,
                spent: Default::default(),
                working_ms: 0,
            };
            return self.apply(Event::NodeDropped(Box::new(dropped)));
        }
        let built = NodeBuilt {
            node,
            artefact: Digest::ZERO,
            size: 0,
            changes: BTreeMap::new(),
            idea: None,
            model: None,
            shown: Vec::new(),
            embedding: None,
            attempts: 1,
            spent: Default::default(),
            working_ms: 0,
        };
        self.apply(Event::NodeBuilt(Box::new(built)));
        let evaluation = self.tree.evaluations() + 1;
        self.apply(Event::EvaluationBegan(EvaluationBegan { evaluation, node, stage: FULL.to_owned() }));
        let outcome = match fate {
            Fate::Measured(value) => {
                let metrics = Metrics::from([("gain".to_owned(), value)]);
                EvaluationOutcome::Graded { score: Score { metrics, invalid: None, findings: Vec::new() } }
            }
            _ => EvaluationOutcome::Failed { kind: EvaluationFailure::Crash, reason: String::new() },
        };
        let evaluated = Evaluated {
            evaluation,
            outcome,
            feedback: None,
            outputs: None,
            learned: BTreeMap::new(),
            reported: None,
            unread: Default::default(),
            queued_ms: 0,
            wall_ms: 0,
            cpu_ms: 0,
            gpus: Vec::new(),
            working_ms: 0,
        };
        self.apply(Event::Evaluated(Box::new(evaluated)))
    }

    fn apply(&mut self, event: Event) -> Vec<Change> {
        self.tree.apply(&event).expect("an event that can come here");
        self.tree.changed().to_vec()
    }
}

pub(super) fn spec(low: f64, high: f64, integer: bool) -> task::Genome {
    task::Genome { file: "numbers.json".to_owned(), low, high, integer, learned: false }
}

fn parameters() -> Space {
    let text = |text: &str| Parameter::Text(text.to_owned());
    let parameters = BTreeMap::from([
        ("alpha".to_owned(), Range::Float { low: 0.01, high: 100.0, log: true }),
        ("depth".to_owned(), Range::Int { low: 2, high: 6 }),
        ("share".to_owned(), Range::Float { low: 0.0, high: 1.0, log: false }),
        ("target".to_owned(), Range::Choice { choices: vec![text("price"), text("logarithm")] }),
    ]);
    Space::object(&Tunable { file: "p.json".into(), apply: "true".into(), trials: 1, parameters })
}

fn random(number: u64) -> Stream {
    Stream::new(7, "test", number)
}

#[test]
fn what_is_wrong_is_told_with_file_and_place() {
    let numbers = Space::array(&spec(-1.0, 1.0, false));
    let whole = Space::array(&spec(0.0, 9.0, true));
    let deep = format!("{}{}", "[".repeat(9), "]".repeat(9));
    for (space, text, expected) in [
        (&numbers, "[0.5, ", "numbers.json:1:6: EOF while parsing a value"),
        (&numbers, "[0.5,\n nan]", "numbers.json:2:3: expected ident"),
        (&numbers, "7", "numbers.json: the whole is a number, no array"),
        (&numbers, "[]", "numbers.json: the whole holds no numbers"),
        (&numbers, "[[0], [0, \"a\"]]", "numbers.json: [1][1] is a text, no number"),
        (&numbers, "[[0], 1]", "numbers.json: [1] is a number, no array"),
        (&numbers, "[0, 1.5]", "numbers.json: [1] is 1.5, above the highest value 1"),
        (&numbers, "[[[-2]]]", "numbers.json: [0][0][0] is -2, below the lowest value -1"),
        (&numbers, &deep, "numbers.json: [0][0][0][0][0][0][0][0] is nested deeper than 8 arrays"),
        (&whole, "[1, 2.5]", "numbers.json: [1] is 2.5, no whole number"),
        (&parameters(), "[]", "p.json: the whole is an array, no object of parameters"),
        (&parameters(), "{\"alpha\": 1}", "p.json: depth is missing"),
        (
            &parameters(),
            r#"{"alpha": 1, "depth": 3, "share": 0, "target": "x"}"#,
            "p.json: target is \"x\", none of its choices",
        ),
        (&parameters(), r#"{"alpha": true}"#, "p.json: alpha is a truth value, no number"),
    ] {
        assert_eq!(space.parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
    let long = vec![b' '; MOST_BYTES + 1];
    assert_eq!(
        numbers.parse(&long).unwrap_err().to_string(),
        "numbers.json: 4194305 bytes, and at most 4194304 are read"
    );
}

#[test]
fn files_are_written_one_row_a_line() {
    let numbers = Space::array(&spec(-1.0, 1.0, false));
    for (text, expected) in [
        ("[0.1,1,-0.5]", "[\n 0.1,\n 1.0,\n -0.5\n]\n"),
        ("[[0.1,1e-7],[1,0]]", "[\n [0.1, 1e-7],\n [1.0, 0.0]\n]\n"),
        ("[[[0],[1]],[]]", "[\n [\n  [0.0],\n  [1.0]\n ],\n []\n]\n"),
    ] {
        let genome = numbers.parse(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(numbers.write(&genome)).unwrap(), expected);
    }
    let whole = Space::array(&spec(0.0, 9.0, true));
    assert_eq!(whole.write(&whole.parse(b"[1, 2.0]").unwrap()), b"[\n 1,\n 2\n]\n");
    let text = r#"{"beside": [1], "alpha": 1, "depth": 3, "share": 0.25, "target": "logarithm"}"#;
    let written: Value =
        serde_json::from_slice(&parameters().write(&parameters().parse(text.as_bytes()).unwrap())).unwrap();
    assert_eq!(
        written,
        json!({"beside": [1], "alpha": 1.0, "depth": 3, "share": 0.25, "target": "logarithm"})
    );
}

#[test]
fn a_task_without_numbers_is_told_what_to_write() {
    let mut task = task();
    assert_eq!(
        Space::of(&task).unwrap_err().to_string(),
        "task numbers declares no numbers to change: write `[search.genome]` (file, low, high) for a JSON array of numbers, \
         or `[tunable]` with `[tunable.parameters]` for named ones, into its task.toml"
    );
    let parameters = BTreeMap::from([("a".to_owned(), Range::Int { low: 0, high: 1 })]);
    task.tunable = Some(Tunable { file: "p.json".into(), apply: "true".into(), trials: 1, parameters });
    assert_eq!(Space::of(&task).unwrap().file(), "p.json");
    let genome = Some(spec(0.0, 1.0, false));
    task.search = Some(task::SearchSection { genome, ..Default::default() });
    assert_eq!(Space::of(&task).unwrap().file(), "numbers.json");
}

#[test]
fn coordinates_go_to_a_scale_and_back() {
    let whole = Coordinate::Whole { low: 2.0, high: 6.0 };
    for value in [2.0, 3.0, 4.0, 5.0, 6.0] {
        assert_eq!(whole.value(whole.unit(value)), value);
    }
    let logarithmic = Coordinate::Logarithmic { low: 0.01, high: 100.0 };
    assert!((logarithmic.value(0.5) - 1.0).abs() < 1e-12 && (logarithmic.unit(10.0) - 0.75).abs() < 1e-12);
    assert_eq!([whole.value(-0.01), whole.value(1.0), whole.value(2.5)], [2.0, 6.0, 4.0]);
    assert!(Coordinate::Choice { count: 1 }.is_fixed() && !whole.is_fixed());
    assert_eq!(Coordinate::Linear { low: 3.0, high: 3.0 }.value(0.7), 3.0);
}

#[test]
fn every_move_of_tune_does_what_it_says() {
    let space = Space::array(&spec(0.0, 1.0, false));
    let parent = space.parse(b"[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]").unwrap();
    let none = Mix {
        gaussian: 0.0,
        row_step: 0.0,
        reset: 0.0,
        row_reset: 0.0,
        swap: 0.0,
        shift: 0.0,
        ..Mix::default()
    };
    let changed = |mix: &Mix, number| {
        let near = Near { parent: &parent, others: &[], sigma: 0.1 };
        let tuned = tune(&space, &near, mix, &mut random(number)).unwrap();
        let pairs = parent.values().iter().zip(tuned.genome.values()).enumerate();
        let places = pairs.filter(|(_, (one, other))| one != other).map(|(at, _)| at).collect::<Vec<_>>();
        (places, tuned)
    };
    for number in 0..30 {
        let (places, _) = changed(&Mix { row_step: 1.0, ..none.clone() }, number);
        let is_whole = |row: &[usize]| row[0].is_multiple_of(2) && row[1] == row[0] + 1;
        assert!(!places.is_empty() && places.chunks(2).all(is_whole), "{places:?}");
        let (places, _) = changed(&Mix { reset: 1.0, ..none.clone() }, number);
        assert_eq!(places.len(), 1);
        let (places, _) = changed(&Mix { row_reset: 1.0, ..none.clone() }, number);
        assert!([vec![0, 1], vec![2, 3], vec![4, 5]].contains(&places), "{places:?}");
        for (mix, most) in [(Mix { swap: 1.0, ..none.clone() }, 4), (Mix { shift: 1.0, ..none.clone() }, 6)] {
            let (places, tuned) = changed(&mix, number);
            assert!(places.len() == 4 || places.len() == most, "{places:?}");
            let mut rows: Vec<Vec<f64>> = tuned.genome.values().chunks(2).map(<[f64]>::to_vec).collect();
            rows.sort_by(|one, other| one[0].total_cmp(&other[0]));
            assert_eq!(rows, [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]);
        }
    }
    // All others stand at 0.8: whatever differential evolution takes over lies between there and the parent.
    let others = vec![space.genome_at(&parent, &[0.8; 6]); 3];
    let near = Near { parent: &parent, others: &others, sigma: 0.1 };
    let tuned = tune(&space, &near, &Mix { differential: 1.0, ..none }, &mut random(1)).unwrap();
    assert_eq!(tuned.description, "differential step among 3");
    for (one, other) in parent.values().iter().zip(tuned.genome.values()) {
        assert!(one == other || (*other > one + 0.4 * (0.8 - one) - 1e-9 && *other < 0.8), "{tuned:?}");
    }
}

#[test]
fn numbers_that_cannot_change_are_told() {
    let space = Space::array(&spec(1.0, 1.0, false));
    let files = Files::from([("numbers.json".to_owned(), b"[1, 1]".to_vec())]);
    let told = tuned(&space, &files, &[], (0.1, &Mix::default()), &mut random(0)).unwrap_err();
    assert_eq!(told.to_string(), "numbers.json: every number has one possible value only");
    let told = tuned(&space, &Files::new(), &[], (0.1, &Mix::default()), &mut random(0)).unwrap_err();
    assert_eq!(told.to_string(), "numbers.json: there is no such file in the candidate");
    // One of two values: the other one.
    let space = Space::array(&spec(0.0, 1.0, true));
    let files = Files::from([("numbers.json".to_owned(), b"[1]".to_vec())]);
    let made = tuned(&space, &files, &[], (1e-9, &Mix::default()), &mut random(0)).unwrap();
    assert_eq!(made.files["numbers.json"], b"[\n 0\n]\n");
}

#[test]
fn files_of_two_are_mixed_and_never_all_of_one() {
    let files = |texts: &[(&str, &str)]| -> Files {
        texts.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    };
    let first = files(&[("a", "1"), ("b", "1"), ("c", "1"), ("same", "0")]);
    let second = files(&[("a", "2"), ("b", "2"), ("d", "2"), ("same", "0")]);
    for number in 0..40 {
        let made = crossover(None, &first, &second, &mut random(number)).unwrap();
        assert!(made.files != first && made.files != second);
        for (path, content) in &made.files {
            assert!([first.get(path), second.get(path)].contains(&Some(content)));
        }
    }
    let nearly = files(&[("a", "2"), ("b", "1"), ("c", "1"), ("same", "0")]);
    assert_eq!(crossover(None, &first, &nearly, &mut random(0)), Err(Nothing::Alike));
    let space = Space::array(&spec(0.0, 1.0, false));
    let (one, other) = (files(&[("numbers.json", "[0.2, 0.2]")]), files(&[("numbers.json", "[0.4, 0.4]")]));
    let made = crossover(Some(&space), &one, &other, &mut random(3)).unwrap();
    let genome = sampled(&space, &made.files).unwrap();
    assert!(genome.values().iter().all(|value| (0.1..=0.5).contains(value)), "{genome:?}");
    assert_eq!(crossover(Some(&space), &one, &one, &mut random(3)), Err(Nothing::Alike));
}

#[test]
fn step_sizes_follow_the_successes_of_children() {
    let mut grown = Grown::new(1.0);
    let mut steps = StepSizes::new(3);
    let mut take = |grown: &Grown, changes: Vec<Change>| {
        changes.into_iter().for_each(|change| steps.observe(&grown.tree, change));
        (0..grown.tree.nodes().len() as NodeId).map(|id| steps.of(id)).collect::<Vec<_>>()
    };
    let close = |found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        let is_close = found.iter().zip(expected).all(|(one, other)| (one / other - 1.0).abs() < 1e-12);
        assert!(is_close, "{found:?}, not {expected:?}");
    };
    let (up, down) = (0.4_f64.exp(), (-0.1_f64).exp());
    let changes = grown.plan(Operator::Tune, &[0], 4);
    close(&take(&grown, changes), &[0.1; 5]);
    let changes = grown.settle(1, Fate::Measured(2.0));
    close(&take(&grown, changes), &[0.1 * up, 0.1 * up, 0.1, 0.1, 0.1]);
    let changes = grown.settle(2, Fate::Measured(0.5));
    close(&take(&grown, changes), &[0.1 * up * down, 0.1 * up, 0.1, 0.1, 0.1]);
    let changes = grown.settle(3, Fate::Dropped);
    close(&take(&grown, changes), &[0.1 * up * down, 0.1 * up, 0.1, 0.1, 0.1]);
    let changes = grown.settle(4, Fate::Failed);
    close(&take(&grown, changes), &[0.1 * up * down * down, 0.1 * up, 0.1, 0.1, 0.1]);
    let changes = grown.plan(Operator::Tune, &[1], 1);
    close(&take(&grown, changes)[5..], &[0.1 * up]);
}

fn nested() -> impl Strategy<Value = Value> {
    let number = (-1.0..=1.0_f64).prop_map(Value::from);
    let row = prop::collection::vec(number, 0..5).prop_map(Value::from);
    row.prop_recursive(4, 40, 4, |inner| prop::collection::vec(inner, 1..4).prop_map(Value::from))
}

proptest! {
    #[test]
    fn numbers_are_read_back_as_they_were(value in nested()) {
        let spec = spec(-1.0, 1.0, false);
        let text = serde_json::to_vec(&value).unwrap();
        if let Ok(genome) = Genome::parse(&text, &spec) {
            let written = Space::array(&spec).write(&genome);
            prop_assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), value);
            prop_assert_eq!(Genome::parse(&written, &spec).unwrap(), genome);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        let _ = Genome::parse(text.as_bytes(), &spec(-1.0, 1.0, false));
        let _ = parameters().parse(text.as_bytes());
    }

    #[test]
    fn operators_stay_in_bounds_and_draw_the_same_again(
        seed in any::<u64>(),
        rows in 1..6_usize,
        columns in 1..4_usize,
        low in -10.0..10.0_f64,
        width in 0.1..100.0_f64,
        integer in any::<bool>(),
        sigma in 1e-9..2.0_f64,
    ) {
        let (low, high) = if integer { (low.floor(), (low + width).ceil()) } else { (low, low + width) };
        let space = Space::array(&spec(low, high, integer));
        let row = format!("[{}]", vec![low.to_string(); columns].join(","));
        let template = space.parse(format!("[{}]", vec![row; rows].join(",")).as_bytes()).unwrap();
        let mut stream = Stream::new(seed, "test", 0);
        let parents: Vec<Genome> = (0..5).map(|_| sample(&space, &template, &mut stream)).collect();
        let near = Near { parent: &parents[0], others: &parents[1..], sigma };
        for number in 0..8 {
            let make = || {
                let mut stream = Stream::new(seed, "tune", number);
                let tuned = tune(&space, &near, &Mix::default(), &mut stream).map(|tuned| tuned.genome);
                let crossed = cross::genomes(&space, &parents[1], &parents[2], &mut stream).map(|made| made.0);
                (tuned, crossed)
            };
            let made = make();
            prop_assert_eq!(&made, &make());
            prop_assert!(made.0.as_ref().is_some_and(|genome| *genome != parents[0]));
            for genome in [made.0, made.1].into_iter().flatten() {
                prop_assert_eq!(&space.parse(&space.write(&genome)).unwrap(), &genome);
            }
        }
    }

    #[test]
    fn parameters_stay_possible(seed in any::<u64>()) {
        let space = parameters();
        let text = br#"{"alpha": 1, "depth": 3, "share": 0.25, "target": "price"}"#;
        let files = Files::from([("p.json".to_owned(), text.to_vec())]);
        let mut stream = Stream::new(seed, "test", 0);
        let drawn = draft(&space, &files, &mut stream).unwrap();
        let made = tuned(&space, &files, &[&drawn.files], (0.1, &Mix::default()), &mut stream).unwrap();
        for candidate in [&drawn.files, &made.files] {
            let genome = sampled(&space, candidate).unwrap();
            prop_assert_eq!(&space.write(&genome), &candidate["p.json"]);
        }
        prop_assert_ne!(&made.files, &files);
    }
}
