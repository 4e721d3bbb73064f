//! What a reader is told of input that is not as it should be, and what counts then.

use std::collections::BTreeMap;

use researchgym_core::record::{Origin, RunRecord};
use researchgym_core::result::Progress;
use researchgym_core::score::{Direction, Finding, Primary, Severity};
use researchgym_core::statistics::corpus::Reason;
use researchgym_core::statistics::{Analysis, Flagged, GroupBy, Options};

use super::{metrics, quick, run, task};

/// The warnings of an analysis of these records, without those that every small one has.
fn warnings(records: &[RunRecord]) -> Vec<String> {
    quick(records).warnings
}

#[test]
fn nothing_is_analysed_without_complaint() {
    assert_eq!(warnings(&[]), ["no run was given"]);
    let analysis = quick(&[]);
    assert_eq!((analysis.contenders.len(), analysis.tasks.len(), analysis.published.best.len()), (0, 0, 1));
    serde_json::to_string(&analysis).unwrap();
}

#[test]
fn tasks_of_one_name_and_different_metrics_are_kept_apart() {
    let up = task("sat", Direction::Maximize, Some(1.0));
    let mut time = up.clone();
    time.primary = Some(Primary { name: "seconds".to_owned(), direction: Direction::Minimize });
    time.baseline = Some(BTreeMap::from([("seconds".to_owned(), 16.0)]));
    let mut timed = run("b", &time, 1, &[]);
    timed.attempts = run("b", &up, 1, &[2.0]).attempts;
    timed.attempts[0].metrics = BTreeMap::from([("seconds".to_owned(), 12.0)]);
    timed.submission = Some(1);
    let unknown = {
        let mut record = run("a", &up, 2, &[3.0]);
        record.task.primary = None;
        record
    };
    let analysis = quick(&[run("a", &up, 1, &[2.0]), timed, unknown]);
    let labels: Vec<(&str, Option<f64>, u64)> =
        analysis.tasks.iter().map(|task| (task.label.as_str(), task.baseline, task.scored)).collect();
    assert_eq!(
        labels,
        [("sat (metric unknown)", None, 0), ("sat (score)", Some(1.0), 1), ("sat (seconds)", Some(16.0), 1)]
    );
    let told = [
        "task sat is decided by different metrics and kept apart: score (higher is better), seconds (lower is better)",
        "1 run on sat does not tell which of its metrics decides: no score counts",
    ];
    assert_eq!(analysis.warnings[..2], told);
}

#[test]
fn a_run_without_a_metric_belongs_to_the_only_task_of_its_name() {
    let up = task("up", Direction::Maximize, Some(1.0));
    let mut failed = run("a", &up, 2, &[]);
    failed.task.primary = None;
    failed.task.baseline = None;
    let analysis = quick(&[run("a", &up, 1, &[2.0]), failed]);
    assert_eq!((analysis.tasks.len(), analysis.cells[0].runs, analysis.cells[0].best.scored), (1, 2, 1));
    assert_eq!(
        analysis.warnings,
        [
            "1 run on up does not tell which metric decides: that of the others is taken",
            "1 of 2 runs on up has no baseline with score: 1 of the others is taken",
        ]
    );
}

#[test]
fn baselines_that_lack_the_metric_or_differ_are_told() {
    let mut lacking = task("car", Direction::Maximize, None);
    lacking.baseline = Some(BTreeMap::from([("Reward".to_owned(), -0.003)]));
    let (one, other) =
        (task("car", Direction::Maximize, Some(33.0)), task("car", Direction::Maximize, Some(34.0)));
    let records = [run("a", &lacking, 1, &[40.0]), run("b", &one, 1, &[35.0]), run("c", &other, 1, &[35.0])];
    let analysis = quick(&records);
    assert_eq!(analysis.tasks[0].baseline, Some(33.0));
    let gains: Vec<Option<f64>> = analysis.runs.iter().map(|run| run.best_gain).collect();
    assert_eq!(gains, [Some(7.0), Some(2.0), Some(1.0)]);
    assert_eq!(
        analysis.warnings,
        [
            "1 of 3 runs on car has no baseline with score: 33 of the others is taken",
            "runs on car have 2 different baselines from 33 to 34: 33 of the first contender counts, and each run's own for \
             its improvement",
        ]
    );
    let none = quick(&[run("a", &lacking, 1, &[40.0])]);
    assert_eq!(none.warnings, ["no run on car has a baseline with score: nothing is compared with it"]);
    assert_eq!(none.comparable.left_out, ["car does not count: no run has a baseline"]);
    assert_eq!(none.cells[0].best.passed, None);
}

#[test]
fn runs_that_do_not_count_are_listed() {
    let up = task("up", Direction::Maximize, Some(1.0));
    let first = run("a", &up, 1, &[2.0]);
    let mut running = run("a", &up, 2, &[3.0]);
    running.state = Progress::Running;
    let mut flagged = run("a", &up, 3, &[9.0]);
    let evidence = "the grader's file was changed".to_owned();
    flagged.integrity.push(Finding {
        kind: "protected_file_changed".to_owned(),
        severity: Severity::Critical,
        events: Vec::new(),
        evidence: evidence.clone(),
    });
    let records = [first.clone(), first, running, flagged];
    let kept = quick(&records);
    let listed = |analysis: &Analysis| -> Vec<(String, Reason)> {
        analysis.left_out.iter().map(|run| (run.run_id.clone(), run.reason)).collect()
    };
    let always = [("a-up-1".to_owned(), Reason::Duplicate), ("a-up-2".to_owned(), Reason::NotEnded)];
    assert_eq!(listed(&kept), always);
    assert_eq!((kept.given, kept.runs.len(), kept.cells[0].best.at_k), (4, 2, Some(9.0)));
    assert_eq!(kept.integrity.flagged[0].evidence, [evidence]);
    assert!(kept.influence.flagged.is_some());
    let left =
        Analysis::of(&records, &Options { flagged: Flagged::LeftOut, resamples: 0, ..Options::default() });
    assert_eq!(listed(&left)[2..], [("a-up-3".to_owned(), Reason::Flagged)]);
    assert_eq!((left.cells[0].best.at_k, left.influence.flagged), (Some(2.0), None));
    assert_eq!(
        left.warnings,
        [
            "1 run was left out: it was given twice",
            "1 run was left out: it has not ended",
            "1 run was left out: something speaks against its score",
        ]
    );
}

#[test]
fn numbers_that_are_none_are_told_and_do_not_count() {
    let up = task("up", Direction::Maximize, Some(1.0));
    let mut strange = run("a", &up, 1, &[f64::NAN, f64::INFINITY, 2.0]);
    let mut other = run("a", &up, 2, &[2.0]);
    other.attempts[0].metrics = BTreeMap::from([("another".to_owned(), 5.0)]);
    for (record, content) in [(&mut strange, "same"), (&mut other, "same")] {
        let digest = researchgym_core::digest::Digest::of(content.as_bytes());
        record.seed = None;
        record.origin =
            Origin::Foreign { program: "mlgym".to_owned(), source: record.run_id.clone(), digest };
    }
    let analysis = quick(&[strange, other]);
    assert_eq!(analysis.cells[0].best.values, [2.0]);
    assert_eq!(
        analysis.warnings,
        [
            "1 run has metrics that are not finite: these attempts have no score",
            "1 run was read from the same bytes as another one and may be a copy: it counts",
            "1 run on up was graded, but never by the metric that decides",
        ]
    );
}

#[test]
fn contenders_are_grouped_and_ordered_as_asked() {
    let mut default = task("up", Direction::Maximize, Some(1.0));
    let mut hard = default.clone();
    hard.variant = "hard".to_owned();
    default.baseline = Some(metrics(1.0));
    let mut records = vec![run("a", &default, 1, &[2.0]), run("b", &hard, 1, &[3.0])];
    records[0].model = Some("m".to_owned());
    let names = |group_by: GroupBy, order: &[&str]| {
        let order = order.iter().map(|name| (*name).to_owned()).collect();
        let analysis =
            Analysis::of(&records, &Options { group_by, order, resamples: 0, ..Options::default() });
        let tasks: Vec<String> = analysis.tasks.iter().map(|task| task.label.clone()).collect();
        let contenders: Vec<String> = analysis.contenders.iter().map(|row| row.contender.clone()).collect();
        (contenders.join(", "), tasks.join(", "))
    };
    let check = |group_by: GroupBy, order: &[&str], contenders: &str, tasks: &str| {
        assert_eq!(names(group_by, order), (contenders.to_owned(), tasks.to_owned()));
    };
    check(GroupBy::AgentModel, &[], "a / m, b", "up, up:hard");
    check(GroupBy::Model, &["m", "absent"], "m, b", "up, up:hard");
    check(GroupBy::Agent, &["b"], "b, a", "up, up:hard");
    check(GroupBy::Variant, &[], "default, hard", "up");
}
