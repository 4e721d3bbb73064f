//! A Slurm cluster as `doctor` shows it.

use researchgym_engine::executor::slurm::ClusterReport;

use super::Printer;

impl Printer {
    /// `doctor`
    pub(crate) fn cluster(&self, report: &ClusterReport) {
        if !report.installed {
            self.data("\nSlurm: not installed");
            return;
        }
        if let Some(problem) = &report.problem {
            self.data(&format!("\nSlurm: installed, but its controller does not answer: {problem}"));
            return;
        }
        self.data(&format!(
            "\nSlurm {}: cluster {}, partitions {}",
            report.version,
            report.cluster,
            report.partitions.join(", ")
        ));
        for warning in &report.warnings {
            self.data(&format!("  WARNING {}: {}", warning.setting, warning.meaning));
        }
    }
}
