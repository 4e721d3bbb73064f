use proptest::prelude::*;

use super::*;
use crate::search::policy::PolicySpec;
use crate::search::policy::play::{begun, game, operators, play, scored};
use crate::search::simulation::Fate;

fn spec(batch: u32, quorum: f64) -> Epochs {
    let count = |number| NonZeroU32::new(number).expect("more than none");
    Epochs { epochs: count(3), batch: count(batch), per_call: count(2), quorum, ..Epochs::default() }
}

#[test]
fn batches_are_split_as_reported() {
    let splits = |batch| {
        let constants =
            Epochs { batch: NonZeroU32::new(batch).expect("more than none"), ..Epochs::default() };
        (0..10).map(|epoch| constants.split(epoch)).collect::<Vec<_>>()
    };
    let (early, middle, late) = ((20, 30), (30, 20), (40, 10));
    assert_eq!(splits(50), [(0, 50), early, middle, middle, middle, middle, late, late, late, late]);
    let (early, middle, late) = ((40, 40), (50, 30), (60, 20));
    assert_eq!(splits(80), [(0, 80), early, early, early, middle, middle, late, late, late, late]);
    // Fewer than a call's ideas are not rounded, and some always explore.
    assert_eq!(splits(8)[1..3], [(4, 4), (4, 4)]);
    let greedy = Epochs { exploit_start: 1.0, exploit_most: 1.0, ..Epochs::default() };
    assert_eq!(greedy.split(1), (40, 10));
}

#[test]
fn ten_ideas_come_from_a_question_and_the_rest_from_the_last_one() {
    let calls = |batch, epoch| {
        let batch = NonZeroU32::new(batch).expect("more than none");
        let constants = Epochs { batch, ..Epochs::default() };
        let calls = (0..batch.get()).map(|planned| constants.call(epoch, planned));
        let first = calls.filter(|call| call.position == 0);
        first.map(|call| (call.number, call.ideas)).collect::<Vec<_>>()
    };
    assert_eq!(calls(80, 0), (0..8).map(|number| (number, 10)).collect::<Vec<_>>());
    assert_eq!(calls(25, 0), [(0, 10), (1, 10), (2, 5)]);
    // 10 exploit, 15 explore.
    assert_eq!(calls(25, 1), [(0, 10), (1, 10), (2, 5)]);
    // 4 exploit, 4 explore: they are told different things, and asked for one after the other.
    assert_eq!(calls(8, 1), [(0, 4), (1, 4)]);
    assert_eq!(calls(1, 1), [(0, 1)]);
}

#[test]
fn the_next_epoch_begins_with_a_quorum_and_late_results_come_after_it() {
    let policy = PolicySpec::Epochs(spec(4, 0.3));
    let mut search = begun(&policy, operators(&[Operator::Implement]), Fate::scored("quality", 0.0));
    let first = search.ask(8).expect("plans");
    // Two ideas by a question.
    let tag = |epoch, kind: &str, number, position| Tag {
        epoch: Some(epoch),
        kind: Some(kind.to_owned()),
        call: Some(IdeaCall { number, position, ideas: 2 }),
        ..Tag::default()
    };
    let explored = |epoch, number, position, shown: Vec<NodeId>| Plan {
        shown,
        tag: tag(epoch, "explore", number, position),
        ..Plan::new(Operator::Implement, vec![0])
    };
    let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
    assert_eq!(first.plans, places.map(|(number, position)| explored(0, number, position, Vec::new())));
    assert_eq!(
        first.note.as_deref(),
        Some("epoch 0: 0 to exploit, 4 to explore; 0 candidates known, 0 of them better than the baseline")
    );
    search.finish(2, Fate::scored("quality", 5.0)).expect("a fate");
    // One of four does not exceed three tenths of four.
    assert_eq!(search.ask(5).expect("no plans"), Answer::default());
    search.finish(1, Fate::scored("quality", -1.0)).expect("a fate");
    let second = search.ask(1).expect("a plan");
    let exploited = |position| Plan {
        shown: vec![2],
        tag: tag(1, "exploit", 0, position),
        ..Plan::new(Operator::Implement, vec![2])
    };
    assert_eq!(second.plans, [exploited(0)]);
    assert_eq!(
        second.note.as_deref(),
        Some("epoch 1: 2 to exploit, 2 to explore; 2 candidates known, 1 of them better than the baseline")
    );
    // What comes back now, however good, belongs to the epoch after.
    search.finish(3, Fate::scored("quality", 9.0)).expect("a fate");
    let rest = search.ask(4).expect("plans");
    assert_eq!((rest.plans.len(), &rest.plans[0]), (3, &exploited(1)));
    let mut shown = rest.plans[1].shown.clone();
    assert_eq!(rest.plans[1..], [explored(1, 1, 0, shown.clone()), explored(1, 1, 1, shown.clone())]);
    shown.sort_unstable();
    assert_eq!(shown, [1, 2]);
    search.finish(5, Fate::scored("quality", 1.0)).expect("a fate");
    search.finish(6, Fate::scored("quality", 1.0)).expect("a fate");
    let third = search.ask(1).expect("a plan");
    assert_eq!((third.plans[0].parents.as_slice(), third.plans[0].tag.epoch), ([3].as_slice(), Some(2)));
}

#[test]
fn a_quorum_of_one_is_a_barrier_and_the_last_epoch_ends_the_search() {
    let policy = PolicySpec::Epochs(spec(2, 1.0));
    let mut search = begun(&policy, operators(&[Operator::Tune, Operator::Crossover]), scored(0.0, 0.0));
    for epoch in 0..3 {
        let answer = search.ask(4).expect("plans");
        assert_eq!(answer.plans.iter().map(|plan| plan.tag.epoch).collect::<Vec<_>>(), [Some(epoch); 2]);
        assert!(answer.plans.iter().all(|plan| plan.shown.is_empty()), "nobody would look");
        let waiting = search.waiting().to_vec();
        search.finish(waiting[1], scored(1.0, 0.0)).expect("a fate");
        assert!(search.answer(3).plans.is_empty());
        search.finish(waiting[0], scored(2.0, 0.0)).expect("a fate");
    }
    assert_eq!(search.answer(4), Answer { is_over: true, ..Answer::default() });
}

#[test]
fn a_candidate_that_is_measured_again_leaves_and_enters_the_pool() {
    let policy = PolicySpec::Epochs(spec(4, 0.3));
    let mut search = begun(&policy, operators(&[Operator::Implement]), scored(0.0, 0.0));
    search.ask(4).expect("plans");
    for (node, quality) in [(2, 3.0), (1, 5.0), (4, 1.0), (3, -1.0)] {
        search.finish(node, scored(quality, 0.0)).expect("a fate");
    }
    let mut measure_again = |quality: f64, base: NodeId, expected: &[NodeId]| {
        search.add(vec![Plan::new(Operator::Replicate, vec![1])]).expect("a plan");
        let replicate = *search.waiting().last().expect("the replicate");
        search.finish(replicate, scored(quality, 0.0)).expect("a fate");
        let plan = search.answer(1).plans.remove(0);
        let mut shown = plan.shown;
        shown.sort_unstable();
        assert_eq!((plan.parents, shown.as_slice()), (vec![base], expected), "{quality}");
    };
    measure_again(-20.0, 2, &[2, 4]);
    measure_again(-20.0, 2, &[2, 4]);
    measure_again(100.0, 1, &[1, 2, 4]);
    measure_again(-55.0, 2, &[1, 2, 4]);
}

#[test]
fn without_an_operator_that_can_begin_it_is_over() {
    let policy = PolicySpec::Epochs(Epochs::default());
    for useless in [&[Operator::Crossover][..], &[Operator::Replicate], &[]] {
        let search = begun(&policy, operators(useless), scored(0.0, 0.0));
        assert_eq!(search.answer(2), Answer { is_over: true, ..Answer::default() }, "{useless:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_epochs_are_full_and_follow_each_other(
        game in game(120),
        batch in 1..12_u32,
        quorum in 0.0..1.2_f64,
        set in 0..4_usize,
    ) {
        use Operator::*;
        let sets: [&[Operator]; 4] = [&[Implement], &[Draft, Improve, Crossover], &[Tune, Crossover], &[Mutate]];
        let constants = spec(batch, quorum);
        play(&PolicySpec::Epochs(constants.clone()), &operators(sets[set]), &game, |search, answer| {
            let epochs: Vec<u32> = search.tree.nodes().iter().filter_map(|node| node.tag.epoch).collect();
            assert!(epochs.is_sorted());
            for epoch in 0..epochs.last().copied().unwrap_or(0) {
                assert_eq!(epochs.iter().filter(|other| **other == epoch).count(), batch as usize);
            }
            assert_eq!(answer.is_over, answer.plans.is_empty() && epochs.len() == 3 * batch as usize);
            for (plan, exploits) in answer.plans.iter().map(|plan| (plan, plan.tag.kind.as_deref() == Some("exploit"))) {
                let better = |id: &NodeId| better(&search.tree, 0, *id).is_some();
                assert!(!exploits || plan.parents.iter().all(better) && plan.shown.iter().all(better));
                let fitness = |id: &NodeId| search.tree.fitness(*id);
                let base = plan.parents.first().and_then(fitness);
                let of_a_model = exploits && plan.operator.needs_model() && plan.operator != Draft;
                assert!(!of_a_model || plan.shown.iter().all(|id| fitness(id) <= base), "the base is the best as it stands now");
                assert!(exploits || plan.parents == [0]);
            }
        });
    }
}
