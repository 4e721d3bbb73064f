//! Comparisons of two: probability of improvement, tests of pairs and of samples, correction for many of them.
//!
//! P values are two-sided and exact wherever counting is cheap, ties included; beyond that they are normal approximations
//! with tie correction. Samples too small to tell anything give `None`.

use super::resample::Draws;

/// The smallest number of pairs that a paired test is made of.
pub const MIN_PAIRS: usize = 3;
/// The most pairs of which the signed-rank distribution is counted.
const EXACT_PAIRS: usize = 60;
/// The most pairs of which all signs are tried.
const EXACT_FLIPS: usize = 16;
/// The most values of two samples together of which the rank-sum distribution is counted.
const EXACT_VALUES: usize = 16;
/// How many draws of signs stand for all of them, where there are too many.
const FLIPS: u32 = 9_999;

/// The chance that a value of `ours` is better than one of `theirs`, ties counted half: the Mann-Whitney U over the number
/// of pairs (Agarwal et al. 2021). Larger is better. `None` if one is empty.
pub fn probability_of_improvement(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    if ours.is_empty() || theirs.is_empty() {
        return None;
    }
    let mut wins = 0.0;
    for &one in ours {
        for &other in theirs {
            wins += f64::from(u8::from(one > other)) + f64::from(u8::from(one == other)) / 2.0;
        }
    }
    Some(wins / (ours.len() * theirs.len()) as f64)
}

/// Doubled ranks of values in their order, ties averaged: twice the rank is a whole number.
pub fn doubled_ranks(values: &[f64]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    let mut ranks = vec![0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let tied = order[start..].iter().take_while(|&&index| values[index] == values[order[start]]).count();
        // Ranks start + 1 to start + tied; twice their mean is the sum of first and last.
        for &index in &order[start..start + tied] {
            ranks[index] = (2 * start + tied + 1) as u64;
        }
        start += tied;
    }
    ranks
}

/// Wilcoxon's signed-rank test of paired differences against zero. Zeros are left out, as Wilcoxon did. `None` below three
/// differences.
pub fn signed_rank_p(differences: &[f64]) -> Option<f64> {
    if differences.len() < MIN_PAIRS {
        return None;
    }
    let kept: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    if kept.is_empty() {
        return Some(1.0);
    }
    let sizes: Vec<f64> = kept.iter().map(|difference| difference.abs()).collect();
    let ranks = doubled_ranks(&sizes);
    let total: u64 = ranks.iter().sum();
    let positive: u64 =
        kept.iter().zip(&ranks).filter(|(difference, _)| **difference > 0.0).map(|(_, r)| r).sum();
    let extreme = positive.min(total - positive);
    if kept.len() > EXACT_PAIRS {
        let variance: f64 = ranks.iter().map(|&rank| (rank as f64).powi(2)).sum::<f64>() / 4.0;
        return Some(two_sided(total as f64 / 2.0 - extreme as f64, 1.0, variance));
    }
    // How many of all signs give each sum of positive ranks.
    let mut ways = vec![0.0; total as usize + 1];
    ways[0] = 1.0;
    for &rank in &ranks {
        for sum in (rank as usize..ways.len()).rev() {
            ways[sum] += ways[sum - rank as usize];
        }
    }
    let tail: f64 = ways[..=extreme as usize].iter().sum();
    Some((2.0 * tail / 2_f64.powi(kept.len() as i32)).min(1.0))
}

/// The paired permutation test: how often the mean of the differences, with signs drawn anew, lies at least as far from
/// zero (Fisher 1935). All signs are tried up to 16 differences; beyond that 9,999 draws of `seed` and the sample itself
/// stand for them. `None` below three differences.
pub fn sign_flip_p(differences: &[f64], seed: u64) -> Option<f64> {
    if differences.len() < MIN_PAIRS {
        return None;
    }
    let observed = differences.iter().sum::<f64>().abs();
    let slack = 1e-12 * differences.iter().map(|difference| difference.abs()).sum::<f64>();
    let is_extreme = |sum: f64| sum.abs() >= observed - slack;
    if differences.len() <= EXACT_FLIPS {
        let all = 1_u32 << differences.len();
        let extreme =
            (0..all).filter(|&signs| is_extreme(flipped(differences, |index| signs >> index & 1 == 1)));
        return Some(extreme.count() as f64 / f64::from(all));
    }
    let mut draws = Draws::new(seed, 2);
    let mut extreme = 1;
    for _ in 0..FLIPS {
        let coins: Vec<u32> = (0..differences.len().div_ceil(32)).map(|_| draws.coins()).collect();
        extreme +=
            u32::from(is_extreme(flipped(differences, |index| coins[index / 32] >> (index % 32) & 1 == 1)));
    }
    Some(f64::from(extreme) / f64::from(FLIPS + 1))
}

fn flipped(differences: &[f64], is_flipped: impl Fn(usize) -> bool) -> f64 {
    let signed = differences.iter().enumerate();
    signed.map(|(index, difference)| if is_flipped(index) { -difference } else { *difference }).sum()
}

/// The Mann-Whitney test of two independent samples. `None` if both together are too small to differ at any level below a
/// half: fewer than two values in one.
pub fn rank_sum_p(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    if ours.len() < 2 || theirs.len() < 2 {
        return None;
    }
    let pooled: Vec<f64> = ours.iter().chain(theirs).copied().collect();
    let ranks = doubled_ranks(&pooled);
    let sum: u64 = ranks[..ours.len()].iter().sum();
    let expected = ours.len() as u64 * (pooled.len() as u64 + 1);
    let distance = sum.abs_diff(expected);
    if pooled.len() > EXACT_VALUES {
        // The variance of a sum of ranks drawn without replacement.
        let center = pooled.len() as f64 + 1.0;
        let spread: f64 = ranks.iter().map(|&rank| (rank as f64 - center).powi(2)).sum();
        let (n, m, all) = (ours.len() as f64, theirs.len() as f64, pooled.len() as f64);
        return Some(two_sided(distance as f64, 1.0, n * m * spread / (all * (all - 1.0))));
    }
    // How many choices of so many values have each sum of ranks.
    let largest: usize = ranks.iter().sum::<u64>() as usize;
    let mut ways = vec![vec![0.0; largest + 1]; ours.len() + 1];
    ways[0][0] = 1.0;
    for &rank in &ranks {
        for chosen in (1..=ours.len()).rev() {
            let (below, here) = ways.split_at_mut(chosen);
            for (sum, count) in here[0].iter_mut().enumerate().skip(rank as usize) {
                *count += below[chosen - 1][sum - rank as usize];
            }
        }
    }
    let all: f64 = ways[ours.len()].iter().sum();
    let choices = ways[ours.len()].iter().enumerate();
    let extreme: f64 =
        choices.filter(|(sum, _)| (*sum as u64).abs_diff(expected) >= distance).map(|(_, count)| count).sum();
    Some(extreme / all)
}

/// The two-sided normal tail, with a correction for continuity.
fn two_sided(distance: f64, continuity: f64, variance: f64) -> f64 {
    if variance <= 0.0 {
        return 1.0;
    }
    normal_tails((distance - continuity).max(0.0) / variance.sqrt())
}

/// The chance that a standard normal number is at least so far from zero, for `z` from 0 on: the Taylor series of the error
/// function near zero, its continued fraction beyond (Abramowitz and Stegun 7.1.5 and 7.1.14).
fn normal_tails(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let root_pi = std::f64::consts::PI.sqrt();
    if x < 2.5 {
        let (mut power, mut sum) = (x, x);
        for n in 1..60 {
            power *= -x * x / f64::from(n);
            sum += power / f64::from(2 * n + 1);
        }
        return (1.0 - 2.0 / root_pi * sum).clamp(0.0, 1.0);
    }
    let fraction = (1..60).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below);
    (-x * x).exp() / root_pi / fraction
}

/// Holm's step-down correction (1979): p values that may be compared with one level, however many tests there are. Tests
/// without a p value are not counted.
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        p_values.iter().enumerate().filter_map(|(index, p)| p.map(|p| (index, p))).collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut corrected = vec![None; p_values.len()];
    let mut largest = 0.0_f64;
    for (place, &(index, p)) in order.iter().enumerate() {
        largest = largest.max((p * (order.len() - place) as f64).min(1.0));
        corrected[index] = Some(largest);
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }

    #[test]
    fn improvement_counts_ties_half() {
        assert_eq!(probability_of_improvement(&[], &[1.0]), None);
        assert_eq!(probability_of_improvement(&[2.0, 3.0], &[1.0, 2.0]), Some(3.5 / 4.0));
        assert_eq!(probability_of_improvement(&[f64::NEG_INFINITY], &[f64::NEG_INFINITY]), Some(0.5));
    }

    #[test]
    fn signed_ranks_are_counted_exactly() {
        assert_eq!(signed_rank_p(&[1.0, 2.0]), None);
        assert_eq!(signed_rank_p(&[0.0, 0.0, 0.0]), Some(1.0));
        near(signed_rank_p(&[1.0, 2.0, 3.0, 4.0, 5.0]), 2.0 / 32.0);
        // The published example of Wilcoxon's test by Darwin's maize: V = 96 of 120 from 15 pairs, p = 0.04126.
        let maize =
            [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0];
        near(signed_rank_p(&maize), 0.041_259_765_625);
    }

    #[test]
    fn signs_are_flipped_exactly() {
        assert_eq!(sign_flip_p(&[1.0], 0), None);
        near(sign_flip_p(&[1.0, 2.0, 3.0], 0), 0.25);
        // Fisher's own test of Darwin's maize: 863 + 863 of 32768 sums are as large.
        let maize =
            [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0];
        near(sign_flip_p(&maize, 0), 1726.0 / 32768.0);
    }

    #[test]
    fn rank_sums_are_counted_exactly() {
        assert_eq!(rank_sum_p(&[1.0], &[2.0, 3.0]), None);
        near(rank_sum_p(&[5.0, 6.0, 7.0, 8.0], &[1.0, 2.0, 3.0, 4.0]), 2.0 / 70.0);
        near(rank_sum_p(&[1.0, 1.0], &[1.0, 1.0]), 1.0);
    }

    #[test]
    fn normal_tails_are_those_of_tables() {
        for (z, expected) in [
            (0.0, 1.0),
            (1.0, 0.317_310_508),
            (1.959_963_985, 0.05),
            (3.3, 0.000_966_848),
            (4.0, 0.000_063_342),
        ] {
            assert!((normal_tails(z) - expected).abs() < 1e-9, "{z}: {}", normal_tails(z));
        }
        let (below, beyond) = (normal_tails(3.535_533), normal_tails(3.535_534));
        assert!(below > beyond && below - beyond < 1e-8, "the two forms meet: {below} {beyond}");
    }

    #[test]
    fn holm_steps_down() {
        let corrected = holm(&[Some(0.01), None, Some(0.04), Some(0.03), Some(0.005)]);
        let expected = [Some(0.03), None, Some(0.06), Some(0.06), Some(0.02)];
        for (value, expected) in corrected.iter().zip(expected) {
            match expected {
                Some(expected) => near(*value, expected),
                None => assert_eq!(*value, None),
            }
        }
    }

    proptest! {
        #[test]
        fn tests_are_symmetric(
            differences in prop::collection::vec(-5_i32..=5, 3..14),
            ours in prop::collection::vec(-5_i32..=5, 2..8), theirs in prop::collection::vec(-5_i32..=5, 2..8),
        ) {
            let reals = |values: &[i32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
            let (differences, ours, theirs) = (reals(&differences), reals(&ours), reals(&theirs));
            let negated: Vec<f64> = differences.iter().map(|difference| -difference).collect();
            for test in [signed_rank_p, |values: &[f64]| sign_flip_p(values, 0)] {
                let (one, other) = (test(&differences).unwrap(), test(&negated).unwrap());
                prop_assert!((one - other).abs() < 1e-12 && one > 0.0 && one <= 1.0, "{} {}", one, other);
            }
            let (one, other) = (rank_sum_p(&ours, &theirs).unwrap(), rank_sum_p(&theirs, &ours).unwrap());
            prop_assert!((one - other).abs() < 1e-9 && one > 0.0 && one <= 1.0 + 1e-12);
            let chance = probability_of_improvement(&ours, &theirs).unwrap();
            prop_assert!((chance + probability_of_improvement(&theirs, &ours).unwrap() - 1.0).abs() < 1e-12);
        }

        #[test]
        fn approximations_agree_with_counts(shift in 0_u32..12) {
            let differences: Vec<f64> = (1..=EXACT_PAIRS as u32 + 1)
                .map(|size| if (size * 7 + shift) % 3 == 0 { -f64::from(size) } else { f64::from(size) }).collect();
            let approximate = signed_rank_p(&differences).unwrap();
            let exact = signed_rank_p(&differences[..EXACT_PAIRS]).unwrap();
            prop_assert!((approximate - exact).abs() < 0.02, "{} {}", approximate, exact);
        }
    }
}
