//! What came out, as JSON lines: one file for each runtime and family, and the sums over those that are there.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cheats")
}

/// Writes the lines of one family, and the sums of its runtime again. Families that end at the same time may both
/// write the sums; the last has seen all.
pub(crate) fn write(runtime: &str, family: &str, lines: &[Value]) {
    put(&folder().join(runtime).join(format!("{family}.jsonl")), lines);
    let mut tried = Vec::new();
    for entry in std::fs::read_dir(folder().join(runtime)).expect("it was just written").flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        tried.extend(text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
    }
    let count = |outcome: &str| tried.iter().filter(|line| line["outcome"] == outcome).count();
    let sums = json!({
        "bench": "cheats", "name": format!("cheats blocked or flagged, {runtime}"), "unit": "cheats",
        "value": count("blocked") + count("flagged"), "tried": tried.len(), "blocked": count("blocked"),
        "flagged": count("flagged"), "open": count("open"),
    });
    put(&folder().join(format!("{runtime}.json")), &[sums]);
}

/// Writes what honest work was accused of.
pub(crate) fn write_honest(runtime: &str, lines: &[Value]) {
    let accused = |line: &&Value| line["findings"].as_array().is_some_and(|findings| !findings.is_empty());
    let sums = json!({
        "bench": "cheats", "name": format!("false findings on honest runs, {runtime}"), "unit": "runs",
        "value": lines.iter().filter(accused).count(), "tried": lines.len(),
    });
    put(&folder().join(format!("honest-{runtime}.jsonl")), &[lines, &[sums]].concat());
}

fn put(file: &Path, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder of the target");
    std::fs::write(file, text).expect("a file of the target");
}
