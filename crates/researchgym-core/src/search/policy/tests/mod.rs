//! Policies that grow trees, in simulated searches: properties over random fates here, exact choices in the other
//! files.

mod best_first;
mod forks;
mod mcts;
mod stages;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::PolicySpec;
use crate::score::{Finding, Metrics, Score, Severity};
use crate::search::event::{EvaluationOutcome, Gate};
use crate::search::simulation::{Fate, Simulation};
use crate::search::{NodeId, Operator, Plan, Repertoire, Role, Status, Stream, Tree};
use crate::task::Task;

fn task() -> Task {
    let text = r#"
schema = 1
id = "t"
title = "t"
domain = "d"
description = "description.md"
[[metrics]]
name = "score"
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

fn spec(value: &Value) -> PolicySpec {
    serde_json::from_value(value.clone()).expect("a policy")
}

fn operators(names: &[Operator]) -> Repertoire {
    Repertoire(names.iter().map(|operator| (*operator, 1.0)).collect())
}

fn begin(policy: &Value, names: &[Operator], baseline: Fate) -> Simulation {
    let begun = Simulation::begin(&task(), &spec(policy), operators(names), 7, None, baseline);
    begun.expect("a baseline").expect("no external policy")
}

fn scored(value: f64) -> Fate {
    Fate::scored("score", value)
}

/// Operator and first parent of each plan.
fn short(plans: &[Plan]) -> Vec<(Operator, NodeId)> {
    plans.iter().map(|plan| (plan.operator, plan.parents[0])).collect()
}

/// Asks with one free slot and decides at once what becomes of each plan.
fn play(search: &mut Simulation, script: &[((Operator, NodeId), Fate)]) {
    for (expected, fate) in script {
        let answer = search.ask(1).expect("an answer");
        assert_eq!(short(&answer.plans), [*expected], "as node {}", search.tree.nodes().len() - 1);
        let node = search.waiting()[0];
        search.finish(node, fate.clone()).expect("a fate");
    }
}

fn quarantined() -> Fate {
    let finding = Finding {
        kind: "cheat".into(),
        severity: Severity::Critical,
        events: Vec::new(),
        evidence: "seen".into(),
    };
    let score =
        Score { metrics: Metrics::from([("score".into(), 99.0)]), invalid: None, findings: vec![finding] };
    Fate::Evaluated(EvaluationOutcome::Graded { score })
}

/// How a search goes: shares of fates, the rest is measured.
#[derive(Clone, Copy, Debug)]
struct Weather {
    slots: usize,
    failed: f64,
    dropped: f64,
    lost: f64,
    seed: u64,
}

impl Weather {
    fn fate(&self, random: &mut Stream) -> Fate {
        let draw = random.unit();
        if draw < self.failed {
            Fate::failed()
        } else if draw < self.failed + self.dropped {
            Fate::Dropped(Gate::Duplicate)
        } else if draw < self.failed + self.dropped + self.lost {
            Fate::lost()
        } else if draw > 0.98 {
            quarantined()
        } else {
            // Few values, so that many are equal.
            scored(random.below(12) as f64)
        }
    }
}

/// Plays a search to its end or 250 nodes, and checks what holds for every policy that grows trees, and `holds`.
fn check(
    policy: &Value,
    operators: &[Operator],
    weather: Weather,
    holds: impl Fn(&Tree, &[Plan]) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut random = Stream::new(weather.seed, "test", 0);
    let baseline = if random.chance(0.3) { Fate::failed() } else { scored(3.0) };
    let mut search = begin(policy, operators, baseline);
    while search.tree.nodes().len() < 250 {
        let free = weather.slots - search.waiting().len();
        if random.chance(0.05) {
            let before = search.answer(free.max(1));
            search.resume(spec(policy).begin().expect("a policy")).expect("the same events");
            prop_assert_eq!(search.answer(free.max(1)), before);
        }
        if free > 0 {
            let (tree, answer) = (&search.tree, search.answer(free));
            prop_assert!(answer.plans.len() <= free);
            prop_assert_eq!(answer.is_over, answer.plans.is_empty() && search.waiting().is_empty());
            for plan in &answer.plans {
                let parent = &tree.nodes()[plan.parents[0] as usize];
                let is_fit = match plan.tag.kind.as_deref() {
                    Some("draft") => parent.id == 0,
                    Some("debug") => parent.is_buggy(),
                    _ => parent.status == Status::Measured,
                };
                prop_assert!(is_fit, "{plan:?} of {parent:?}");
                prop_assert!(
                    plan.shown.iter().all(|shown| tree.nodes()[*shown as usize].status.is_settled())
                );
            }
            holds(tree, &answer.plans)?;
            prop_assert_eq!(&search.ask(free).expect("plans that the tree takes"), &answer);
            if answer.is_over {
                break;
            }
        }
        for _ in 0..=random.below(search.waiting().len()) {
            let Some(node) = random.pick(search.waiting()).copied() else { break };
            search.finish(node, weather.fate(&mut random)).expect("a fate");
        }
    }
    Ok(())
}

/// Consecutive failed candidates that a node derives from, itself included.
fn failed_line(tree: &Tree, id: NodeId) -> u32 {
    let mut length = 0;
    let mut next = Some(id);
    while let Some(node) =
        next.filter(|id| *id != 0).and_then(|id| tree.get(id)).filter(|node| node.is_buggy())
    {
        length += 1;
        next = node.base();
    }
    length
}

/// Nodes that this holds for and that the machine did not lose.
fn count(tree: &Tree, holds: impl Fn(&crate::search::Node) -> bool) -> usize {
    tree.nodes().iter().filter(|node| node.status != Status::Lost && holds(node)).count()
}

fn kinds(plans: &[Plan], kind: &str) -> usize {
    plans.iter().filter(|plan| plan.tag.kind.as_deref() == Some(kind)).count()
}

const FULL: &[Operator] = &[
    Operator::Draft,
    Operator::Improve,
    Operator::Debug,
    Operator::Ablate,
    Operator::Tune,
    Operator::Replicate,
];
const OFFLINE: &[Operator] = &[Operator::Tune, Operator::Replicate];
const NO_DRAFT: &[Operator] = &[Operator::Improve, Operator::Debug];
const NO_DEBUG: &[Operator] = &[Operator::Draft, Operator::Improve];
const NO_IMPROVE: &[Operator] = &[Operator::Draft, Operator::Debug];

fn can_improve(operators: &[Operator]) -> bool {
    operators.iter().any(|operator| Repertoire([(*operator, 1.0)].into()).has(Role::Improve))
}

fn repertoires() -> impl Strategy<Value = &'static [Operator]> {
    prop::sample::select(vec![FULL, FULL, OFFLINE, NO_DRAFT, NO_DEBUG, NO_IMPROVE])
}

fn weathers() -> impl Strategy<Value = Weather> {
    let shares =
        prop::sample::select(vec![(0.0, 0.0), (0.3, 0.1), (0.9, 0.0), (0.0, 0.9), (0.5, 0.45), (1.0, 0.0)]);
    (1_usize..=8, shares, prop::sample::select(vec![0.0, 0.05]), any::<u64>())
        .prop_map(|(slots, (failed, dropped), lost, seed)| Weather { slots, failed, dropped, lost, seed })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn best_first_keeps_to_its_drafts_and_debug_depth(operators in repertoires(), weather in weathers()) {
        let policy = json!({"name": "best-first", "num_drafts": 4, "max_debug_depth": 2});
        check(&policy, operators, weather, |tree, plans| {
            let drafts = count(tree, |node| node.tag.kind.as_deref() == Some("draft")) + kinds(plans, "draft");
            let can_improve = can_improve(operators);
            if kinds(plans, "draft") > 0 {
                prop_assert!(drafts <= 4 || tree.measured() == 0 || !can_improve);
                let under_way = tree.nodes().iter().filter(|node| !node.status.is_settled());
                let drafting = under_way.filter(|node| node.tag.kind.as_deref() == Some("draft")).count();
                prop_assert!(drafting + kinds(plans, "draft") <= 4);
            }
            for plan in plans.iter().filter(|plan| plan.tag.kind.as_deref() == Some("debug")) {
                prop_assert!(failed_line(tree, plan.parents[0]) <= 3);
                let tried = tree.nodes()[plan.parents[0] as usize].children.iter();
                prop_assert!(tried.clone().all(|child| tree.nodes()[*child as usize].status == Status::Lost));
            }
            Ok(())
        })?;
    }

    #[test]
    fn mcts_keeps_to_the_places_of_each_node(
        operators in repertoires(),
        weather in weathers(),
        backup in prop::sample::select(vec!["reward_mean", "mean", "max"]),
        improves in 1_usize..4,
    ) {
        let policy = json!({
            "name": "mcts", "num_drafts": 3, "num_improves": improves, "max_debug_depth": 4, "max_drafts": 9,
            "backup": backup,
        });
        let can_improve = can_improve(operators);
        check(&policy, operators, weather, |tree, plans| {
            if !can_improve {
                prop_assert_eq!(kinds(plans, "draft"), plans.len());
                return Ok(());
            }
            prop_assert!(count(tree, |node| node.tag.kind.as_deref() == Some("draft")) + kinds(plans, "draft") <= 9);
            for plan in plans.iter().filter(|plan| plan.tag.kind.as_deref() != Some("draft")) {
                let parent = &tree.nodes()[plan.parents[0] as usize];
                let children = count(tree, |node| node.base() == Some(parent.id));
                let more = plans.iter().filter(|other| other.parents == plan.parents).count();
                let places = if parent.is_buggy() { 1 } else { improves };
                prop_assert!(parent.id != 0 && children + more <= places, "{children} + {more} of {places}");
                prop_assert!(failed_line(tree, parent.id) <= 4);
            }
            Ok(())
        })?;
    }

    #[test]
    fn stages_follow_each_other_and_keep_to_their_iterations(
        operators in repertoires(),
        weather in weathers(),
        patience in prop::option::of(1_u32..4),
    ) {
        let iterations = [9, 6, 5, 7];
        let mut policy = json!({"name": "stages", "iterations": iterations, "num_seeds": 2});
        if let Some(patience) = patience {
            policy["patience"] = patience.into();
        }
        check(&policy, operators, weather, |tree, plans| {
            let of = |stage: usize| count(tree, |node| node.is_candidate() && node.tag.stage == Some(stage as u32));
            for plan in plans {
                let stage = plan.tag.stage.expect("a stage") as usize;
                if plan.operator == Operator::Replicate {
                    let done = count(tree, |node| !node.is_candidate() && node.base() == Some(plan.parents[0]));
                    let more = plans.iter().filter(|other| other.operator == Operator::Replicate);
                    prop_assert!(done + more.filter(|other| other.parents == plan.parents).count() <= 2);
                    continue;
                }
                let more = plans.iter().filter(|other| other.operator != Operator::Replicate).count();
                prop_assert!(of(stage) + more <= iterations[stage - 1] as usize);
                prop_assert!((stage + 1..=4).all(|later| of(later) == 0));
                prop_assert!(stage == 1 || plan.tag.kind.as_deref() != Some("draft"));
                // All of the stage before is settled, and nothing of the first is asked for once something works.
                let before = tree.nodes().iter().filter(|node| node.is_candidate() && node.tag.stage < plan.tag.stage);
                prop_assert!(before.clone().all(|node| node.status.is_settled()));
                let works = |node: &crate::search::Node| node.id != 0 && node.status == Status::Measured;
                prop_assert!(stage > 1 || !tree.nodes().iter().any(works));
            }
            Ok(())
        })?;
    }
}
