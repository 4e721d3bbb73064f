//! `search_file`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::files::redirected;
use super::shell::quoted;
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Finds lines of a text file that contain a text, with the lines around them; matches are marked with `>>>`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchFile {
    /// The file, relative to `/workspace` or absolute.
    file: String,
    /// The text, in upper or lower case. No pattern.
    query: String,
    /// Lines shown around each match: 2 unless told, at most 20.
    context_lines: Option<u64>,
    /// Matches a page: 5 unless told, at most 50.
    max_matches: Option<u64>,
    /// Which page of matches: 1 unless told.
    page: Option<u64>,
}

const PROGRAM: &str = r#"
function put(number, line, mark) {
    if (shown && number > shown + 1) print "--"
    if (length(line) > 2000) line = substr(line, 1, 2000) " [... cut]"
    printf "%s%6d\t%s\n", mark, number, line
    shown = number
}
BEGIN { query = tolower(ENVIRON["query"]); shown = 0; until_line = 0 }
{
    hit = index(tolower($0), query) > 0
    matches += hit
    if (hit && matches > skip && matches <= skip + most) {
        for (number = NR - around; number < NR; number++)
            if (number > shown && (number in before)) put(number, before[number], "    ")
        put(NR, $0, ">>> ")
        until_line = NR + around
    } else if (NR <= until_line) put(NR, $0, hit ? ">>> " : "    ")
    before[NR] = $0
    delete before[NR - around - 1]
}
END {
    pages = int((matches + most - 1) / most)
    printf "%d lines match; this is page %d of %d. File has %d lines.\n", matches, skip / most + 1, pages, NR
}"#;

impl Tool for SearchFile {
    const NAME: &'static str = "search_file";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        if self.query.is_empty() || self.query.contains('\n') {
            return Ok(Outcome::failed("`query` must be one line and not empty"));
        }
        bench.script_shown(&format!("search_file {}", self.file), &self.script()).await
    }
}

impl SearchFile {
    fn script(&self) -> String {
        let around = self.context_lines.unwrap_or(2).min(20);
        let most = self.max_matches.unwrap_or(5).clamp(1, 50);
        let skip = (self.page.unwrap_or(1).clamp(1, 1_000_000) - 1) * most;
        let program = format!(
            "query={} command awk -v around={around} -v most={most} -v skip={skip} '{PROGRAM}'",
            quoted(&self.query)
        );
        redirected(&self.file, &program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str, query: &str, context_lines: u64, max_matches: u64, page: u64) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f=1"), content).unwrap();
        let search = SearchFile {
            file: "f=1".into(),
            query: query.into(),
            context_lines: Some(context_lines),
            max_matches: Some(max_matches),
            page: Some(page),
        };
        let script = search.script();
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn matches_come_with_their_surroundings_page_by_page() {
        let text = "one\ntwo\nThree\nfour\nfive\nsix\nthree\n";
        assert_eq!(
            found(text, "three", 1, 1, 1),
            "         2\ttwo\n>>>      3\tThree\n         4\tfour\n2 lines match; this is page 1 of 2. File has 7 lines.\n"
        );
        assert_eq!(
            found(text, "THREE", 1, 5, 1),
            "         2\ttwo\n>>>      3\tThree\n         4\tfour\n--\n         6\tsix\n>>>      7\tthree\n2 lines match; this is page 1 of 1. File has 7 lines.\n"
        );
        assert_eq!(
            found(text, "three", 0, 1, 2),
            ">>>      7\tthree\n2 lines match; this is page 2 of 2. File has 7 lines.\n"
        );
    }

    #[test]
    fn a_query_is_no_pattern() {
        assert_eq!(
            found("a.b\naxb\n\\n 'q' $x\n", r"\n 'q' $X", 0, 5, 1),
            ">>>      3\t\\n 'q' $x\n1 lines match; this is page 1 of 1. File has 3 lines.\n"
        );
        assert_eq!(
            found("a.b\naxb\n", "a.b", 0, 5, 1),
            ">>>      1\ta.b\n1 lines match; this is page 1 of 1. File has 2 lines.\n"
        );
    }
}
