//! Statistics: from records of runs to everything that a report shows, as pure functions.
//!
//! [`Analysis::of`] computes all of it; the modules hold the formulas, each with its source. What a sample is too small for is
//! `None`. Whatever does not count, and whatever a reader must know, is in [`Analysis::left_out`] and [`Analysis::warnings`].

pub mod across;
pub mod against_baseline;
pub mod at_k;
pub mod behaviour;
pub mod cell;
pub mod compare;
pub mod corpus;
pub mod curve;
pub mod exit;
pub mod influence;
pub mod integrity;
mod intervals;
mod options;
pub mod pairs;
pub mod prices;
pub mod published;
pub mod rank;
pub mod resample;
pub mod run;
pub mod sample;
pub mod shoot_out;
pub mod standing;
pub mod tasks;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::across::{Profiles, Table};
use self::behaviour::Behaviour;
use self::cell::Cell;
use self::corpus::{Corpus, LeftOut};
use self::curve::Curves;
use self::influence::Influence;
use self::integrity::Integrity;
use self::intervals::Intervals;
use self::pairs::Pairs;
use self::prices::Priced;
use self::rank::Ranks;
use self::resample::Bootstrap;
use self::run::RunSummary;
use self::standing::{Front, Standing};
use self::tasks::Task;
use crate::record::RunRecord;

pub use self::options::{Flagged, GroupBy, Kind, Options, Settings};

/// The version of analyses that this program writes.
pub const ANALYSIS_SCHEMA: u32 = 1;

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Version of this object: 1.
    pub schema: u32,
    /// What it was made with.
    pub settings: Settings,
    /// Records that were given.
    pub given: u64,
    /// Runs that do not count, and why.
    pub left_out: Vec<LeftOut>,
    /// What a reader must know, in sentences.
    pub warnings: Vec<String>,
    /// The contenders in order, each in a line.
    pub contenders: Vec<Standing>,
    /// The tasks in order.
    pub tasks: Vec<Task>,
    /// The runs that count, by contender, task, seed and id.
    pub runs: Vec<RunSummary>,
    /// Contenders on tasks, where there are runs.
    pub cells: Vec<Cell>,
    /// Pairs of contenders.
    pub pairs: ByKind<Pairs>,
    /// Performance profiles and areas as MLGym computes them.
    pub published: Profiles,
    /// Profiles and areas on a scale that does not depend on who is compared.
    pub comparable: Profiles,
    /// What the published areas hang on.
    pub influence: Influence,
    /// Ranks.
    pub ranks: ByKind<Ranks>,
    /// Score against cost.
    pub front: Front,
    /// Scores against money, time and steps.
    pub curves: Curves,
    /// What runs did and how they ended.
    pub behaviour: Behaviour,
    /// Findings against scores.
    pub integrity: Integrity,
}

/// Something by best attempts and by final submissions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByKind<T> {
    /// By best attempts.
    pub best: T,
    /// By final submissions.
    pub submission: T,
}

impl<T> ByKind<T> {
    /// Computes it for both.
    fn of(compute: impl Fn(Kind) -> T) -> ByKind<T> {
        ByKind { best: compute(Kind::Best), submission: compute(Kind::Submission) }
    }

    /// That of a kind.
    pub fn get(&self, kind: Kind) -> &T {
        match kind {
            Kind::Best => &self.best,
            Kind::Submission => &self.submission,
        }
    }
}

impl Analysis {
    /// Analyses the records. The result does not depend on their order.
    pub fn of(records: &[RunRecord], options: &Options) -> Analysis {
        let bootstrap =
            Bootstrap { resamples: options.resamples, seed: options.seed, confidence: options.confidence };
        let mut corpus = Corpus::of(records, options);
        let priced = Priced::of(&corpus, options);
        let table = Table::of(&corpus);
        let intervals = Intervals::of(&corpus, &table, &bootstrap);
        let published = across::as_published(&corpus, &table, &intervals);
        let comparable = across::against_baselines(&corpus, &table, &intervals);
        let contenders = standing::standings(&corpus, &priced, &published, &comparable, &bootstrap);
        let mut warnings = std::mem::take(&mut corpus.warnings);
        warnings.extend(priced.warnings.iter().cloned());
        warnings.extend(gaps(&corpus));
        Analysis {
            schema: ANALYSIS_SCHEMA,
            settings: Settings::of(options),
            given: records.len() as u64,
            left_out: std::mem::take(&mut corpus.left_out),
            warnings,
            tasks: corpus.tasks.clone(),
            runs: run::runs(&corpus, &priced),
            cells: cell::cells(&corpus, &priced, &bootstrap),
            pairs: ByKind::of(|kind| pairs::pairs(&corpus, kind, &bootstrap)),
            published,
            comparable,
            influence: influence::influence(&corpus, &table),
            ranks: ByKind::of(|kind| rank::ranks(&corpus, &table, kind, &intervals)),
            front: standing::front(&contenders),
            curves: curve::curves(&corpus, &priced),
            behaviour: behaviour::behaviour(&corpus),
            integrity: integrity::integrity(&corpus),
            contenders,
        }
    }
}

/// Where contenders cannot be compared on equal terms.
fn gaps(corpus: &Corpus<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (row, contender) in corpus.contenders.iter().enumerate() {
        let without = corpus.tasks.iter().enumerate().filter(|(task, _)| corpus.cell(row, *task).is_empty());
        let without: Vec<&str> = without.map(|(_, task)| task.label.as_str()).collect();
        if !without.is_empty() {
            warnings.push(format!(
                "{contender} has no run on {}: infeasible there in the published profiles, not counted on the comparable scale",
                without.join(", ")
            ));
        }
    }
    if corpus.contenders.len() > pairs::MAX_CONTENDERS {
        warnings.push(format!(
            "pairs are not compared: {} contenders are more than {}",
            corpus.contenders.len(),
            pairs::MAX_CONTENDERS
        ));
    }
    warnings
}
