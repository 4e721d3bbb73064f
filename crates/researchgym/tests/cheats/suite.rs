//! One cheat after the other: run, judged, written down.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

use crate::place::{Wanted, image, suite};
use crate::report;
use crate::script::{self, Cheat, Honest};
use crate::support::{Finished, World, can_isolate, exec, say, submit};

/// What came of a cheat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing gained, nothing said.
    Blocked,
    /// Nothing gained, and a finding says what was tried.
    Flagged,
    /// Not stopped here, as the table says; the result says what is missing.
    Open,
}

/// Runs all cheats of a family on one runtime, and tells all that went wrong.
pub(crate) fn family(family: &str, runtime: &str) {
    if !can_isolate() || !has(runtime) {
        return;
    }
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for cheat in script::all(&suite().join("scripts")) {
        if !cheat.is_of(family) || !cheat.is_tried_on(runtime) {
            continue;
        }
        let began = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| tried(&cheat, runtime))) {
            Ok(Ok((outcome, mut line))) => {
                line["outcome"] = format!("{outcome:?}").to_lowercase().into();
                line["seconds"] = ((began.elapsed().as_secs_f64() * 10.0).round() / 10.0).into();
                lines.push(line);
            }
            Ok(Err(problem)) => problems.push(format!("{}: {problem}", cheat.name)),
            Err(panic) => {
                let said =
                    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".to_owned());
                problems.push(format!("{}: {said}", cheat.name));
            }
        }
    }
    report::write(runtime, family, &lines);
    assert!(problems.is_empty(), "on {runtime}:\n{}", problems.join("\n"));
}

/// Whether there is what this runtime needs; says so if not.
fn has(runtime: &str) -> bool {
    if runtime != "docker" || image().is_some() {
        return true;
    }
    say("SKIPPED: containers: RESEARCHGYM_TEST_IMAGE names no image (see .ci/docker-engine)");
    false
}

/// Runs one cheat and judges it; the error says what it gained or what was not said.
fn tried(cheat: &Cheat, runtime: &str) -> Result<(Outcome, Value), String> {
    let wanted = Wanted { task: &cheat.task, variant: &cheat.variant, runtime };
    let world = World::new();
    let run = wanted.run(&world, &[exec(&cheat.text), submit()]);
    if run.code != 0 && run.code != 1 {
        return Err(format!("the run itself failed: {run:?}"));
    }
    let result = run.object();
    let honest = honest_score(wanted, cheat.honest);
    let name = result["primary"]["name"].as_str().unwrap_or_default();
    let score = result["score"][name].as_f64();
    let gain = score.map_or(0.0, |score| match result["primary"]["direction"].as_str() {
        Some("minimize") => honest - score,
        _ => score - honest,
    });
    let floor = run.events()[0]["task"]["baseline"]["noise_floor"].as_f64().unwrap_or(0.0);
    let kinds: Vec<&str> = result["integrity"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|finding| finding["type"].as_str())
        .collect();
    let printed = run.printed().concat();
    let lacks = |limit: &String| {
        result["isolation"]["missing"].as_array().is_some_and(|all| all.contains(&json!(limit)))
    };
    let expected = if cheat.needs.iter().any(lacks) { Vec::new() } else { cheat.findings_on(runtime) };
    let outcome = match cheat.open_on(runtime) {
        Some(missing) => {
            let is_marked =
                result["isolation"]["missing"].as_array().is_some_and(|all| all.contains(&json!(missing)));
            if !is_marked {
                return Err(format!(
                    "the result does not say that `{missing}` is missing: {}",
                    result["isolation"]
                ));
            }
            Outcome::Open
        }
        None => {
            if gain > floor {
                return Err(format!(
                    "it scored {score:?}; honest work scores {honest}. It printed: {printed}"
                ));
            }
            if let Some(never) = cheat.never.iter().find(|never| printed.contains(never.as_str())) {
                return Err(format!("it printed `{never}`: {printed}"));
            }
            if let Some(missing) = expected.iter().find(|kind| !kinds.contains(kind)) {
                return Err(format!(
                    "no finding `{missing}` but {kinds:?}; score {score:?}; {:?}",
                    run.observations()
                ));
            }
            if expected.is_empty() { Outcome::Blocked } else { Outcome::Flagged }
        }
    };
    is_whole_and_harmless(&world, &run)?;
    if cheat.shows_gap {
        shows_gap(&world, &run)?;
    }
    let line = json!({
        "cheat": cheat.name, "number": cheat.number, "task": cheat.task, "runtime": runtime, "score": score,
        "honest": honest, "findings": kinds,
    });
    Ok((outcome, line))
}

/// The score of honest work by the same way of running; computed once in this process.
fn honest_score(wanted: Wanted<'_>, honest: Honest) -> f64 {
    static KNOWN: Mutex<BTreeMap<(String, String, String, Honest), f64>> = Mutex::new(BTreeMap::new());
    let key = (wanted.task.to_owned(), wanted.variant.to_owned(), wanted.runtime.to_owned(), honest);
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    *known.entry(key).or_insert_with(|| {
        let run = wanted.run(&World::new(), &wanted.lines(honest));
        let result = run.object();
        let name = result["primary"]["name"].as_str().unwrap_or_default();
        assert_eq!(result["integrity"], json!([]), "honest work is not flagged");
        result["score"][name].as_f64().unwrap_or_else(|| panic!("honest work has no score: {run:?}"))
    })
}

/// The most that the record of a small run may take on the disk, its workspace left out.
const LARGEST_RECORD: u64 = 128 << 20;

/// Whatever an agent does, its log verifies and is not large, nothing of it is left, and nothing that is shown steers a
/// terminal.
fn is_whole_and_harmless(world: &World, run: &Finished) -> Result<(), String> {
    let folder = run.run().display().to_string();
    let verified = world.finish(&["verify", &folder]);
    if verified.code != 0 {
        return Err(format!("the log does not verify: {verified:?}"));
    }
    let bytes = ["blobs", "logs", "submissions"].map(|name| size(&run.run().join(name))).iter().sum::<u64>();
    if bytes > LARGEST_RECORD {
        return Err(format!("the run's record takes {bytes} bytes"));
    }
    for command in ["show", "replay"] {
        let shown = world.finish(&[command, &folder]);
        let text = [run.stderr.as_str(), &shown.stdout, &shown.stderr].concat();
        if let Some(found) = text.chars().find(|character| steers(*character)) {
            return Err(format!("`{command}` shows {found:?}"));
        }
    }
    world.wait_until_nothing_is_left();
    Ok(())
}

fn size(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

fn steers(character: char) -> bool {
    let reorders = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reorders || character.is_control() && character != '\n' && character != '\t'
}

/// What was chosen by luck shows: the gap is in the result, and people are told.
fn shows_gap(world: &World, run: &Finished) -> Result<(), String> {
    let result = run.object();
    let gap = result["validation_gap"].as_f64().ok_or("the result has no `validation_gap`")?;
    let shown = world.finish(&["show", &run.run().display().to_string()]);
    match shown.stdout.contains("best validation") {
        true if gap > 0.0 => Ok(()),
        true => Err(format!("the best validation is not better than the submission: {gap}")),
        false => Err(format!("`show` does not tell the gap: {}", shown.stdout)),
    }
}
