//! Reading task files: every kind of mistake with its place, and the way back from a task to its text.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::score::Metrics;

/// A task file that uses every section.
const WHOLE: &str = r#"schema = 1
id = "curve"
title = "Fit a curve"
domain = "statistics"
description = "description.md"

[[metrics]]
name = "error"
direction = "minimize"
primary = true

[[metrics]]
name = "seconds"
direction = "minimize"

[baseline]
measured = { error = 2.5 }
tolerance = { error = 0.1 }

[workspace]
starter = "starter"
protected = ["points.csv"]

[submission]
artefacts = ["curve.json"]

[grader]
files = "grader"
command = ["python3", "grade.py"]
validate_on = "test"
players = [{ name = "submission", command = ["python3", "play.py"] }]

[resources]
memory_mib = 1024

[[datasets]]
name = "points"
file = "points.zip"
url = "https://example.org/points.zip"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
bytes = 10
license = "CC0"
prepare = ["python3", "split.py"]
visible = ["train.csv"]
hidden = ["answers.csv"]

[parameters]
rounds = 10

[tunable]
file = "curve.json"
apply = "true"
[tunable.parameters]
slope = { kind = "float", low = 0.5, high = 2, log = true }
degree = { kind = "int", low = 1, high = 4 }
method = { kind = "choice", choices = ["a", 2] }

[solutions]
oracle = "solutions/oracle"

[variants.smoke]
description = "two rounds"
parameters = { rounds = 2 }
"#;

/// Replaces one text of [`WHOLE`] and compares all that is then wrong.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(WHOLE.matches(from).count(), 1, "`{from}` must stand in the file once");
    check_text(&WHOLE.replace(from, to), expected);
}

#[track_caller]
fn check_text(text: &str, expected: &[&str]) {
    let found = parse(text, "t.toml").expect_err("the file is wrong").to_string();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn reads_a_whole_file() {
    let task = parse(WHOLE, "t.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(task.primary(), Primary { name: "error".to_owned(), direction: Direction::Minimize });
    assert_eq!(task.resources, Resources { memory_mib: 1024, ..Resources::default() });
    assert_eq!(task.parameters, BTreeMap::from([("rounds".to_owned(), Parameter::Integer(10))]));
}

#[test]
fn names_unknown_keys_with_the_nearest_known() {
    check(
        "command = [\"python3\", \"grade.py\"]",
        "comand = [\"python3\"]",
        &[
            "t.toml:27:2: key `grader.command`: is missing; add it: Program and arguments, started in `/grader`",
            "t.toml:29:1: key `grader.comand`: is not known here; did you mean `command`?",
        ],
    );
    check(
        "memory_mib",
        "gigabytes",
        &[
            "t.toml:34:1: key `resources.gigabytes`: is not known here; the keys here are `cpus`, `gpus`, `memory_mib`, `pids`, `tmp_mib`, `workspace_mib`",
        ],
    );
    check(
        "[solutions]",
        "[solution]",
        &["t.toml:58:2: key `solution`: is not known here; did you mean `solutions`?"],
    );
}

#[test]
fn names_missing_sections() {
    let (before, rest) = WHOLE.split_once("[grader]").expect("there is one");
    let (_, after) = rest.split_once("[resources]").expect("there is one");
    check_text(
        &format!("{before}[resources]{after}"),
        &["t.toml:1:1: key `grader`: is missing; add the section `[grader]`: How it is graded"],
    );
    check_text(
        "schema = 1\nid = \"a\"\n",
        &[
            "t.toml:1:1: key `title`: is missing; add it: One line for people",
            "t.toml:1:1: key `domain`: is missing; add it: Field of research, such as `game theory`",
            "t.toml:1:1: key `description`: is missing; add it: Markdown file that the agent is given",
            "t.toml:1:1: key `metrics`: is missing; add a section `[[metrics]]`: What is measured; exactly one is primary",
            "t.toml:1:1: key `workspace`: is missing; add the section `[workspace]`: What the agent works in",
            "t.toml:1:1: key `submission`: is missing; add the section `[submission]`: What is graded",
            "t.toml:1:1: key `grader`: is missing; add the section `[grader]`: How it is graded",
        ],
    );
}

#[test]
fn names_wrong_types() {
    check(
        "rounds = 10",
        "rounds = [1]",
        &[
            "t.toml:48:1: key `parameters.rounds`: is an array; write a whole number or a number or true or false or a string",
        ],
    );
    check(
        "memory_mib = 1024",
        "memory_mib = 1.5\npids = -4",
        &[
            "t.toml:34:1: key `resources.memory_mib`: is a float; write a whole number",
            "t.toml:35:1: key `resources.pids`: is below 0; write 0 or more",
        ],
    );
    check(
        "artefacts = [\"curve.json\"]",
        "artefacts = \"curve.json\"",
        &["t.toml:25:1: key `submission.artefacts`: is a string; write an array"],
    );
    check(
        "protected = [\"points.csv\"]",
        "protected = [\n  \"points.csv\",\n  7,\n]",
        &["t.toml:24:3: key `workspace.protected[1]`: is an integer; write a string"],
    );
    check(
        "validate_on = \"test\"",
        "validate_on = \"tset\"",
        &[
            "t.toml:30:1: key `grader.validate_on`: is \"tset\"; write \"validation\" or \"test\" or \"fresh\"",
        ],
    );
    check(
        "kind = \"int\"",
        "kind = \"integer\"",
        &[
            "t.toml:55:12: key `tunable.parameters.degree.kind`: is not known; write \"float\" or \"int\" or \"choice\"",
        ],
    );
    check(
        "kind = \"int\", low = 1",
        "kind = \"int\", low = 1, log = true",
        &["t.toml:55:35: key `tunable.parameters.degree.log`: is not known here; did you mean `low`?"],
    );
    check(
        "e3b0c44298fc1c149",
        "",
        &[
            "t.toml:40:1: key `datasets[0].sha256`: not a SHA-256 in 64 hexadecimal digits: `afbf4c8996fb92427ae41e4649b934ca495991b7852b855`",
        ],
    );
}

#[test]
fn names_the_place_that_is_not_toml() {
    check("[baseline]", "[baseline", &["t.toml:16:10: not valid TOML: unclosed table, expected `]`"]);
    check("title = ", "id = ", &["t.toml:3:1: not valid TOML: duplicate key"]);
}

#[test]
fn refuses_a_newer_schema_before_anything_else() {
    check(
        "schema = 1",
        "schema = 2\nnovelty = true",
        &[
            "t.toml:1:1: key `schema`: is 2: this file was written for a newer researchgym, this one reads schema 1; install a newer researchgym",
        ],
    );
    check("schema = 1", "schema = 0", &["t.toml:1:1: key `schema`: is 0; write 1"]);
}

#[test]
fn reports_every_wrong_value_at_once() {
    let text = WHOLE
        .replace("id = \"curve\"", "id = \"My curve\"")
        .replace("measured = { error = 2.5 }", "measured = { error = nan, accuracy = 1 }")
        .replace("\"starter\"", "\"../starter\"")
        .replace("slope = { kind = \"float\", low = 0.5", "slope = { kind = \"float\", low = -1")
        .replace("rounds = 2 ", "rounds = true, turns = 1 ");
    check_text(
        &text,
        &[
            "t.toml:2:1: key `id`: has the character 'M'; write lower-case letters, digits and hyphens only",
            "t.toml:17:14: key `baseline.measured.error`: is NaN; write a finite number",
            "t.toml:17:27: key `baseline.measured.accuracy`: is not one of the metrics; the metrics are `error`, `seconds`",
            "t.toml:21:1: key `workspace.starter`: leads out of its folder by `..`; write a plain relative path such as `folder/file`",
            "t.toml:54:27: key `tunable.parameters.slope.low`: is searched on a logarithmic scale from -1; write a low above 0 or drop `log`",
            "t.toml:63:16: key `variants.smoke.parameters.rounds`: is a switch, the task's own value is a number; write a value of the same type",
            "t.toml:63:31: key `variants.smoke.parameters.turns`: replaces nothing; declare it in `[parameters]`, which has `rounds`",
        ],
    );
}

#[test]
fn holds_metrics_and_baselines_together() {
    check(
        "primary = true\n",
        "",
        &["t.toml:7:3: key `metrics`: has no primary metric; write `primary = true` in the one that decides"],
    );
    check(
        "name = \"seconds\"",
        "name = \"error\"\nprimary = true",
        &[
            "t.toml:13:1: key `metrics[1].name`: \"error\" names an earlier metric too; give each its own name",
            "t.toml:14:1: key `metrics[1].primary`: is true in an earlier metric too; keep `primary = true` in the one that decides",
        ],
    );
    check(
        "tolerance = { error = 0.1 }",
        "tolerance = { seconds = -1 }\nnoise_floor = inf",
        &[
            "t.toml:18:15: key `baseline.tolerance.seconds`: has no measured value; add it to `measured` of the same baseline",
            "t.toml:18:15: key `baseline.tolerance.seconds`: is below 0; write the largest absolute difference",
            "t.toml:19:1: key `baseline.noise_floor`: is inf; write 0 or more",
        ],
    );
    check(
        "measured = { error = 2.5 }\ntolerance = { error = 0.1 }",
        "measured = { seconds = 1 }",
        &["t.toml:16:2: key `baseline`: has no value of the primary metric \"error\"; add it to `measured`"],
    );
}

#[test]
fn holds_folders_commands_and_limits() {
    check(
        "files = \"grader\"",
        "files = \"starter/grader\"",
        &[
            "t.toml:28:1: key `grader.files`: is inside the starter `starter`, which the agent sees; move it out",
        ],
    );
    check(
        "\"solutions/oracle\"",
        "\"/solutions\"",
        &[
            "t.toml:59:1: key `solutions.oracle`: is an absolute path; write a plain relative path such as `folder/file`",
        ],
    );
    check(
        "command = [\"python3\", \"grade.py\"]",
        "command = []",
        &["t.toml:29:1: key `grader.command`: names no program; write the program and its arguments"],
    );
    check(
        "artefacts = [\"curve.json\"]",
        "artefacts = []\nmax_files = 0",
        &[
            "t.toml:25:1: key `submission.artefacts`: is empty; name the files of the workspace that are graded",
            "t.toml:26:1: key `submission.max_files`: is 0; write a number above 0",
        ],
    );
    check(
        "players = [{ name = \"submission\", command = [\"python3\", \"play.py\"] }]",
        "players = [{ name = \"a\", command = [\"x\"] }, { name = \"a\", command = [\"x\"] }]",
        &[
            "t.toml:31:47: key `grader.players[1].name`: \"a\" names an earlier player too; give each its own name",
        ],
    );
    check(
        "memory_mib = 1024",
        "memory_mib = 512\ncpus = 0\n[limits]\nhours = 0.0",
        &[
            "t.toml:33:2: key `resources.tmp_mib`: is 512, not less than `memory_mib` (512); what is in /tmp counts as memory: make it smaller",
            "t.toml:35:1: key `resources.cpus`: is 0; write a number above 0",
            "t.toml:37:1: key `limits.hours`: is 0; write a number above 0, at most 10000",
        ],
    );
    check(
        "hidden = [\"answers.csv\"]",
        "hidden = [\"train.csv\"]",
        &[
            "t.toml:45:11: key `datasets[0].hidden[0]`: `train.csv` is listed before; list each file of `/data` once",
        ],
    );
    check(
        "low = 1, high = 4",
        "low = 4, high = 1",
        &["t.toml:55:1: key `tunable.parameters.degree`: has low 4 not below high 1; write low < high"],
    );
    check(
        "choices = [\"a\", 2]",
        "choices = []",
        &["t.toml:56:29: key `tunable.parameters.method.choices`: is empty; list at least one value"],
    );
    check(
        "[variants.smoke]",
        "[variants.default]",
        &[
            "t.toml:61:11: key `variants.default`: is the name of the task without changes; choose another name",
        ],
    );
}

#[test]
fn variants_replace_single_parameters_and_whole_sections() {
    let task = parse(WHOLE, "t.toml").expect("the file is right");
    assert_eq!(task.with_variant("default"), Ok(task.clone()));
    let smoke = task.with_variant("smoke").expect("it is declared");
    assert_eq!(smoke.parameters, BTreeMap::from([("rounds".to_owned(), Parameter::Integer(2))]));
    assert_eq!(Task { parameters: task.parameters.clone(), ..smoke }, task);
    let error = task.with_variant("full").expect_err("it is not declared");
    assert_eq!(error.to_string(), "task `curve` has no variant `full`; it has `default`, `smoke`");
}

#[test]
fn the_schema_describes_every_field() {
    let schema = serde_json::Value::from(schema());
    let properties = schema.pointer("/$defs/Grader/properties").and_then(|properties| properties.as_object());
    for (name, property) in properties.expect("the grader has keys") {
        assert!(property.get("description").is_some() || property.get("$ref").is_some(), "{name}");
    }
}

/// Numbers that are equal to themselves after a round through text.
fn number() -> impl Strategy<Value = f64> {
    -1e6..1e6_f64
}

fn parameter() -> impl Strategy<Value = Parameter> {
    prop_oneof![
        any::<i64>().prop_map(Parameter::Integer),
        number().prop_map(Parameter::Number),
        any::<bool>().prop_map(Parameter::Switch),
        any::<String>().prop_map(Parameter::Text),
    ]
}

fn task() -> impl Strategy<Value = Task> {
    let parameters = prop::collection::btree_map("\\PC{1,12}", parameter(), 0..4);
    let texts = ("[a-z][a-z0-9]{0,9}", "\\PC{0,20}x", any::<String>(), "[^\\s\\x00-\\x20]{1,8}");
    let numbers = (number(), number(), 1..10_000_u64, 0.001..9999.0_f64);
    (texts, numbers, parameters).prop_map(
        |((id, title, domain, metric), (value, low, count, hours), parameters)| {
            let mut task = parse(WHOLE, "t.toml").expect("the file is right");
            task.variants.clear();
            task.metrics.iter_mut().for_each(|metric| metric.primary = false);
            task.metrics.retain(|other| other.name != metric);
            task.metrics.push(Metric {
                name: metric.clone(),
                direction: Direction::Maximize,
                primary: true,
                description: Some(domain.clone()),
            });
            task.baseline = Some(Baseline {
                measured: Metrics::from([(metric, value)]),
                source: Some(title.clone()),
                ..Baseline::default()
            });
            let range = Range::Float { low, high: low + 1.0, log: low > 0.0 };
            task.tunable.as_mut().expect("there is one").parameters.insert(domain.clone(), range);
            task.submission.max_bytes = count;
            task.limits.hours = hours;
            let variant =
                Variant { description: title.clone(), parameters: parameters.clone(), ..Variant::default() };
            task.variants.insert("other".to_owned(), variant);
            Task { id, title, domain, parameters, ..task }
        },
    )
}

proptest! {
    #[test]
    fn a_task_survives_the_way_through_text(task in task()) {
        let text = toml::to_string(&task).expect("a task has a text");
        prop_assert_eq!(parse(&text, "t.toml"), Ok(task), "{}", text);
    }

    #[test]
    fn arbitrary_text_is_refused_without_panic(text in "\\PC*|(?s).{0,200}") {
        prop_assert!(parse(&text, "t.toml").is_err());
    }

    #[test]
    fn a_damaged_file_is_read_or_refused_without_panic(
        start in 0..WHOLE.len(),
        length in 0..40_usize,
        inserted in "[\\[\\]{}=\"'.,#a-z0-9\\n-]{0,12}|\\PC{0,4}",
    ) {
        let mut text = WHOLE.to_owned();
        text.replace_range(start..(start + length).min(WHOLE.len()), &inserted);
        if let Err(error) = parse(&text, "t.toml") {
            prop_assert!(!error.problems.is_empty());
            for problem in error.problems {
                prop_assert!(problem.line <= text.split('\n').count());
            }
        }
    }
}

#[test]
fn an_image_has_one_source_that_contains_nothing_hidden() {
    let container = |keys: &str, expected: &[&str]| {
        check("memory_mib = 1024", &format!("memory_mib = 1024\n[container]\n{keys}"), expected);
    };
    let advice = "put it into a folder of its own, such as `container/Dockerfile`";
    container(
        "dockerfile = \"Dockerfile\"",
        &[&format!(
            "t.toml:36:1: key `container.dockerfile`: lies beside hidden files, which its image could contain; {advice}"
        )],
    );
    for hidden in ["grader", "grader/image", "solutions"] {
        container(
            &format!("dockerfile = \"{hidden}/Dockerfile\""),
            &[&format!(
                "t.toml:36:1: key `container.dockerfile`: lies with hidden files, which its image could contain; {advice}"
            )],
        );
    }
    container(
        "dockerfile = \"image/Dockerfile\"\nimage = \"a\"",
        &["t.toml:35:2: key `container`: names both a Dockerfile and an image; keep one of them"],
    );
    container("", &["t.toml:35:2: key `container`: names no image; write `dockerfile` or `image`"]);
    let text = WHOLE.replace("[resources]", "[container]\ndockerfile = \"image/Dockerfile\"\n[resources]");
    assert!(parse(&text, "t.toml").is_ok());
}
