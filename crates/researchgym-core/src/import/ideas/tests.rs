//! Searches as their files tell them, and rows of published ones.

use serde_json::json;

use super::*;

/// Number, primary metric, why invalid.
fn attempts(run: &Foreign) -> Vec<(u64, Option<f64>, Option<&str>)> {
    let primary = run.record.task.primary.as_ref().unwrap();
    run.record
        .attempts
        .iter()
        .map(|attempt| {
            (attempt.number, attempt.metrics.get(&primary.name).copied(), attempt.invalid.as_deref())
        })
        .collect()
}

#[test]
fn names_tell_what_a_file_is() {
    for (path, expected) in [
        ("ideas_run/ideas_epoch3.json", Some(File::Ideas { epoch: 3 })),
        ("ideas.json", Some(File::Ideas { epoch: 0 })),
        ("ideas_run/database.json", Some(File::Database)),
        ("out/ideas.jsonl", Some(File::Rows)),
        ("training_logs_run/epoch2/ranked_ideas.json", Some(File::Ranked { epoch: 2 })),
        ("diffs_run_epoch4/code_diff_idea_7.diff", Some(File::Diff { epoch: 4, idea: 7 })),
        ("training_logs_run/epoch1/idea_5/metrics.json", Some(File::Metrics { epoch: 1, idea: 5 })),
        ("metrics.json", None),
        ("code_diff_idea_x.diff", None),
        ("keys.json", None),
    ] {
        assert_eq!(File::of(path), expected, "{path}");
    }
}

#[test]
fn executed_ideas_are_attempts_in_order() {
    let mut search = Ideas::default();
    search
        .file(File::Ranked { epoch: 1 }, br#"[{"idea_1": 3.25}, {"idea_0": 3.5}, {"idea_2": -999}]"#)
        .unwrap();
    search.file(File::Ideas { epoch: 0 }, br#"["first", "never run", 5]"#).unwrap();
    search.file(File::Ideas { epoch: 1 }, br#"["a", "b", "c"]"#).unwrap();
    let database = br#"[{"epoch": 0, "idea_id": 0, "idea": "first", "lowest_val_loss": 3.75}, 7]"#;
    search.file(File::Database, database).unwrap();
    search.file(File::Diff { epoch: 1, idea: 1 }, b"--- a\n+++ b\n").unwrap();
    let metrics = br#"{"eval_rewards": [{"step": 1, "val_loss": 3.5}, {"step": 2, "val_loss": NaN}], "time_to_target": 1500}"#;
    search.file(File::Metrics { epoch: 1, idea: 0 }, metrics).unwrap();
    let run = search.finish("nanogpt");
    let expected = [
        (1, Some(3.75), None),
        (2, Some(3.5), None),
        (3, Some(3.25), None),
        (4, None, Some("its execution gave no score")),
    ];
    assert_eq!(attempts(&run), expected);
    let primary = Primary { name: "lowest_val_loss".to_owned(), direction: Direction::Minimize };
    assert_eq!(run.record.task, TaskRecord { primary: Some(primary), ..TaskRecord::named("nanogpt") });
    assert_eq!(run.record.best_value(), Some(3.25));
    assert_eq!(run.record.attempts[1].metrics["time_to_target"], 1500.0);
    assert_eq!(
        run.record.left_out,
        ["1 ideas that have no score: they were not executed", "2 entries in another form"]
    );
    let step = StepRecord {
        thought: Some("b".to_owned()),
        observation: "epoch 1, idea 1: lowest_val_loss 3.25".to_owned(),
        ..StepRecord::new(3, Category::Edit, "idea", "--- a\n+++ b\n")
    };
    assert_eq!(run.steps[2], step);
}

#[test]
fn rows_are_understood_under_other_names() {
    let rows = [
        json!({ "iteration": 0, "idea_id": "idea_4", "idea_text": "x", "accuracy": 0.5, "patch": "+" }),
        json!({ "iteration": 0, "proposal": "y", "accuracy": "NaN" }),
        json!({ "iteration": 1, "proposal": "z", "accuracy": null }),
        json!({ "unrelated": 1 }),
    ];
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let list = Value::from(rows.to_vec()).to_string();
    for text in [lines, list] {
        let mut search = Ideas::default();
        search.rows(text.as_bytes()).unwrap();
        let run = search.finish("math");
        assert_eq!(attempts(&run), [(1, Some(0.5), None), (2, None, Some("its execution gave no score"))]);
        let left_out =
            ["1 ideas that have no score: they were not executed", "1 rows without an idea or a score"];
        assert_eq!(run.record.left_out, left_out);
    }
}

#[test]
fn ranked_scores_alone_tell_the_direction_by_their_order() {
    for (text, direction) in [
        (r#"[{"idea_0": 0.5}, {"idea_1": 0.25}, {"idea_2": 0}]"#, Direction::Maximize),
        (r#"[{"idea_0": 3.2}, {"idea_1": 3.4}, {"idea_2": -1}]"#, Direction::Minimize),
    ] {
        let mut search = Ideas::default();
        search.file(File::Ranked { epoch: 0 }, text.as_bytes()).unwrap();
        assert_eq!(search.finish("t").record.task.primary.unwrap().direction, direction, "{text}");
    }
}

#[test]
fn damage_is_told() {
    let mut search = Ideas::default();
    let mut told = |file, text: &str| search.file(file, text.as_bytes()).unwrap_err().to_string();
    assert_eq!(told(File::Database, "{}"), "this is no part of a search over ideas: the database is no list");
    assert_eq!(told(File::Ideas { epoch: 0 }, "[\"a"), "the file breaks off at line 1, column 3");
    let rows = search.rows(b"{\"idea\": \"a\", \"score\": 1}\n{\"idea\": ").unwrap_err();
    assert_eq!(rows.to_string(), "the file breaks off at line 2, column 9");
    assert_eq!(search.count(), 1);
}

#[test]
fn rows_that_this_program_exported_are_taken_with_their_metric_and_one_run_at_a_time() {
    let row = |run: &str, number: u64, status: &str, value: Option<f64>| {
        json!({
            "run_id": run, "task": "char-lm", "epoch": 0, "idea_id": number, "idea": "warm up", "diff": "--- a", "status": status,
            "metric": "gain", "direction": "minimize", "value": value,
        })
        .to_string()
    };
    let rows = [
        row("one", 0, "measured", Some(-0.5)),
        row("one", 1, "failed", None),
        row("one", 2, "not_implemented", None),
        row("two", 0, "measured", Some(9.0)),
    ];
    let mut ideas = Ideas::default();
    ideas.rows(rows.join("\n").as_bytes()).unwrap();
    let run = ideas.finish("out");
    assert_eq!(attempts(&run), [(1, Some(-0.5), None), (2, None, Some("its execution gave no score"))]);
    let task = &run.record.task;
    assert_eq!(
        (task.id.as_str(), task.primary.as_ref().unwrap().direction),
        ("char-lm", Direction::Minimize)
    );
    assert_eq!(
        run.record.left_out,
        [
            "1 ideas that have no score: they were not executed",
            "1 ideas of further runs: one is read at a time"
        ]
    );
}
