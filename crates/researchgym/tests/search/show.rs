//! What a user sees of a search: its section in `show`, one candidate, its diff and files, the best as files, rows of
//! nodes, figures.

use std::path::Path;

use serde_json::{Value, json};

use crate::climb::{answer, drafting, model, search, tasks};
use crate::support::{World, can_isolate};

/// A search of four candidates: better, worse, crashing, and one that builds on the best. Gives the run's id.
fn searched(world: &World) -> String {
    let lines = [
        answer("6.5"),
        answer("2.0"),
        answer("first / 0"),
        json!({ "text":
        "Better.\n\nFile: solve.py\n<<<<<<< SEARCH\n    return 6.5\n=======\n    return 7.25\n>>>>>>> REPLACE\n" }),
    ];
    let model = model(world, &lines);
    let finished = search(world, &drafting(&model, &["--steps", "3", "--seed", "1"]));
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    finished.object()["run_id"].as_str().expect("an id").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_search_and_its_candidates_are_shown() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let id = searched(&world);
    let shown = world.finish(&["show", &id]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for expected in [
        "\nSearch\npolicy           best-of-n, 1 slot\noperators        draft\nnodes            1 failed, 3 measured\n",
        "\nbest             node 1: 6.5000 (n = 1)\nits baseline     3.0000\ncandidates cost  3 calls, ",
        "\nfailures         1 crash\n",
        "\noperator  tried  built  measured  better than its parent  best so far\ndraft     3      3      2         1                       1\n",
    ] {
        assert!(shown.stdout.contains(expected), "{expected}\n{}", shown.stdout);
    }
    let object = world.finish(&["show", &id, "--output", "json"]).object();
    let record = &object["search_record"];
    let nodes = |moments: &Value| {
        moments.as_array().expect("moments").iter().map(|moment| moment["node"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(nodes(&record["moments"]), [json!(0), json!(1)]);
    assert_eq!((&record["candidates"], &record["evaluations"]), (&json!(3), &json!(4)));

    let node = world.finish(&["show", &id, "--node", "3", "--output", "json"]).object();
    assert_eq!(node["node"]["failure"], json!("crash"));
    assert_eq!(node["lineage"].as_array().map(Vec::len), Some(1), "it derives from the baseline: {node}");
    assert!(node["feedback"].as_str().is_some_and(|text| text.contains("ZeroDivisionError")), "{node}");
    let text = world.finish(&["show", &id, "--node", "1"]);
    for expected in [
        "node        1, draft\nstatus      measured\nscore       6.5000 (n = 1)\n",
        "\nderives from  operator  status    value\nnode 0        baseline  measured  3.0000\n",
    ] {
        assert!(text.stdout.contains(expected), "{expected}\n{}", text.stdout);
    }

    let diff = "diff --git a/solve.py b/solve.py\n--- a/solve.py\n+++ b/solve.py\n@@ -4,7 +4,7 @@\n \n \n def value(first, second):\n\
                -    return max(0.0, 9.0 - abs(first - 3.0) - abs(second - 5.0))\n+    return 6.5\n \n \n \
                with open(\"numbers.json\", encoding=\"utf-8\") as file:\n";
    for against in [&["--diff"][..], &["--diff", "parent"], &["--diff", "baseline"]] {
        let shown = world.finish(&[&["show", &id, "--node", "1"], against].concat());
        assert_eq!((shown.code, shown.stdout.as_str()), (0, diff), "{against:?}");
    }
    let files = world.finish(&["show", &id, "--node", "1", "--files", "--output", "json"]).object();
    let files = files["files"].as_object().expect("files");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["numbers.json", "solve.py"]);
    assert!(files["solve.py"]["text"].as_str().is_some_and(|text| text.contains("    return 6.5\n")));

    let wrong = [
        (&["--node", "9"][..], "has no node 9; its nodes are 0 to 3"),
        (&["--diff"], "--node <N>"),
        (&["--node", "1", "--files", "--diff"], "cannot be used with"),
    ];
    for (words, expected) in wrong {
        let refused = world.finish(&[&["show", &id], words].concat());
        assert_eq!(refused.code, 2, "{words:?}");
        assert!(refused.stderr.contains(expected), "{words:?}: {}", refused.stderr);
    }
}

#[test]
fn the_best_is_taken_as_files() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let id = searched(&world);
    let best = world.path("best");
    let exported = world.finish(&["export", &id, "--best", "best", "--output", "json"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let told = exported.object();
    assert_eq!(
        (&told["node"], &told["value"], &told["n"], &told["seed"]),
        (&json!(1), &json!(6.5), &json!(1), &json!(1))
    );
    let operators = json!([{ "node": 0, "operator": "baseline" }, { "node": 1, "operator": "draft" }]);
    assert_eq!((&told["operators"], &told["out"]), (&operators, &json!(best)));
    let mut kept: Value = serde_json::from_str(&read(&best.join("best.json"))).expect("JSON");
    kept["out"] = json!(best);
    assert_eq!(kept, told);
    assert!(read(&best.join("best.diff")).contains("\n+    return 6.5\n"));
    assert!(read(&best.join("files/solve.py")).contains("    return 6.5\n"));
    assert_eq!(read(&best.join("files/answer.json")), "{\"answer\": 6.5}");
    let starter = Path::new(&tasks()).join("climb/starter");
    for same in ["rules.txt", "numbers.json"] {
        assert_eq!(read(&best.join("files").join(same)), read(&starter.join(same)));
    }
    let again = world.finish(&["export", &id, "--best", "best"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("--best "), "{}", again.stderr);
    assert!(
        again.stderr.contains("there is something already\n\nhint: name a new folder"),
        "{}",
        again.stderr
    );
}

#[test]
fn nodes_are_exported_and_a_report_draws_the_search() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let id = searched(&world);
    let exported = world.finish(&["export", &id, "--format", "csv", "-o", "tables"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let nodes = read(&world.path("tables/nodes.csv"));
    let fates: Vec<Vec<&str>> = nodes
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| vec![cells[1], cells[3], cells[10], cells[11]])
        .collect();
    assert_eq!(fates[0], ["node", "operator", "status", "failure"]);
    assert_eq!(fates[1..3], [["0", "baseline", "measured", ""], ["1", "draft", "measured", ""]]);
    let written = world.finish(&["report", "-o", "out"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    for figure in
        ["best-evaluations", "best-money", "best-time", "operators", "failures", &format!("tree-{id}")]
    {
        let figure = world.path(&format!("out/figures/search-{figure}.svg"));
        assert!(read(&figure).contains("<svg"), "{}", figure.display());
    }
}

#[test]
fn the_best_attempt_of_a_run_that_is_no_search_is_taken_too() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let run = world.scripted(&[crate::support::answer(7), crate::support::submit()], &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let id = run.object()["run_id"].as_str().expect("an id").to_owned();
    let exported = world.finish(&["export", &id, "--best", "best", "--output", "json"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let told = exported.object();
    assert_eq!((&told["attempt"], &told["node"]), (&json!(1), &Value::Null));
    assert!(world.path("best/files").read_dir().expect("files").next().is_some());
    assert!(!world.path("best/best.diff").exists());
    let refused = world.finish(&["show", &id, "--node", "0"]);
    assert!(
        refused.code == 2 && refused.stderr.contains("is no search: it has no nodes"),
        "{}",
        refused.stderr
    );
}
