//! Exact choices of `best-first`.

use serde_json::json;

use super::{begin, play, scored, short};
use crate::search::event::Gate;
use crate::search::simulation::Fate;
use crate::search::{NodeId, Operator, Tag};

use Operator::{Debug, Draft, Improve};

const PLAIN: &[Operator] = &[Draft, Improve, Debug];

#[test]
fn drafts_then_the_best_is_improved() {
    let policy = json!({"name": "best-first", "num_drafts": 3, "debug_prob": 0});
    let mut search = begin(&policy, PLAIN, scored(0.0));
    play(
        &mut search,
        &[
            ((Draft, 0), scored(1.0)),
            // The machine's failure is no draft, a dropped candidate is one.
            ((Draft, 0), Fate::lost()),
            ((Draft, 0), Fate::Dropped(Gate::Duplicate)),
            ((Draft, 0), scored(2.0)),
            ((Improve, 4), scored(1.5)),
            ((Improve, 4), scored(2.5)),
            ((Improve, 6), Fate::failed()),
            ((Improve, 6), scored(0.5)),
        ],
    );
    let answer = search.ask(1).expect("a plan");
    let tag = Tag { kind: Some("improve".into()), ..Tag::default() };
    assert_eq!(answer.plans[0].tag, tag);
    assert_eq!(answer.plans[0].shown, [4, 5, 1, 8, 0]);
}

#[test]
fn failures_are_mended_until_they_are_too_deep() {
    let policy = json!({"name": "best-first", "num_drafts": 2, "debug_prob": 1, "max_debug_depth": 1});
    let mut search = begin(&policy, PLAIN, Fate::failed());
    play(
        &mut search,
        &[
            ((Draft, 0), Fate::failed()),
            ((Draft, 0), scored(1.0)),
            ((Debug, 1), Fate::lost()),
            ((Debug, 1), Fate::failed()),
            ((Debug, 4), Fate::failed()),
            // Node 5 has two failed ancestors.
            ((Improve, 2), Fate::failed()),
            ((Debug, 6), Fate::Dropped(Gate::NotImplemented)),
            ((Improve, 2), scored(3.0)),
            ((Improve, 8), scored(2.0)),
        ],
    );
}

#[test]
fn parallel_choices_are_of_different_trees() {
    let policy = json!({"name": "best-first", "num_drafts": 3, "debug_prob": 0});
    let mut search = begin(&policy, PLAIN, scored(0.0));
    // Three drafts, and the baseline is better than nothing.
    let answer = search.ask(4).expect("plans");
    assert_eq!(short(&answer.plans), [(Draft, 0), (Draft, 0), (Draft, 0), (Improve, 0)]);
    for (node, value) in [(1, 1.0), (2, 3.0), (3, 2.0), (4, 0.5)] {
        search.finish(node, scored(value)).expect("a fate");
    }
    // The best of each tree, the best tree first; the baseline's tree has node 4.
    let answer = search.ask(5).expect("plans");
    assert_eq!(short(&answer.plans), [(Improve, 2), (Improve, 3), (Improve, 1), (Improve, 4), (Improve, 2)]);
    // One is done, and its tree still busy with another.
    search.finish(5, scored(9.0)).expect("a fate");
    assert_eq!(short(&search.answer(1).plans), [(Improve, 5)]);
    search.finish(7, scored(0.1)).expect("a fate");
    assert_eq!(short(&search.answer(2).plans), [(Improve, 1), (Improve, 5)]);
}

#[test]
fn without_anything_that_works_drafts_go_on_but_no_more_at_once_than_wanted() {
    let policy = json!({"name": "best-first", "num_drafts": 2, "debug_prob": 0});
    let mut search = begin(&policy, PLAIN, Fate::failed());
    let drafts: [(Operator, NodeId); 2] = [(Draft, 0), (Draft, 0)];
    assert_eq!(short(&search.ask(8).expect("plans").plans), drafts);
    assert_eq!(short(&search.ask(6).expect("plans").plans), []);
    search.finish(1, Fate::failed()).expect("a fate");
    assert_eq!(short(&search.ask(7).expect("plans").plans), [(Draft, 0)]);
}

#[test]
fn a_better_measurement_of_another_tree_changes_the_choice() {
    let policy = json!({"name": "best-first", "num_drafts": 2, "debug_prob": 0});
    let mut search = begin(&policy, &[Draft, Improve, Operator::Replicate], scored(0.0));
    play(&mut search, &[((Draft, 0), scored(2.0)), ((Draft, 0), scored(1.0)), ((Improve, 1), scored(0.5))]);
    search.add(vec![crate::search::Plan::new(Operator::Replicate, vec![1])]).expect("a plan");
    search.finish(4, scored(-2.0)).expect("a fate");
    // The mean of node 1 is 0 now.
    assert_eq!(short(&search.answer(1).plans), [(Improve, 2)]);
}
