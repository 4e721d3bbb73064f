//! Policies that go on with what another has planned.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{begin, operators, scored, short, spec};
use crate::search::Operator::{Debug, Draft, Implement, Improve, Replicate, Tune};
use crate::search::policy::PolicySpec;
use crate::search::policy::play::{game, play_forked};
use crate::search::simulation::{Fate, Simulation};
use crate::search::{NodeId, Operator};

/// Independent candidates, the third of which is the best, and one that failed.
fn history() -> Simulation {
    let mut search = begin(&json!({"name": "best-of-n"}), &[Draft], scored(3.0));
    for fate in [scored(1.0), scored(5.0), scored(9.0), Fate::failed(), scored(2.0), scored(4.0)] {
        search.ask(1).expect("a plan");
        let node = search.waiting()[0];
        search.finish(node, fate).expect("a fate");
    }
    search
}

fn forked(policy: &Value, with: &[Operator]) -> Simulation {
    let mut search = history();
    let policy = spec(policy).begin().expect("a policy");
    search.fork(policy, operators(with)).expect("the same events");
    search
}

#[test]
fn the_first_plans_of_a_fork_are_about_what_the_other_has_found() {
    type Case<'c> = (Value, &'c [Operator], &'c [(Operator, NodeId)]);
    let cases: [Case<'_>; 8] = [
        (json!({"name": "best-of-n"}), &[Draft], &[(Draft, 0), (Draft, 0)]),
        (json!({"name": "hill-climb"}), &[Draft, Improve], &[(Improve, 3), (Improve, 3)]),
        (json!({"name": "hill-climb", "restart_after": 4}), &[Draft, Improve], &[(Improve, 3), (Improve, 3)]),
        (json!({"name": "best-first"}), &[Draft, Improve], &[(Improve, 3), (Improve, 2)]),
        // The first stage is over; its best is owed two more measurements.
        (
            json!({"name": "stages", "num_seeds": 1}),
            &[Improve, Tune, Replicate],
            &[(Replicate, 3), (Tune, 3)],
        ),
        // Each child of the baseline is a line that is over; those are worth more that were the best when they came.
        (json!({"name": "mcts"}), &[Draft, Improve], &[(Improve, 2), (Improve, 3)]),
        (json!({"name": "mcts", "num_drafts": 7}), &[Draft, Improve], &[(Draft, 0), (Improve, 2)]),
        (
            json!({"name": "epochs", "batch": 2, "per_call": 2}),
            &[Implement],
            &[(Implement, 0), (Implement, 0)],
        ),
    ];
    for (policy, operators, expected) in cases {
        let answer = forked(&policy, operators).answer(2);
        assert_eq!(short(&answer.plans), expected, "{policy}");
    }
}

#[test]
fn epochs_go_on_with_the_next_one_under_other_constants() {
    let policy = json!({"name": "epochs", "batch": 4, "per_call": 4, "epochs": 9});
    let mut search = begin(&policy, &[Implement], scored(3.0));
    search.ask(2).expect("two of four");
    for node in [1, 2] {
        search.finish(node, scored(4.0)).expect("a fate");
    }
    let other = json!({"name": "epochs", "batch": 2, "per_call": 2, "epochs": 9});
    search.fork(spec(&other).begin().expect("a policy"), operators(&[Implement])).expect("the same events");
    let answer = search.ask(2).expect("plans");
    let note = "epoch 1: 0 to exploit, 2 to explore; 2 candidates known, 2 of them better than the baseline";
    assert_eq!(answer.note.as_deref(), Some(note));
    assert!(answer.plans.iter().all(|plan| plan.tag.epoch == Some(1) && plan.shown.len() == 2));
}

#[test]
fn failures_that_nobody_mends_any_more_end_no_search() {
    let mut search = begin(&json!({"name": "mcts", "num_drafts": 2}), &[Draft, Improve, Debug], scored(3.0));
    search.ask(2).expect("two drafts");
    search.finish(1, Fate::failed()).expect("a fate");
    let mcts = spec(&json!({"name": "mcts", "num_drafts": 2}));
    search.fork(mcts.begin().expect("a policy"), operators(&[Draft, Improve])).expect("the same events");
    search.finish(2, Fate::failed()).expect("a fate");
    let answer = search.answer(1);
    assert_eq!((short(&answer.plans), answer.is_over), (vec![(Draft, 0)], false));
}

/// All of them, some with constants that make much happen in few moves.
fn policies() -> impl Strategy<Value = PolicySpec> {
    let all = [
        json!({"name": "best-of-n"}),
        json!({"name": "hill-climb"}),
        json!({"name": "hill-climb", "restart_after": 2, "drafts": 2}),
        json!({"name": "best-first", "num_drafts": 2}),
        json!({"name": "stages", "iterations": [4, 3, 3, 3], "num_seeds": 1}),
        json!({"name": "stages", "iterations": [0, 2, 2, 2], "patience": 1}),
        json!({"name": "mcts", "num_drafts": 2, "max_drafts": 9}),
        json!({"name": "islands", "num_islands": 2, "population_size": 5, "migration_interval": 2}),
        json!({"name": "epochs", "batch": 4, "per_call": 2, "epochs": 5}),
        json!({"name": "epochs", "batch": 3, "per_call": 1, "epochs": 5, "quorum": 1.0}),
    ];
    prop::sample::select(all.map(|policy| spec(&policy)).to_vec())
}

fn repertoires() -> impl Strategy<Value = &'static [Operator]> {
    let all: [&[Operator]; 5] = [
        &[Draft, Improve, Debug, Replicate],
        &[Tune, Replicate],
        &[Improve, Debug],
        &[Draft, Improve, Operator::Crossover],
        &[Implement],
    ];
    prop::sample::select(all.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_policy_goes_on_with_what_any_other_has_planned(
        policies in [policies(), policies()],
        repertoires in [repertoires(), repertoires()],
        games in [game(40), game(40)],
    ) {
        let operators = repertoires.map(operators);
        let [one, other] = &policies;
        play_forked([(one, &operators[0]), (other, &operators[1])], [&games[0], &games[1]]);
    }
}
