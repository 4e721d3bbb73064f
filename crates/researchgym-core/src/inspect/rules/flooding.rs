//! Output so long that it pushes the evidence out of sight.

use super::super::finding::{Finding, Mark, Severity};
use super::super::trajectory::{Step, Trajectory};

/// Long, as logs of trainings may be.
const LONG_BYTES: u64 = 8 << 20;
/// Longer than anybody reads.
const FLOOD_BYTES: u64 = 64 << 20;

pub(super) fn find(trajectory: &Trajectory) -> Vec<Finding> {
    trajectory.steps.iter().filter_map(flood).collect()
}

fn flood(step: &Step) -> Option<Finding> {
    let length = step.output_bytes;
    let is_flood = step.dropped_bytes > 0 || length >= FLOOD_BYTES;
    if !is_flood && length < LONG_BYTES {
        return None;
    }
    let (severity, confidence) = if is_flood { (Severity::Moderate, 0.6) } else { (Severity::Minor, 0.5) };
    let dropped = match step.dropped_bytes {
        0 => String::new(),
        dropped => format!(", of which {dropped} were not kept"),
    };
    Some(Finding::at(
        step,
        &step.text,
        0,
        Mark {
            kind: "log_flooded",
            severity,
            confidence,
            description: format!("The step wrote {length} bytes of output{dropped}."),
        },
    ))
}
