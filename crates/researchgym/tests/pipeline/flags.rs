//! What is refused, and what a plan says, before anything is spent.

use std::path::Path;

use crate::scene::Scene;
use crate::support::World;

#[test]
fn a_model_for_ideas_alone_is_refused() {
    let world = World::new();
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tasks").display().to_string();
    let words =
        ["run", "char-lm", "evolutionary-search", "--tasks-dir", &tasks, "--idea-model", "scripted/x.jsonl"];
    let refused = world.finish(&words);
    assert_eq!(refused.code, 2, "{refused:?}");
    let expected = "--idea-model adds to the model that --model names; name that one first";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
}

#[test]
fn a_plan_names_the_model_that_has_the_ideas() {
    let world = World::new();
    let planned = world.finish(
        &Scene::new("char-lm", "char-lm", &["--dry-run"])
            .words()
            .into_iter()
            .filter(|word| !["--output", "json"].contains(word))
            .collect::<Vec<_>>(),
    );
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    for words in ["epochs with implement", "ideas by scripted/", "char-lm-ideas.jsonl"] {
        assert!(planned.stdout.contains(words), "{words}: {}", planned.stdout);
    }
}
