//! The bandit against numbers that were worked out apart from it.

use super::*;
use crate::failure::{Boundary, Failure};
use crate::search::Operator;
use crate::search::event::EvaluationOutcome;
use crate::search::example::{Candidate, Example};

struct Search {
    example: Example,
    ensemble: Ensemble,
}

impl Search {
    fn begin() -> Search {
        Search { example: Example::begin(), ensemble: Ensemble::new(Selection::Bandit) }
    }

    /// A candidate by a model on the baseline; none is made without an outcome.
    fn make(&mut self, model: Option<&'static str>, cost: u64, outcome: Option<EvaluationOutcome>) {
        let candidate =
            Candidate { operator: Operator::Improve, model, cost, outcome, ..Candidate::default() };
        self.example.make_and(candidate, |tree, change| self.ensemble.observe(tree, change));
    }
}

fn graded(value: f64) -> Option<EvaluationOutcome> {
    Some(Example::graded(value))
}

fn crashed() -> Option<EvaluationOutcome> {
    Some(Example::crashed("as told"))
}

const TWO: [(&str, f64); 2] = [("a", 3.0), ("b", 1.0)];

fn rounded(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| (value * 1e6).round() / 1e6).collect()
}

#[test]
fn models_that_were_not_asked_come_first_by_weight() {
    let mut search = Search::begin();
    assert_eq!(search.ensemble.probabilities(&TWO), [0.75, 0.25]);
    search.make(Some("a"), 0, graded(2.0));
    assert_eq!(search.ensemble.probabilities(&TWO), [0.0, 1.0]);
    let mut random = Stream::new(1, "model", 0);
    assert_eq!(search.ensemble.choose(&TWO, &mut random), Some(1));
    assert_eq!(search.ensemble.choose(&[("a", 0.0)], &mut random), None);
    assert_eq!(Ensemble::new(Selection::Weights).choose(&[("a", 0.0), ("c", 1.0)], &mut random), Some(1));
}

#[test]
fn a_reward_is_the_gain_on_parent_and_baseline_and_fades() {
    let mut search = Search::begin();
    search.make(Some("a"), 0, graded(2.0));
    search.make(Some("b"), 0, crashed());
    // Sum of a: e - 1 = 1.718282, faded twice by s -> 0.95 s / (1 + 0.05 s); counts faded by 0.95 with their candidates.
    let once = 0.95 * 1.718_281_828 / (1.0 + 0.05 * 1.718_281_828);
    let twice: f64 = 0.95 * once / (1.0 + 0.05 * once);
    let arm = &search.ensemble.arms["a"];
    assert_eq!(rounded(&[arm.sum.exp(), arm.count]), rounded(&[twice, 0.95 * 0.95]));
    assert_eq!(search.ensemble.arms["b"].sum, f64::NEG_INFINITY);
    assert_eq!(search.ensemble.arms["b"].count, 0.95);
    // The highest reward faded likewise, but is no lower than the best mean, so a's mean is 1.
    assert_eq!(rounded(&[search.ensemble.highest.exp()]), rounded(&[twice / 0.9025]));
    let arms: Vec<&Arm> = search.ensemble.arms.values().collect();
    let bound = (2.0 * 2_f64.ln()).sqrt();
    // Both cost nothing, so both are cheapest.
    assert_eq!(
        rounded(&search.ensemble.scores(&arms)),
        rounded(&[0.5 + 0.5 * (1.0 + bound), 0.5 + 0.5 * bound])
    );
    assert_eq!(rounded(&search.ensemble.probabilities(&TWO)), [0.8, 0.2]);
}

#[test]
fn of_equal_models_the_cheap_one_is_asked_and_a_loss_is_no_worse_than_nothing() {
    let mut search = Search::begin();
    search.make(Some("a"), 40_000, graded(0.5));
    search.make(Some("b"), 10_000, None);
    assert_eq!(rounded(&search.ensemble.probabilities(&TWO)), [0.2, 0.8]);
    let bound = (2.0 * 2_f64.ln()).sqrt();
    let doubt = 0.1 * 0.03 * bound;
    let cheap = (0.01 - doubt) / (0.04 - doubt);
    let arms: Vec<&Arm> = search.ensemble.arms.values().collect();
    let expected = [0.5 * bound + 0.5 * cheap, 0.5 * bound + 0.5];
    assert_eq!(rounded(&search.ensemble.scores(&arms)), rounded(&expected));
}

#[test]
fn failures_of_the_machine_count_for_nothing_and_a_replayed_search_chooses_the_same() {
    let mut search = Search::begin();
    search.make(Some("b"), 5, crashed());
    let before = search.ensemble.arms["b"].clone();
    let failure = Failure::new(Boundary::Sandbox, "no memory");
    search.make(Some("b"), 5, Some(EvaluationOutcome::Broke { failure }));
    let after = &search.ensemble.arms["b"];
    assert_eq!((after.candidates, after.sum, after.count), (before.candidates, before.sum, before.count));
    for value in [1.5, 900.0, 0.0] {
        search.make(Some("a"), 3, graded(value));
    }
    search.make(None, 0, graded(7.0));
    let mut tree = Tree::new(&search.example.task);
    let mut replayed = Ensemble::new(Selection::Bandit);
    for event in &search.example.events {
        tree.apply(event).unwrap();
        for change in tree.changed() {
            replayed.observe(&tree, *change);
        }
    }
    assert_eq!(replayed, search.ensemble);
    assert!(search.ensemble.highest.is_finite());
    let choose = |ensemble: &Ensemble| {
        (0..5).map(|number| ensemble.choose(&TWO, &mut Stream::new(9, "model", number))).collect::<Vec<_>>()
    };
    assert_eq!(choose(&replayed), choose(&search.ensemble));
}
