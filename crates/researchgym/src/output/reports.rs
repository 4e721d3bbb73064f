//! Leaderboards and reports for people.

use std::path::Path;

use researchgym_core::statistics::Analysis;

use super::Printer;
use super::words::{counted, table};

impl Printer {
    /// `leaderboard`
    pub(crate) fn leaderboard(&self, rows: &[Vec<String>], analysis: &Analysis) {
        for line in table(rows) {
            self.data(&line);
        }
        self.talk(
            "\nThe average score is the place beside the baseline: 0 as good, 1 ten times better, -1 ten times worse or no score.",
        );
        self.counted_runs(analysis);
    }

    /// How many runs count, and what a reader must know of the others.
    fn counted_runs(&self, analysis: &Analysis) {
        let settings = &analysis.settings;
        if settings.resamples > 0 {
            self.talk(&format!(
                "In brackets: {:.0} % bootstrap intervals, {} resamples, seed {}.",
                settings.confidence * 100.0,
                settings.resamples,
                settings.seed
            ));
        }
        if !analysis.left_out.is_empty() {
            let runs = counted(analysis.left_out.len() as u64, "run");
            self.talk(&format!("{runs} of {} left out; --output json says which and why.", analysis.given));
        }
        for warning in &analysis.warnings {
            self.warn(warning);
        }
    }

    /// `report`
    pub(crate) fn reported(&self, page: &Path, figures: usize, analysis: &Analysis) {
        self.talk(&format!(
            "\n{} of {}, {}, {}",
            counted(analysis.runs.len() as u64, "run"),
            counted(analysis.contenders.len() as u64, "contender"),
            counted(analysis.tasks.len() as u64, "task"),
            counted(figures as u64, "figure"),
        ));
        self.counted_runs(analysis);
        self.data(&page.display().to_string());
    }
}
