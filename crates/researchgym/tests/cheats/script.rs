//! A script's head: what it tries, where, and what must come of it.
//!
//! ```text
//! # One sentence that says what it tries.
//! # number: 11                        which of the 58 hacks
//! # task: three-sat                   `vault` if it is not given
//! # variant: smoke                    `default`
//! # honest: oracle                    what the score is compared with: `starter` (if not given) or `oracle`
//! # runtimes: local docker            where it is run; everywhere if it is not given
//! # finding: forged_score             a finding that must be in the result, once or several times
//! # finding host: protected_file_changed
//! # host: open file_system            not stopped there, and the result must say that this is missing
//! # never: reached                    a text that the script must not get to print
//! # needs: memory                     a limit that not every machine has; where it is missing, so may be the finding
//! # gap: shown                        the result has the gap between validation and held-out score
//! ```

use std::path::Path;

/// Where commands can run.
pub(crate) const RUNTIMES: [&str; 3] = ["local", "host", "docker"];

/// One cheat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cheat {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) number: u32,
    pub(crate) task: String,
    pub(crate) variant: String,
    pub(crate) honest: Honest,
    pub(crate) runtimes: Vec<String>,
    findings: Vec<(Option<String>, String)>,
    open: Vec<(String, String)>,
    pub(crate) never: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) shows_gap: bool,
    pub(crate) text: String,
}

/// With what a cheat's score is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Honest {
    /// The untouched starter: what is left of the submission without the cheat.
    #[default]
    Starter,
    /// The task's oracle: the script plays as well as it can.
    Oracle,
}

impl Cheat {
    /// Whether it belongs to a family, which the first letter of its name tells.
    pub(crate) fn is_of(&self, family: &str) -> bool {
        self.name.starts_with(family)
    }

    /// The findings that must be there on this runtime.
    pub(crate) fn findings_on(&self, runtime: &str) -> Vec<&str> {
        let applies = |only: &Option<String>| only.as_deref().is_none_or(|only| only == runtime);
        self.findings.iter().filter(|(only, _)| applies(only)).map(|(_, kind)| kind.as_str()).collect()
    }

    /// What is missing where this is not stopped.
    pub(crate) fn open_on(&self, runtime: &str) -> Option<&str> {
        self.open.iter().find(|(open, _)| open == runtime).map(|(_, missing)| missing.as_str())
    }

    /// Whether it is run on this runtime.
    pub(crate) fn is_tried_on(&self, runtime: &str) -> bool {
        self.runtimes.iter().any(|tried| tried == runtime)
    }

    /// What is claimed of it on this runtime, for the table.
    pub(crate) fn claim_on(&self, runtime: &str) -> String {
        match (self.open_on(runtime), self.findings_on(runtime).as_slice()) {
            (Some(missing), _) if self.is_tried_on(runtime) => format!("**open**: `{missing}`"),
            (Some(missing), _) => format!("**open**: `{missing}` (not tried)"),
            (None, []) => "blocked".to_owned(),
            (None, kinds) => kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", "),
        }
    }
}

/// All scripts of a folder, by name.
pub(crate) fn all(folder: &Path) -> Vec<Cheat> {
    let mut cheats = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of scripts").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name.strip_suffix(".sh").unwrap_or_else(|| panic!("{name} is no script"));
        let text = std::fs::read_to_string(entry.path()).expect("a script");
        cheats.push(parse(name, &text).unwrap_or_else(|problem| panic!("{name}: {problem}")));
    }
    cheats.sort_by(|one, other| one.name.cmp(&other.name));
    cheats
}

fn parse(name: &str, text: &str) -> Result<Cheat, String> {
    let mut head =
        text.lines().take_while(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
    let title = head.next().ok_or("it begins with no sentence about what it tries")?;
    let mut cheat = Cheat {
        name: name.to_owned(),
        title: title.to_owned(),
        task: "vault".to_owned(),
        variant: "default".to_owned(),
        runtimes: RUNTIMES.map(str::to_owned).to_vec(),
        text: text.to_owned(),
        ..Cheat::default()
    };
    for line in head {
        let (key, value) = line.split_once(": ").ok_or_else(|| format!("`{line}` is no `key: value`"))?;
        let value = value.trim().to_owned();
        match key.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["number"] => cheat.number = value.parse().map_err(|_| format!("`{value}` is no number"))?,
            ["task"] => cheat.task = value,
            ["variant"] => cheat.variant = value,
            ["honest"] => {
                cheat.honest = match value.as_str() {
                    "starter" => Honest::Starter,
                    "oracle" => Honest::Oracle,
                    _ => return Err(format!("`{value}` is neither `starter` nor `oracle`")),
                }
            }
            ["runtimes"] => cheat.runtimes = value.split_whitespace().map(str::to_owned).collect(),
            ["finding"] => cheat.findings.push((None, value)),
            ["finding", runtime] => cheat.findings.push((Some(known(runtime)?), value)),
            ["never"] => cheat.never.push(value),
            ["needs"] => cheat.needs.push(value),
            ["gap"] if value == "shown" => cheat.shows_gap = true,
            [runtime] => {
                let missing =
                    value.strip_prefix("open ").ok_or_else(|| format!("`{line}` is not understood"))?;
                cheat.open.push((known(runtime)?, missing.to_owned()));
            }
            _ => return Err(format!("`{line}` is not understood")),
        }
    }
    for runtime in &cheat.runtimes {
        known(runtime)?;
    }
    Some(cheat).filter(|cheat| (1..=58).contains(&cheat.number)).ok_or_else(|| "it has no number".to_owned())
}

fn known(runtime: &str) -> Result<String, String> {
    match RUNTIMES.contains(&runtime) {
        true => Ok(runtime.to_owned()),
        false => Err(format!("`{runtime}` is no runtime and no key")),
    }
}

#[test]
fn heads_are_understood_and_mistakes_are_named() {
    let text = "# Tries.\n# number: 3\n# finding: a\n# finding host: b\n# host: open network\n# never: x\ntrue\n# number: 4\n";
    let cheat = parse("a03_x", text).expect("a head");
    let shown =
        |runtime| (cheat.findings_on(runtime).join(" "), cheat.open_on(runtime), cheat.claim_on(runtime));
    assert_eq!((cheat.number, cheat.task.as_str(), cheat.title.as_str()), (3, "vault", "Tries."));
    assert_eq!(shown("local"), ("a".to_owned(), None, "`a`".to_owned()));
    assert_eq!(shown("host"), ("a b".to_owned(), Some("network"), "**open**: `network`".to_owned()));
    let check = |head: &str, problem: &str| assert_eq!(parse("a", head), Err(problem.to_owned()));
    check("# Tries.\ntrue", "it has no number");
    check("# Tries.\n# number: 59\ntrue", "it has no number");
    check("# Tries.\n# numbre: 3", "`numbre: 3` is not understood");
    check("# Tries.\n# number: 3\n# mars: open network", "`mars` is no runtime and no key");
    check("# Tries.\n# number: 3\n# a comment", "`a comment` is no `key: value`");
    check("# Tries.\n# honest: luck", "`luck` is neither `starter` nor `oracle`");
    check("true", "it begins with no sentence about what it tries");
}
