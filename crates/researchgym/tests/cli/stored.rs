//! Imported runs, put into a store by hand: tests of what is done with runs need no sandbox for them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use researchgym_core::record::{AttemptRecord, Category, Cause, Foreign, RunRecord, StepRecord, TaskRecord};
use researchgym_core::score::{AttemptKind, Direction, Primary, Split};

/// A run on `task` that submitted `score`, of which more is better, with a baseline of 1.
pub(crate) fn foreign(id: &str, task: &str, score: Option<f64>) -> Foreign {
    let task = TaskRecord {
        primary: Some(Primary { name: "accuracy".to_owned(), direction: Direction::Maximize }),
        baseline: Some([("accuracy".to_owned(), 1.0)].into()),
        ..TaskRecord::named(task)
    };
    let mut record = RunRecord::foreign("mlgym", task, "mlgym");
    record.run_id = id.to_owned();
    record.model = Some("tested".to_owned());
    record.started_at = Some("2026-11-01T10:00:00.000Z".to_owned());
    record.ending.cause = Some(Cause::Submitted);
    record.attempts = vec![AttemptRecord {
        number: 1,
        kind: Some(AttemptKind::Submit),
        split: Some(Split::Test),
        metrics: score.map(|score| ("accuracy".to_owned(), score)).into_iter().collect(),
        invalid: score.is_none().then(|| "nothing there".to_owned()),
        after_steps: Some(2),
        after_ms: None,
        after_cost: None,
        artefact: None,
    }];
    record.submission = Some(1);
    let mut steps = vec![
        StepRecord::new(1, Category::Bash, "bash", "ls").seen("a, \"b\"\nc"),
        StepRecord::new(2, Category::Submit, "submit", "").seen(""),
    ];
    steps[0].thought = Some("Look.".to_owned());
    for step in &steps {
        record.actions.push(step.category, None);
    }
    Foreign { record, steps }
}

/// Puts it into a runs folder. Gives its folder.
pub(crate) fn keep(runs: &Path, foreign: &Foreign) -> PathBuf {
    let folder = runs.join("2026-11-01").join(&foreign.record.run_id);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut out = BufWriter::new(File::create(folder.join("imported.jsonl")).expect("a file"));
    writeln!(out, "{}", serde_json::to_string(&foreign.record).expect("JSON")).expect("a line");
    for step in &foreign.steps {
        writeln!(out, "{}", serde_json::to_string(step).expect("JSON")).expect("a line");
    }
    out.flush().expect("a file");
    folder
}

/// The same with so many steps, for whatever needs time.
pub(crate) fn keep_long(runs: &Path, id: &str, steps: u64) -> PathBuf {
    let mut foreign = foreign(id, "long", Some(2.0));
    let step = StepRecord::new(1, Category::Bash, "bash", "python train.py").seen(&"loss 0.5\n".repeat(20));
    foreign.steps = (1..=steps).map(|number| StepRecord { number, ..step.clone() }).collect();
    keep(runs, &foreign)
}

/// Sets when a run was written to last.
pub(crate) fn age(folder: &Path, days: u64) {
    let file = File::options().append(true).open(folder.join("imported.jsonl")).expect("a file");
    file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).expect("its time can be set");
}
