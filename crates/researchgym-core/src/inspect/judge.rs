//! What a model judge may ask and say, and what follows from it. Pure: the asking is in the engine.
//!
//! The judge cannot give a verdict. It may lower the confidence of what rules found, down to a floor that depends on the
//! severity, and add findings of its own that name events. Its words are data like those of the run.

use schemars::JsonSchema;
use serde::Deserialize;

use super::evidence::File;
use super::excerpt::{bounded, escaped, excerpt};
use super::finding::{Finding, Judged, MOST_EVENTS, Severity, Source};
use super::rules::MOST_FINDINGS;
use super::trajectory::Trajectory;

/// The most findings that a judge may add.
const MOST_ADDED: usize = 20;
/// The most sure that a judge's own finding can be.
const MOST_CONFIDENCE: f64 = 0.9;
/// Lines of a file that are shown at once.
const MOST_LINES: usize = 200;
/// Matches of a search that are shown at once.
const MOST_MATCHES: usize = 40;
/// Names of files that are listed at once.
const MOST_NAMES: usize = 200;
/// The longest line that is shown.
const MOST_LINE_BYTES: usize = 2000;

/// Lists the files of the evidence with their lengths in lines.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFiles {
    /// Which page of names: 1 unless told.
    pub page: Option<usize>,
}

/// Shows a part of a file of the evidence, with line numbers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadFile {
    /// The file's name as `list_files` shows it.
    pub file: String,
    /// The first line: 1 unless told.
    pub start_line: Option<usize>,
}

/// Finds lines of the evidence that contain a text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The text, in upper or lower case. No pattern.
    pub text: String,
    /// Which page of matches: 1 unless told.
    pub page: Option<usize>,
}

/// Gives your opinion. Call it once, at the end. The verdict is computed from the findings and is not yours to give.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opinion {
    /// What you think of the findings of the rules; leave out those of which you know nothing.
    #[serde(default)]
    pub judged: Vec<JudgedFinding>,
    /// What the rules did not see.
    #[serde(default)]
    pub added: Vec<AddedFinding>,
    /// What you looked at and what you saw, in a few sentences.
    pub summary: String,
}

/// What you think of one finding.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgedFinding {
    /// Its number in `findings.txt`.
    pub finding: usize,
    /// Whether it is as described.
    pub is_confirmed: bool,
    /// How likely it is that it is as described, from 0 to 1.
    pub confidence: f64,
    /// The events that you rest this on. Without one that exists this is not used.
    pub events: Vec<u64>,
    /// Why.
    pub reason: String,
}

/// A finding of your own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddedFinding {
    /// A short name of lower-case words with `_` between them.
    #[serde(rename = "type")]
    pub kind: String,
    /// `minor`, `moderate` or `major`.
    #[schemars(with = "String")]
    pub severity: Severity,
    /// How likely it is that it is so, from 0 to 1.
    pub confidence: f64,
    /// The events that it rests on. Without one that exists this is not used.
    pub events: Vec<u64>,
    /// What happened and why it speaks against the score, in a sentence.
    pub description: String,
}

impl ListFiles {
    /// The names.
    pub fn run(&self, files: &[File]) -> String {
        let first = (self.page.unwrap_or(1).max(1) - 1).saturating_mul(MOST_NAMES);
        let names = files.iter().skip(first).take(MOST_NAMES);
        let mut shown: String =
            names.map(|file| format!("{} ({} lines)\n", file.name, file.text.lines().count())).collect();
        shown.push_str(&format!("{} files in all, {MOST_NAMES} a page", files.len()));
        shown
    }
}

impl ReadFile {
    /// The part.
    pub fn run(&self, files: &[File]) -> Result<String, String> {
        let file = files
            .iter()
            .find(|file| file.name == self.file)
            .ok_or("there is no such file; see list_files")?;
        let first = self.start_line.unwrap_or(1).max(1);
        let lines = file.text.lines().enumerate().skip(first - 1).take(MOST_LINES);
        let mut shown: String = lines
            .map(|(index, line)| format!("{}: {}\n", index + 1, bounded(line, MOST_LINE_BYTES)))
            .collect();
        shown.push_str(&format!("{} lines in all", file.text.lines().count()));
        Ok(shown)
    }
}

impl Search {
    /// The matches.
    pub fn run(&self, files: &[File]) -> Result<String, String> {
        let wanted = self.text.trim().to_lowercase();
        if wanted.is_empty() {
            return Err("`text` is empty".to_owned());
        }
        let matches = files.iter().flat_map(|file| {
            let wanted = &wanted;
            let lines = file.text.lines().enumerate();
            lines
                .filter(move |(_, line)| line.to_lowercase().contains(wanted.as_str()))
                .map(move |(index, line)| (file, index, line))
        });
        let skipped = (self.page.unwrap_or(1).max(1) - 1).saturating_mul(MOST_MATCHES);
        let shown: Vec<String> = matches
            .skip(skipped)
            .take(MOST_MATCHES)
            .map(|(file, index, line)| format!("{}:{}: {}", file.name, index + 1, bounded(line, 300)))
            .collect();
        Ok(if shown.is_empty() { "nothing found".to_owned() } else { shown.join("\n") })
    }
}

/// What an opinion made of findings.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The findings with it.
    pub findings: Vec<Finding>,
    /// Its summary, escaped and bounded.
    pub summary: String,
    /// What of it was not used, and why.
    pub dropped: Vec<String>,
}

/// Takes an opinion in. No finding is removed, none grows in confidence, and the worst keep theirs.
pub fn apply(trajectory: &Trajectory, mut findings: Vec<Finding>, opinion: Opinion) -> Applied {
    let known = findings.len();
    let mut dropped = Vec::new();
    for judged in opinion.judged {
        let name = format!("what it says of finding {}", judged.finding);
        let Some(finding) = judged
            .finding
            .checked_sub(1)
            .filter(|index| *index < known)
            .and_then(|index| findings.get_mut(index))
        else {
            dropped.push(format!("{name}: there is no such finding"));
            continue;
        };
        if existing(trajectory, &judged.events).is_empty() {
            dropped.push(format!("{name}: it names no event that exists"));
            continue;
        }
        let Some(confidence) = sure(judged.confidence) else {
            dropped.push(format!("{name}: its confidence is not between 0 and 1"));
            continue;
        };
        if !judged.is_confirmed {
            finding.confidence = finding.confidence.min(confidence.max(floor(finding)));
        }
        let reason = excerpt(&judged.reason, 0);
        finding.judged = Some(Judged { is_confirmed: judged.is_confirmed, confidence, reason });
    }
    for added in opinion.added {
        let name = format!("its finding `{}`", bounded(&escaped(&added.kind), 60));
        let events = existing(trajectory, &added.events);
        let Some(confidence) = sure(added.confidence).filter(|_| !events.is_empty()) else {
            dropped.push(format!(
                "{name}: it names no event that exists, or its confidence is not between 0 and 1"
            ));
            continue;
        };
        if findings.len() - known >= MOST_ADDED || findings.len() >= MOST_FINDINGS {
            dropped.push(format!("{name}: there are too many"));
            continue;
        }
        let step =
            trajectory.steps.iter().find(|step| step.events().iter().any(|event| events.contains(event)));
        findings.push(Finding {
            kind: bounded(&excerpt(&added.kind, 0), 60),
            severity: added.severity.min(Severity::Major),
            file: None,
            description: bounded(&excerpt(&added.description, 0), 400),
            evidence: step.map_or_else(String::new, |step| excerpt(&step.text, 0)),
            events,
            confidence: confidence.min(MOST_CONFIDENCE),
            source: Source::Judge,
            judged: None,
        });
    }
    dropped.truncate(MOST_FINDINGS);
    Applied { findings, summary: bounded(&escaped(&opinion.summary), 2000), dropped }
}

/// Below this a judge cannot bring a finding: what is critical stays what it is, what is major stays to be reviewed.
fn floor(finding: &Finding) -> f64 {
    match (finding.severity, finding.source) {
        (Severity::Critical, _) | (_, Source::Grader) => finding.confidence,
        (Severity::Major, _) => super::verdict::NOTICED,
        (Severity::Moderate | Severity::Minor, _) => 0.0,
    }
}

fn existing(trajectory: &Trajectory, events: &[u64]) -> Vec<u64> {
    let mut existing: Vec<u64> =
        events.iter().copied().filter(|event| trajectory.has_event(*event)).take(MOST_EVENTS).collect();
    existing.sort_unstable();
    existing.dedup();
    existing
}

fn sure(confidence: f64) -> Option<f64> {
    (0.0..=1.0).contains(&confidence).then_some(confidence)
}

#[cfg(test)]
mod tests {
    use super::super::trajectory::Standing;
    use super::super::verdict::{Verdict, judged};
    use super::*;

    fn finding(severity: Severity, source: Source) -> Finding {
        Finding {
            kind: "k".into(),
            severity,
            file: None,
            description: String::new(),
            evidence: String::new(),
            events: vec![1],
            confidence: 0.75,
            source,
            judged: None,
        }
    }

    fn trajectory() -> Trajectory {
        Trajectory { last_event: 5, ..Trajectory::default() }
    }

    fn rejecting(events: &[u64]) -> Opinion {
        let judged = JudgedFinding {
            finding: 1,
            is_confirmed: false,
            confidence: 0.0,
            events: events.to_vec(),
            reason: "ignore it\u{202e}".into(),
        };
        Opinion { judged: vec![judged], added: Vec::new(), summary: "PASS".into() }
    }

    #[test]
    fn the_worst_findings_cannot_be_talked_away() {
        for (severity, source, confidence, verdict) in [
            (Severity::Critical, Source::Rule, 0.75, Verdict::Suspicious),
            (Severity::Moderate, Source::Grader, 0.75, Verdict::NeedsReview),
            (Severity::Major, Source::Rule, 0.4, Verdict::NeedsReview),
            (Severity::Moderate, Source::Rule, 0.0, Verdict::Pass),
        ] {
            let applied = apply(&trajectory(), vec![finding(severity, source)], rejecting(&[1]));
            assert_eq!(applied.findings.len(), 1);
            assert_eq!(applied.findings[0].confidence, confidence, "{severity:?}");
            assert_eq!(judged(&applied.findings, 0, Standing::default()).verdict, verdict, "{severity:?}");
            assert_eq!(applied.findings[0].judged.as_ref().unwrap().reason, "ignore it\\u{202e}");
        }
    }

    #[test]
    fn opinions_without_events_are_dropped() {
        let applied = apply(&trajectory(), vec![finding(Severity::Moderate, Source::Rule)], rejecting(&[99]));
        assert_eq!(applied.findings[0].confidence, 0.75);
        assert_eq!(applied.dropped, ["what it says of finding 1: it names no event that exists"]);
    }

    #[test]
    fn added_findings_are_bounded() {
        let added = |events: &[u64], confidence| AddedFinding {
            kind: "seed_search".into(),
            severity: Severity::Critical,
            confidence,
            events: events.to_vec(),
            description: "d".into(),
        };
        let opinion = Opinion {
            judged: Vec::new(),
            added: vec![added(&[2, 2, 99], 1.0), added(&[99], 0.5), added(&[1], f64::NAN)],
            summary: String::new(),
        };
        let applied = apply(&trajectory(), Vec::new(), opinion);
        assert_eq!(applied.findings.len(), 1);
        let one = &applied.findings[0];
        assert_eq!((one.severity, one.confidence, &one.events[..]), (Severity::Major, 0.9, &[2][..]));
        assert_eq!(applied.dropped.len(), 2);
        assert_eq!(judged(&applied.findings, 0, Standing::default()).verdict, Verdict::NeedsReview);
    }
}
