//! `basic-agent` on real tasks, with a model that follows a script: it reads, changes code, measures, and submits what is
//! better than the baseline.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Finished, World, can_isolate, say};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn call(told: &[&str], name: &str, arguments: Value) -> Value {
    json!({ "text": "Next.", "calls": [{ "name": name, "arguments": arguments }], "expect": { "contains": told } })
}

fn run(world: &World, task: &str, lines: &[Value], prepare: impl Fn(&mut std::process::Command)) -> Finished {
    let model = format!("scripted/{}", world.script(lines));
    let mut command = world.command(&["run", task, "rg-agent", "--model", &model, "--seed", "1"]);
    command.env("RESEARCHGYM_TASKS", repository().join("tasks"));
    prepare(&mut command);
    Finished::of(command.output().expect("the binary starts"))
}

#[test]
fn blotto_is_improved() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let patch = "*** Begin Patch\n*** Update File: strategy.py\n@@ def row_strategy(history):\n \
                 \"\"\"Your next allocation after `history`, a list of (your allocation, the opponent's), oldest first.\"\"\"\n\
                 +    return [0, 0, 30, 30, 30, 30]\n*** End Patch";
    let lines = [
        call(
            &["Colonel Blotto", "Baseline to beat: Score = -0.24797"],
            "bash",
            json!({ "cmd": "ls; python3 evaluate.py 100" }),
        ),
        call(
            &["exit code 0", "strategy.py"],
            "search_file",
            json!({ "file": "strategy.py", "query": "def row_strategy" }),
        ),
        call(&[">>> "], "validate", json!({})),
        call(&["attempt 1 is valid\nScore = -0.2"], "apply_patch", json!({ "patch": patch })),
        call(&["changed strategy.py"], "start_async", json!({ "cmd": "python3 evaluate.py 500" })),
        call(
            &["job-1 is running"],
            "bash",
            json!({ "cmd": "until [ -e async_jobs/job-1/exit ]; do sleep 0.05; done" }),
        ),
        call(&[], "check_async", json!({ "job_id": "job-1" })),
        call(&["job-1: ended with exit code 0"], "validate", json!({})),
        call(&["attempt 2 is valid\nScore = 0.", "48 validations left"], "submit", json!({})),
    ];
    let finished = run(&world, "blotto", &lines, |_| {});
    let object = finished.object();
    assert_eq!((finished.code, &object["ending"]), (0, &json!("submitted")), "{finished:?}");
    let score = object["score"]["Score"].as_f64().expect("a score");
    assert!(score > 0.2, "{object}");
}

#[test]
fn house_price_is_improved() {
    let data = std::env::var_os("RESEARCHGYM_TEST_DATA")
        .map_or_else(|| repository().join("../shared/data"), PathBuf::from);
    let data = data.join("house_price");
    let has_uv = std::process::Command::new("uv")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_uv || !data.join("ames_train.csv").exists() {
        say("SKIPPED: house-price needs uv, and its data in RESEARCHGYM_TEST_DATA");
        return;
    }
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [
        call(
            &["House prices in Ames"],
            "bash",
            json!({ "cmd": "head -2 data/train.csv; python3 baseline.py" }),
        ),
        call(&["exit code 0"], "validate", json!({})),
        call(
            &["r2 = 0.8799"],
            "python",
            json!({ "code": "import json\np = json.load(open('parameters.json'))\np.update(target='logarithm', alpha=10.0, share_of_trees=0.5, trees=300)\njson.dump(p, open('parameters.json', 'w'))" }),
        ),
        call(
            &["exit code 0\n(no output)"],
            "bash",
            json!({ "cmd": "python3 model.py", "timeout_minutes": 5 }),
        ),
        call(&[], "validate", json!({})),
        call(&["attempt 2 is valid\nr2 = 0.9"], "submit", json!({})),
    ];
    // The environment is built once for all runs of this test.
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("house-price-home");
    let finished = run(&world, "house-price", &lines, |command| {
        command.env("RESEARCHGYM_HOME", &home).arg("--data-dir").arg(&data);
        for name in [
            "HOME",
            "UV_INDEX_URL",
            "UV_DEFAULT_INDEX",
            "UV_CACHE_DIR",
            "PIP_INDEX_URL",
            "HTTPS_PROXY",
            "SSL_CERT_FILE",
        ] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
    });
    let object = finished.object();
    assert_eq!((finished.code, &object["ending"]), (0, &json!("submitted")), "{finished:?}");
    assert!(object["score"]["r2"].as_f64().is_some_and(|r2| r2 > 0.893), "{object}");
}
