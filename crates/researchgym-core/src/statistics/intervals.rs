//! Bootstrap intervals of what is computed across tasks: both areas and the mean ranks, of runs resampled within each cell.

use super::across::{Table, both_ratios, comparable};
use super::against_baseline;
use super::cell::best_of;
use super::corpus::Corpus;
use super::options::Kind;
use super::published::{Areas, Ratios};
use super::resample::{Bootstrap, Draws};
use super::sample::Interval;

/// Intervals of both areas by [`Kind`], of the contenders in order.
#[derive(Default)]
pub(super) struct Intervals {
    pub published: [Vec<Option<Interval>>; 2],
    pub comparable: [Vec<Option<Interval>>; 2],
    /// Of the mean rank.
    pub ranks: [Vec<Option<Interval>>; 2],
}

impl Intervals {
    /// Draws runs anew within each cell, both kinds of score together, and computes the whole table of each resample: the
    /// published areas of all contenders, their scale included, the comparable ones, and the mean ranks.
    pub(super) fn of(corpus: &Corpus<'_>, table: &Table, bootstrap: &Bootstrap) -> Intervals {
        let (rows, tasks) = (corpus.contenders.len(), corpus.tasks.len());
        let varies = (0..rows).any(|row| (0..tasks).any(|task| corpus.cell(row, task).len() > 1));
        if bootstrap.resamples == 0 || !varies {
            return Intervals::default();
        }
        let mut draws = Draws::new(bootstrap.seed, 3);
        let mut outcomes: [[Vec<Vec<f64>>; 2]; 3] =
            std::array::from_fn(|_| [vec![Vec::new(); rows], vec![Vec::new(); rows]]);
        let has_runs: Vec<Vec<bool>> = (0..tasks)
            .map(|task| (0..rows).map(|row| !corpus.cell(row, task).is_empty()).collect())
            .collect();
        let mut scores = table.scores.clone();
        for _ in 0..bootstrap.resamples {
            for (task, scores) in scores.iter_mut().enumerate() {
                let Some(scores) = scores else { continue };
                for row in 0..rows {
                    let cell = corpus.cell(row, task);
                    let mut best = [None, None];
                    for _ in 0..cell.len() {
                        let run = &cell[draws.below(cell.len())];
                        for (best, value) in best.iter_mut().zip(run.values) {
                            *best = best_of(scores.direction, best.iter().copied().chain(value));
                        }
                    }
                    for (kind, best) in best.into_iter().enumerate() {
                        scores.contenders[kind][row] = best;
                    }
                }
            }
            let ratios: Vec<[Option<Ratios>; 2]> = scores.iter().map(both_ratios).collect();
            let areas = Areas::of(&ratios, rows);
            for kind in Kind::ALL {
                let ranks = super::rank::mean_ranks(&scores, kind, &has_runs);
                for row in 0..rows {
                    let places = scores.iter().enumerate().filter_map(|(task, scores)| {
                        comparable(scores.as_ref()?, row, kind, has_runs[task][row])
                    });
                    let places: Vec<f64> = places.collect();
                    let found =
                        [areas.areas[kind as usize][row], against_baseline::area(&places), ranks[row]];
                    for (outcome, value) in outcomes.iter_mut().zip(found) {
                        outcome[kind as usize][row].extend(value);
                    }
                }
            }
        }
        let [published, comparable, ranks] = outcomes.map(|kinds| {
            kinds.map(|rows| rows.into_iter().map(|values| bootstrap.interval(values)).collect())
        });
        Intervals { published, comparable, ranks }
    }
}
