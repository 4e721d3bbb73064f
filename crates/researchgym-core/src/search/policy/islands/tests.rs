use proptest::prelude::*;

use super::*;
use crate::score::Metrics;
use crate::search::policy::PolicySpec;
use crate::search::policy::play::{begun, game, operators, play, scored, task};
use crate::search::simulation::{Fate, Simulation};

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("more than none")
}

/// Islands whose one axis is the metric `other`, with four niches.
fn small(islands: u32) -> Islands {
    Islands {
        num_islands: count(islands),
        feature_dimensions: vec!["other".to_owned()],
        feature_bins: count(4),
        archive_size: count(4),
        ..Islands::default()
    }
}

fn tuned(constants: &Islands) -> Simulation {
    begun(&PolicySpec::Islands(constants.clone()), operators(&[Operator::Tune]), scored(0.0, 0.0))
}

/// The islands after all that has happened.
fn folded(search: &Simulation, constants: &Islands) -> Archipelago {
    let mut tree = Tree::new(&task());
    let mut archipelago = Archipelago::new(constants);
    for event in search.events() {
        tree.apply(event).expect("the same events");
        tree.changed().iter().for_each(|change| archipelago.observe(&tree, *change));
    }
    archipelago
}

fn members(search: &Simulation, constants: &Islands) -> Vec<Vec<NodeId>> {
    folded(search, constants).view().islands.into_iter().map(|island| island.members).collect()
}

#[test]
fn the_best_of_a_niche_has_it_and_the_loser_leaves() {
    let constants = small(1);
    let mut search = tuned(&constants);
    for (node, quality, other) in [(1, 1.0, 8.0), (2, 5.0, 4.0), (3, 3.0, 4.0)] {
        search.ask(1).expect("a plan");
        search.finish(node, scored(quality, other)).expect("a fate");
    }
    search.ask(1).expect("a plan");
    let expected = serde_json::json!({
        "features": [{ "name": "other", "bins": 4, "low": 0.0, "high": 8.0 }],
        "islands": [{
            "generation": 3,
            "under_way": 1,
            "members": [2, 3, 1],
            "cells": [
                { "bins": [2], "node": 2, "fitness": 5.0, "features": [4.0] },
                { "bins": [3], "node": 1, "fitness": 1.0, "features": [8.0] },
            ],
        }],
        "archive": [2, 3, 1],
        "population": 4,
    });
    assert_eq!(serde_json::to_value(folded(&search, &constants).view()).expect("JSON"), expected);
}

#[test]
fn candidates_go_where_the_fewest_are_under_way() {
    let islands = |answer: Answer| answer.plans.iter().map(|plan| plan.tag.island).collect::<Vec<_>>();
    let mut search = tuned(&small(3));
    assert_eq!(islands(search.ask(5).expect("plans")), [Some(0), Some(1), Some(2), Some(0), Some(1)]);
    search.finish(1, scored(1.0, 1.0)).expect("a fate");
    assert_eq!(islands(search.answer(3)), [Some(2), Some(0), Some(1)]);
}

#[test]
fn the_best_migrate_to_both_neighbours_once() {
    let constants = Islands { migration_interval: count(1), ..small(4) };
    let mut search = tuned(&constants);
    search.ask(4).expect("plans");
    search.finish(1, scored(5.0, 8.0)).expect("a fate");
    let everywhere = |members: [&[NodeId]; 4]| members.map(<[NodeId]>::to_vec).to_vec();
    assert_eq!(members(&search, &constants), everywhere([&[1, 0], &[1, 0], &[0], &[1, 0]]));
    // No island is older than one candidate: nobody migrates.
    search.finish(2, scored(9.0, 3.0)).expect("a fate");
    assert_eq!(members(&search, &constants), everywhere([&[1, 0], &[2, 1, 0], &[0], &[1, 0]]));
    let answer = search.ask(1).expect("a plan");
    assert_eq!(answer.plans[0].tag.island, Some(0));
    search.finish(5, scored(-3.0, 8.0)).expect("a fate");
    assert_eq!(members(&search, &constants), everywhere([&[2, 1, 0, 5], &[2, 1, 0, 5], &[2, 0], &[1, 0, 5]]));
}

#[test]
fn there_is_no_room_for_the_worst_but_for_the_best_and_the_newest() {
    let constants = Islands { population_size: count(2), ..small(1) };
    let mut search = tuned(&constants);
    search.ask(8).expect("plans");
    let mut lives = |node, quality| {
        search.finish(node, scored(quality, 0.0)).expect("a fate");
        let archipelago = folded(&search, &constants);
        let mut living: Vec<NodeId> = archipelago.living.keys().copied().collect();
        living.sort_unstable();
        living
    };
    assert_eq!(lives(1, 5.0), [0, 1]);
    assert_eq!(lives(2, -1.0), [1, 2]);
    assert_eq!(lives(3, 3.0), [1, 3]);
    assert_eq!(lives(4, 9.0), [1, 4]);
    let one = Islands { population_size: count(1), ..constants.clone() };
    assert_eq!(folded(&search, &one).living.keys().copied().collect::<Vec<_>>(), [4]);
}

#[test]
fn a_further_measurement_costs_the_niche() {
    let constants = small(1);
    let mut search = tuned(&constants);
    search.ask(2).expect("plans");
    search.finish(1, scored(5.0, 0.0)).expect("a fate");
    search.finish(2, scored(4.0, 0.0)).expect("a fate");
    search.take(vec![Plan::new(Operator::Replicate, vec![1])], 1, None).expect("a plan");
    search.finish(3, scored(1.0, 0.0)).expect("a fate");
    let view = folded(&search, &constants).view();
    assert_eq!((view.islands[0].members.as_slice(), view.islands[0].cells[0].node), ([2, 1].as_slice(), 2));
    assert_eq!(view.archive, [2, 1]);
}

#[test]
fn the_best_and_others_of_other_niches_are_shown() {
    let constants = Islands { num_top_programs: 1, parents: Parents::Shinka, ..small(1) };
    let spec = PolicySpec::Islands(constants);
    let mut search = begun(&spec, operators(&[Operator::Crossover, Operator::Draft]), scored(0.0, 0.0));
    // Where nothing can be improved or crossed there is a draft.
    assert_eq!(search.ask(4).expect("plans").plans[0].operator, Operator::Draft);
    for (node, quality, other) in [(1, 1.0, 8.0), (2, 5.0, 5.0), (3, 3.0, 3.0), (4, 2.0, 5.0)] {
        search.finish(node, scored(quality, other)).expect("a fate");
    }
    let answer = search.answer(200);
    let parents: std::collections::BTreeSet<NodeId> =
        answer.plans.iter().map(|plan| plan.parents[0]).collect();
    assert!(parents.contains(&2) && parents.contains(&3), "{parents:?}");
    for plan in answer.plans {
        let shown = if plan.parents[0] == 4 { 3 } else { 2 };
        assert_eq!((plan.operator, plan.parents.len(), plan.shown.len()), (Operator::Crossover, 2, shown));
        assert_eq!(plan.shown[0], if plan.parents[0] == 2 { 3 } else { 2 });
        assert!(!plan.shown[1..].contains(&4), "it has no niche");
        assert!(plan.shown.contains(&plan.parents[1]) && !plan.shown.contains(&plan.parents[0]));
    }
}

#[test]
fn weights_are_as_published() {
    let near = |weights: Vec<f64>, expected: [f64; 3]| {
        assert!(weights.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-9), "{weights:?}");
    };
    near(fitness_weights(&[-4.0, -2.0, 0.0]), [0.001, 0.5, 1.0]);
    near(fitness_weights(&[7.0, 7.0, 7.0]), [1.0, 1.0, 1.0]);
    near(sigmoid_weights(&[1.0, 2.0, 3.0], 1.0), [0.268_941_421, 0.5, 0.731_058_579]);
    near(sigmoid_weights(&[2.0, 2.0, 3.0], 10.0), [0.5, 0.5, 1.0]);
    assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
}

#[test]
fn grids_are_as_fine_as_the_archive_needs() {
    assert_eq!((Islands::default().bins(), small(1).bins()), (10, 4));
    let one = Islands { feature_dimensions: vec!["score".to_owned()], ..Islands::default() };
    assert_eq!(one.bins(), 100);
}

#[test]
fn candidates_without_a_value_lie_in_the_middle_and_diversity_is_a_distance() {
    let dimensions = ["complexity", "diversity", "score", "nothing"].map(str::to_owned).to_vec();
    let constants = Islands { feature_dimensions: dimensions, ..small(1) };
    let mut search = tuned(&constants);
    search.ask(2).expect("plans");
    search.finish(1, scored(2.0, 0.0)).expect("a fate");
    search.finish(2, Fate::scored("quality", 1.0)).expect("a fate");
    let view = folded(&search, &constants).view();
    let cells: Vec<_> =
        view.islands[0].cells.iter().map(|cell| (cell.bins.clone(), cell.features.clone())).collect();
    // Sizes are 0, 10 and 20 bytes, and nobody has text. Node 1 is measured against node 0, node 2 against both.
    let expected = [
        (vec![2, 2, 2, 2], vec![Some(0.0), Some(0.0), Some(0.0), None]),
        (vec![3, 3, 2, 2], vec![Some(20.0), Some(1.5), Some(1.0), None]),
        (vec![3, 3, 3, 2], vec![Some(10.0), Some(1.0), Some(2.0), None]),
    ];
    assert_eq!(cells, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_happens_the_islands_are_in_order(
        game in game(90),
        islands in 1..6_u32,
        population in 1..30_u32,
        archive in 1..8_u32,
        interval in 1..6_u32,
        shinka in any::<bool>(),
        set in 0..4_usize,
    ) {
        use Operator::*;
        let sets: [&[Operator]; 4] =
            [&[Draft, Improve], &[Tune, Crossover], &[Mutate], &[Draft, Crossover, Debug]];
        let constants = Islands {
            num_islands: count(islands),
            population_size: count(population),
            archive_size: count(archive),
            migration_interval: count(interval),
            parents: if shinka { Parents::Shinka } else { Parents::Openevolve },
            feature_dimensions: vec!["other".to_owned(), "score".to_owned()],
            feature_bins: count(3),
            ..Islands::default()
        };
        play(&PolicySpec::Islands(constants.clone()), &operators(sets[set]), &game, |search, answer| {
            assert!(!answer.is_over && !answer.plans.is_empty());
            if search.tree.nodes().len() % 4 == 0 {
                folded(search, &constants).check(&search.tree);
            }
            for plan in &answer.plans {
                let fits = |id: &NodeId| search.tree.fitness(*id).is_some();
                assert!(plan.parents == [0] || plan.parents.iter().all(fits));
                assert!(plan.shown.iter().all(fits));
            }
        });
    }
}

#[test]
fn a_metric_goes_before_what_its_name_would_mean_otherwise() {
    let constants = Islands { feature_dimensions: vec!["complexity".to_owned()], ..small(1) };
    let mut search = tuned(&constants);
    search.ask(1).expect("a plan");
    let metrics = Metrics::from([("quality".to_owned(), 1.0), ("complexity".to_owned(), 77.0)]);
    let mut fate = scored(1.0, 0.0);
    if let Fate::Evaluated(crate::search::event::EvaluationOutcome::Graded { score }) = &mut fate {
        score.metrics = metrics;
    }
    search.finish(1, fate).expect("a fate");
    assert_eq!(folded(&search, &constants).view().islands[0].cells[0].features, [Some(0.0)]);
    assert_eq!(folded(&search, &constants).view().islands[0].cells[1].features, [Some(77.0)]);
}
