//! Inspection of runs: a run's log or a foreign trajectory is read, the rules look through it, a model may be asked, and the
//! report is written beside it.
//!
//! Nothing of a run is changed but its report, and nothing of it is run.

mod imported;
mod judging;
mod metered;
mod record;
mod stored;

use std::path::{Path, PathBuf};

use researchgym_core::inspect::report::Subject;
use researchgym_core::inspect::{Finding, Judgement, Report, Trajectory, inspect, judge, judged};

pub(crate) use self::imported::digest as imported_digest;
pub use self::judging::Judge;
pub use self::metered::Metered;
pub use self::record::read_run;
pub use self::stored::Stored;
use crate::hold::GLANCE;
use crate::import::{self, ImportError};
use crate::store::{RunFolder, StoreError, event_time, write_json};

/// The report's name in a run folder.
pub const REPORT: &str = "inspection_report.json";

/// What is to be inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A run of ours.
    Run(RunFolder),
    /// A trajectory of MLGym.
    Mlgym(PathBuf),
}

/// A run or trajectory, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What the report will say that it is about.
    pub subject: Subject,
    /// What was done.
    pub trajectory: Trajectory,
    /// What was found while it was read: a log that is torn or was edited.
    pub found: Vec<Finding>,
}

/// A run cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is no log, or it cannot be read at all.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A foreign file is none.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// It is being worked on.
    #[error("the run `{}` is still being worked on", path.display())]
    Running {
        /// The run folder.
        path: PathBuf,
    },
    /// What is stored as its report is none that this version knows.
    #[error("the stored report `{}` cannot be read: {source}", path.display())]
    Report {
        /// The report.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The report cannot be written.
    #[error("the report cannot be written: {0}")]
    Unwritten(#[source] StoreError),
}

impl Target {
    /// Where the report goes.
    pub fn report_path(&self) -> PathBuf {
        match self {
            Target::Run(folder) => folder.root().join(REPORT),
            Target::Mlgym(path) => {
                let stem =
                    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                path.with_file_name(format!("{stem}.{REPORT}"))
            }
        }
    }

    /// What it is called in messages.
    pub fn path(&self) -> &Path {
        match self {
            Target::Run(folder) => folder.root(),
            Target::Mlgym(path) => path,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, or is being worked on.
    pub fn read(&self) -> Result<Evidence, InspectError> {
        self.refuse_running()?;
        match self {
            Target::Run(folder) if folder.is_imported() => Ok(imported::read(folder)?),
            Target::Run(folder) => Ok(read_run(folder)?),
            Target::Mlgym(path) => {
                let imported = import::read(path)?;
                let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let subject = Subject {
                    run_id: name,
                    run_dir: whole.parent().unwrap_or(&whole).display().to_string(),
                    log_head: imported.digest,
                    format: "mlgym".to_owned(),
                };
                Ok(Evidence { subject, trajectory: imported.trajectory, found: Vec::new() })
            }
        }
    }

    fn refuse_running(&self) -> Result<(), InspectError> {
        match self {
            Target::Run(folder) if is_worked_on(folder) => {
                Err(InspectError::Running { path: folder.root().to_owned() })
            }
            Target::Run(_) | Target::Mlgym(_) => Ok(()),
        }
    }

    /// Writes the report.
    ///
    /// # Errors
    /// The file system refused.
    pub fn write(&self, report: &Report) -> Result<(), InspectError> {
        write_json(&self.report_path(), report).map_err(InspectError::Unwritten)
    }
}

/// Whether a run is held for longer than a look takes, or a child of a program that has just ended needs to begin.
fn is_worked_on(folder: &RunFolder) -> bool {
    let begun = std::time::Instant::now();
    while folder.is_locked() {
        if begun.elapsed() >= GLANCE {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    false
}

impl Evidence {
    /// All that the rules find.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.found.clone();
        findings.extend(inspect(&self.trajectory));
        findings
    }

    /// The report of the rules alone, or with what a judge said.
    pub fn report(&self, judge: Option<Judge>) -> Report {
        let report = |findings: Vec<Finding>, judgement: Judgement| {
            let now = event_time(jiff::Timestamp::now());
            Report::new(self.subject.clone(), judgement, findings, self.trajectory.gaps.clone(), now)
        };
        let findings = self.findings();
        let (gaps, standing) = (self.trajectory.gaps.len(), self.trajectory.standing);
        let Some(judge) = judge else {
            let judgement = judged(&findings, gaps, standing);
            return report(findings, judgement);
        };
        let applied = match judge.opinion {
            Ok(opinion) => judge::apply(&self.trajectory, findings, opinion),
            Err(problem) => judge::Applied { findings, summary: problem, dropped: Vec::new() },
        };
        let judgement = judged(&applied.findings, gaps, standing);
        let spoke = researchgym_core::inspect::report::Judge {
            is_complete: judge.is_complete,
            summary: applied.summary,
            dropped: applied.dropped,
        };
        let report = report(applied.findings, judgement);
        Report { inspector_model: Some(judge.model), judge: Some(spoke), cost: Some(judge.cost), ..report }
    }
}
