//! Exact choices of `mcts`, with bounds computed by hand.

use serde_json::{Value, json};

use super::{begin, play, quarantined, scored, short};
use crate::search::event::Gate;
use crate::search::simulation::{Fate, Simulation};
use crate::search::{NodeId, Operator};

use Operator::{Debug, Draft, Improve};

const PLAIN: &[Operator] = &[Draft, Improve, Debug];

fn small(exploration: f64, backup: &str) -> Value {
    json!({
        "name": "mcts", "num_drafts": 2, "num_improves": 2, "back_debug_depth": 0, "max_improve_failure": 1,
        "exploration": exploration, "decay": {"shape": "constant"}, "backup": backup, "max_drafts": 4,
    })
}

/// Two branches: 1 with 2 and 3 below each other (all 1.0) and the failed 5; and the failed 4.
fn grown(exploration: f64, backup: &str) -> Simulation {
    let mut search = begin(&small(exploration, backup), PLAIN, scored(0.0));
    play(
        &mut search,
        &[
            ((Draft, 0), scored(1.0)),
            ((Improve, 1), scored(1.0)),
            // A second one without gain closes the line; reward 1 to 3, 2, 1 and the root.
            ((Improve, 2), scored(1.0)),
            // Reward -1 to 4 and the root.
            ((Draft, 0), Fate::failed()),
            // 1 + C sqrt(ln 2) against -1 + C sqrt(ln 2); the line below 1 has ended, so beside it.
            ((Improve, 1), Fate::failed()),
        ],
    );
    search
}

#[test]
fn the_highest_bound_is_followed() {
    // Rewards: branch 1 has 1 - 1 of 2 visits, branch 4 has -1 of 1; N = 3.
    //   0 + C sqrt(ln 3 / 2) = 0.741 C against -1 + 1.048 C: branch 4 from C = 3.26 on.
    // Mean of the scaled fitness: branch 1 has 3 of 4 evaluations, N = 5.
    //   0.75 + 0.634 C against 0 + 1.269 C: branch 4 from C = 1.18 on.
    // Maximum: 1 + 0.634 C against 1.269 C: branch 4 from C = 1.58 on.
    // In branch 1, which is full, 2 is before 5; and 2 has a place.
    let cases: [(&str, f64, (Operator, NodeId)); 6] = [
        ("reward_mean", 3.2, (Improve, 2)),
        ("reward_mean", 3.3, (Debug, 4)),
        ("mean", 1.17, (Improve, 2)),
        ("mean", 1.19, (Debug, 4)),
        ("max", 1.57, (Improve, 2)),
        ("max", 1.59, (Debug, 4)),
    ];
    for (backup, exploration, expected) in cases {
        let search = grown(exploration, backup);
        assert_eq!(short(&search.answer(1).plans), [expected], "{backup} {exploration}");
    }
}

#[test]
fn the_exploration_constant_falls_with_the_nodes() {
    // Six nodes are settled: 4 - 0.1 * 6 = 3.4 explores, 4 - 0.2 * 6 = 2.8 does not (the limit is 3.26).
    for (alpha, expected) in [(0.1, (Debug, 4)), (0.2, (Improve, 2))] {
        let mut policy = small(4.0, "reward_mean");
        policy["decay"] = json!({"shape": "linear", "alpha": alpha});
        let grown = grown(4.0, "reward_mean");
        let mut search = begin(&policy, PLAIN, scored(0.0));
        for id in 1..grown.tree.nodes().len() as NodeId {
            search.ask(1).expect("a plan");
            search.finish(id, if id > 3 { Fate::failed() } else { scored(1.0) }).expect("a fate");
        }
        assert_eq!(short(&search.answer(1).plans), [expected], "{alpha}");
    }
}

#[test]
fn a_mended_failure_ends_its_line_with_a_bonus_and_is_not_mended_again() {
    let mut policy = small(0.0, "reward_mean");
    policy["back_debug_depth"] = 3.into();
    let mut search = begin(&policy, PLAIN, scored(0.0));
    play(
        &mut search,
        &[
            ((Draft, 0), Fate::failed()),
            ((Debug, 1), Fate::failed()),
            // 1 for the score, 1 for the record, 1 for the mending: 3.
            ((Debug, 2), scored(5.0)),
            ((Draft, 0), scored(6.0)),
            ((Improve, 4), scored(6.0)),
            // The line of 4 ends with 1: 3 against 1.
            ((Improve, 5), scored(6.0)),
            ((Improve, 3), Fate::failed()),
        ],
    );
}

#[test]
fn what_mends_a_failure_need_not_be_better() {
    let mut policy = small(0.0, "reward_mean");
    policy["num_drafts"] = 1.into();
    policy["back_debug_depth"] = 3.into();
    policy["max_improve_failure"] = 0.into();
    let mut search = begin(&policy, PLAIN, scored(0.0));
    play(
        &mut search,
        &[
            ((Draft, 0), scored(5.0)),
            ((Improve, 1), Fate::failed()),
            ((Debug, 2), scored(5.0)),
            // It is not closed as an improvement that is none would be.
            ((Improve, 3), scored(5.0)),
            ((Improve, 1), scored(5.0)),
        ],
    );
}

#[test]
fn a_line_is_taken_up_where_it_was_and_branches_are_worked_on_by_one_each() {
    let mut policy = small(1.0, "reward_mean");
    policy["num_improves"] = 3.into();
    let mut search = begin(&policy, PLAIN, scored(0.0));
    // The third slot waits.
    assert_eq!(short(&search.ask(3).expect("plans").plans), [(Draft, 0), (Draft, 0)]);
    search.finish(2, scored(1.0)).expect("a fate");
    // Branch 1 is not there yet, so that branch 2 is shared.
    assert_eq!(short(&search.ask(2).expect("plans").plans), [(Improve, 2), (Improve, 2)]);
    search.finish(1, scored(2.0)).expect("a fate");
    search.finish(4, scored(3.0)).expect("a fate");
    search.finish(3, scored(4.0)).expect("a fate");
    // In the order in which they came back.
    assert_eq!(short(&search.answer(3).plans), [(Improve, 1), (Improve, 4), (Improve, 3)]);
    assert_eq!(short(&search.answer(1).plans), [(Improve, 1)]);
}

#[test]
fn lost_candidates_free_their_places_and_dropped_ones_do_not() {
    let mut search = begin(&small(1.0, "reward_mean"), PLAIN, scored(0.0));
    play(
        &mut search,
        &[
            ((Draft, 0), Fate::lost()),
            ((Draft, 0), scored(1.0)),
            ((Improve, 2), Fate::lost()),
            // From the root again, where a draft is wanted.
            ((Draft, 0), Fate::Dropped(Gate::Duplicate)),
            ((Improve, 2), Fate::Dropped(Gate::Duplicate)),
            ((Improve, 2), Fate::Dropped(Gate::Duplicate)),
            // Both places of 2 are used up, both branches closed: drafts up to four in all.
            ((Draft, 0), Fate::Dropped(Gate::Duplicate)),
            ((Draft, 0), quarantined()),
        ],
    );
    let answer = search.ask(4).expect("an answer");
    assert_eq!(
        (answer.plans.len(), answer.is_over, answer.note.as_deref()),
        (0, true, Some("every branch is closed"))
    );
}

#[test]
fn without_a_debugging_operator_failures_end_their_lines() {
    let mut search = begin(&small(1.0, "reward_mean"), &[Draft, Improve], scored(0.0));
    let mut policy = small(1.0, "reward_mean");
    policy["back_debug_depth"] = 3.into();
    play(
        &mut search,
        &[
            ((Draft, 0), Fate::failed()),
            ((Draft, 0), scored(1.0)),
            ((Improve, 2), Fate::failed()),
            ((Improve, 2), Fate::failed()),
            ((Draft, 0), Fate::failed()),
        ],
    );
    assert!(search.tree.nodes()[1].tag.unmendable);
}

#[test]
fn a_measurement_that_sinks_a_candidate_sinks_its_branch() {
    let policy = |backup| {
        let mut policy = small(0.1, backup);
        policy["max_improve_failure"] = 0.into();
        policy
    };
    for backup in ["mean", "max"] {
        let mut search = begin(&policy(backup), &[Draft, Improve, Operator::Replicate], scored(0.0));
        play(
            &mut search,
            &[
                ((Draft, 0), scored(4.0)),
                ((Improve, 1), scored(3.0)),
                ((Draft, 0), scored(3.5)),
                ((Improve, 3), scored(3.4)),
            ],
        );
        assert_eq!(short(&search.answer(1).plans), [(Improve, 1)]);
        search.add(vec![crate::search::Plan::new(Operator::Replicate, vec![1])]).expect("a plan");
        search.finish(5, scored(-4.0)).expect("a fate");
        // Node 1 is worth 0 now, and the best below it 3.
        assert_eq!(short(&search.answer(1).plans), [(Improve, 3)], "{backup}");
    }
}
