//! Exact choices of `stages`.

use std::collections::BTreeSet;

use serde_json::json;

use super::{FULL, begin, play, scored, short};
use crate::search::simulation::Fate;
use crate::search::{NodeId, Operator, Tag};

use Operator::{Ablate, Debug, Draft, Improve, Replicate, Tune};

const PLAIN: &[Operator] = &[Draft, Improve, Debug];

#[test]
fn a_search_goes_through_its_stages() {
    let policy = json!({"name": "stages", "iterations": [5, 2, 1, 2], "debug_prob": 0, "num_seeds": 2});
    let mut search = begin(&policy, &[Draft, Debug, Ablate, Tune, Replicate], scored(0.0));
    let answer = search.ask(2).expect("plans");
    assert_eq!(answer.note.as_deref(), Some("stage 1, initial implementation, begins"));
    assert_eq!(short(&answer.plans), [(Draft, 0), (Draft, 0)]);
    search.finish(1, scored(1.0)).expect("a fate");
    // It works: nothing more of this stage, but what is under way is waited for.
    assert_eq!(search.ask(1).expect("an answer").plans, []);
    search.finish(2, scored(2.0)).expect("a fate");
    let answer = search.ask(4).expect("plans");
    assert_eq!(short(&answer.plans), [(Replicate, 2), (Replicate, 2), (Tune, 2), (Tune, 2)]);
    assert_eq!(answer.note.as_deref(), Some("stage 2, baseline tuning, begins with node 2"));
    let marks: Vec<_> = answer.plans.iter().map(|plan| (plan.tag.clone(), plan.hint.is_some())).collect();
    let tag = |stage, kind: &str| Tag { stage: Some(stage), kind: Some(kind.into()), ..Tag::default() };
    assert_eq!(marks[0], (tag(1, "replicate"), false));
    assert_eq!(marks[3], (tag(2, "improve"), true));
    for (node, fate) in [(5, Fate::failed()), (3, scored(2.0)), (6, scored(1.5)), (4, Fate::lost())] {
        search.finish(node, fate).expect("a fate");
    }
    // Tuning has found nothing better, so that 2 goes on; it has still to be measured once.
    let answer = search.ask(3).expect("plans");
    assert_eq!(short(&answer.plans)[0], (Replicate, 2));
    assert_eq!((answer.plans.len(), answer.plans[1].parents[0], answer.plans[1].tag.stage), (2, 2, Some(3)));
    search.finish(8, scored(3.0)).expect("a fate");
    let answer = search.ask(4).expect("plans");
    assert_eq!(short(&answer.plans), [(Replicate, 8), (Replicate, 8), (Ablate, 8), (Ablate, 8)]);
    for node in [7, 9, 10] {
        search.finish(node, scored(3.0)).expect("a fate");
    }
    search.finish(11, scored(4.0)).expect("a fate");
    assert!(!search.ask(3).expect("an answer").is_over);
    search.finish(12, scored(1.0)).expect("a fate");
    assert_eq!(short(&search.ask(1).expect("plans").plans), [(Replicate, 11)]);
    search.finish(13, scored(4.0)).expect("a fate");
    assert_eq!(short(&search.ask(8).expect("plans").plans), [(Replicate, 11)]);
    search.finish(14, Fate::failed()).expect("a fate");
    assert!(search.ask(8).expect("an answer").is_over);
}

#[test]
fn nothing_that_works_ends_the_search_after_the_first_stage() {
    let policy = json!({"name": "stages", "iterations": [2, 2, 2, 2], "debug_prob": 1});
    let mut search = begin(&policy, PLAIN, scored(0.0));
    play(&mut search, &[((Draft, 0), Fate::failed()), ((Draft, 0), Fate::failed())]);
    let answer = search.ask(2).expect("an answer");
    assert_eq!((answer.is_over, answer.note.as_deref()), (true, Some("nothing works after the first stage")));
}

#[test]
fn a_first_stage_without_candidates_begins_with_the_baseline() {
    let policy =
        json!({"name": "stages", "iterations": [0, 2, 3, 1], "debug_prob": 0, "num_seeds": 1, "patience": 1});
    let mut search = begin(&policy, &[Improve, Replicate], scored(0.0));
    play(
        &mut search,
        &[
            ((Replicate, 0), scored(0.0)),
            // Where nothing tunes or ablates, it is improved; tuning is always of the begin.
            ((Improve, 0), scored(1.0)),
            ((Improve, 0), scored(0.5)),
            ((Replicate, 2), scored(1.0)),
            // Research is of the best. Patience needs something better first.
            ((Improve, 2), scored(0.5)),
            ((Improve, 2), scored(2.0)),
            ((Improve, 6), scored(1.0)),
            ((Replicate, 6), scored(2.0)),
            ((Improve, 6), scored(1.0)),
        ],
    );
    assert!(search.ask(1).expect("an answer").is_over);
}

#[test]
fn patience_ends_a_stage_early() {
    let policy = json!({"name": "stages", "iterations": [1, 9, 1, 1], "num_drafts": 1, "debug_prob": 0, "patience": 2});
    let mut search = begin(&policy, FULL, scored(0.0));
    let stages: Vec<Option<u32>> = [5.0, 6.0, 1.0, 1.0, 1.0]
        .into_iter()
        .map(|value| {
            // Measurements with other seeds change nothing here.
            loop {
                let plan = search.ask(1).expect("a plan").plans[0].clone();
                let node = search.waiting()[0];
                let original = search.tree.fitness(plan.parents[0] as NodeId);
                if plan.operator != Replicate {
                    search.finish(node, scored(value)).expect("a fate");
                    break plan.tag.stage;
                }
                search.finish(node, scored(original.expect("a measured one"))).expect("a fate");
            }
        })
        .collect();
    assert_eq!(stages, [Some(1), Some(2), Some(2), Some(2), Some(3)]);
}

#[test]
fn nothing_is_tuned_or_ablated_before_its_stage() {
    let policy = json!({"name": "stages", "iterations": [1, 1, 30, 1], "num_drafts": 1, "debug_prob": 0, "num_seeds": 0});
    let stages = |operators: &[Operator]| {
        let mut search = begin(&policy, operators, scored(0.0));
        let mut seen = BTreeSet::new();
        while let [plan] = &*search.ask(1).expect("an answer").plans {
            seen.insert((plan.tag.stage, plan.operator));
            let node = search.waiting()[0];
            search.finish(node, scored(f64::from(node))).expect("a fate");
        }
        seen
    };
    let all = [(1, Draft), (2, Tune), (3, Improve), (4, Ablate)].map(|(stage, by)| (Some(stage), by));
    assert_eq!(stages(&[Draft, Improve, Debug, Tune, Ablate, Replicate]), all.into());
    // Where nothing tunes, tuning is improving; where nothing else drafts, tuning drafts.
    let models = [(1, Draft), (2, Improve), (3, Improve), (4, Ablate)].map(|(stage, by)| (Some(stage), by));
    assert_eq!(stages(&[Draft, Improve, Ablate]), models.into());
    let numbers = [(1, Tune), (2, Tune), (3, Tune), (4, Tune)].map(|(stage, by)| (Some(stage), by));
    assert_eq!(stages(&[Tune]), numbers.into());
}
