//! Which runs are worth learning from.

use researchgym_core::record::RunRecord;

/// What is asked of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Selection {
    /// The final submission is better than the baseline by more than the task's noise floor.
    pub improved: bool,
    /// Nothing was found that makes the score unusable ([`RunRecord::is_flagged`]).
    pub unflagged: bool,
    /// The primary metric of the final submission is at least as good as this, in the metric's direction.
    pub score: Option<f64>,
}

/// Why a run is not taken.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// There is a critical finding, or an inspection that says so.
    #[error("it is flagged: its score must not be used")]
    Flagged,
    /// There is no valid final submission, or it is not known which way is better.
    #[error("it has no valid final submission with a primary metric")]
    NoScore,
    /// It cannot be told whether it improved.
    #[error("its task has no baseline to be better than")]
    NoBaseline,
    /// It is not better than the baseline.
    #[error("it is not better than the baseline by more than the noise floor: by {gain}")]
    NotImproved {
        /// By how much it is better.
        gain: f64,
    },
    /// It is worse than what was asked for.
    #[error("its score is {score}")]
    Worse {
        /// Its score.
        score: f64,
    },
}

impl Selection {
    /// Whether a run is taken, or why not.
    pub fn admits(&self, run: &RunRecord) -> Result<(), Unfit> {
        if self.unflagged && run.is_flagged() {
            return Err(Unfit::Flagged);
        }
        if !self.improved && self.score.is_none() {
            return Ok(());
        }
        let primary = run.task.primary.as_ref().ok_or(Unfit::NoScore)?;
        let score = run.submission_value().ok_or(Unfit::NoScore)?;
        if self.improved {
            let gain = gain(run).ok_or(Unfit::NoBaseline)?;
            if gain <= run.task.noise_floor {
                return Err(Unfit::NotImproved { gain });
            }
        }
        match self.score {
            Some(least) if primary.direction.gain(score, least) < 0.0 => Err(Unfit::Worse { score }),
            Some(_) | None => Ok(()),
        }
    }
}

/// By how much the final submission is better than the baseline.
pub(super) fn gain(run: &RunRecord) -> Option<f64> {
    let primary = run.task.primary.as_ref()?;
    Some(primary.direction.gain(run.submission_value()?, run.baseline_value()?))
}
