//! The search distribution of the (mu/mu_w, lambda)-CMA-ES with its update: Hansen 2016, arXiv 1604.00772, figure 6
//! and table 1.
//!
//! Above some hundred numbers only the diagonal of the covariance is learned (sep-CMA-ES: Ros and Hansen 2008, whose
//! factor `(n + 2) / 3` on both learning rates is used), without the negative weights. Every point is first brought
//! to a distance from the mean that its own distribution would have given it (Hansen 2011, arXiv 1110.4181, section
//! 2), because points come late, and are mirrored at bounds.

use crate::search::Stream;
use crate::search::genome::eigen::{Eigen, decomposed};

/// What follows from the number of dimensions and the population.
#[derive(Clone, Debug, PartialEq)]
struct Constants {
    /// Weights of the ranks: the first are positive and have the sum 1, the last are negative.
    weights: Vec<f64>,
    /// Variance effective selection mass.
    mass: f64,
    /// Learning rate and damping of the step size.
    step_rate: f64,
    step_damping: f64,
    /// Learning rates of the path, of the rank-one and of the rank-mu update.
    path_rate: f64,
    one_rate: f64,
    mu_rate: f64,
    /// Expected length of a standard normal vector.
    length: f64,
}

impl Constants {
    fn new(n: usize, population: usize, is_separable: bool) -> Constants {
        let size = n as f64;
        let raw: Vec<f64> = (1..=population)
            .map(|rank| ((population as f64 + 1.0) / 2.0).ln() - (rank as f64).ln())
            .collect();
        let parents = population / 2;
        let mass_of = |weights: &[f64]| {
            let sum: f64 = weights.iter().sum();
            sum * sum / weights.iter().map(|weight| weight * weight).sum::<f64>()
        };
        let (mass, negative_mass) = (mass_of(&raw[..parents]), mass_of(&raw[parents..]));
        let step_rate = (mass + 2.0) / (size + mass + 5.0);
        let step_damping = 1.0 + 2.0 * (((mass - 1.0) / (size + 1.0)).sqrt() - 1.0).max(0.0) + step_rate;
        let path_rate = (4.0 + mass / size) / (size + 4.0 + 2.0 * mass / size);
        let mut one_rate = 2.0 / ((size + 1.3).powi(2) + mass);
        let mut mu_rate =
            (2.0 * (0.25 + mass + 1.0 / mass - 2.0) / ((size + 2.0).powi(2) + mass)).min(1.0 - one_rate);
        if is_separable {
            one_rate = (one_rate * (size + 2.0) / 3.0).min(0.5);
            mu_rate = (mu_rate * (size + 2.0) / 3.0).min(1.0 - one_rate);
        }
        let positive: f64 = raw.iter().filter(|weight| **weight > 0.0).sum();
        let negative: f64 = -raw.iter().filter(|weight| **weight < 0.0).sum::<f64>();
        let least = (1.0 + one_rate / mu_rate)
            .min(1.0 + 2.0 * negative_mass / (mass + 2.0))
            .min((1.0 - one_rate - mu_rate) / (size * mu_rate));
        let scale = if is_separable || negative == 0.0 { 0.0 } else { least / negative };
        let weights = raw
            .iter()
            .map(|weight| if *weight >= 0.0 { weight / positive } else { weight * scale })
            .collect();
        let length = size.sqrt() * (1.0 - 1.0 / (4.0 * size) + 1.0 / (21.0 * size * size));
        Constants { weights, mass, step_rate, step_damping, path_rate, one_rate, mu_rate, length }
    }
}

/// The shape of the distribution: `C = B D^2 B'`.
#[derive(Clone, Debug, PartialEq)]
enum Covariance {
    Full {
        /// C, row by row.
        matrix: Vec<f64>,
        /// The rows of B', and D, as they were at the last decomposition.
        axes: Vec<f64>,
        lengths: Vec<f64>,
        /// The generation of that.
        decomposed: u64,
    },
    Diagonal(Vec<f64>),
}

/// A multivariate normal distribution that learns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    pub(super) mean: Vec<f64>,
    pub(super) sigma: f64,
    pub(super) generation: u64,
    constants: Constants,
    covariance: Covariance,
    step_path: Vec<f64>,
    path: Vec<f64>,
}

impl Distribution {
    pub(super) fn new(mean: Vec<f64>, sigma: f64, population: usize, is_separable: bool) -> Distribution {
        let n = mean.len();
        let covariance = if is_separable {
            Covariance::Diagonal(vec![1.0; n])
        } else {
            let mut matrix = vec![0.0; n * n];
            (0..n).for_each(|at| matrix[at * n + at] = 1.0);
            Covariance::Full { axes: matrix.clone(), matrix, lengths: vec![1.0; n], decomposed: 0 }
        };
        let constants = Constants::new(n, population, is_separable);
        let zero = vec![0.0; n];
        Distribution {
            mean,
            sigma,
            generation: 0,
            constants,
            covariance,
            step_path: zero.clone(),
            path: zero,
        }
    }

    /// How many points make a generation.
    pub(super) fn population(&self) -> usize {
        self.constants.weights.len()
    }

    /// A point drawn from it, relative to the mean.
    pub(super) fn step(&self, random: &mut Stream) -> Vec<f64> {
        let draws: Vec<f64> = self.mean.iter().map(|_| random.normal()).collect();
        match &self.covariance {
            Covariance::Full { axes, lengths, .. } => {
                let n = draws.len();
                let mut step = vec![0.0; n];
                for ((axis, length), draw) in axes.chunks_exact(n).zip(lengths).zip(&draws) {
                    let by = self.sigma * length * draw;
                    step.iter_mut().zip(axis).for_each(|(step, along)| *step += by * along);
                }
                step
            }
            Covariance::Diagonal(variances) => draws
                .iter()
                .zip(variances)
                .map(|(draw, variance)| self.sigma * variance.sqrt() * draw)
                .collect(),
        }
    }

    /// The standard deviation of one number.
    pub(super) fn deviation(&self, at: usize) -> f64 {
        let variance = match &self.covariance {
            Covariance::Full { matrix, .. } => matrix[at * self.mean.len() + at],
            Covariance::Diagonal(variances) => variances[at],
        };
        self.sigma * variance.max(0.0).sqrt()
    }

    /// The ratio of the largest to the smallest variance along its axes.
    pub(super) fn condition(&self) -> f64 {
        let spread = |values: &[f64]| {
            let most = values.iter().copied().fold(0.0, f64::max);
            most / values.iter().copied().fold(f64::INFINITY, f64::min)
        };
        match &self.covariance {
            Covariance::Full { lengths, .. } => spread(lengths).powi(2),
            Covariance::Diagonal(variances) => spread(variances),
        }
    }

    /// The longest part of the evolution path, in the numbers' own scale.
    pub(super) fn path_length(&self) -> f64 {
        self.path.iter().fold(0.0_f64, |most, part| most.max(part.abs())) * self.sigma
    }

    /// `C^(-1/2) y`.
    fn whitened(&self, step: &[f64]) -> Vec<f64> {
        match &self.covariance {
            Covariance::Full { axes, lengths, .. } => {
                let n = step.len();
                let mut white = vec![0.0; n];
                for (axis, length) in axes.chunks_exact(n).zip(lengths) {
                    let along = axis.iter().zip(step).map(|(axis, step)| axis * step).sum::<f64>() / length;
                    white.iter_mut().zip(axis).for_each(|(white, axis)| *white += along * axis);
                }
                white
            }
            Covariance::Diagonal(variances) => {
                step.iter().zip(variances).map(|(step, variance)| step / variance.sqrt()).collect()
            }
        }
    }

    /// Learns from as many points as make a generation, the best first.
    pub(super) fn update(&mut self, ranked: &[Vec<f64>]) {
        let n = self.mean.len();
        let size = n as f64;
        let most = size.sqrt() + 2.0 * size / (size + 2.0);
        let mut steps = Vec::with_capacity(ranked.len());
        for point in ranked {
            let mut step: Vec<f64> =
                point.iter().zip(&self.mean).map(|(point, mean)| (point - mean) / self.sigma).collect();
            let length = norm(&self.whitened(&step));
            let factor = if length > most { most / length } else { 1.0 };
            step.iter_mut().for_each(|part| *part *= factor);
            steps.push((step, length * factor));
        }
        let constants = &self.constants;
        let mut shift = vec![0.0; n];
        for ((step, _), weight) in steps.iter().zip(&constants.weights).filter(|(_, weight)| **weight > 0.0) {
            shift.iter_mut().zip(step).for_each(|(shift, part)| *shift += weight * part);
        }
        let white = self.whitened(&shift);
        self.mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean += self.sigma * shift);
        self.generation += 1;

        let rate = constants.step_rate;
        follow(&mut self.step_path, &white, rate, constants.mass, 1.0);
        let length = norm(&self.step_path);
        let grown = (1.0 - (1.0 - rate).powf(2.0 * self.generation as f64)).sqrt();
        let is_short = length / grown < (1.4 + 2.0 / (size + 1.0)) * constants.length;
        let moving = if is_short { 1.0 } else { 0.0 };
        follow(&mut self.path, &shift, constants.path_rate, constants.mass, moving);
        self.sigma *= ((rate / constants.step_damping) * (length / constants.length - 1.0)).min(1.0).exp();

        let lost = (1.0 - moving) * constants.path_rate * (2.0 - constants.path_rate);
        let sum: f64 = constants.weights.iter().sum();
        let kept = 1.0 + constants.one_rate * lost - constants.one_rate - constants.mu_rate * sum;
        let mut terms = vec![(constants.one_rate, &self.path)];
        for ((step, length), weight) in
            steps.iter().zip(&constants.weights).filter(|(_, weight)| **weight != 0.0)
        {
            let weight = if *weight < 0.0 { weight * size / (length * length).max(1e-300) } else { *weight };
            terms.push((constants.mu_rate * weight, step));
        }
        match &mut self.covariance {
            Covariance::Diagonal(variances) => {
                for (at, variance) in variances.iter_mut().enumerate() {
                    *variance *= kept;
                    *variance += terms.iter().map(|(weight, step)| weight * step[at] * step[at]).sum::<f64>();
                }
            }
            Covariance::Full { matrix, axes, lengths, decomposed: last } => {
                matrix.iter_mut().for_each(|element| *element *= kept);
                for (weight, step) in terms {
                    for (row, along) in matrix.chunks_exact_mut(n).zip(step) {
                        let by = weight * along;
                        row.iter_mut().zip(step).for_each(|(element, across)| *element += by * across);
                    }
                }
                let every = 1.0 / ((constants.one_rate + constants.mu_rate) * size * 10.0);
                if (self.generation - *last) as f64 >= every {
                    *last = self.generation;
                    let Eigen { values, vectors } = decomposed(matrix.clone(), n);
                    *axes = vectors;
                    *lengths = values.iter().map(|value| value.max(1e-40).sqrt()).collect();
                }
            }
        }
    }
}

/// One step of an evolution path.
fn follow(path: &mut [f64], step: &[f64], rate: f64, mass: f64, moving: f64) {
    let gain = moving * (rate * (2.0 - rate) * mass).sqrt();
    path.iter_mut().zip(step).for_each(|(path, step)| *path = (1.0 - rate) * *path + gain * step);
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|part| part * part).sum::<f64>().sqrt()
}
