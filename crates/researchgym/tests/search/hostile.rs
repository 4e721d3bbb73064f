//! Candidates that misbehave, evaluated in sandboxes of their own and from a warm Python: each fails in its own way, none
//! harms the next one, and nothing is left of them.

use std::path::Path;

use serde_json::{Value, json};

use crate::climb::{fates, model, tasks};
use crate::support::{World, can_isolate, of_type};

/// An answer that puts other text in the place of the program's last two lines.
pub(crate) fn ending(text: &str) -> Value {
    json!({ "text": format!(
        "File: solve.py\n<<<<<<< SEARCH\nwith open(\"answer.json\", \"w\", encoding=\"utf-8\") as file:\n    \
         json.dump({{\"answer\": value(*numbers)}}, file)\n=======\n{text}\n>>>>>>> REPLACE\n"
    ) })
}

fn says(answer: &str) -> String {
    format!("open('answer.json', 'w').write('{answer}')")
}

/// A copy of the task whose evaluations are warm.
pub(crate) fn warm_copy(world: &World) -> String {
    let folder = world.path("tasks/climb");
    copy(&Path::new(&tasks()).join("climb"), &folder);
    let file = folder.join("task.toml");
    let text = std::fs::read_to_string(&file).expect("a task");
    let text = text.replace("\"/usr/bin/python3\", \"solve.py\"", "\"python3\", \"solve.py\"");
    let text = text.replace("\"/usr/bin/python3\", \"grade.py\"", "\"python3\", \"grade.py\"");
    let warm = "[search.warm]\npreload = [\"json\"]\ngrader = true\n\n[search.genome]";
    std::fs::write(&file, text.replace("[search.genome]", warm)).expect("a file");
    world.path("tasks").display().to_string()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

#[test]
fn every_candidate_fails_in_its_own_way_and_harms_no_other() {
    if !can_isolate() {
        return;
    }
    let daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        \
                  time.sleep(600)\n    os._exit(0)\n";
    let cases = [
        (ending("pass"), "no_artefact"),
        (ending(&says("{\\\"answer\\\": NaN}")), "invalid"),
        (ending("while True:\n    pass"), "time_out"),
        (ending(&format!("{daemon}{}", says("{\\\"answer\\\": 4}"))), "4"),
        (ending("import no_such_package"), "build"),
        (ending("raise SystemExit(3)"), "crash"),
        (
            ending("block = 'x' * 1000000\nfor _ in range(3000):\n    print(block)\nraise SystemExit(4)"),
            "crash",
        ),
        (ending("hoard = bytearray(3 << 30)\nhoard[::4096] = b'x' * len(hoard[::4096])"), "out_of_memory"),
        (
            ending("open('/tmp/left', 'w').write('x')\nopen('left', 'w').write('x')\nraise SystemExit(1)"),
            "crash",
        ),
        (
            ending(&format!(
                "import os\nassert not os.path.exists('/tmp/left') and not os.path.exists('left')\n{}",
                says("{\\\"answer\\\": 5}")
            )),
            "5",
        ),
        (json!({"text": "```python solve.py\n\n```\n"}), "not_implemented"),
        (ending("print(open('/grader/grade.py').read())"), "leakage"),
    ];
    for is_warm in [false, true] {
        let world = World::new();
        let lines: Vec<Value> = cases.iter().map(|(answer, _)| answer.clone()).collect();
        let model = model(&world, &lines);
        let folder = if is_warm { warm_copy(&world) } else { tasks() };
        let steps = cases.len().to_string();
        let finished = world.finish(&[
            "run",
            "climb",
            "search",
            "--output",
            "json",
            "--tasks-dir",
            &folder,
            "--model",
            &model,
            "--policy",
            "best-of-n",
            "--operators",
            "draft",
            "--slots",
            "1",
            "--steps",
            &steps,
            "--similarity",
            "1",
            "--repairs",
            "0",
            "--resamples",
            "0",
        ]);
        assert_eq!(finished.code, 0, "warm: {is_warm}: {}", finished.stderr);
        let events = finished.events();
        let found: Vec<String> = fates(&events).into_iter().skip(1).map(|(_, fate)| fate).collect();
        let expected: Vec<&str> = cases.iter().map(|(_, fate)| *fate).collect();
        // Memory that is not there is an exception where no control group counts it.
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        let told = |fates: &[&str]| {
            fates.iter().map(|fate| fate.replace("out_of_memory", "crash")).collect::<Vec<_>>()
        };
        assert_eq!(told(&found), told(&expected), "warm: {is_warm}");
        assert_eq!(finished.object()["score"]["score"].as_f64(), Some(5.0), "warm: {is_warm}");
        // A gigabyte of output leaves a few kilobytes.
        let longest = of_type(&events, "evaluated").iter().map(|event| event.to_string().len()).max();
        assert!(longest.is_some_and(|longest| longest < 20_000), "{longest:?}");
        world.wait_until_nothing_is_left();
    }
}
