//! Reports of strange runs: hostile names, extreme numbers, one run, none.

use researchgym_core::record::{AttemptRecord, Category, Cause, RunRecord, TaskRecord};
use researchgym_core::score::{Direction, Finding, Primary, Severity};
use researchgym_core::spec::MicroUsd;
use researchgym_core::statistics::{Analysis, Flagged, Options};
use researchgym_report::{Given, PageFacts, Report, report};

use crate::checks;

/// What must be shown as words.
const HOSTILE: &str = "</title><script>alert('x')</script>\"><img src=x onerror=alert(1)> & {{ 7 * 7 }} \u{202e}\u{1b}[31m\u{0} 漢字 https://example.com/a.js";

fn task(id: &str, direction: Direction, baseline: Option<f64>) -> TaskRecord {
    TaskRecord {
        primary: Some(Primary { name: "score".to_owned(), direction }),
        baseline: baseline.map(|baseline| [("score".to_owned(), baseline)].into()),
        ..TaskRecord::named(id)
    }
}

fn run(id: &str, model: &str, task: &TaskRecord, values: &[f64]) -> RunRecord {
    let attempt = |(number, value): (usize, &f64)| AttemptRecord {
        number: number as u64 + 1,
        kind: None,
        split: None,
        metrics: [("score".to_owned(), *value)].into(),
        invalid: None,
        after_steps: Some(number as u64 * 3),
        after_ms: Some(number as u64 * 60_000),
        after_cost: Some(MicroUsd(number as u64 * 100_000)),
        artefact: None,
    };
    let mut record = RunRecord::foreign("mlgym", task.clone(), "agent");
    record.run_id = id.to_owned();
    record.model = Some(model.to_owned());
    record.attempts = values.iter().enumerate().map(attempt).collect();
    record.submission = values.last().map(|_| values.len() as u64);
    record.usage.cost = Some(MicroUsd(values.len() as u64 * 250_000));
    record.usage.wall_ms = Some(values.len() as u64 * 120_000);
    record.ending.cause = Some(if values.is_empty() { Cause::Context } else { Cause::Submitted });
    for category in [Category::Edit, Category::Python, Category::Validate, Category::Submit] {
        record.actions.push(category, Some(1500));
    }
    record
}

fn made(records: &[RunRecord]) -> Report {
    titled(records, "A report")
}

fn titled(records: &[RunRecord], title: &str) -> Report {
    let options = Options { resamples: 50, ..Options::default() };
    let analysis = Analysis::of(records, &options);
    let without = Analysis::of(records, &Options { flagged: Flagged::LeftOut, ..options });
    let facts = PageFacts {
        version: "0".to_owned(),
        made_at: "2026-11-25T00:00:00Z".to_owned(),
        title: title.to_owned(),
    };
    let given = Given { analysis: &analysis, without_flagged: Some(&without), records, trees: &[] };
    report(&given, &facts).unwrap()
}

#[test]
fn hostile_names_are_words() {
    let task = task(HOSTILE, Direction::Maximize, Some(1.0));
    let mut records = vec![run(HOSTILE, HOSTILE, &task, &[1.0, 2.0]), run("b", "other", &task, &[3.0])];
    records[0].integrity.push(Finding {
        kind: HOSTILE.to_owned(),
        severity: Severity::Critical,
        events: Vec::new(),
        evidence: HOSTILE.to_owned(),
    });
    records[1].left_out.push(HOSTILE.to_owned());
    let report = titled(&records, HOSTILE);
    assert!(!report.html.contains("<script>alert") && !report.html.contains("<img"), "words became elements");
    assert!(
        !report.html.contains('\u{202e}') && !report.html.contains('\u{1b}') && !report.html.contains('\0')
    );
    assert!(report.html.contains("{{ 7 * 7 }}"), "words are no template");
    assert!(!report.markdown.contains("<script>") && !report.markdown.contains("](http"));
    for figure in &report.figures {
        assert!(!figure.svg.contains("<script") && !figure.svg.contains("<img"), "{}", figure.id);
    }
    checks::page(&report);
}

#[test]
fn flagged_runs_are_told_with_and_without() {
    let task = task("a", Direction::Maximize, Some(1.0));
    let mut records: Vec<RunRecord> =
        (0..4).map(|run_number| run(&format!("r{run_number}"), "one", &task, &[1.5])).collect();
    records.extend((0..4).map(|run_number| run(&format!("s{run_number}"), "other", &task, &[1.2])));
    records[0].attempts[0].metrics.insert("score".to_owned(), 99.0);
    records[0].integrity.push(Finding {
        kind: "protected_file_changed".to_owned(),
        severity: Severity::Critical,
        events: Vec::new(),
        evidence: "evaluate.py was changed".to_owned(),
    });
    let report = made(&records);
    checks::page(&report);
    for words in [
        "one is flagged",
        "With and without the flagged runs",
        "protected_file_changed",
        "evaluate.py was changed",
    ] {
        assert!(report.html.contains(words), "{words}");
    }
    let flagged = report.figures.iter().find(|figure| figure.id == "flagged").unwrap();
    assert_eq!(flagged.csv, "contender,task,runs,flagged\nagent / one,a,4,1\nagent / other,a,4,0\n");
}

#[test]
fn extreme_numbers_make_whole_figures() {
    let tasks = [
        task("far", Direction::Maximize, Some(33.79)),
        task("equal", Direction::Minimize, Some(1.0)),
        task("none", Direction::Maximize, None),
        task("negative", Direction::Maximize, Some(-0.25)),
    ];
    let mut records = Vec::new();
    for (number, model) in ["a", "b", "c"].into_iter().enumerate() {
        let values = [-3.1e13, 33.0, f64::MAX / 4.0][number];
        records.push(run(&format!("far{model}"), model, &tasks[0], &[values]));
        records.push(run(&format!("equal{model}"), model, &tasks[1], &[1.0, 1.0]));
        records.push(run(&format!("none{model}"), model, &tasks[2], &[]));
        records.push(run(&format!("negative{model}"), model, &tasks[3], &[-1e-300, 0.0]));
    }
    records[0].usage.cost = Some(MicroUsd(0));
    checks::page(&made(&records));
}

#[test]
fn one_run_and_none_make_a_report() {
    let one = made(&[run("r", "m", &task("t", Direction::Maximize, Some(1.0)), &[2.0])]);
    checks::page(&one);
    let none = made(&[]);
    checks::page(&none);
    assert_eq!(none.figures, []);
    assert!(none.html.contains("0 runs of 0 contenders on 0 tasks"));
}

#[test]
fn data_of_figures_has_all_digits() {
    let task = task("t", Direction::Maximize, Some(0.5));
    let records = [run("a", "one", &task, &[0.123_456_789]), run("b", "two", &task, &[0.75])];
    let report = made(&records);
    let figure = report.figures.iter().find(|figure| figure.id == "score-01-t").unwrap();
    assert_eq!(
        checks::fields(&figure.csv)[1..],
        [
            ["t", "score", "agent / two", "1", "1", "0.75", "", "", "0.75", "0.75", "0.75", "0.5", "0"],
            [
                "t",
                "score",
                "agent / one",
                "1",
                "1",
                "0.123456789",
                "",
                "",
                "0.123456789",
                "0.123456789",
                "0.123456789",
                "0.5",
                "0"
            ],
        ]
        .map(|line| line.map(str::to_owned).to_vec())
    );
}
