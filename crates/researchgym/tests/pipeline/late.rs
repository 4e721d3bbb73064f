//! Two epochs on `char-lm`, two candidates at once: one that trains long is late, and counts.

use serde_json::{Value, json};

use crate::scene::{Scene, is_here, trajectories};
use crate::support::{World, can_isolate};

#[test]
fn a_result_that_comes_late_belongs_to_its_epoch_and_ends_nothing() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let flags =
        ["epochs=2", "batch=3", "per_call=3", "exploit_start=1.0", "exploit_most=1.0", "min_explore=0.0"];
    let mut words: Vec<&str> = flags.iter().flat_map(|flag| ["--policy-set", flag]).collect();
    words.extend(["--slots", "2", "--seed", "3"]);
    let finished = Scene::new("char-lm", "char-lm", &words).finish(&world);
    let found = trajectories(&world, &finished.run(), "out");
    let fates: Vec<Value> = found
        .ideas
        .iter()
        .map(|idea| json!([idea["epoch"], idea["kind"], idea["status"], idea["better_than_baseline"]]))
        .collect();
    let initial = json!([0, "initial", "measured", true]);
    let exploit = json!([1, "exploit", "measured", true]);
    assert_eq!(fates, [vec![initial; 3], vec![exploit; 3]].concat(), "{:#?}", found.ideas);
    let late: Vec<&Value> = found.ideas.iter().filter(|idea| idea["late"] == true).collect();
    // In the queue of a cluster any of them may be late, or none.
    if is_here() {
        assert_eq!(late.len(), 1, "{:#?}", found.ideas);
        assert!(late[0]["diff"].as_str().is_some_and(|diff| diff.contains("+STEPS = 15000")), "{}", late[0]);
        assert_eq!((&late[0]["epoch"], &late[0]["direction"]), (&json!(0), &json!("minimize")));
    }
    let epochs = &found.epochs;
    let of_first = late.iter().filter(|idea| idea["epoch"] == 0).count();
    assert_eq!((&epochs[0]["late"], &epochs[0]["measured"]), (&json!(of_first), &json!(3)));
    let values = found.ideas.iter().filter_map(|idea| idea["value"].as_f64());
    assert_eq!(finished.object()["search"]["best"]["value"].as_f64(), values.reduce(f64::min));
    world.wait_until_nothing_is_left();
}
