//! The comparable scale: how many times as good as the baseline, whoever else is compared.
//!
//! MLGym's area depends on the best and the worst of all that are compared. Here a score is placed by the decimal logarithm of
//! its ratio to the task's baseline, positive if it is better, and held within a factor of ten. A contender's place depends on
//! its own scores and the baselines alone; the baseline's own area is always 1.

use crate::score::Direction;

/// How far a score can be from the baseline on this scale: a factor of ten.
pub const LIMIT: f64 = 1.0;
/// Points at which profiles on this scale are given.
pub const POINTS: usize = 201;

/// Where a score is beside the baseline: log10 of the ratio of their sizes, with the sign of the gain, held within ±1.
///
/// If one is above 0 and the other is not, no ratio exists, and the place is ±1. Where the baseline is 0, every gain is ±1.
pub fn place(direction: Direction, score: f64, baseline: f64) -> f64 {
    let gain = direction.gain(score, baseline);
    if gain == 0.0 {
        return 0.0;
    }
    let size =
        if score * baseline > 0.0 { (score.abs().log10() - baseline.abs().log10()).abs() } else { LIMIT };
    size.min(LIMIT).copysign(gain)
}

/// The grid: 201 points from a tenth as far from the baseline as ten times better, to ten times worse.
pub fn grid() -> Vec<f64> {
    (0..POINTS).map(|index| (index as f64 - 100.0) / 100.0).collect()
}

/// The profile: at each point, the share of tasks on which the contender is at most so many times worse than the baseline.
pub fn profile(places: &[f64], grid: &[f64]) -> Vec<f64> {
    let share =
        |point: &f64| places.iter().filter(|place| -**place <= *point).count() as f64 / places.len() as f64;
    grid.iter().map(share).collect()
}

/// The area under the profile, exactly: 1 plus the mean place, between 0 and 2. `None` without tasks.
pub fn area(places: &[f64]) -> Option<f64> {
    super::sample::mean(places).map(|mean| LIMIT + mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_logarithms_of_ratios_to_the_baseline() {
        let check = |direction, score: f64, baseline: f64, expected: f64| {
            let place = place(direction, score, baseline);
            assert!((place - expected).abs() < 1e-12, "{score} beside {baseline}: {place}");
        };
        check(Direction::Maximize, 2.0, 1.0, 2_f64.log10());
        check(Direction::Maximize, 0.5, 1.0, -(2_f64.log10()));
        check(Direction::Minimize, 0.5, 1.0, 2_f64.log10());
        check(Direction::Maximize, -0.1, -0.2, 2_f64.log10());
        check(Direction::Maximize, 1.0, 1.0, 0.0);
        check(Direction::Maximize, 0.25, -0.25, 1.0);
        check(Direction::Maximize, -3e13, 33.8, -1.0);
        check(Direction::Maximize, 500.0, 1.0, 1.0);
        check(Direction::Minimize, 0.0, 1.0, 1.0);
        check(Direction::Maximize, 1.0, 0.0, 1.0);
        check(Direction::Maximize, 0.0, 0.0, 0.0);
    }

    proptest! {
        #[test]
        fn the_scale_is_monotone_and_does_not_depend_on_units(
            baseline in -50.0_f64..50.0, one in -50.0_f64..50.0, other in -50.0_f64..50.0, unit in 0.001_f64..1000.0,
        ) {
            for direction in [Direction::Maximize, Direction::Minimize] {
                let (at_one, at_other) = (place(direction, one, baseline), place(direction, other, baseline));
                if direction.gain(one, other) > 0.0 {
                    prop_assert!(at_one >= at_other - 1e-12, "{} {}", at_one, at_other);
                }
                prop_assert!((place(direction, one * unit, baseline * unit) - at_one).abs() < 1e-9);
            }
        }

        #[test]
        fn the_area_is_that_under_the_profile(places in prop::collection::vec(-1.0_f64..=1.0, 1..10)) {
            let grid = grid();
            let profile = profile(&places, &grid);
            prop_assert!(profile.windows(2).all(|pair| pair[0] <= pair[1]));
            let (left, right): (f64, f64) = (profile[..POINTS - 1].iter().sum(), profile[1..].iter().sum());
            let area = area(&places).unwrap();
            prop_assert!(left / 100.0 <= area + 1e-9 && area <= right / 100.0 + 1e-9, "{} {} {}", left, area, right);
        }
    }
}
