//! A report that is there already, and whether it still speaks of the record that is there.

use std::io::ErrorKind;

use researchgym_core::inspect::Report;

use super::{InspectError, Target};
use crate::import;
use crate::store::{StoreError, verify};

/// What is stored of an earlier inspection.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// No report.
    Nothing,
    /// A report on the record as it is.
    Current(Box<Report>),
    /// A report on what the record was at another time.
    Stale,
}

impl Target {
    /// The stored report.
    ///
    /// # Errors
    /// The run is being worked on; the report, or what it is about, cannot be read.
    pub fn stored(&self) -> Result<Stored, InspectError> {
        self.refuse_running()?;
        let path = self.report_path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stored::Nothing),
            Err(error) => return Err(InspectError::Store(StoreError::io("read", &path)(error))),
        };
        let report: Report =
            serde_json::from_slice(&bytes).map_err(|source| InspectError::Report { path, source })?;
        match self.is_present(&report)? {
            true => Ok(Stored::Current(Box::new(report))),
            false => Ok(Stored::Stale),
        }
    }

    /// Whether a report names the present head, and says what is wrong with the record.
    fn is_present(&self, report: &Report) -> Result<bool, InspectError> {
        let folder = match self {
            Target::Run(folder) if folder.is_imported() => {
                return Ok(super::imported::digest(folder)? == report.log_head);
            }
            Target::Run(folder) => folder,
            Target::Mlgym(path) => return Ok(import::read(path)?.digest == report.log_head),
        };
        let verification = verify(folder)?;
        let says = |kind: &str| report.violations.iter().any(|finding| finding.kind == kind);
        // An edit in the midst of the log, or of a blob, leaves the head as it was.
        let is_told = verification.is_whole()
            || says("record_altered")
            || (says("record_torn") && verification.problems.len() == 1 && verification.torn.is_some());
        Ok(is_told && verification.head == report.log_head)
    }
}
