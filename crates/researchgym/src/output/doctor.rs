//! What this machine offers, as a table with what to do about what it does not.

use researchgym_core::isolation::IsolationLevel;
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
        for (name, isolation) in &report.runtimes {
            let missing = isolation.missing.join(", ");
            self.data(&match isolation.level {
                IsolationLevel::Full => format!("\n--runtime {name}: isolates and limits everything that it can"),
                IsolationLevel::Partial => format!("\n--runtime {name}: isolates; not enforced: {missing}"),
                IsolationLevel::None => format!(
                    "\n--runtime {name}: keeps nothing apart ({missing}). An agent can read hidden answers and whatever its user can \
                     read: docs/guide/cheating.md says which cheats work there"
                ),
            });
        }
        let mut advice: Vec<(&str, Vec<&str>)> = Vec::new();
        for finding in report.findings.iter().filter(|finding| !finding.ok) {
            let Some(hint) = finding.hint.as_deref() else { continue };
            match advice.iter_mut().find(|(given, _)| *given == hint) {
                Some((_, names)) => names.push(&finding.name),
                None => advice.push((hint, vec![&finding.name])),
            }
        }
        for (hint, names) in advice {
            self.data(&format!("\n{}: {hint}", names.join(", ")));
        }
        self.talk(if report.isolation {
            "\nRuns are isolated on this machine."
        } else {
            "\nRuns cannot be isolated on this machine: mend what is MISSING. Grading needs it even with --runtime host."
        });
    }
}
