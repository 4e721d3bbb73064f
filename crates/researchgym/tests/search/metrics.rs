//! What programs of candidates tell of themselves: lines that they print and files for TensorBoard, kept, shown, exported and
//! drawn, from cold and warm evaluations.

use serde_json::{Value, json};

use crate::climb::{drafting, fates, model, tasks, words};
use crate::hostile::{ending, warm_copy};
use crate::support::{World, can_isolate, of_type};

/// Written by TensorBoard itself: `epoch_loss` twice, then one value each of `content`, `double`, `double_content` and `whole`.
const EVENTS: &[u8] =
    include_bytes!("../../../researchgym-core/src/search/reports/fixtures/tensorflow.tfevents");

/// A program that tells of itself in every way, among much else, before it answers.
fn telling() -> Value {
    let file: String = EVENTS.iter().map(|byte| format!("{byte:02x}")).collect();
    ending(&format!(
        "import os\nprint('training')\nfor step in range(3):\n    \
         print(json.dumps({{'step': step, 'loss': 1 / (1 + step), 'rate': {{'a': 0.5}}, 'note': 'x'}}))\n\
         print('{{\"step\": 3, \"loss\": NaN}}')\nos.mkdir('logs')\n\
         open('logs/events.out.tfevents.1', 'wb').write(bytes.fromhex('{file}'))\n\
         os.symlink('/proc/self/maps', 'logs/events.out.tfevents.2')\nos.mkfifo('logs/events.out.tfevents.3')\n\
         with open('logs/events.out.tfevents.4', 'wb') as large:\n    large.truncate(10 << 20)\n\
         print('{{' * 1000000)\njson.dump({{'answer': 4}}, open('answer.json', 'w'))"
    ))
}

#[test]
fn what_a_program_tells_of_itself_is_kept_shown_exported_and_drawn() {
    if !can_isolate() {
        return;
    }
    for is_warm in [false, true] {
        let world = World::new();
        let model = model(&world, &[telling()]);
        let folder = if is_warm { warm_copy(&world) } else { tasks() };
        let finished = world.finish(&words(&folder, &drafting(&model, &["--steps", "1", "--repairs", "0"])));
        assert_eq!(finished.code, 0, "warm: {is_warm}: {}", finished.stderr);
        let events = finished.events();
        assert_eq!(fates(&events)[1].1, "4", "warm: {is_warm}: {events:?}");
        // They were over too soon to be told of meanwhile, and the baseline says nothing.
        assert_eq!(of_type(&events, "trial_reported").len(), 0);
        let reported: Vec<bool> =
            of_type(&events, "evaluated").iter().map(|event| event.get("reported").is_some()).collect();
        assert_eq!(reported, [false, false, false, true], "warm: {is_warm}: two stages each");

        let id = finished.object()["run_id"].as_str().expect("an id").to_owned();
        let shown = world.finish(&["show", &id, "--node", "1", "--output", "json"]).object();
        let trials = shown["trials"].as_array().expect("trials");
        assert_eq!(trials.len(), 1, "{trials:?}");
        let points = trials[0]["points"].as_array().expect("points");
        let value = |point: &Value| (point["name"].clone(), point["step"].clone(), point["value"].clone());
        let values: Vec<_> = points.iter().map(value).collect();
        let third = 1.0 / 3.0;
        let expected = json!([
            ["loss", 0, 1.0],
            ["rate/a", 0, 0.5],
            ["loss", 1, 0.5],
            ["rate/a", 1, 0.5],
            ["loss", 2, third],
            ["rate/a", 2, 0.5],
            ["epoch_loss", 0, 0.5],
            ["epoch_loss", 1, 0.25],
            ["content", -1, 1.5],
            ["double", -1, 2.5],
            ["double_content", -1, 3.5],
            ["whole", -1, -7.0],
        ]);
        let expected = expected.as_array().expect("a list").iter();
        let expected: Vec<_> = expected.map(|row| (row[0].clone(), row[1].clone(), row[2].clone())).collect();
        assert_eq!(values, expected, "warm: {is_warm}");
        let mut rest = trials[0].clone();
        rest["points"] = json!([]);
        let whole = json!({
            "node": 1, "evaluation": 4, "stage": "full", "is_whole": true, "points": [],
            "unread": { "not_finite": 1, "refused": 0, "damaged": 2 },
        });
        assert_eq!(rest, whole);

        let text = world.finish(&["show", &id, "--node", "1"]).stdout;
        for expected in [
            "\nwhat evaluation 4 (full) told of itself\n  metric          values  first ",
            "\n  loss            3       1.0000 (step 0)    0.3333 (step 2)    0.3333   1.0000   █▃▁\n",
            "\n  1 value left out: NaN or infinite\n",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(!world.finish(&["show", &id, "--node", "0"]).stdout.contains("told of itself"));

        let exported = world.finish(&["export", &id, "--format", "csv", "-o", "tables"]);
        assert_eq!(exported.code, 0, "{}", exported.stderr);
        let table = std::fs::read_to_string(world.path("tables/trial_metrics.csv")).expect("a table");
        let lines: Vec<&str> = table.lines().collect();
        let second = format!("{id},1,4,full,loss,0,1.0,");
        assert_eq!(
            (lines.len(), lines[0]),
            (13, "run_id,node,evaluation,stage,metric,step,value,at_ms"),
            "{table}"
        );
        assert!(lines[1].starts_with(&second), "{table}");
        let written = world.finish(&["report", "-o", "out"]);
        assert_eq!(written.code, 0, "{}", written.stderr);
        let figure = world.path(&format!("out/figures/search-trials-{id}.svg"));
        assert!(std::fs::read_to_string(&figure).expect("a figure").contains("<svg"));
        world.wait_until_nothing_is_left();
    }
}
