//! The list of hacks: what each is, and for one without a script what stands against it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::place::{repository, suite};
use crate::script;

/// `tests/cheats/list.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) families: BTreeMap<String, String>,
    #[serde(rename = "hack")]
    pub(crate) hacks: Vec<Hack>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hack {
    pub(crate) number: u32,
    pub(crate) family: String,
    pub(crate) name: String,
    pub(crate) answer: Option<String>,
    /// `file: function`
    #[serde(default)]
    pub(crate) tests: Vec<String>,
}

pub(crate) fn list() -> List {
    let text = std::fs::read_to_string(suite().join("list.toml")).expect("the list");
    toml::from_str(&text).expect("the list is well formed")
}

#[test]
fn every_hack_is_tried_or_answered() {
    let list = list();
    let numbers: Vec<u32> = list.hacks.iter().map(|hack| hack.number).collect();
    assert_eq!(numbers, (1..=58).collect::<Vec<_>>());
    let cheats = script::all(&suite().join("scripts"));
    let tried: BTreeSet<u32> = cheats.iter().map(|cheat| cheat.number).collect();
    for hack in &list.hacks {
        assert!(list.families.contains_key(&hack.family), "{}", hack.number);
        assert_ne!(
            tried.contains(&hack.number),
            hack.answer.is_some(),
            "hack {}: a script or an answer",
            hack.number
        );
    }
    for cheat in &cheats {
        let family = &list.hacks[cheat.number as usize - 1].family;
        let expected = format!("{}{:02}_", family.to_lowercase(), cheat.number);
        assert!(cheat.name.starts_with(&expected), "{} does not begin with {expected}", cheat.name);
    }
}

#[test]
fn every_test_that_an_answer_names_is_there() {
    for hack in list().hacks {
        for test in &hack.tests {
            let (file, function) =
                test.split_once(": ").unwrap_or_else(|| panic!("`{test}` is no `file: function`"));
            let text = std::fs::read_to_string(repository().join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(text.contains(&format!("fn {function}(")), "{file} has no {function}");
        }
    }
}
