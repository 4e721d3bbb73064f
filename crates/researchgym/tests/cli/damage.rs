//! Run folders that are not what was written: met with the file and line, and never made worse.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Finished, World, answer, can_isolate, exec, of_type, submit};

/// A finished run whose log was changed.
struct Damaged {
    world: World,
    run: PathBuf,
}

fn damaged(change: impl Fn(&str) -> String) -> Damaged {
    let world = World::new();
    let run = world.scripted(&[exec("echo whole"), answer(5), submit()], &["--steps", "2"]).run();
    let log = run.join("events.jsonl");
    let text = std::fs::read_to_string(&log).expect("a log");
    std::fs::write(&log, change(&text)).expect("a log");
    Damaged { world, run }
}

impl Damaged {
    fn ask(&self, words: &[&str]) -> Finished {
        let path = self.run.display().to_string();
        self.world.finish(&[words, &[path.as_str()]].concat())
    }

    /// All that read a run refuse it with `expected`, and change nothing.
    fn is_refused_with(&self, verify_code: i32, expected: &str) {
        let before = contents(&self.run);
        for words in [["show"].as_slice(), &["replay"], &["grade"], &["run", "--resume"]] {
            let refused = self.ask(words);
            assert_eq!(refused.code, 2, "{words:?}: {refused:?}");
            assert!(refused.stderr.contains(expected), "{words:?}: {refused:?}");
        }
        let verified = self.ask(&["verify"]);
        assert_eq!(verified.code, verify_code, "{verified:?}");
        assert!(
            [&verified.stdout, &verified.stderr].iter().any(|text| text.contains(expected)),
            "{verified:?}"
        );
        let listed = self.world.finish(&["list"]);
        assert!(listed.code == 0 && listed.stderr.contains(expected), "{listed:?}");
        assert_eq!(contents(&self.run), before);
    }
}

fn contents(run: &Path) -> Option<Vec<u8>> {
    std::fs::read(run.join("events.jsonl")).ok()
}

#[test]
fn a_folder_without_a_log_is_no_run() {
    if !can_isolate() {
        return;
    }
    let run = damaged(str::to_owned);
    std::fs::remove_file(run.run.join("events.jsonl")).expect("a log");
    run.is_refused_with(2, "there is no event log here");
    damaged(|_| String::new()).is_refused_with(2, "the event log is empty");
    let world = World::new();
    std::fs::create_dir(world.path("folder")).expect("a folder");
    let path = world.path("folder").display().to_string();
    let refused = world.finish(&["show", &path]);
    assert!(refused.code == 2 && refused.stderr.contains("there is no event log here"), "{refused:?}");
}

#[test]
fn an_edited_log_is_refused_with_its_line() {
    if !can_isolate() {
        return;
    }
    let edited = damaged(|log| log.replace("echo whole", "echo other"));
    edited.is_refused_with(1, "events.jsonl:");
    let gap = damaged(|log| {
        let lines: Vec<&str> = log.lines().collect();
        [&lines[..2], &lines[3..]].concat().join("\n") + "\n"
    });
    gap.is_refused_with(1, "events.jsonl:3");
    let foreign = damaged(|log| log.replacen('\n', "\nhello\n", 1));
    foreign.is_refused_with(1, "events.jsonl:2");
}

#[test]
fn a_newer_log_asks_for_a_newer_program() {
    if !can_isolate() {
        return;
    }
    let newer = damaged(|log| log.replacen("\"schema\":1", "\"schema\":2", 1));
    newer.is_refused_with(1, "newer");
    assert!(newer.ask(&["show"]).stderr.contains("update researchgym"));
}

#[test]
fn a_torn_last_line_is_cut_off_and_kept() {
    if !can_isolate() {
        return;
    }
    // Killed while the ending was written.
    let torn = damaged(|log| log[..log.len() - 30].to_owned());
    assert_eq!(torn.ask(&["show"]).code, 0);
    let verified = torn.ask(&["verify"]);
    assert!(verified.code == 1 && verified.stdout.contains("torn"), "{verified:?}");
    let resumed = torn.ask(&["run", "--steps", "unlimited", "--resume"]);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(5.0)), "{resumed:?}");
    let events = resumed.events();
    assert!(of_type(&events, "noted")[0]["text"].as_str().is_some_and(|text| text.contains("torn")));
    assert!(torn.run.join("events.torn").is_file());
    assert_eq!(torn.ask(&["verify"]).code, 0);
}

#[test]
fn an_altered_artefact_is_told_apart_from_a_whole_log() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let run = world.scripted(&[exec("seq 1 20000"), submit()], &[]).run();
    let blob = std::fs::read_dir(run.join("blobs")).expect("blobs").flatten();
    let largest = blob.max_by_key(|blob| blob.metadata().map(|metadata| metadata.len()).unwrap_or(0));
    let path = largest.expect("a blob").path();
    let mut permissions = path.metadata().expect("a blob").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&path, permissions).expect("a blob");
    std::fs::write(&path, "other").expect("a blob");
    let verified = world.finish(&["verify", &run.display().to_string()]);
    assert!(verified.code == 1 && verified.stdout.contains("was altered"), "{verified:?}");
    std::fs::remove_file(&path).expect("a blob");
    let verified = world.finish(&["verify", &run.display().to_string()]);
    assert!(verified.code == 1 && verified.stdout.contains("is missing"), "{verified:?}");
}

#[test]
fn a_log_that_was_cut_after_its_result_was_told_is_not_whole() {
    if !can_isolate() {
        return;
    }
    let cut = damaged(|text| {
        let lines: Vec<&str> = text.lines().collect();
        lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect()
    });
    let verified = cut.ask(&["verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    let said = "`status.json` names a `log_head` that no line has";
    assert!(verified.stdout.contains(said) || verified.stderr.contains(said), "{verified:?}");
}
