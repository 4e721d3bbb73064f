//! What does not depend on what.

use proptest::prelude::*;
use researchgym_core::record::RunRecord;
use researchgym_core::score::Direction;
use researchgym_core::statistics::{Analysis, Flagged, Options};

use super::{run, task};

/// Runs of up to three agents on up to three tasks, with up to three scores each.
fn corpora() -> impl Strategy<Value = Vec<RunRecord>> {
    let tasks = [
        task("up", Direction::Maximize, Some(0.5)),
        task("down", Direction::Minimize, Some(4.0)),
        task("below", Direction::Maximize, Some(-0.25)),
    ];
    let scores = prop::collection::vec(-2.0_f64..8.0, 0..4);
    prop::collection::vec((0..3_usize, 0..3_usize, scores), 1..30).prop_map(move |drawn| {
        let runs = drawn.iter().enumerate();
        runs.map(|(seed, (agent, place, scores))| {
            run(["a", "b", "c"][*agent], &tasks[*place], seed as u64, scores)
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn analyses_do_not_depend_on_the_order_of_runs(records in corpora(), turn in 0..30_usize, seed: u64) {
        let options = Options { resamples: 20, seed, ..Options::default() };
        let analysis = Analysis::of(&records, &options);
        let mut turned = records.clone();
        turned.rotate_left(turn % records.len());
        turned.reverse();
        prop_assert_eq!(Analysis::of(&turned, &options), analysis);
    }

    #[test]
    fn analyses_hold_their_promises(records in corpora()) {
        let analysis = Analysis::of(&records, &Options { resamples: 20, ..Options::default() });
        prop_assert_eq!(analysis.runs.len(), records.len());
        let cells: u64 = analysis.cells.iter().map(|cell| cell.runs).sum();
        prop_assert_eq!(cells, records.len() as u64);
        for cell in &analysis.cells {
            for scores in [&cell.best, &cell.submission] {
                prop_assert_eq!(scores.best_at.last().map(|at| at.value), scores.at_k);
                prop_assert!(scores.pass_at.windows(2).all(|pair| pair[0].value <= pair[1].value + 1e-12));
                prop_assert_eq!(scores.values.len() as u64, scores.scored);
            }
        }
        for profiles in [&analysis.published, &analysis.comparable] {
            for row in profiles.best.iter().chain(&profiles.submission) {
                prop_assert!(row.share.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", row.share);
                prop_assert!(row.share.iter().all(|share| (0.0..=1.0).contains(share)));
                if let (Some(area), Some(interval)) = (row.area, row.interval) {
                    prop_assert!(area >= 0.0 && interval.low <= interval.high);
                }
            }
        }
        let baseline = analysis.comparable.best.last().unwrap();
        prop_assert_eq!((baseline.is_baseline, baseline.area), (true, Some(1.0)));
        let points: u64 = analysis.ranks.best.borda.iter().map(|row| row.points).sum();
        let rows = analysis.contenders.len() as u64 + 1;
        prop_assert_eq!(points, analysis.tasks.len() as u64 * rows * (rows - 1) / 2);
        for pair in &analysis.pairs.best.across {
            prop_assert!((0.0..=1.0).contains(&pair.improvement));
            prop_assert!(pair.p.unwrap_or(0.0) <= pair.corrected_p.unwrap_or(1.0));
        }
        let written = serde_json::to_string(&analysis).unwrap();
        let read: Analysis = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), written);
    }

    #[test]
    fn the_comparable_area_does_not_depend_on_who_else_is_there(records in corpora()) {
        let of = |records: &[RunRecord], agent: &str| {
            let analysis = Analysis::of(records, &Options { resamples: 0, flagged: Flagged::LeftOut, ..Options::default() });
            let area = |rows: &[researchgym_core::statistics::across::ProfileRow]| {
                rows.iter().find(|row| row.contender == agent).map(|row| row.area)
            };
            (area(&analysis.comparable.best), area(&analysis.comparable.submission))
        };
        let alone: Vec<RunRecord> = records.iter().filter(|record| record.agent == "a").cloned().collect();
        prop_assume!(!alone.is_empty());
        prop_assert_eq!(of(&alone, "a"), of(&records, "a"));
    }

    #[test]
    fn influence_is_what_an_analysis_without_the_run_or_task_says(records in corpora(), drawn: prop::sample::Index) {
        let quick = |records: &[RunRecord]| Analysis::of(records, &Options { resamples: 0, ..Options::default() });
        let analysis = quick(&records);
        let changes = |without: &Analysis| -> Vec<Option<f64>> {
            let pairs = without.published.best.iter().zip(&analysis.published.best);
            pairs.map(|(without, with)| Some(without.area? - with.area?)).collect()
        };
        let left_out = drawn.get(&records);
        let is_like = |other: &&RunRecord| other.agent == left_out.agent && other.run_id != left_out.run_id;
        let task_stays = records.iter().any(|other| other.task.id == left_out.task.id && other.run_id != left_out.run_id);
        if task_stays && records.iter().any(|other| is_like(&other)) {
            let rest: Vec<RunRecord> =
                records.iter().filter(|record| record.run_id != left_out.run_id).cloned().collect();
            let listed = analysis.influence.runs.iter().find(|run| run.run_id == left_out.run_id);
            let unchanged = || analysis.published.best.iter().map(|row| row.area.map(|_| 0.0)).collect();
            let expected = listed.map_or_else(unchanged, |run| run.without.best.clone());
            prop_assert_eq!(changes(&quick(&rest)), expected);
        }
        for influence in &analysis.influence.tasks {
            let rest: Vec<RunRecord> =
                records.iter().filter(|record| record.task.id != influence.task).cloned().collect();
            let without = quick(&rest);
            if without.contenders.len() == analysis.contenders.len() {
                prop_assert_eq!(changes(&without), influence.without.best.clone());
            }
        }
    }
}
