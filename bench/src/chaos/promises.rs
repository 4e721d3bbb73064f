//! What must hold of a run's log and files, however often the run was broken off. Each broken promise is a line of words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::plan::Agent;
use super::script::{ACTIONS, MARKS};

/// All that is wrong with a run that has ended with a score.
pub(super) fn broken(run: &Path, events: &[Value], agent: Agent, killed_player: bool) -> Vec<String> {
    let mut wrong = endings(events);
    wrong.extend(actions(events, agent));
    wrong.extend(calls(events));
    wrong.extend(scores(events, killed_player));
    wrong.extend(marks(run, events, agent));
    wrong
}

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// At most one ending in each segment, exactly one in the last, nothing behind it.
pub(super) fn endings(events: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut in_segment = 0;
    for event in events {
        match event["type"].as_str() {
            Some("run_resumed") => in_segment = 0,
            Some("run_ended") => {
                in_segment += 1;
                if in_segment > 1 {
                    wrong.push("a segment has two endings".to_owned());
                }
            }
            Some(kind) if in_segment > 0 && kind != "noted" => {
                wrong.push(format!("`{kind}` follows the ending of a segment"));
            }
            _ => {}
        }
    }
    if in_segment != 1 {
        wrong.push(format!("the last segment has {in_segment} endings"));
    }
    wrong
}

/// No action that was answered is done again; each of a script is answered once.
fn actions(events: &[Value], agent: Agent) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut answered = BTreeSet::new();
    for event in events {
        let id = event["action_id"].as_u64();
        match event["type"].as_str() {
            Some("observed") if !answered.insert(id) => {
                wrong.push(format!("action {id:?} is answered twice"))
            }
            Some("acted") if answered.contains(&id) => {
                wrong.push(format!("action {id:?} is done after its answer"))
            }
            _ => {}
        }
    }
    if agent != Agent::Basic && answered.len() != ACTIONS {
        wrong.push(format!("{} of {} actions are answered", answered.len(), ACTIONS));
    }
    wrong
}

/// Each model call is answered or lost once, and no answer of the scripted model comes twice.
fn calls(events: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut open = BTreeSet::new();
    let mut settled = BTreeSet::new();
    for event in events {
        let call = event["call"].as_u64();
        match event["type"].as_str() {
            Some("model_asked") if settled.contains(&call) || !open.insert(call) => {
                wrong.push(format!("model call {call:?} is asked twice"));
            }
            Some("model_called" | "model_lost") if !open.remove(&call) || !settled.insert(call) => {
                wrong.push(format!("model call {call:?} is settled twice"));
            }
            _ => {}
        }
    }
    if !open.is_empty() {
        wrong.push(format!("model calls {open:?} were never settled"));
    }
    let by_agent: BTreeSet<Option<u64>> = of(events, "model_asked")
        .into_iter()
        .filter(|asked| asked["caller"]["type"] == "agent")
        .map(|asked| asked["call"].as_u64())
        .collect();
    let mut answers = BTreeSet::new();
    for called in
        of(events, "model_called").into_iter().filter(|called| by_agent.contains(&called["call"].as_u64()))
    {
        if !answers.insert(called["outcome"]["response"].to_string()) {
            wrong.push(format!("model call {} repeats an answer", called["call"]));
        }
    }
    wrong
}

/// What broke was ours: no attempt may be scored as bad for it. Who kills a player from outside is not told apart from
/// agent code that ends itself.
pub(super) fn scores(events: &[Value], killed_player: bool) -> Vec<String> {
    let scored = of(events, "scored").into_iter();
    let invalid = scored.filter(|event| !event["score"]["invalid"].is_null() && !killed_player);
    invalid.map(|event| format!("an attempt is scored as not valid: {}", event["score"]["invalid"])).collect()
}

/// Commands that were not interrupted were done once; interrupted ones are done again by a script, and told to a model.
fn marks(run: &Path, events: &[Value], agent: Agent) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("workspace/input/marks")).unwrap_or_default();
    let mut marks: BTreeMap<usize, usize> = BTreeMap::new();
    for line in text.lines() {
        match line.parse() {
            Ok(mark) => *marks.entry(mark).or_default() += 1,
            Err(_) => return vec![format!("the workspace has a mark `{line}`")],
        }
    }
    let interrupted = of(events, "interrupted").len();
    let repeated: usize = marks.values().map(|times| times - 1).sum();
    let missing = (1..=MARKS).filter(|mark| !marks.contains_key(mark)).count();
    // On a full disk a command fails, and whoever ran it is told so.
    let refused = |event: &&Value| event["observation"]["exit_code"].as_i64().is_some_and(|code| code != 0);
    let refused = of(events, "observed").iter().filter(|event| refused(event)).count();
    let may_miss = refused + if agent == Agent::Basic { interrupted } else { 0 };
    if marks.keys().any(|mark| *mark > MARKS) || repeated > interrupted || missing > may_miss {
        return vec![format!("marks {marks:?} with {interrupted} interrupted actions")];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn events(kinds: &[&str]) -> Vec<Value> {
        kinds.iter().map(|kind| json!({ "type": kind })).collect()
    }

    #[test]
    fn a_segment_has_one_ending() {
        let check =
            |kinds: &[&str], wrong: usize| assert_eq!(endings(&events(kinds)).len(), wrong, "{kinds:?}");
        check(&["run_started", "run_ended"], 0);
        check(&["run_started", "run_resumed", "run_ended"], 0);
        check(&["run_started", "run_ended", "run_resumed", "run_ended"], 0);
        check(&["run_started", "run_ended", "run_ended"], 2);
        check(&["run_started", "run_ended", "acted"], 1);
        check(&["run_started"], 1);
    }

    #[test]
    fn what_is_answered_is_not_done_again() {
        let acted = |id: u64| json!({ "type": "acted", "action_id": id });
        let observed = |id: u64| json!({ "type": "observed", "action_id": id });
        let check = |events: &[Value], wrong: usize| assert_eq!(actions(events, Agent::Basic).len(), wrong);
        check(&[acted(1), acted(1), observed(1), acted(2), observed(2)], 0);
        check(&[acted(1), observed(1), acted(1)], 1);
        check(&[acted(1), observed(1), observed(1)], 1);
    }

    #[test]
    fn calls_are_settled_once() {
        let asked = |call: u64| json!({ "type": "model_asked", "call": call, "caller": { "type": "agent" } });
        let called = |call: u64, text: &str| json!({ "type": "model_called", "call": call, "outcome": { "response": text } });
        let lost = |call: u64| json!({ "type": "model_lost", "call": call });
        let check = |events: &[Value], wrong: usize| assert_eq!(calls(events).len(), wrong);
        check(&[asked(1), lost(1), asked(2), called(2, "a"), asked(3), called(3, "b")], 0);
        check(&[asked(1), called(1, "a"), asked(2), called(2, "a")], 1);
        check(&[asked(1), called(1, "a"), asked(1)], 1);
        check(&[asked(1)], 1);
    }
}
