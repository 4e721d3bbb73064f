//! What this machine offers, as a table with what to do about what it does not.

use researchgym_engine::sandbox::MachineReport;

use super::Printer;
use super::words::table;

impl Printer {
    /// `doctor`
    pub(crate) fn doctor(&self, report: &MachineReport) {
        let rows: Vec<Vec<String>> = report
            .findings
            .iter()
            .map(|finding| {
                let state = match (finding.ok, finding.required) {
                    (true, _) => "ok",
                    (false, true) => "MISSING",
                    (false, false) => "absent",
                };
                vec![state.to_owned(), finding.name.clone(), finding.detail.clone()]
            })
            .collect();
        for line in table(&rows) {
            self.data(&line);
        }
        for finding in report.findings.iter().filter(|finding| !finding.ok) {
            if let Some(hint) = &finding.hint {
                self.data(&format!("\n{}: {hint}", finding.name));
            }
        }
        self.talk(if report.isolation {
            "\nRuns are isolated on this machine."
        } else {
            "\nRuns cannot be isolated on this machine: mend what is MISSING, or pass --runtime host at your own risk."
        });
    }
}
