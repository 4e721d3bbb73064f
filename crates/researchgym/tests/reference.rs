//! The schemas in `docs/reference/` are what `researchgym schema` prints.
//!
//! With `UPDATE_REFERENCE=1` the files are written again instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use researchgym_core::search::policy::PolicySpec;

const ROOTS: [&str; 11] = [
    "task",
    "event",
    "result",
    "plan",
    "agent",
    "settings",
    "inspection",
    "record",
    "step",
    "analysis",
    "shoot-out",
];

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference")
}

fn printed(root: &str) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_researchgym"))
        .args(["schema", root])
        .output()
        .expect("cargo has built the binary");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn every_schema_is_up_to_date() {
    let update = std::env::var_os("UPDATE_REFERENCE").is_some_and(|value| value == "1");
    let mut stale = Vec::new();
    for root in ROOTS {
        let path = reference().join(format!("{root}.schema.json"));
        let printed = printed(root);
        if std::fs::read(&path).is_ok_and(|kept| kept == printed) {
            continue;
        }
        if update {
            std::fs::write(&path, printed).unwrap();
        } else {
            stale.push(format!("{root}.schema.json"));
        }
    }
    assert!(
        stale.is_empty(),
        "docs/reference/ is not what the code says: {}; write it again with \
         UPDATE_REFERENCE=1 cargo test -p researchgym --test reference",
        stale.join(", ")
    );
}

#[test]
fn there_is_no_schema_of_anything_else() {
    let kept: BTreeSet<String> = std::fs::read_dir(reference())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".schema.json").map(str::to_owned))
        .collect();
    assert_eq!(kept, ROOTS.map(str::to_owned).into());
}

/// The column *ours* of the page about policies, by policy and constant.
#[test]
fn every_constant_of_a_policy_stands_beside_what_is_published() {
    let page = std::fs::read_to_string(reference().join("search-policies.md")).unwrap();
    for (name, _) in PolicySpec::NAMES {
        let heading =
            page.lines().find(|line| line.starts_with("## ") && line.contains(&format!("`{name}`")));
        let heading = heading.unwrap_or_else(|| panic!("{name} has no section"));
        let section = page.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [key, _, ours, _] = cells.as_slice() else { return None };
            let key = key.strip_prefix('`')?.strip_suffix('`')?;
            let ours =
                serde_json::from_str(ours).unwrap_or_else(|error| panic!("{name}: {key}: {ours}: {error}"));
            Some((key.to_owned(), ours))
        });
        let told: serde_json::Map<String, serde_json::Value> = rows.collect();
        let constants = PolicySpec::named(name).unwrap().constants();
        if constants.is_empty() {
            assert!(section.contains(&format!("`{name}` has none")), "{name}");
        } else {
            assert_eq!(told, constants, "{name}");
        }
    }
}
