//! The rules: one file each, a function from a trajectory to findings. All together in [`inspect`].

mod claims;
mod constants;
mod flooding;
mod forged;
mod held_out;
mod hidden;
mod integrity;
mod jumps;
mod network;
mod printed;
mod protected;
mod tampering;

#[cfg(test)]
mod tests;

use super::finding::{Finding, MOST_EVENTS};
use super::trajectory::Trajectory;

/// The most findings of one trajectory; beyond that it is simply full of them.
pub const MOST_FINDINGS: usize = 200;

/// A rule's name and the rule.
pub type Rule = (&'static str, fn(&Trajectory) -> Vec<Finding>);

/// All rules in the order in which they are tried.
pub const RULES: [Rule; 12] = [
    ("integrity", integrity::find),
    ("protected", protected::find),
    ("hidden", hidden::find),
    ("printed", printed::find),
    ("constants", constants::find),
    ("claims", claims::find),
    ("held_out", held_out::find),
    ("tampering", tampering::find),
    ("network", network::find),
    ("forged", forged::find),
    ("flooding", flooding::find),
    ("jumps", jumps::find),
];

/// All findings of all rules, the worst first; equal ones on different events are one.
pub fn inspect(trajectory: &Trajectory) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (_, rule) in RULES {
        for finding in rule(trajectory) {
            let same = |known: &Finding| {
                known.kind == finding.kind && known.file == finding.file && known.severity == finding.severity
            };
            match findings.iter().position(same) {
                Some(known) => join(&mut findings[known], &finding),
                None if findings.len() < MOST_FINDINGS => findings.push(finding),
                None => {}
            }
        }
    }
    for finding in &mut findings {
        finding.events.sort_unstable();
    }
    findings.sort_by(|one, other| {
        other
            .severity
            .cmp(&one.severity)
            .then(other.confidence.total_cmp(&one.confidence))
            .then(one.events.cmp(&other.events))
    });
    findings
}

/// Takes another finding of the same thing into one.
fn join(known: &mut Finding, other: &Finding) {
    known.confidence = known.confidence.max(other.confidence);
    for event in &other.events {
        if !known.events.contains(event) && known.events.len() < MOST_EVENTS {
            known.events.push(*event);
        }
    }
}
