//! `docs/reference/cheats.md`: the list, the scripts and what must come of each, by runtime.

use std::fmt::Write as _;

use crate::list::{Hack, list};
use crate::place::{repository, suite};
use crate::script::{self, Cheat, RUNTIMES};

const HEAD: &str = "\
# The cheat suite

Made from the heads of the scripts in `tests/cheats/scripts` by the suite that runs them (`UPDATE_REFERENCE=1 cargo test -p
researchgym --test cheats the_table`); do not edit. What it means for you: [the guide](../guide/cheating.md).

Every script is the agent of a real run through the real binary, with a fixed seed. It passes if its score is not above that of honest
work, if every finding named here is in the result, if its log verifies, if nothing of it outlives the run, and if nothing that
`run`, `show` and `replay` print steers a terminal.

| in the table | means |
|---|---|
| blocked | nothing was gained, and there is nothing to see that only a cheat does |
| `a_name` | nothing was gained, and this finding is in `integrity` of the result |
| **open**: `a_name` | not stopped on this runtime; `isolation.missing` of the result names what would stop it, and `isolation.level` is `none`; where it is not tried, the script would touch the machine itself |

`docker` is held by the same tests where an engine and an image are there; else they say that they are skipped.
";

fn table() -> String {
    let (list, cheats) = (list(), script::all(&suite().join("scripts")));
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "\n{}", sums(&cheats));
    for (family, name) in &list.families {
        let _ = writeln!(text, "\n## {family}. {name}\n\n| | hack or script | {} |", RUNTIMES.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---|".repeat(RUNTIMES.len()));
        for hack in list.hacks.iter().filter(|hack| hack.family == *family) {
            rows(&mut text, hack, &cheats);
        }
    }
    text
}

fn rows(text: &mut String, hack: &Hack, cheats: &[Cheat]) {
    let Hack { number, name, answer, tests, .. } = hack;
    if let Some(answer) = answer {
        let tests: Vec<String> =
            tests.iter().map(|test| format!("`{}`", test.rsplit(": ").next().unwrap_or_default())).collect();
        let held = if tests.is_empty() { String::new() } else { format!(" Tests: {}.", tests.join(", ")) };
        let _ = writeln!(text, "| {number} | **{name}**<br>{answer}{held} |{}", " |".repeat(RUNTIMES.len()));
        return;
    }
    let _ = writeln!(text, "| {number} | **{name}** |{}", " |".repeat(RUNTIMES.len()));
    for cheat in cheats.iter().filter(|cheat| cheat.number == *number) {
        let claims: Vec<String> = RUNTIMES.iter().map(|runtime| cheat.claim_on(runtime)).collect();
        let task = if cheat.task == "vault" { String::new() } else { format!(" ({})", cheat.task) };
        let _ = writeln!(text, "| | `{}`{task}: {} | {} |", cheat.name, cheat.title, claims.join(" | "));
    }
}

fn sums(cheats: &[Cheat]) -> String {
    let numbers: std::collections::BTreeSet<u32> = cheats.iter().map(|cheat| cheat.number).collect();
    let each = RUNTIMES.map(|runtime| {
        let open = cheats.iter().filter(|cheat| cheat.open_on(runtime).is_some()).count();
        let flagged = cheats
            .iter()
            .filter(|cheat| cheat.open_on(runtime).is_none() && !cheat.findings_on(runtime).is_empty())
            .count();
        format!("| {runtime} | {} | {flagged} | {open} |", cheats.len() - open - flagged)
    });
    format!(
        "{} scripts try {} of the 58 hacks; the others are answered in the table.\n\n\
         | runtime | blocked | named by a finding | open |\n|---|---|---|---|\n{}",
        cheats.len(),
        numbers.len(),
        each.join("\n")
    )
}

#[test]
fn the_table_is_up_to_date() {
    let (path, table) = (repository().join("docs/reference/cheats.md"), table());
    if std::env::var_os("UPDATE_REFERENCE").is_some_and(|value| value == "1") {
        std::fs::write(&path, table).expect("the table is written");
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == table,
        "docs/reference/cheats.md is not what the scripts say; write it again with \
         UPDATE_REFERENCE=1 cargo test -p researchgym --test cheats the_table"
    );
}
