//! Games of a policy against fates at random, for tests: what has to hold of every policy, whatever happens.

use proptest::prelude::*;

use super::{Answer, PolicySpec};
use crate::score::{Finding, Metrics, Score, Severity};
use crate::search::event::{EvaluationFailure, EvaluationOutcome, Gate};
use crate::search::simulation::{Fate, Simulation};
use crate::search::{Operator, Plan, Repertoire};
use crate::task::Task;

/// A task whose primary metric is `quality`, the more the better.
pub(super) fn task() -> Task {
    let text = r#"
schema = 1
id = "t"
title = "t"
domain = "d"
description = "description.md"
[[metrics]]
name = "quality"
direction = "maximize"
primary = true
[workspace]
starter = "starter"
[submission]
artefacts = ["a"]
[grader]
files = "grader"
command = ["true"]
validate_on = "test"
"#;
    crate::task::parse(text, "task.toml").expect("a task")
}

/// Operators with weight 1.
pub(super) fn operators(names: &[Operator]) -> Repertoire {
    Repertoire(names.iter().map(|operator| (*operator, 1.0)).collect())
}

/// A search whose baseline has this quality.
pub(super) fn begun(spec: &PolicySpec, operators: Repertoire, baseline: Fate) -> Simulation {
    let begun = Simulation::begin(&task(), spec, operators, 3, None, baseline);
    begun.expect("a baseline").expect("no external policy")
}

/// This quality, and a second metric.
pub(super) fn scored(quality: f64, other: f64) -> Fate {
    let metrics = Metrics::from([("quality".to_owned(), quality), ("other".to_owned(), other)]);
    Fate::Evaluated(EvaluationOutcome::Graded {
        score: Score { metrics, invalid: None, findings: Vec::new() },
    })
}

/// All that can happen to a plan; a score most of the time.
pub(super) fn fate() -> impl Strategy<Value = Fate> {
    let score = |critical: bool| {
        move |(quality, other): (i32, i32)| {
            let mut fate = scored(f64::from(quality), f64::from(other));
            if let Fate::Evaluated(EvaluationOutcome::Graded { score }) = &mut fate
                && critical
            {
                let (kind, evidence) = ("too_good".to_owned(), "seen".to_owned());
                score.findings.push(Finding {
                    kind,
                    severity: Severity::Critical,
                    events: Vec::new(),
                    evidence,
                });
            }
            fate
        }
    };
    let failed =
        EvaluationOutcome::Failed { kind: EvaluationFailure::Crash, reason: "it ended with status 1".into() };
    prop_oneof![
        6 => (-20..20, -5..5).prop_map(score(false)),
        1 => (-20..20, -5..5).prop_map(score(true)),
        2 => Just(Fate::Evaluated(failed)),
        1 => Just(Fate::Dropped(Gate::NotImplemented)),
        1 => Just(Fate::Dropped(Gate::Duplicate)),
    ]
}

/// A game: slots, the baseline's fate, and who comes back next with what.
#[derive(Clone, Debug)]
pub(super) struct Game {
    slots: usize,
    baseline: Fate,
    moves: Vec<(usize, Fate)>,
}

/// Games of at most so many moves.
pub(super) fn game(moves: usize) -> impl Strategy<Value = Game> {
    let moves = proptest::collection::vec((0..8_usize, fate()), 1..moves);
    (1..=8_usize, fate(), moves).prop_map(|(slots, baseline, moves)| Game { slots, baseline, moves })
}

/// Plays it. `check` sees the search after every answer.
pub(super) fn play(
    spec: &PolicySpec,
    operators: &Repertoire,
    game: &Game,
    mut check: impl FnMut(&Simulation, &Answer),
) {
    let mut search = begun(spec, operators.clone(), game.baseline.clone());
    go_on(&mut search, (spec, operators), game, &mut check);
}

/// Plays one game with a policy, and another with a second one that goes on from there with operators of its own.
pub(super) fn play_forked(policies: [(&PolicySpec, &Repertoire); 2], games: [&Game; 2]) {
    let [(spec, operators), (other, others)] = policies;
    let mut search = begun(spec, operators.clone(), games[0].baseline.clone());
    go_on(&mut search, (spec, operators), games[0], &mut |_, _| {});
    search.fork(other.begin().expect("a policy"), others.clone()).expect("the same events");
    // Whoever goes on waits for what the first has planned.
    let slots = games[1].slots.max(search.tree.unsettled() + 1);
    go_on(&mut search, (other, others), &Game { slots, ..games[1].clone() }, &mut |_, _| {});
}

fn go_on(
    search: &mut Simulation,
    (spec, operators): (&PolicySpec, &Repertoire),
    game: &Game,
    check: &mut dyn FnMut(&Simulation, &Answer),
) {
    for (number, (who, fate)) in game.moves.iter().enumerate() {
        let free = game.slots - search.tree.unsettled();
        if free > 0 {
            if number % 5 == 4 {
                let before = search.answer(free);
                search.resume(spec.begin().expect("a policy")).expect("the same events");
                assert_eq!(search.answer(free), before, "after resuming");
            }
            let before = search.tree.nodes().len();
            let answer = search.ask(free).expect("plans of nodes that exist");
            assert!(answer.plans.len() <= free, "more plans than slots");
            for plan in &answer.plans {
                for parent in plan.parents.iter().chain(&plan.shown) {
                    assert!(
                        (*parent as usize) < before
                            && search.tree.nodes()[*parent as usize].status.is_settled()
                    );
                }
                assert!(operators.0.contains_key(&plan.operator));
            }
            check(search, &answer);
            if search.tree.unsettled() == 0 {
                assert!(answer.is_over, "nothing is under way and nothing is planned");
                return;
            }
        }
        // Replicates are the engine's affair, and any policy has to live with them.
        if let (true, Some(best)) =
            (number % 7 == 6 && game.slots > search.tree.unsettled(), search.tree.best())
        {
            search.take(vec![Plan::new(Operator::Replicate, vec![best])], 1, None).expect("a plan");
        }
        let waiting = search.waiting()[who % search.waiting().len()];
        search.finish(waiting, fate.clone()).expect("a fate");
    }
}
