//! `inspect`: a report for people.

use researchgym_core::inspect::{Report, Source, Verdict};

use super::Printer;

impl Printer {
    /// Verdict, findings with their events and evidence, and what to do next.
    pub(crate) fn inspected(&self, report: &Report) {
        self.data(&format!(
            "{} (confidence {:.2})  {}",
            report.verdict.name(),
            report.confidence,
            subject(report)
        ));
        self.data(&format!("  {}", report.summary));
        for finding in &report.violations {
            let events: Vec<String> = finding.events.iter().map(ToString::to_string).collect();
            let file = finding.file.as_ref().map_or_else(String::new, |file| format!("  file {file}"));
            let source = match finding.source {
                Source::Rule => "",
                Source::Grader => "  (from the grading)",
                Source::Judge => "  (from the judge)",
            };
            self.data(&format!(
                "\n  {:<8}  {:.2}  {}  events {}{file}{source}",
                finding.severity.name(),
                finding.confidence,
                finding.kind,
                events.join(", ")
            ));
            self.data(&format!("            {}", finding.description));
            if !finding.evidence.is_empty() {
                self.data(&format!("            | {}", finding.evidence));
            }
            if let Some(judged) = &finding.judged {
                let verb = if judged.is_confirmed { "confirms it" } else { "doubts it" };
                self.data(&format!(
                    "            the judge {verb} ({:.2}): {}",
                    judged.confidence, judged.reason
                ));
            }
        }
        for gap in &report.gaps {
            self.data(&format!("\n  not read: {gap}"));
        }
        if let (Some(model), Some(judge)) = (&report.inspector_model, &report.judge) {
            let cost = report.cost.unwrap_or_default();
            self.data(&format!(
                "\n  {model} ({} calls, {:.6} USD): {}",
                cost.calls, cost.cost_usd, judge.summary
            ));
            for dropped in &judge.dropped {
                self.data(&format!("  not used: {dropped}"));
            }
        }
        if report.verdict != Verdict::Pass {
            self.talk(&format!("\nhint: {}", advice(report)));
        }
    }
}

fn subject(report: &Report) -> String {
    match report.format.as_str() {
        "researchgym" => report.run_dir.clone(),
        _ => format!("{}/{}", report.run_dir, report.run_id),
    }
}

fn advice(report: &Report) -> String {
    match report.format.as_str() {
        "researchgym" => format!(
            "event numbers are `seq` in {0}/events.jsonl; `researchgym replay {0}` shows the run, `researchgym grade {0}` grades it \
             again with the pristine grader",
            report.run_dir
        ),
        _ => "event numbers are the trajectory's steps, counted from 1".to_owned(),
    }
}
