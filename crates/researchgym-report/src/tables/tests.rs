use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use researchgym_core::digest::Digest;
use researchgym_core::model::{Stop, Usage};
use researchgym_core::record::{
    AttemptRecord, Category, Cause, Change, ModelUse, NodeRecord, Origin, RunRecord, StepRecord, TaskRecord,
    TrialRecord,
};
use researchgym_core::score::{AttemptKind, Direction, Primary, Split};
use researchgym_core::search::event::MetricPoint;
use researchgym_core::spec::MicroUsd;

use super::*;
use crate::story::Call;

fn run() -> RunRecord {
    let task = TaskRecord {
        primary: Some(Primary { name: "loss".to_owned(), direction: Direction::Minimize }),
        directions: BTreeMap::from([("speed".to_owned(), Direction::Maximize)]),
        baseline: Some(BTreeMap::from([("loss".to_owned(), 2.0), ("speed".to_owned(), 10.0)])),
        noise_floor: 0.25,
        ..TaskRecord::named("fit, \"well\"")
    };
    let mut run = RunRecord::foreign("mlgym", task, "agent");
    run.run_id = "0123abcd".to_owned();
    run.origin = Origin::Foreign {
        program: "mlgym".to_owned(),
        source: "a.traj".to_owned(),
        digest: Digest::of(b"a"),
    };
    run.model = Some("m".to_owned());
    run.seed = Some(u64::MAX);
    run.tags = vec!["x".to_owned(), "y z".to_owned()];
    run.started_at = Some("2026-11-25T10:00:00.5+01:00".to_owned());
    run.ending.cause = Some(Cause::StepLimit);
    let attempt = |number, metrics: &[(&str, f64)], invalid: Option<&str>| AttemptRecord {
        number,
        kind: Some(AttemptKind::Validate),
        split: Some(Split::Test),
        metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        invalid: invalid.map(str::to_owned),
        after_steps: Some(number),
        after_ms: None,
        after_cost: Some(MicroUsd(5)),
        artefact: None,
    };
    run.attempts = vec![
        attempt(1, &[("loss", 1.5), ("speed", 8.0), ("odd", 0.1)], None),
        attempt(2, &[], Some("line\nbreak")),
    ];
    run.submission = Some(1);
    run.usage.working_ms = Some(1500);
    let usage = Usage { input: 10, output: 3, ..Usage::default() };
    run.usage.models = BTreeMap::from([("m".to_owned(), ModelUse { calls: 2, usage })]);
    run
}

fn written<'a, S: Schema>(format: TableFormat, rows: impl IntoIterator<Item = S::Row<'a>>) -> Vec<u8> {
    let mut file = TableFile::<S, Vec<u8>>::new(format, Vec::new()).expect("a file begins");
    for row in rows {
        file.push(&row).expect("a row");
    }
    file.finish().expect("a file").0
}

/// A table as a map from column to cell in one line each: what CSV says.
fn csv<'a, S: Schema>(rows: impl IntoIterator<Item = S::Row<'a>>) -> Vec<BTreeMap<String, String>> {
    let text = String::from_utf8(written::<S>(TableFormat::Csv, rows)).expect("UTF-8");
    let mut lines = parsed(&text).into_iter();
    let names = lines.next().expect("names");
    lines.map(|line| names.iter().cloned().zip(line).filter(|(_, cell)| !cell.is_empty()).collect()).collect()
}

/// The cells of a CSV text, by the rules of RFC 4180 and no shortcut of ours.
fn parsed(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        match (is_quoted, character) {
            (true, '"') if characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            (true, '"') => is_quoted = false,
            (true, other) => cell.push(other),
            (false, '"') => is_quoted = true,
            (false, ',') => line.push(std::mem::take(&mut cell)),
            (false, '\r') => {}
            (false, '\n') => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            (false, other) => cell.push(other),
        }
    }
    lines
}

fn map<const N: usize>(cells: [(&str, &str); N]) -> BTreeMap<String, String> {
    cells.into_iter().map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
}

#[test]
fn a_run_is_one_row() {
    let run = run();
    let expected = map([
        ("run_id", "0123abcd"),
        ("origin", "mlgym"),
        ("source", "a.traj"),
        ("digest", &Digest::of(b"a").to_string()),
        ("task", "fit, \"well\""),
        ("variant", "default"),
        ("agent", "agent"),
        ("model", "m"),
        ("seed", "18446744073709551615"),
        ("tags", r#"["x","y z"]"#),
        ("started_at", "2026-11-25T09:00:00.500Z"),
        ("state", "ended"),
        ("cause", "step_limit"),
        ("metric", "loss"),
        ("direction", "minimize"),
        ("baseline", "2.0"),
        ("noise_floor", "0.25"),
        ("attempts", "2"),
        ("attempts_invalid", "1"),
        ("best_attempt", "1"),
        ("best_score", "1.5"),
        ("submission", "1"),
        ("submission_score", "1.5"),
        ("submission_gain", "0.5"),
        ("edits", "0"),
        ("edits_rejected", "0"),
        ("working_ms", "1500"),
        ("calls", "2"),
        ("input_tokens", "10"),
        ("cache_read_tokens", "0"),
        ("output_tokens", "3"),
        ("findings", "0"),
        ("is_flagged", "false"),
    ]);
    assert_eq!(csv::<Runs>([&run]), [expected]);
}

#[test]
fn each_metric_of_an_attempt_is_a_row_and_an_invalid_attempt_is_one() {
    let run = run();
    let common = |attempt| {
        let is_submission = if attempt == "1" { "true" } else { "false" };
        map([
            ("run_id", "0123abcd"),
            ("attempt", attempt),
            ("kind", "validate"),
            ("split", "test"),
            ("is_submission", is_submission),
            ("after_steps", attempt),
            ("after_cost_micro_usd", "5"),
        ])
    };
    let with = |attempt, more: &[(&str, &str)]| {
        let mut row = common(attempt);
        row.extend(more.iter().map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned())));
        row
    };
    let expected = [
        with(
            "1",
            &[
                ("metric", "loss"),
                ("value", "1.5"),
                ("is_primary", "true"),
                ("direction", "minimize"),
                ("baseline", "2.0"),
                ("gain", "0.5"),
            ],
        ),
        with("1", &[("metric", "odd"), ("value", "0.1"), ("is_primary", "false")]),
        with(
            "1",
            &[
                ("metric", "speed"),
                ("value", "8.0"),
                ("is_primary", "false"),
                ("direction", "maximize"),
                ("baseline", "10.0"),
                ("gain", "-2.0"),
            ],
        ),
        with("2", &[("invalid", "line\nbreak")]),
    ];
    assert_eq!(csv::<Scores>(scores_of(&run)), expected);
}

#[test]
fn a_step_is_one_row() {
    let mut step = StepRecord::new(3, Category::Edit, "edit", "=1+1").seen("a,b\r\n\"c\"");
    step.exit_code = Some(-1);
    step.changes = vec![Change { path: "x".to_owned(), content: None, is_applied: true }];
    let expected = map([
        ("run_id", "0123abcd"),
        ("step", "3"),
        ("category", "edit"),
        ("tool", "edit"),
        ("action", "=1+1"),
        ("observation", "a,b\r\n\"c\""),
        ("dropped_bytes", "0"),
        ("exit_code", "-1"),
        ("is_refused", "false"),
        ("changes", r#"[{"path":"x","content":null,"is_applied":true}]"#),
    ]);
    assert_eq!(csv::<Steps>([StepRow { run_id: "0123abcd", step: &step }]), [expected]);
}

#[test]
fn calls_are_single_where_they_are_known_and_sums_where_not() {
    let run = run();
    let sum = map([
        ("run_id", "0123abcd"),
        ("calls", "2"),
        ("model", "m"),
        ("input_tokens", "10"),
        ("cache_read_tokens", "0"),
        ("cache_write_5m_tokens", "0"),
        ("cache_write_1h_tokens", "0"),
        ("output_tokens", "3"),
        ("reasoning_tokens", "0"),
    ]);
    assert_eq!(csv::<Calls>(calls_of(&run, &[])), [sum]);
    let call = Call {
        model: "m".to_owned(),
        time: Some("2026-11-25T09:00:00Z".to_owned()),
        answer: None,
        after_steps: 4,
        stop: Some(Stop::Other("odd".to_owned())),
        failure: None,
        usage: None,
        cost: Some(MicroUsd(7)),
        took_ms: Some(9),
    };
    let single = map([
        ("run_id", "0123abcd"),
        ("call", "1"),
        ("calls", "1"),
        ("model", "m"),
        ("time", "2026-11-25T09:00:00.000Z"),
        ("after_steps", "4"),
        ("stop", "odd"),
        ("cost_micro_usd", "7"),
        ("took_ms", "9"),
    ]);
    assert_eq!(csv::<Calls>(calls_of(&run, &[call])), [single]);
}

/// Parquet, read back by its own reader.
fn parquet_batches(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).expect("Parquet");
    reader.build().expect("a reader").collect::<Result<_, _>>().expect("batches")
}

fn arrow_batches(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let reader = arrow_ipc::reader::FileReader::try_new(std::io::Cursor::new(bytes), None).expect("Arrow");
    reader.collect::<Result<_, _>>().expect("batches")
}

#[test]
fn parquet_and_arrow_hold_the_same_and_are_the_same_each_time() {
    let run = run();
    let rows = || scores_of(&run);
    let parquet = parquet_batches(written::<Scores>(TableFormat::Parquet, rows()));
    let arrow = arrow_batches(written::<Scores>(TableFormat::Arrow, rows()));
    // The reader of Parquet gives batches without the file's own metadata.
    let shown = |batches: &[RecordBatch]| -> Vec<_> {
        batches.iter().map(|batch| (batch.schema().fields().clone(), batch.columns().to_vec())).collect()
    };
    assert_eq!(shown(&parquet), shown(&arrow));
    assert_eq!((parquet.len(), parquet[0].num_rows()), (1, 4));
    for format in [TableFormat::Parquet, TableFormat::Arrow, TableFormat::Csv] {
        assert_eq!(written::<Scores>(format, rows()), written::<Scores>(format, rows()), "{format:?}");
    }
}

#[test]
fn a_table_without_rows_has_its_columns() {
    let parquet = written::<Calls>(TableFormat::Parquet, []);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(parquet)).expect("Parquet");
    let names: Vec<&str> = Calls::COLUMNS.iter().map(|column| column.name).collect();
    let found: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(found, names);
    assert_eq!(
        String::from_utf8(written::<Calls>(TableFormat::Csv, [])).expect("UTF-8"),
        names.join(",") + "\r\n"
    );
}

#[test]
fn a_destination_that_is_full_is_told_as_that() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let run = run();
    for format in [TableFormat::Parquet, TableFormat::Arrow, TableFormat::Csv] {
        let outcome = TableFile::<Runs, Full>::new(format, Full).and_then(|mut file| {
            file.push(&&run)?;
            file.finish().map(|_| ())
        });
        let is_full =
            matches!(&outcome, Err(TableError::Io(error)) if error.kind() == std::io::ErrorKind::StorageFull);
        assert!(is_full, "{format:?}: {outcome:?}");
    }
}

#[test]
fn a_node_is_one_row_and_what_is_not_known_is_null() {
    let node: NodeRecord = serde_json::from_value(serde_json::json!({
        "node": 7, "operator": "crossover", "parents": [3, 5], "shown": [1], "tag": { "island": 2 },
        "status": "measured", "value": 0.5, "n": 2, "standard_error": 0.25, "attempts": 3,
        "spent": { "calls": 2, "tokens": 900, "cost": 41 }, "evaluation_ms": 1200, "planned_ms": 10,
        "settled_ms": 1300, "idea": "mix, \"both\"", "model": "p/m", "artefact": Digest::of(b"7"), "size": 64,
    }))
    .expect("a node");
    let waiting = NodeRecord {
        status: "proposed".to_owned(),
        value: None,
        standard_error: None,
        settled_ms: None,
        idea: None,
        model: None,
        artefact: None,
        parents: Vec::new(),
        shown: Vec::new(),
        tag: Default::default(),
        ..node.clone()
    };
    let common = [
        ("run_id", "r"),
        ("node", "7"),
        ("inherited", "false"),
        ("operator", "crossover"),
        ("n", "2"),
        ("attempts", "3"),
        ("calls", "2"),
        ("tokens", "900"),
        ("cost_micro_usd", "41"),
        ("evaluation_ms", "1200"),
        ("planned_ms", "10"),
        ("size", "64"),
    ];
    let mut first = map(common);
    first.extend(map([
        ("parents", "[3,5]"),
        ("shown", "[1]"),
        ("island", "2"),
        ("status", "measured"),
        ("value", "0.5"),
        ("standard_error", "0.25"),
        ("settled_ms", "1300"),
        ("idea", "mix, \"both\""),
        ("model", "p/m"),
        ("artefact", &Digest::of(b"7").to_string()),
    ]));
    let mut second = map(common);
    second.extend(map([("status", "proposed")]));
    let rows = [&node, &waiting].map(|node| NodeRow { run_id: "r", node });
    assert_eq!(csv::<Nodes>(rows), [first, second]);
    written::<Nodes>(TableFormat::Parquet, rows);
}

#[test]
fn values_of_trials_come_with_their_evaluations() {
    let point = |name: &str, step, value, at_ms| MetricPoint { name: name.to_owned(), step, value, at_ms };
    let trial = TrialRecord {
        node: 3,
        evaluation: 4,
        stage: "full".to_owned(),
        is_whole: true,
        unread: Default::default(),
        points: vec![point("loss, \"x\"", Some(-1), 0.1, 0), point("lr", None, 1e-300, 2500)],
    };
    let common = [("run_id", "r"), ("node", "3"), ("evaluation", "4"), ("stage", "full")];
    let mut first = map(common);
    first.extend(map([("metric", "loss, \"x\""), ("step", "-1"), ("value", "0.1"), ("at_ms", "0")]));
    let mut second = map(common);
    second.extend(map([("metric", "lr"), ("value", "1e-300"), ("at_ms", "2500")]));
    let rows = || trial.points.iter().map(|point| TrialMetricRow { run_id: "r", trial: &trial, point });
    assert_eq!(csv::<TrialMetrics>(rows()), [first, second]);
    written::<TrialMetrics>(TableFormat::Parquet, rows());
}

/// The documentation of the tables is what the columns say.
#[test]
fn the_reference_lists_all_columns() {
    fn section<S: Schema>() -> String {
        let rows = S::COLUMNS.iter().map(|column| {
            format!("| `{}` | {} | {} | {} |\n", column.name, column.kind.name(), column.unit, column.meaning)
        });
        format!("| column | type | unit | meaning |\n|---|---|---|---|\n{}", rows.collect::<String>())
    }
    let page = include_str!("../../../../docs/reference/export-tables.md");
    let tables = [
        section::<Runs>(),
        section::<Steps>(),
        section::<Scores>(),
        section::<Calls>(),
        section::<Nodes>(),
        section::<TrialMetrics>(),
    ];
    for expected in tables.into_iter().chain([section::<Ideas>(), section::<Epochs>()]) {
        assert!(page.contains(&expected), "docs/reference/export-tables.md must hold:\n{expected}");
    }
}

proptest! {
    #[test]
    fn csv_gives_back_any_text(action in any::<String>(), observation in any::<String>()) {
        let mut step = StepRecord::new(1, Category::Other, "t", action.clone());
        step.observation = observation.clone();
        let text = written::<Steps>(TableFormat::Csv, [StepRow { run_id: "r", step: &step }]);
        let lines = parsed(&String::from_utf8(text).expect("UTF-8"));
        prop_assert_eq!(lines.len(), 2);
        let place = |name: &str| Steps::COLUMNS.iter().position(|column| column.name == name).expect("a column");
        prop_assert_eq!(&lines[1][place("action")], &action);
        prop_assert_eq!(&lines[1][place("observation")], &observation);
    }
}
