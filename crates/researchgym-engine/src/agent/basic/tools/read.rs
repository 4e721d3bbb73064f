//! `read_file_chunk`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::files::redirected;
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

const USUAL_LINES: u64 = 50;
const MOST_LINES: u64 = 500;

/// Shows a part of a text file with line numbers, and how many lines the file has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadFileChunk {
    /// The file, relative to `/workspace` or absolute.
    file: String,
    /// The first line: 1 unless told.
    start_line: Option<u64>,
    /// How many lines: 50 unless told, at most 500.
    max_lines: Option<u64>,
}

/// Very long lines are cut: a data file may be one line.
const PROGRAM: &str = r#"
NR >= first && NR <= last {
    rest = length($0) - 2000
    if (rest > 0) printf "%6d\t%s [... %d more]\n", NR, substr($0, 1, 2000), rest
    else printf "%6d\t%s\n", NR, $0
}
END {
    if (NR < first) printf "There is no line %d. ", first
    printf "File has %d lines.\n", NR
}"#;

impl Tool for ReadFileChunk {
    const NAME: &'static str = "read_file_chunk";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        bench.script_shown(&format!("read_file_chunk {}", self.file), &self.script()).await
    }
}

impl ReadFileChunk {
    fn script(&self) -> String {
        let first = self.start_line.unwrap_or(1).max(1);
        let last = first.saturating_add(self.max_lines.unwrap_or(USUAL_LINES).clamp(1, MOST_LINES) - 1);
        redirected(&self.file, &format!("command awk -v first={first} -v last={last} '{PROGRAM}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content: &str, start_line: Option<u64>, max_lines: Option<u64>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let name = "a = 'b\n$x";
        std::fs::write(folder.path().join(name), content).unwrap();
        let script = ReadFileChunk { file: name.into(), start_line, max_lines }.script();
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn lines_are_numbered_and_counted() {
        assert_eq!(shown("a\nb\nc\nd", Some(2), Some(2)), "     2\tb\n     3\tc\nFile has 4 lines.\n");
        assert_eq!(shown("", None, None), "There is no line 1. File has 0 lines.\n");
        assert_eq!(shown(&"x\n".repeat(900), Some(400), Some(900)).lines().count(), 501);
        let long = shown(&"y".repeat(2010), None, None);
        assert!(long.ends_with("y [... 10 more]\nFile has 1 lines.\n"));
    }
}
