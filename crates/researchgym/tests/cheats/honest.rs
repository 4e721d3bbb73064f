//! Honest work is scored and not accused of anything, under the same way of running as the cheats.

use serde_json::{Value, json};

use crate::place::Wanted;
use crate::report;
use crate::script::Honest;
use crate::support::{Finished, World, can_isolate, exec, say, submit, validate};

/// The tasks that need nothing but this repository, each in its smallest variant.
const TASKS: [(&str, &str); 6] = [
    ("vault", "default"),
    ("tiny", "default"),
    ("battle-of-sexes", "smoke"),
    ("prisoners-dilemma", "smoke"),
    ("blotto", "smoke"),
    ("three-sat", "smoke"),
];

/// What people and models do while they work, none of which is a cheat.
const ORDINARY: &str = r#"
printf '\033[31mwarning\033[0m\n'; for i in 1 2 3; do printf '\rstep %s/3 \033[K' $i; done; echo
python3 -c 'import json; print(json.dumps({"epoch": 3, "Score": 0.5, "type": "metrics"}))'
mkdir -p tests src/json checkpoints && touch tests/conftest.py src/json/__init__.py checkpoints/model.pth notes.md
ln -s notes.md latest.md; mkfifo progress.pipe
sleep 300 & researchgym status > /dev/null
researchgym validate; cat task_description.md; ls -la; env | sort; ps aux; git init -q . ; date
"#;

#[test]
fn honest_work_in_isolation_is_scored_and_not_accused() {
    honest("local");
}

#[test]
fn honest_work_without_isolation_is_scored_and_not_accused() {
    honest("host");
}

fn honest(runtime: &str) {
    if !can_isolate() {
        return;
    }
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for (task, variant) in TASKS {
        let wanted = Wanted { task, variant, runtime };
        let busy = [exec(ORDINARY), validate(), submit()];
        let runs = [
            ("starter", wanted.run(&World::new(), &wanted.lines(Honest::Starter))),
            ("oracle", wanted.run(&World::new(), &wanted.lines(Honest::Oracle))),
            ("ordinary work", wanted.run(&World::new(), &busy)),
        ];
        for (work, run) in runs {
            judge(wanted, work, &run, &mut lines, &mut problems);
        }
    }
    let wanted = Wanted { task: "battle-of-sexes", variant: "smoke", runtime };
    let tuned = wanted.finish(&World::new(), &["tuner", "--trials", "3"]);
    judge(wanted, "tuner", &tuned, &mut lines, &mut problems);
    report::write_honest(runtime, &lines);
    say(&format!(
        "{} honest runs, {} of them wrongly accused or without a score",
        lines.len(),
        problems.len()
    ));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn judge(wanted: Wanted<'_>, work: &str, run: &Finished, lines: &mut Vec<Value>, problems: &mut Vec<String>) {
    let Wanted { task, runtime, .. } = wanted;
    let result = run.object();
    let is_better = work != "oracle" || result["improved"] == true;
    if result["score"].is_null() || result["integrity"] != json!([]) || !is_better {
        problems.push(format!("{task} on {runtime}, {work}: {result}"));
    }
    lines.push(json!({
        "task": task, "runtime": runtime, "work": work, "score": result["score"],
        "findings": result["integrity"],
    }));
}
