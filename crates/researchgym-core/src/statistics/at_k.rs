//! What k runs may be expected to bring: unbiased estimates from n runs of which k are drawn without replacement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest k that tables list one by one; beyond it only k = n.
pub const MAX_LISTED: usize = 64;

/// An estimate for k runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtK {
    /// How many runs are drawn.
    pub k: u64,
    /// What they are expected to bring.
    pub value: f64,
}

/// The chance that at least one of k runs, drawn from n of which `passed` pass, passes: 1 - C(n - c, k) / C(n, k) (Chen et
/// al. 2021). `None` if k is 0 or above n.
pub fn pass_at_k(n: usize, passed: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || passed > n {
        return None;
    }
    if n - passed < k {
        return Some(1.0);
    }
    // C(n - c, k) / C(n, k) is the product of 1 - k / i for i from n - c + 1 to n.
    let none = ((n - passed + 1)..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>();
    Some(1.0 - none)
}

/// The expected last of k values drawn without replacement from n, sorted so that the best is last: each value weighs the
/// chance that it is the best one drawn, C(i - 1, k - 1) / C(n, k) for the i-th. `None` if k is 0 or above n.
pub fn best_at_k(best_last: &[f64], k: usize) -> Option<f64> {
    let n = best_last.len();
    if k == 0 || k > n {
        return None;
    }
    let mut weight = k as f64 / n as f64;
    let mut expected = 0.0;
    for i in (k..=n).rev() {
        expected += weight * best_last[i - 1];
        if i > k {
            weight *= (i - k) as f64 / (i - 1) as f64;
        }
    }
    Some(expected)
}

/// The estimates for k from 1 to n, of which those beyond [`MAX_LISTED`] but the last are left out.
pub fn listed(n: usize, estimate: impl Fn(usize) -> Option<f64>) -> Vec<AtK> {
    let listed = (1..=n).filter(|&k| k <= MAX_LISTED || k == n);
    listed.filter_map(|k| estimate(k).map(|value| AtK { k: k as u64, value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passes_are_counted_without_replacement() {
        assert_eq!(pass_at_k(4, 1, 0), None);
        assert_eq!(pass_at_k(4, 1, 5), None);
        assert_eq!(pass_at_k(4, 0, 4), Some(0.0));
        assert_eq!(pass_at_k(4, 1, 1), Some(0.25));
        assert_eq!(pass_at_k(4, 1, 4), Some(1.0));
        let half = pass_at_k(4, 2, 2).unwrap();
        assert!((half - 5.0 / 6.0).abs() < 1e-12, "{half}");
    }

    /// The mean over all subsets of k.
    fn by_hand(values: &[f64], k: usize) -> f64 {
        let subsets = (0_u32..1 << values.len()).filter(|subset| subset.count_ones() as usize == k);
        let bests: Vec<f64> = subsets
            .map(|subset| {
                let drawn =
                    values.iter().enumerate().filter(|(index, _)| subset >> index & 1 == 1).map(|(_, v)| *v);
                drawn.fold(f64::MIN, f64::max)
            })
            .collect();
        bests.iter().sum::<f64>() / bests.len() as f64
    }

    proptest! {
        #[test]
        fn the_best_of_k_is_the_mean_over_all_draws(mut values in prop::collection::vec(-100.0_f64..100.0, 1..9)) {
            values.sort_by(f64::total_cmp);
            for k in 1..=values.len() {
                prop_assert!((best_at_k(&values, k).unwrap() - by_hand(&values, k)).abs() < 1e-9);
            }
            prop_assert_eq!(best_at_k(&values, values.len()), values.last().copied());
        }

        #[test]
        fn more_draws_pass_no_less(n in 1_usize..40, share in 0.0_f64..=1.0) {
            let passed = (n as f64 * share) as usize;
            let chances = listed(n, |k| pass_at_k(n, passed, k));
            prop_assert_eq!(chances.len(), n);
            prop_assert!(chances.iter().all(|at| (0.0..=1.0).contains(&at.value)));
            prop_assert!(chances.windows(2).all(|pair| pair[0].value <= pair[1].value + 1e-12));
        }
    }
}
