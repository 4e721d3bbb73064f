//! Reports of searches: their section and figures, whole data; and nothing of them where there are none.

use researchgym_core::record::TrialRecord;
use researchgym_core::record::{NodeRecord, RunRecord, TaskRecord};
use researchgym_core::score::{Direction, Primary};
use researchgym_core::search::event::MetricPoint;
use researchgym_core::spec::MicroUsd;
use researchgym_core::statistics::{Analysis, Options};
use researchgym_report::{Given, PageFacts, Report, SearchTree, pictured, report};
use serde_json::{Value, json};

use crate::checks;

/// A search that finds `values` one after the other, the baseline first.
fn search(id: &str, policy: &str, seed: u64, values: &[f64]) -> RunRecord {
    let task = TaskRecord {
        primary: Some(Primary { name: "gap".to_owned(), direction: Direction::Minimize }),
        ..TaskRecord::named("fit")
    };
    let mut record = RunRecord::foreign("researchgym", task, "search");
    record.run_id = id.to_owned();
    record.seed = Some(seed);
    record.usage.working_ms = Some(600_000);
    record.usage.cost = Some(MicroUsd(2_000_000));
    let moments: Vec<Value> = values
        .iter()
        .enumerate()
        .map(|(number, value)| {
            json!({
                "node": number, "operator": if number == 0 { "baseline" } else { "improve" }, "value": value, "n": 1,
                "candidates": number * 2, "evaluations": number * 2 + 1, "working_ms": number * 60_000,
                "cost": number * 100_000,
            })
        })
        .collect();
    let best = values.len() - 1;
    let search = json!({
        "policy": policy, "candidates": 12, "evaluations": 11, "statuses": { "measured": 8, "failed": 3, "dropped": 2 },
        "failures": { "time_out": 3, "duplicate": 2 },
        "best": { "node": best, "value": values[best], "n": 2, "standard_error": 0.125 },
        "baseline": values[0], "moments": moments,
        "operators": [
            { "operator": "improve", "tried": 9, "built": 8, "measured": 6, "better": 4, "records": best },
            { "operator": "tune", "tried": 3, "built": 2, "measured": 1, "better": 0, "records": 0 },
            { "operator": "replicate", "tried": 1, "built": 1, "measured": 1, "better": 0, "records": 0 },
        ],
        "spent": { "calls": 9, "tokens": 900, "cost": 2_000_000 }, "evaluation_ms": 100_000,
    });
    record.search = Some(serde_json::from_value(search).expect("a search"));
    record
}

fn node(
    node: u32,
    base: Option<u32>,
    status: &str,
    value: Option<f64>,
    island: Option<u32>,
    size: u64,
) -> NodeRecord {
    let mut tag = json!({});
    if let Some(island) = island {
        tag["island"] = json!(island);
    }
    serde_json::from_value(json!({
        "node": node, "operator": if node == 0 { "baseline" } else { "improve" },
        "parents": base.into_iter().collect::<Vec<_>>(), "tag": tag, "status": status, "value": value,
        "n": u64::from(value.is_some()), "attempts": 1, "spent": { "calls": 0, "tokens": 0, "cost": 0 },
        "evaluation_ms": 5, "planned_ms": 0, "size": size,
    }))
    .expect("a node")
}

fn made(records: &[RunRecord], trees: &[SearchTree]) -> Report {
    let analysis = Analysis::of(records, &Options { resamples: 0, ..Options::default() });
    let facts = PageFacts {
        version: "0".to_owned(),
        made_at: "2026-11-25T00:00:00Z".to_owned(),
        title: "Runs".to_owned(),
    };
    report(&Given { analysis: &analysis, without_flagged: None, records, trees }, &facts).expect("a report")
}

fn csv<'r>(report: &'r Report, id: &str) -> &'r str {
    let ids: Vec<&str> = report.figures.iter().map(|figure| figure.id.as_str()).collect();
    &report
        .figures
        .iter()
        .find(|figure| figure.id == id)
        .unwrap_or_else(|| panic!("{id} is not in {ids:?}"))
        .csv
}

fn own(report: &Report) -> Vec<&str> {
    report.figures.iter().map(|figure| figure.id.as_str()).filter(|id| id.starts_with("search-")).collect()
}

#[test]
fn seeds_of_a_policy_become_a_median_with_its_quartiles() {
    let records = [
        search("a", "mcts", 1, &[8.0, 4.0, 2.0]),
        search("b", "mcts", 2, &[8.0, 6.0]),
        search("c", "mcts", 3, &[8.0, 5.0, 1.0]),
        search("d", "best-of-n", 1, &[8.0, 7.0]),
    ];
    let report = made(&records, &[]);
    checks::page(&report);
    assert_eq!(
        own(&report),
        [
            "search-best-evaluations",
            "search-best-money",
            "search-best-time",
            "search-operators",
            "search-failures"
        ]
    );
    let expected = "task,contender,runs,spent,best,lower_quartile,upper_quartile\n\
        fit,best-of-n,1,1,8,,\n\
        fit,best-of-n,1,3,7,,\n\
        fit,best-of-n,1,11,7,,\n\
        fit,mcts,3,1,8,8,8\n\
        fit,mcts,3,3,5,4.5,5.5\n\
        fit,mcts,3,5,2,1.5,4\n\
        fit,mcts,3,11,2,1.5,4\n";
    assert_eq!(csv(&report, "search-best-evaluations"), expected);
    assert!(csv(&report, "search-best-money").contains("fit,mcts,3,0.1,5,4.5,5.5\n"));
    assert!(csv(&report, "search-best-time").contains("fit,mcts,3,2,2,1.5,4\nfit,mcts,3,10,2,1.5,4\n"));
    let expected = "contender,operator,tried,built,measured,better,best_so_far\n\
        best-of-n,improve,9,8,6,4,1\n\
        best-of-n,tune,3,2,1,0,0\n\
        mcts,improve,27,24,18,12,5\n\
        mcts,tune,9,6,3,0,0\n";
    assert_eq!(csv(&report, "search-operators"), expected);
    let failures = csv(&report, "search-failures");
    assert!(failures.contains("mcts,duplicate,6,36\n") && failures.contains("best-of-n,time_out,3,12\n"));
    let json: Value = serde_json::from_str(&report.json).expect("JSON");
    assert_eq!(json["searches"][1], json!({ "run_id": "b", "search": records[1].search }));
    assert!(report.markdown.contains("\n## Searches\n"), "{}", report.markdown);
}

#[test]
fn the_best_run_of_each_policy_shows_its_tree_and_islands() {
    let records = [
        search("a", "islands", 1, &[8.0, 4.0]),
        search("b", "islands", 2, &[8.0, 3.0]),
        search("d", "mcts", 1, &[8.0, 7.0]),
    ];
    let wanted: Vec<&str> = pictured(&records).into_iter().map(|record| record.run_id.as_str()).collect();
    assert_eq!(wanted, ["b", "d"]);
    let nodes = vec![
        node(0, None, "measured", Some(8.0), None, 100),
        node(1, Some(0), "measured", Some(3.0), Some(0), 100),
        node(2, Some(0), "failed", None, Some(1), 104),
        node(3, Some(1), "measured", Some(5.0), Some(0), 100),
        node(4, Some(1), "measured", Some(6.0), Some(1), 103),
    ];
    let report = made(&records, &[SearchTree::of(&records[1], nodes)]);
    checks::page(&report);
    let expected = "node,base,operator,status,failure,value,n\n\
        0,,baseline,measured,,8,1\n\
        1,0,improve,measured,,3,1\n\
        2,0,improve,failed,,,0\n\
        3,1,improve,measured,,5,1\n\
        4,1,improve,measured,,6,1\n";
    assert_eq!(csv(&report, "search-tree-b"), expected);
    let expected = "island,least_bytes,most_bytes,candidates,best\n0,100,100,2,3\n1,103,103,1,6\n";
    assert_eq!(csv(&report, "search-islands-b"), expected);
}

#[test]
fn a_large_tree_is_thinned_to_what_led_to_the_best() {
    let mut nodes = vec![node(0, None, "measured", Some(9000.0), None, 1)];
    nodes.extend((1..3000).map(|id| node(id, Some(id / 2), "measured", Some(f64::from(9000 - id)), None, 1)));
    let record = search("a", "mcts", 1, &[8.0]);
    let tree = SearchTree::of(&record, nodes);
    let report = made(&[record], &[tree]);
    let figure = report.figures.iter().find(|figure| figure.id == "search-tree-a").expect("a tree");
    let thinned = "Of 3000 nodes the 500 are shown that are best or led to these; 2500 are left out.";
    assert!(figure.caption.contains(thinned), "{}", figure.caption);
    assert_eq!(figure.csv.lines().count(), 3001);
    assert!(figure.svg.contains("node 2999, improve"));
}

#[test]
fn reports_without_searches_say_nothing_of_them() {
    let record = RunRecord { search: None, ..search("a", "mcts", 1, &[8.0]) };
    let report = made(&[record], &[]);
    assert_eq!(own(&report), [] as [&str; 0]);
    for text in [&report.html, &report.markdown, &report.json] {
        assert!(!text.contains("earches\""), "{text}");
        assert!(!text.contains("best candidate"), "{text}");
    }
}

fn trial(node: u32, evaluation: u64, stage: &str, points: &[(&str, Option<i64>, f64)]) -> TrialRecord {
    let point = |(number, (name, step, value)): (usize, &(&str, Option<i64>, f64))| MetricPoint {
        name: (*name).to_owned(),
        step: *step,
        value: *value,
        at_ms: 1000 * number as u64,
    };
    TrialRecord {
        node,
        evaluation,
        stage: stage.to_owned(),
        is_whole: true,
        unread: Default::default(),
        points: points.iter().enumerate().map(point).collect(),
    }
}

#[test]
fn metrics_of_the_best_trials_are_drawn() {
    let record = search("a", "mcts", 1, &[8.0]);
    let mut nodes = vec![node(0, None, "measured", Some(9.0), None, 1)];
    nodes.extend((1..10).map(|id| node(id, Some(0), "measured", Some(f64::from(id)), None, 1)));
    nodes.push(node(10, Some(0), "failed", None, None, 1));
    let mut tree = SearchTree::of(&record, nodes);
    let drawn: Vec<u32> = (0..=10).filter(|node| tree.draws_trial(*node)).collect();
    assert_eq!(drawn, [0, 1, 2, 3, 4, 5], "it is minimized");
    tree.take(&trial(0, 1, "full", &[("loss", Some(1), 2.0), ("loss", Some(2), 1.5)]));
    tree.take(&trial(2, 2, "full", &[("loss", Some(1), 7.0), ("loss", Some(2), 7.0)]));
    // Its first evaluation broke, another stage is not drawn, nor one value, nor what is beyond any scale.
    let told = [
        ("loss", Some(1), 2.0),
        ("once", Some(1), 2.0),
        ("loss", Some(2), 1.0),
        ("<b>lr</b>\u{202e}", Some(1), 0.5),
        ("loss", Some(3), f64::MAX),
        ("<b>lr</b>\u{202e}", Some(i64::MAX), 0.25),
    ];
    tree.take(&trial(2, 4, "full", &told));
    tree.take(&trial(2, 5, "short", &[("loss", Some(1), 5.0), ("loss", Some(2), 5.0)]));
    tree.take(&trial(9, 6, "full", &[("loss", Some(1), 6.0), ("loss", Some(2), 6.0)]));
    let report = made(std::slice::from_ref(&record), &[tree]);
    checks::page(&report);
    let expected = "node,evaluation,metric,step,at_ms,value\n\
        2,4,loss,1,0,2\n\
        2,4,loss,2,2000,1\n\
        0,1,loss,1,0,2\n\
        0,1,loss,2,1000,1.5\n\
        2,4,<b>lr</b>\u{202e},1,3000,0.5\n\
        2,4,<b>lr</b>\u{202e},9223372036854775807,5000,0.25\n";
    assert_eq!(csv(&report, "search-trials-a"), expected);
    let figure = report.figures.iter().find(|figure| figure.id == "search-trials-a").expect("a figure");
    assert!(figure.svg.contains("node 2: 2") && !figure.svg.contains("NaN") && !figure.svg.contains("<b>"));
    let quiet = made(std::slice::from_ref(&record), &[SearchTree::of(&record, Vec::new())]);
    assert!(!own(&quiet).contains(&"search-trials-a"));
}
