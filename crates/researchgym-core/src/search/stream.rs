//! Random numbers of a search: every decision has a stream of its own, drawn from the run's seed and the decision's name
//! and number, so that none depends on what was drawn before it.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::digest::Digest;

/// A stream of random numbers (ChaCha with 8 rounds).
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of one decision: `label` names its kind, `number` tells it from the others of its kind.
    pub fn new(seed: u64, label: &str, number: u64) -> Stream {
        let key = Digest::of_parts(&[&seed.to_le_bytes(), label.as_bytes(), &number.to_le_bytes()]);
        Stream(ChaCha8Rng::from_seed(*key.as_bytes()))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Whether something happens that has this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number below `bound`; 0 if `bound` is 0. By a product and a shift: its bias is below 2^-32 for bounds
    /// below 2^32.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// One of the items; `None` if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// The position of one of the weights, with a probability in proportion to it; `None` if none is above 0.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let total: f64 = weights.iter().filter(|weight| **weight > 0.0).sum();
        let mut left = self.unit() * total;
        let mut last = None;
        for (position, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            last = Some(position);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// A draw from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Puts the items into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `count` of the items without repetition, in random order; all of them if there are fewer. The first steps of a
    /// shuffle, of which only the places that changed are kept: it costs what it draws, not what there is.
    pub fn sample<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut moved: HashMap<usize, usize> = HashMap::new();
        let mut drawn = Vec::with_capacity(count.min(items.len()));
        for place in 0..count.min(items.len()) {
            let other = place + self.below(items.len() - place);
            let position = moved.get(&other).copied().unwrap_or(other);
            let displaced = moved.get(&place).copied().unwrap_or(place);
            moved.insert(other, displaced);
            drawn.push(items[position].clone());
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_draws_the_same_and_others_draw_otherwise() {
        let draws = |seed, label, number| {
            let mut stream = Stream::new(seed, label, number);
            (0..4).map(|_| stream.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, "policy", 1), draws(1, "policy", 1));
        for other in [draws(2, "policy", 1), draws(1, "tune", 1), draws(1, "policy", 2)] {
            assert_ne!(draws(1, "policy", 1), other);
        }
    }

    #[test]
    fn draws_keep_to_their_ranges_and_proportions() {
        let mut stream = Stream::new(7, "test", 0);
        let mut counts = [0; 3];
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..30_000 {
            assert!((0.0..1.0).contains(&stream.unit()));
            assert!(stream.below(5) < 5);
            counts[stream.weighted(&[1.0, 0.0, 3.0]).expect("weights above 0")] += 1;
            let normal = stream.normal();
            sum += normal;
            squares += normal * normal;
        }
        assert_eq!(counts[1], 0);
        assert!((counts[2] as f64 / counts[0] as f64 - 3.0).abs() < 0.2, "{counts:?}");
        assert!((sum / 30_000.0).abs() < 0.03 && (squares / 30_000.0 - 1.0).abs() < 0.05);
        assert_eq!(stream.weighted(&[0.0, -1.0]), None);
        assert_eq!((stream.below(0), stream.pick::<u8>(&[])), (0, None));
        let mut sampled = stream.sample(&[1, 2, 3, 4, 5], 9);
        sampled.sort_unstable();
        assert_eq!(sampled, [1, 2, 3, 4, 5]);
    }
}
