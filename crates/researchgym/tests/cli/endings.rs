//! How a run can end besides submitting: each with a result, an exit code and, where it helps, a way on.

use serde_json::json;

use crate::support::{World, answer, can_isolate, exec, of_type, submit, validate};

#[test]
fn a_broken_grader_is_never_the_agents_failure() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = world.scripted(&[submit()], &["--variant", "broken"]);
    assert_eq!(finished.outcome(), (3, json!("failed"), json!(null)));
    let object = finished.object();
    assert_eq!(object["boundary"], "grader");
    let message = object["error"]["message"].as_str().expect("a message");
    assert!(message.contains("this variant's grader fails"), "{message}");
    assert!(object["error"]["hint"].as_str().is_some_and(|hint| hint.contains("task check")));
    world.wait_until_nothing_is_left();
}

#[test]
fn all_validations_are_refused_beyond_the_limit() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let lines = [validate(), validate(), validate(), validate(), answer(2), submit()];
    let finished = world.scripted(&lines, &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(2.0)));
    assert_eq!(finished.object()["validations"], 3);
    assert_eq!(
        finished.observations()[3],
        json!({ "type": "refused", "reason": "all 3 validations of this run are used; submit" })
    );
}

#[test]
fn a_validation_of_nothing_is_refused_and_costs_nothing() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = world.scripted(&[exec("rm answer.json"), validate(), answer(2), submit()], &[]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(2.0)));
    assert_eq!(finished.object()["validations"], 0);
    assert!(
        finished.observations()[1]["reason"].as_str().is_some_and(|reason| reason.contains("answer.json"))
    );
}

#[test]
fn a_run_ends_exactly_once() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    for lines in [vec![submit()], vec![], vec![exec("rm answer.json"), submit()]] {
        let events = world.scripted(&lines, &[]).events();
        assert_eq!(of_type(&events, "run_ended").len(), 1);
        assert_eq!(events.last(), of_type(&events, "run_ended").last().copied());
    }
}

#[test]
fn working_without_isolation_is_marked() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished =
        world.scripted(&[exec("researchgym status; echo $?"), answer(2), submit()], &["--runtime", "host"]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(2.0)), "{finished:?}");
    let object = finished.object();
    assert_eq!((&object["runtime"], &object["isolation"]["level"]), (&json!("host"), &json!("none")));
    assert!(object["isolation"]["missing"].to_string().contains("file_system"), "{object}");
    world.wait_until_nothing_is_left();
}

#[test]
fn no_steps_at_all_still_grade_the_starter() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let finished = world.scripted(&[answer(5), submit()], &["--steps", "0"]);
    assert_eq!(finished.outcome(), (0, json!("step_limit"), json!(1.0)));
}
