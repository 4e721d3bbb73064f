//! What the agents of the cycles do: commands that each leave a mark, with a validation among them, then a submission.

use serde_json::{Value, json};

use super::plan::Agent;

/// How many marks there are.
pub(super) const MARKS: usize = 6;
/// How many actions of the scripted agent are recorded.
pub(super) const ACTIONS: usize = MARKS + 5;

/// A program inside that asks the model once.
const ASKS: &str = "\
import json, os, urllib.request
body = json.dumps({'model': 'any', 'messages': [{'role': 'user', 'content': 'go on'}]}).encode()
request = urllib.request.Request(os.environ['OPENAI_BASE_URL'] + '/chat/completions', body,
    {'content-type': 'application/json', 'authorization': 'Bearer ' + os.environ['OPENAI_API_KEY']})
json.load(urllib.request.urlopen(request))
";
/// Ends by its time alone, with a daemon beside it that no polite signal ends.
const HANGS: &str = "(setsid sh -c 'trap \"\" TERM INT HUP; sleep 100000' > /dev/null 2>&1 &); trap '' TERM INT HUP; sleep 100000";

/// The script of the agent `scripted`.
pub(super) fn actions(agent: Agent, hangs: bool) -> String {
    let mark = |number: usize| {
        let asks = if agent == Agent::Gateway { "python3 ask.py > answer.json; " } else { "" };
        json!({ "exec": format!("{asks}echo {number} >> marks") })
    };
    let mut lines = vec![
        json!({ "write": { "path": "ask.py", "content": ASKS } }),
        mark(1),
        mark(2),
        json!({ "validate": {} }),
        mark(3),
        match hangs {
            true => json!({ "exec": HANGS, "timeout_s": 1 }),
            false => json!({ "exec": "sleep 0.02" }),
        },
        mark(4),
        json!({ "read": { "path": "marks" } }),
        mark(5),
        json!({ "sleep_ms": 10 }),
        mark(6),
        json!({ "submit": {} }),
    ];
    lines.push(json!({ "exec": "echo 99 >> marks" }));
    text(&lines)
}

/// The script of the model.
pub(super) fn answers(agent: Agent, hangs: bool) -> String {
    let header = |repeat_last: bool| json!({ "script": 1, "price": { "input": 1, "output": 2 }, "repeat_last": repeat_last });
    if agent != Agent::Basic {
        return text(&[header(true), json!({ "text": "Go on.", "delay_ms": 5 })]);
    }
    let call = |text: String, tool: &str, arguments: Value| json!({ "text": text, "calls": [{ "name": tool, "arguments": arguments }], "delay_ms": 5 });
    let mut lines = vec![header(false)];
    for number in 1..=MARKS {
        let command = format!("echo {number} >> marks");
        lines.push(call(format!("Mark {number}."), "bash", json!({ "cmd": command })));
        if number == 2 {
            lines.push(call("Validate.".to_owned(), "validate", json!({})));
        }
        if number == 4 && hangs {
            lines.push(call("Hang.".to_owned(), "bash", json!({ "cmd": HANGS, "timeout_minutes": 0.02 })));
        }
    }
    // It is told when a submission was interrupted, and submits again.
    lines.extend((1..=6).map(|time| call(format!("Submission {time}."), "submit", json!({}))));
    text(&lines)
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
