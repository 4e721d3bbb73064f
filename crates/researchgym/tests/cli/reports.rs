//! `leaderboard` and `report`: our runs beside imported ones, in every form, and what is refused.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{World, answer, can_isolate, submit};

/// Two published runs in MLGym's form, of two models.
fn published(world: &World) -> String {
    for (model, score) in [("one", 1.2), ("other", 1.4)] {
        let name = format!(
            "published/metagen-{model}__battleOfSexes__default__t-0.00__p-0.95__c-4.00__install-0__parallel_agents_run_0"
        );
        std::fs::create_dir_all(world.path(&name)).expect("a folder");
        let results = json!({ "agent": [{ "Score": score }], "baseline": { "Score": 1.0 } });
        world.file(&format!("{name}/results.json"), &results.to_string());
    }
    world.path("published").display().to_string()
}

fn texts<'a>(rows: &'a Value, key: &str) -> Vec<&'a Value> {
    rows.as_array().into_iter().flatten().map(|row| &row["standing"][key]).collect()
}

#[test]
fn imported_runs_are_compared_in_every_form() {
    let world = World::new();
    let imported = world.finish(&["import", &published(&world)]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let board = world.finish(&["leaderboard", "--output", "json"]).object();
    assert_eq!(texts(&board["rows"], "contender"), ["mlgym / other", "mlgym / one"]);
    assert_eq!(texts(&board["rows"], "tasks_improved"), [1, 1]);
    assert_eq!((&board["left_out"], &board["broken"]), (&json!([]), &json!([])));
    let forms = [("text", "other"), ("md", "| 1 | mlgym | other |"), ("csv", "1,mlgym / other,mlgym,other,")];
    for (form, expected) in forms {
        let printed = world.finish(&["leaderboard", "--output", form]);
        assert_eq!(printed.code, 0, "{}", printed.stderr);
        assert!(printed.stdout.contains(expected), "{form}: {}", printed.stdout);
    }
    let page = world.finish(&["leaderboard", "--output", "html", "--group-by", "model"]).stdout;
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(!page.contains("figures/"), "nothing beside the page is named");
    let chosen = world.finish(&["leaderboard", "--model", "on*", "--output", "json"]).object();
    assert_eq!(texts(&chosen["rows"], "contender"), ["mlgym / one"]);
}

#[test]
fn a_report_is_a_folder_that_the_next_one_replaces() {
    let world = World::new();
    world.finish(&["import", &published(&world)]);
    let out = world.path("out").display().to_string();
    let written = world.finish(&["report", "-o", &out, "--title", "<b>Mine</b>"]);
    assert_eq!((written.code, written.stdout.trim()), (0, format!("{out}/report.html").as_str()));
    let read = |name: &str| std::fs::read_to_string(Path::new(&out).join(name)).expect(name);
    let page = read("report.html");
    assert!(page.contains("&lt;b&gt;Mine") && !page.contains("<b>Mine"));
    let report: Value = serde_json::from_str(&read("report.json")).expect("JSON");
    assert_eq!(report["analysis"]["given"], 2);
    for figure in report["figures"].as_array().into_iter().flatten() {
        let id = figure["id"].as_str().expect("an id");
        assert!(read(&format!("figures/{id}.svg")).contains("<svg"));
        assert!(read(&format!("figures/{id}.csv")).contains(','));
        let pdf = std::fs::read(Path::new(&out).join(format!("figures/{id}.pdf"))).expect("a PDF");
        assert!(pdf.starts_with(b"%PDF-"));
    }
    assert!(read("report.md").starts_with("# "));
    let mut earlier = report.clone();
    earlier["figures"] = json!([{ "id": "old" }, { "id": "../notes" }]);
    world.file("out/report.json", &earlier.to_string());
    world.file("out/figures/old.svg", "of an earlier report");
    world.file("out/notes.csv", "mine");
    world.file("out/figures/mine.svg", "mine");
    assert_eq!(world.finish(&["report", "-o", &out, "--model", "one"]).code, 0);
    let again: Value = serde_json::from_str(&read("report.json")).expect("JSON");
    assert_eq!(again["analysis"]["given"], 1);
    assert!(!world.path("out/figures/old.svg").exists());
    assert_eq!((read("notes.csv"), read("figures/mine.svg")), ("mine".to_owned(), "mine".to_owned()));
    let streamed = world.finish(&["report", "--model", "one", "--output", "json"]);
    let streamed: Value = serde_json::from_str(&streamed.stdout).expect("one object");
    assert_eq!(streamed["analysis"], again["analysis"]);
    assert!(!world.path("report").exists(), "a document on standard output needs no folder");
}

#[test]
fn own_and_imported_runs_stand_in_one_report_with_what_is_broken() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    world.finish(&["import", &published(&world)]);
    let own = world.scripted(&[answer("0.5"), submit()], &[]);
    let broken = world.scripted(&[submit()], &[]).run();
    std::fs::write(broken.join("events.jsonl"), "{}\n").expect("a run folder");
    let board = world.finish(&["leaderboard", "--output", "json"]).object();
    let contenders = texts(&board["rows"], "contender");
    assert_eq!(contenders.len(), 3, "{board}");
    assert!(contenders.contains(&&json!("scripted")));
    assert_eq!(board["broken"][0]["run"], json!(broken.display().to_string()));
    let one =
        world.finish(&["leaderboard", own.object()["run_id"].as_str().expect("an id"), "--output", "json"]);
    assert_eq!(texts(&one.object()["rows"], "runs"), [1]);
}

#[test]
fn what_cannot_be_compared_or_written_is_refused() {
    let world = World::new();
    let empty = world.finish(&["leaderboard"]);
    assert_eq!(empty.code, 2);
    assert!(empty.stderr.contains("there are no such runs"), "{}", empty.stderr);
    world.finish(&["import", &published(&world)]);
    let folder = world.path("mine");
    std::fs::create_dir(&folder).expect("a folder");
    let kept = world.file("mine/thesis.tex", "years of work");
    let folder = folder.display().to_string();
    for (words, code, expected) in [
        (vec!["report", "-o", folder.as_str()], 2, "holds something else than a report"),
        (vec!["report", "-o", kept.as_str()], 2, "thesis.tex"),
        (vec!["report", "-o", "/proc/nosuch/report"], 3, "/proc/nosuch"),
        (vec!["report", "nosuch"], 2, "nosuch"),
        (vec!["leaderboard", "--task", "nosuch"], 2, "there are no such runs"),
        (vec!["leaderboard", "--confidence", "2"], 2, "between 0 and 1"),
        (vec!["leaderboard", "--prices", "/nosuch.toml"], 2, "/nosuch.toml"),
        (vec!["list", "--output", "md"], 2, "are for `report` and `leaderboard`"),
    ] {
        let finished = world.finish(&words);
        assert_eq!(finished.code, code, "{words:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(expected), "{words:?}: {}", finished.stderr);
    }
    assert_eq!(std::fs::read_to_string(kept).expect("it is still there"), "years of work");
}

#[test]
fn what_cannot_be_written_to_standard_output_is_told() {
    let world = World::new();
    world.finish(&["import", &published(&world)]);
    for words in [vec!["leaderboard", "--output", "csv"], vec!["list"], vec!["report", "--output", "json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = world.command(&words).stdout(full).output().expect("it starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {told}");
        assert!(told.contains("No space left on device"), "{words:?}: {told}");
    }
}

#[test]
fn a_suspicious_inspection_flags_an_imported_run() {
    let world = World::new();
    world.finish(&["import", &published(&world)]);
    let listed = world.finish(&["list", "--output", "json"]).object();
    let id = listed["imported"][0]["run_id"].as_str().expect("an id").to_owned();
    assert_eq!(world.finish(&["inspect", &id]).code, 0);
    let report = world.path(&format!("{}/inspection_report.json", folder_of(&world, &id)));
    let verdict = |verdict: &str| {
        let mut object: Value =
            serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
        object["verdict"] = json!(verdict);
        std::fs::write(&report, object.to_string()).expect("a report");
    };
    let flagged = |more: &[&str]| {
        let words: Vec<&str> = ["leaderboard", "--output", "json"].iter().chain(more).copied().collect();
        let rows = world.finish(&words).object()["rows"].clone();
        let sum = |key: &str| texts(&rows, key).iter().filter_map(|value| value.as_u64()).sum::<u64>();
        (sum("runs"), sum("flagged"))
    };
    assert_eq!(flagged(&[]), (2, 0));
    verdict("SUSPICIOUS");
    assert_eq!((flagged(&[]), flagged(&["--without-flagged"])), ((2, 1), (1, 0)));
    assert!(world.finish(&["show", &id]).stdout.contains("SUSPICIOUS"));
}

/// A run's folder below the world's.
fn folder_of(world: &World, id: &str) -> String {
    let day = std::fs::read_dir(world.path("runs")).expect("runs").flatten();
    let days = day.filter(|day| day.path().join(id).is_dir());
    let name = days.map(|day| day.file_name().to_string_lossy().into_owned()).next().expect("the run");
    format!("runs/{name}/{id}")
}
