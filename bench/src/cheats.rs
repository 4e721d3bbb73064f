//! Cheats blocked or flagged out of those tried, and false findings on honest runs: the sums that the cheat suite has
//! written, as figures. It does not run the suite, which is a test; the same target folder must have seen it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Outcome;
use crate::options::Options;
use crate::report::{Figure, Report};

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let folder = match options.text("results") {
        Some(folder) => PathBuf::from(folder),
        None => beside(&std::env::current_exe()?),
    };
    let missing = |error| {
        format!(
            "{}: {error}; run the suite first: cargo nextest run -p researchgym -E 'binary(cheats)'",
            folder.display()
        )
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(missing)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        for line in text.lines() {
            let line: Value = serde_json::from_str(line)?;
            // The other lines are single runs.
            if line["bench"] == "cheats" {
                report.write(figure(&line).ok_or_else(|| format!("{}: not a sum: {line}", file.display()))?);
            }
        }
    }
    Ok(())
}

/// Where tests of this target write.
fn beside(program: &Path) -> PathBuf {
    program.ancestors().nth(2).unwrap_or(Path::new(".")).join("tmp/cheats")
}

fn figure(line: &Value) -> Option<Figure> {
    let mut figure = Figure::number(line["name"].as_str()?, line["unit"].as_str()?, line["value"].as_f64()?);
    for key in ["tried", "blocked", "flagged", "open"] {
        if let Some(value) = line[key].as_u64() {
            figure = figure.with(key, value);
        }
    }
    Some(figure)
}
