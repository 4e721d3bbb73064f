//! `tune`: other numbers near those of a candidate, or far from all.
//!
//! A mixture of moves, one of which is drawn each time: Gaussian steps on some of the numbers, with a step size that
//! is itself drawn around the given one from a log-normal distribution (Schwefel 1995); a step of differential
//! evolution between other candidates (DE/current-to-best/1 with binomial crossover: Storn and Price 1997); fresh
//! values of one number or one row; two rows change places (one goes elsewhere), which matters where the order does.
//! Places outside of the bounds are mirrored at them.

use super::coordinate::mirrored;
use super::{Genome, Space};
use crate::search::Stream;

/// How often each move is drawn, and its constants. Weights count beside each other; moves that are not possible are
/// left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// Weight of a Gaussian step on some of the numbers.
    pub gaussian: f64,
    /// Weight of a Gaussian step on some rows.
    pub row_step: f64,
    /// The share of rows that such a step moves.
    pub rows_stepped: f64,
    /// Weight of fresh values for one number.
    pub reset: f64,
    /// Weight of fresh values for one row.
    pub row_reset: f64,
    /// Weight of two rows changing places.
    pub swap: f64,
    /// Weight of a row that moves to another place.
    pub shift: f64,
    /// Weight of a step of differential evolution.
    pub differential: f64,
    /// Spread of the step size in natural logarithms.
    pub spread: f64,
    /// Bounds of the differential weight F.
    pub scale: (f64, f64),
    /// Probability with which differential evolution takes a number over: CR.
    pub taken: f64,
    /// The least number of other candidates for differential evolution.
    pub least_others: usize,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            gaussian: 0.45,
            row_step: 0.2,
            rows_stepped: 0.2,
            reset: 0.04,
            row_reset: 0.06,
            swap: 0.03,
            shift: 0.02,
            differential: 0.2,
            spread: 0.7,
            scale: (0.4, 0.9),
            taken: 0.9,
            least_others: 3,
        }
    }
}

impl Mix {
    /// For numbers that a candidate's program refines itself: what counts is to leave the basin of the parent, so that a few rows move far
    /// and nothing is taken from candidates of other basins.
    pub fn refined() -> Mix {
        Mix {
            gaussian: 0.1,
            row_step: 0.75,
            reset: 0.0,
            row_reset: 0.15,
            swap: 0.0,
            shift: 0.0,
            differential: 0.0,
            spread: 0.9,
            ..Mix::default()
        }
    }
}

/// A new genome and how it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The numbers.
    pub genome: Genome,
    /// In a phrase.
    pub description: String,
}

/// What a genome is tuned with.
#[derive(Clone, Debug)]
pub struct Near<'a> {
    /// The numbers that are changed.
    pub parent: &'a Genome,
    /// Those of other candidates, the best first.
    pub others: &'a [Genome],
    /// The step size, in parts of a number's range: see [`super::StepSizes`].
    pub sigma: f64,
}

/// After so many moves that change nothing there is nothing to change.
const MOST_TRIES: usize = 40;

#[derive(Clone, Copy)]
enum Move {
    Gaussian,
    RowStep,
    Reset,
    RowReset,
    Swap,
    Shift,
    Differential,
}

/// Other numbers near a genome's; `None` if no number can change.
pub fn tune(space: &Space, near: &Near<'_>, mix: &Mix, random: &mut Stream) -> Option<Tuned> {
    let units = space.units(near.parent);
    let rows = near.parent.rows();
    let free: Vec<usize> = (0..units.len()).filter(|at| !space.coordinate(*at).is_fixed()).collect();
    if free.is_empty() {
        return None;
    }
    let others: Vec<Vec<f64>> = near
        .others
        .iter()
        .filter(|other| other.values().len() == units.len())
        .map(|other| space.units(other))
        .collect();
    let has_rows = rows.len() > 1 && rows.len() < units.len();
    let can_swap = space.is_uniform() && rows.len() > 1;
    let when = |is_possible: bool, weight: f64| if is_possible { weight } else { 0.0 };
    let weights = [
        (Move::Gaussian, mix.gaussian),
        (Move::RowStep, when(has_rows, mix.row_step)),
        (Move::Reset, mix.reset),
        (Move::RowReset, when(has_rows, mix.row_reset)),
        (Move::Swap, when(can_swap, mix.swap)),
        (Move::Shift, when(can_swap && rows.len() > 2, mix.shift)),
        (Move::Differential, when(others.len() >= mix.least_others, mix.differential)),
    ];
    for attempt in 0..MOST_TRIES {
        let chosen =
            random.weighted(&weights.map(|(_, weight)| weight)).map_or(Move::Reset, |at| weights[at].0);
        let sigma = near.sigma * (mix.spread * random.normal()).exp();
        // Values that are whole do not change by steps that are too short.
        let sigma = sigma * (1.0 + attempt as f64);
        let (changed, description) = match chosen {
            Move::Gaussian => {
                // From one number to all of them, evenly on a logarithmic scale.
                let share = (free.len() as f64).powf(-random.unit());
                let mut touched: Vec<usize> = free.iter().copied().filter(|_| random.chance(share)).collect();
                if touched.is_empty() {
                    touched.extend(random.pick(&free));
                }
                let what =
                    format!("Gaussian step of {sigma:.2e} on {} of {} numbers", touched.len(), units.len());
                (stepped(space, &units, &touched, sigma, random), what)
            }
            Move::RowStep => {
                let mut moved: Vec<usize> =
                    (0..rows.len()).filter(|_| random.chance(mix.rows_stepped)).collect();
                if moved.is_empty() {
                    moved.push(random.below(rows.len()));
                }
                let touched: Vec<usize> = moved.iter().flat_map(|row| rows[*row].clone()).collect();
                let what = format!("Gaussian step of {sigma:.2e} on {} of {} rows", moved.len(), rows.len());
                (stepped(space, &units, &touched, sigma, random), what)
            }
            Move::Reset => {
                let at = free[random.below(free.len())];
                let mut changed = units.clone();
                changed[at] = random.unit();
                (changed, format!("fresh value of number {at}"))
            }
            Move::RowReset => {
                let row = random.below(rows.len());
                let mut changed = units.clone();
                rows[row].clone().for_each(|at| changed[at] = random.unit());
                (changed, format!("fresh values of row {row}"))
            }
            Move::Swap | Move::Shift => {
                let from = random.below(rows.len());
                let to = (from + 1 + random.below(rows.len() - 1)) % rows.len();
                let mut order: Vec<usize> = (0..rows.len()).collect();
                let what = if matches!(chosen, Move::Swap) {
                    order.swap(from, to);
                    format!("rows {from} and {to} change places")
                } else {
                    let moved = order.remove(from);
                    order.insert(to, moved);
                    format!("row {from} moves to {to}")
                };
                match reordered(near.parent, &rows, &order) {
                    Some(genome) if genome != *near.parent => {
                        return Some(Tuned { genome, description: what });
                    }
                    _ => continue,
                }
            }
            Move::Differential => (
                differential(&units, &others, mix, random),
                format!("differential step among {}", others.len()),
            ),
        };
        let genome = settled(space, near.parent, &units, &changed);
        if genome != *near.parent {
            return Some(Tuned { genome, description });
        }
    }
    other_value(space, near.parent, &free, random)
}

/// All numbers anew, as arranged in a template: a draft.
pub fn sample(space: &Space, template: &Genome, random: &mut Stream) -> Genome {
    template.with((0..template.values().len()).map(|at| space.coordinate(at).uniform(random)).collect())
}

/// Numbers that have not moved keep their exact values.
fn settled(space: &Space, parent: &Genome, before: &[f64], after: &[f64]) -> Genome {
    let numbers = parent.values().iter().zip(before.iter().zip(after)).enumerate();
    parent.with(
        numbers
            .map(
                |(at, (value, (before, after)))| {
                    if before == after { *value } else { space.coordinate(at).value(*after) }
                },
            )
            .collect(),
    )
}

fn stepped(space: &Space, units: &[f64], touched: &[usize], sigma: f64, random: &mut Stream) -> Vec<f64> {
    let mut changed = units.to_vec();
    for at in touched {
        let grain = space.coordinate(*at).grain();
        changed[*at] = match space.coordinate(*at) {
            // Positions in a list have no order: any of them.
            super::Coordinate::Choice { .. } => random.unit(),
            // The step is at least about one whole number wide.
            _ => mirrored(units[*at] + sigma.max(grain) * random.normal()),
        };
    }
    changed
}

fn differential(units: &[f64], others: &[Vec<f64>], mix: &Mix, random: &mut Stream) -> Vec<f64> {
    let best = &others[0];
    let first = random.below(others.len());
    let second = (first + 1 + random.below(others.len() - 1)) % others.len();
    let scale = random.between(mix.scale.0, mix.scale.1);
    let forced = random.below(units.len());
    let taken = |(at, unit): (usize, &f64)| {
        if at != forced && !random.chance(mix.taken) {
            return *unit;
        }
        mirrored(unit + scale * (best[at] - unit) + scale * (others[first][at] - others[second][at]))
    };
    units.iter().enumerate().map(taken).collect()
}

/// The rows in another order; `None` if they do not have the same length.
fn reordered(parent: &Genome, rows: &[std::ops::Range<usize>], order: &[usize]) -> Option<Genome> {
    let is_even = rows.iter().zip(order).all(|(row, from)| row.len() == rows[*from].len());
    is_even.then(|| {
        parent.with(order.iter().flat_map(|from| &parent.values()[rows[*from].clone()]).copied().collect())
    })
}

/// One number with another value than it has: what is left when no move has changed anything.
fn other_value(space: &Space, parent: &Genome, free: &[usize], random: &mut Stream) -> Option<Tuned> {
    let at = *random.pick(free)?;
    let (coordinate, mut values) = (space.coordinate(at), parent.values().to_vec());
    let (low, high) = coordinate.bounds();
    values[at] = if coordinate.value(0.0) == values[at] { high } else { low };
    Some(Tuned { genome: parent.with(values), description: format!("another value of number {at}") })
}
