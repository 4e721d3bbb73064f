//! Ratios, performance profiles and the area under them as MLGym computes them (Nathani et al. 2025, after Dolan and Moré
//! 2002 and Roberts et al. 2023), traps included: see the reference of statistics.
//!
//! Where MLGym would divide by zero this differs: a score of 0 that is to be large counts as infeasible, and a task on which 0
//! is the best of what is to be small, or on which nothing is feasible, has no ratios.

use super::options::Kind;
use super::sample::rounded;
use crate::score::Direction;

/// Points of the grid on which profiles are summed.
pub const POINTS: usize = 500;
/// What an infeasible score's ratio is beyond the worst feasible one's.
const BEYOND_WORST: f64 = 1.05;

/// Scores of one task, of both kinds: of the contenders in order and last of the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskScores {
    /// Which way is better.
    pub direction: Direction,
    /// The baseline's score, if there is one.
    pub baseline: Option<f64>,
    /// Scores of contenders, by [`Kind`].
    pub contenders: [Vec<Option<f64>>; 2],
}

/// The ratios of one kind of score on one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratios {
    /// The ratio to the best, 1 or more, of the contenders in order and last of the baseline.
    pub ratios: Vec<f64>,
    /// Their decimal logarithms.
    pub logarithms: Vec<f64>,
    /// Whether it is that of a feasible score.
    pub is_feasible: Vec<bool>,
    /// The smallest whole number that is no smaller than any ratio.
    pub tau: f64,
}

impl TaskScores {
    /// The ratios of one kind; `None` if the task has none.
    ///
    /// A score is infeasible if there is none, if it is below 0, or if it is worse than the baseline. The ratio of a feasible
    /// one is score / best where less is better and best / score where more is; that of an infeasible one is 1.05 times the
    /// worst feasible ratio.
    pub fn ratios(&self, kind: Kind) -> Option<Ratios> {
        let scores = self.contenders[kind as usize].iter().chain([&self.baseline]);
        let feasible = |score: &Option<f64>| {
            let score = (*score)?;
            let is_usable = match self.direction {
                Direction::Maximize => score > 0.0,
                Direction::Minimize => score >= 0.0,
            };
            let is_worse = self.baseline.is_some_and(|baseline| self.direction.gain(score, baseline) < 0.0);
            (is_usable && !is_worse).then_some(score)
        };
        let scores: Vec<Option<f64>> = scores.map(feasible).collect();
        let known = || scores.iter().flatten().copied();
        let best =
            known().reduce(|best, next| if self.direction.gain(next, best) > 0.0 { next } else { best })?;
        let ratio = |score: f64| match self.direction {
            Direction::Minimize => score / best,
            Direction::Maximize => best / score,
        };
        let worst = known().map(ratio).reduce(f64::max).filter(|worst| worst.is_finite())?;
        let ratios: Vec<f64> = scores.iter().map(|score| score.map_or(worst * BEYOND_WORST, ratio)).collect();
        Some(Ratios {
            logarithms: ratios.iter().map(|ratio| ratio.log10()).collect(),
            ratios,
            is_feasible: scores.iter().map(Option::is_some).collect(),
            tau: (worst * BEYOND_WORST).ceil(),
        })
    }
}

/// The end of the grid: the decimal logarithm of the largest tau over all tasks and both kinds, rounded up to a tenth. 0 if
/// there are no tasks.
pub fn tau_max(taus: impl Iterator<Item = f64>) -> f64 {
    let largest = taus.fold(1.0, f64::max);
    (10.0 * largest.log10()).ceil() / 10.0
}

/// The grid: 500 points from 0 to `tau_max`, as NumPy's `linspace`.
pub fn grid(tau_max: f64) -> Vec<f64> {
    let step = tau_max / (POINTS - 1) as f64;
    let mut points: Vec<f64> = (0..POINTS).map(|index| index as f64 * step).collect();
    points[POINTS - 1] = tau_max;
    points
}

/// The profile at each point of the grid: the share of tasks whose ratio's logarithm is at most the point.
pub fn profile(logarithms: &[f64], grid: &[f64]) -> Vec<f64> {
    let share = |point: &f64| {
        let within = logarithms.iter().filter(|logarithm| **logarithm <= *point).count();
        within as f64 / logarithms.len() as f64
    };
    grid.iter().map(share).collect()
}

/// The area under the profile, as the sum of left rectangles over the 499 spaces of the grid.
pub fn area(logarithms: impl Iterator<Item = f64>, tau_max: f64) -> Option<f64> {
    let step = tau_max / (POINTS - 1) as f64;
    let (mut spaces, mut tasks) = (0_usize, 0_usize);
    for logarithm in logarithms {
        tasks += 1;
        if logarithm > tau_max {
            continue;
        }
        // The first point that is no smaller; floating-point division may miss it by one.
        let mut first = (logarithm / step).ceil().max(0.0) as usize;
        while first > 0 && (first - 1) as f64 * step >= logarithm {
            first -= 1;
        }
        while first < POINTS && (first as f64 * step) < logarithm {
            first += 1;
        }
        spaces += (POINTS - 1).saturating_sub(first);
    }
    (tasks > 0).then(|| spaces as f64 * step / tasks as f64)
}

/// Areas of all contenders and last of the baseline, by [`Kind`].
#[derive(Clone, Debug, PartialEq)]
pub struct Areas {
    /// The end of the grid.
    pub tau_max: f64,
    /// The areas; `None` if no task has ratios.
    pub areas: [Vec<Option<f64>>; 2],
}

impl Areas {
    /// The areas under the profiles over these tasks, given by [`Kind`]; a task without ratios is `None`.
    pub fn of(tasks: &[[Option<Ratios>; 2]], rows: usize) -> Areas {
        let tau_max = tau_max(tasks.iter().flatten().flatten().map(|ratios| ratios.tau));
        let areas = Kind::ALL.map(|kind| {
            let with_ratios = || tasks.iter().filter_map(move |task| task[kind as usize].as_ref());
            (0..rows).map(|row| area(with_ratios().map(|ratios| ratios.logarithms[row]), tau_max)).collect()
        });
        Areas { tau_max, areas }
    }

    /// An area as published: three decimals, rounded as NumPy does.
    pub fn shown(area: f64) -> f64 {
        rounded(area, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scores(direction: Direction, baseline: Option<f64>, values: &[Option<f64>]) -> TaskScores {
        TaskScores { direction, baseline, contenders: [values.to_vec(), values.to_vec()] }
    }

    #[test]
    fn ratios_are_to_the_best_and_infeasible_ones_lie_beyond_the_worst() {
        let task = scores(Direction::Maximize, Some(0.5), &[Some(0.8), None, Some(0.4), Some(1.0)]);
        let expected = Ratios {
            ratios: vec![1.25, 2.1, 2.1, 1.0, 2.0],
            logarithms: [1.25_f64, 2.1, 2.1, 1.0, 2.0].map(f64::log10).to_vec(),
            is_feasible: vec![true, false, false, true, true],
            tau: 3.0,
        };
        assert_eq!(task.ratios(Kind::Best), Some(expected));
        let task = scores(Direction::Minimize, Some(4.0), &[Some(2.0), Some(5.0)]);
        let ratios = task.ratios(Kind::Submission).unwrap();
        assert_eq!((ratios.ratios, ratios.is_feasible), (vec![1.0, 2.1, 2.0], vec![true, false, true]));
    }

    #[test]
    fn a_negative_baseline_is_infeasible_itself() {
        let task = scores(Direction::Maximize, Some(-0.25), &[Some(0.2), Some(-0.1), Some(0.1)]);
        let ratios = task.ratios(Kind::Best).unwrap();
        assert_eq!(ratios.ratios, [1.0, 2.1, 2.0, 2.1]);
        assert_eq!(ratios.is_feasible, [true, false, true, false]);
    }

    #[test]
    fn zeros_have_no_ratio() {
        let task = scores(Direction::Maximize, Some(0.0), &[Some(0.0), Some(3.0)]);
        assert_eq!(task.ratios(Kind::Best).unwrap().is_feasible, [false, true, false]);
        assert_eq!(scores(Direction::Maximize, Some(-1.0), &[None]).ratios(Kind::Best), None);
        assert_eq!(scores(Direction::Minimize, Some(1.0), &[Some(0.0)]).ratios(Kind::Best), None);
    }

    #[test]
    fn the_grid_ends_at_a_tenth() {
        assert_eq!(tau_max([27.0, 3.0].into_iter()), 1.5);
        assert_eq!(tau_max([15.0, 10.0].into_iter()), 1.2);
        assert_eq!((grid(1.5)[0], grid(1.5)[499], grid(1.5).len()), (0.0, 1.5, 500));
    }

    proptest! {
        #[test]
        fn the_area_is_the_sum_over_the_grid(
            logarithms in prop::collection::vec(0.0_f64..1.6, 1..15), tenths in 1_u32..20,
        ) {
            let end = f64::from(tenths) / 10.0;
            let grid = grid(end);
            let profile = profile(&logarithms, &grid);
            prop_assert!(profile.windows(2).all(|pair| pair[0] <= pair[1]));
            let summed: f64 = profile.iter().zip(grid.windows(2)).map(|(share, ends)| share * (ends[1] - ends[0])).sum();
            let area = area(logarithms.iter().copied(), end).unwrap();
            prop_assert!((area - summed).abs() < 1e-9, "{} {}", area, summed);
        }
    }
}
