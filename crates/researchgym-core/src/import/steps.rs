//! Steps of foreign runs: what a call of a tool is for, by the tool's name and its arguments, and adding it to a run.
//!
//! Names are those that agents in common use give their tools. A name that is not known is [`Category::Other`]: the step is there
//! all the same, under its own name.

use serde_json::Value;

use crate::record::{Category, Change, Foreign, StepRecord, bounded};

/// One call of a tool, as a source tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The tool's name.
    pub function: String,
    /// Its arguments, an object as a rule.
    pub arguments: Value,
    /// What was said before it.
    pub thought: Option<String>,
    /// What came of it.
    pub observation: String,
    /// Whether it was refused, or failed as a whole.
    pub is_refused: bool,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
    /// When, RFC 3339 in UTC.
    pub time: Option<String>,
    /// The model that decided on it.
    pub model: Option<String>,
}

/// Adds a call to a run: as a step, and to what is told of its steps in brief.
pub fn push_call(run: &mut Foreign, call: Call) {
    let category = category(&call.function, &call.arguments);
    let mut step =
        StepRecord::new(0, category, call.function, kept(&action(&call.arguments))).seen(&call.observation);
    if category == Category::Edit {
        step.changes.extend(change(&call.arguments, !call.is_refused));
        run.record.actions.edits += 1;
        run.record.actions.edits_rejected += u64::from(call.is_refused);
    }
    step.thought = call.thought.map(|thought| kept(&thought));
    step.is_refused = call.is_refused;
    step.took_ms = call.took_ms;
    step.time = call.time;
    step.model = call.model;
    push(run, step);
}

/// Adds words without an action.
pub fn push_words(run: &mut Foreign, words: &str, time: Option<String>, model: Option<String>) {
    let mut step = StepRecord::new(0, Category::Talk, "", "");
    step.thought = Some(kept(words));
    step.time = time;
    step.model = model;
    push(run, step);
}

/// Adds a step, and numbers it.
pub fn push(run: &mut Foreign, mut step: StepRecord) {
    step.number = run.steps.len() as u64 + 1;
    run.record.actions.push(step.category, step.took_ms);
    run.steps.push(step);
}

fn kept(text: &str) -> String {
    bounded(text).0
}

/// What a call is for.
pub fn category(function: &str, arguments: &Value) -> Category {
    let name: String =
        function.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    match name.as_str() {
        "bash" | "bashsession" | "bashcommand" | "shell" | "shellcommand" | "sh" | "exec" | "execcommand"
        | "execute" | "executebash" | "executecommand" | "run" | "runcommand" | "runshellcommand"
        | "runterminalcmd" | "terminal" | "localshell" | "containerexec" | "command" => {
            command(arguments).map_or(Category::Bash, |text| Category::of_command(&text))
        }
        "python" | "ipython" | "pythonexec" | "executepython" | "runpython" | "runpythoncode"
        | "codeinterpreter" | "executeipythoncell" | "jupyter" | "notebook" | "codeexecution" => {
            Category::Python
        }
        "texteditor" | "strreplaceeditor" | "strreplacebasededittool" | "editor" | "fileeditor" => {
            match arguments.get("command").and_then(Value::as_str) {
                Some("view" | "open") => Category::View,
                Some("find" | "search") => Category::Search,
                _ => Category::Edit,
            }
        }
        "edit" | "editfile" | "edittool" | "multiedit" | "notebookedit" | "write" | "writefile"
        | "create" | "createfile" | "strreplace" | "replace" | "replaceinfile" | "searchreplace"
        | "insert" | "applypatch" | "patch" | "append" | "undoedit" | "deletefile" => Category::Edit,
        "view" | "viewfile" | "viewimage" | "read" | "readfile" | "readmanyfiles" | "open" | "openfile"
        | "cat" | "goto" | "scrollup" | "scrolldown" | "notebookread" => Category::View,
        "grep" | "glob" | "search" | "searchfile" | "searchfiles" | "searchfilecontent" | "searchdir"
        | "find" | "findfile" | "findfiles" | "ls" | "list" | "listdir" | "listdirectory" | "listfiles"
        | "toolsearch" => Category::Search,
        "validate" | "evaluate" | "score" | "check" => Category::Validate,
        "submit" | "finish" | "finalanswer" | "taskcomplete" | "marktaskcomplete" | "complete" | "done" => {
            Category::Submit
        }
        "think" | "message" | "thought" | "plan" | "updateplan" | "todowrite" => Category::Talk,
        _ if name.contains("web")
            || name.contains("browser")
            || name.contains("fetch")
            || name.contains("arxiv") =>
        {
            Category::Web
        }
        _ => Category::Other,
    }
}

/// The command in a call's arguments.
fn command(arguments: &Value) -> Option<String> {
    ["command", "cmd", "code", "script", "keystrokes", "action"].into_iter().find_map(|key| {
        match arguments.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(words) => Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
            _ => None,
        }
    })
}

/// What was done: the command if there is one and nothing else, a text as it is, else the arguments as JSON.
fn action(arguments: &Value) -> String {
    match arguments {
        Value::Object(object) if object.len() == 1 => {
            command(arguments).unwrap_or_else(|| arguments.to_string())
        }
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        _ => arguments.to_string(),
    }
}

/// The file that a call of an editing tool names.
fn change(arguments: &Value, is_applied: bool) -> Option<Change> {
    const PATHS: [&str; 7] =
        ["path", "file_path", "file", "filename", "target_file", "notebook_path", "absolute_path"];
    const CONTENTS: [&str; 9] = [
        "content",
        "contents",
        "file_text",
        "new_str",
        "new_string",
        "new_text",
        "new_source",
        "insert_text",
        "text",
    ];
    let named = |keys: &[&str]| keys.iter().find_map(|key| arguments.get(key)?.as_str().map(str::to_owned));
    let path = named(&PATHS)?;
    Some(Change { path, content: named(&CONTENTS).map(|content| kept(&content)), is_applied })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::{ActionsRecord, RunRecord, TaskRecord};

    #[test]
    fn tools_have_categories() {
        for (function, arguments, expected) in [
            ("bash", json!({ "cmd": "python3 train.py" }), Category::Python),
            ("Bash", json!({ "command": "ls" }), Category::Bash),
            ("container.exec", json!({ "cmd": ["python", "x.py"] }), Category::Python),
            ("text_editor", json!({ "command": "view", "path": "a" }), Category::View),
            ("str_replace_editor", json!({ "command": "create", "path": "a" }), Category::Edit),
            ("MultiEdit", json!({}), Category::Edit),
            ("read_file", json!({}), Category::View),
            ("web_browser_go", json!({}), Category::Web),
            ("WebFetch", json!({}), Category::Web),
            ("submit", json!({ "answer": "x" }), Category::Submit),
            ("think", json!({}), Category::Talk),
            ("weave_basket", json!(null), Category::Other),
        ] {
            assert_eq!(category(function, &arguments), expected, "{function} {arguments}");
        }
    }

    #[test]
    fn a_refused_edit_is_counted_and_changes_nothing() {
        let record = RunRecord::foreign("inspect", TaskRecord::named("t"), "a");
        let mut run = Foreign { record, steps: Vec::new() };
        let arguments = json!({ "command": "create", "path": "a.py", "file_text": "x = 1" });
        let call =
            Call { function: "text_editor".to_owned(), arguments: arguments.clone(), ..Call::default() };
        push_call(&mut run, Call { took_ms: Some(5), ..call.clone() });
        push_call(&mut run, Call { is_refused: true, thought: Some("again".to_owned()), ..call });
        push_words(&mut run, "that was it", None, None);
        let change =
            |is_applied| Change { path: "a.py".to_owned(), content: Some("x = 1".to_owned()), is_applied };
        let step = |number| StepRecord::new(number, Category::Edit, "text_editor", arguments.to_string());
        let expected = vec![
            StepRecord { took_ms: Some(5), changes: vec![change(true)], ..step(1) },
            StepRecord {
                thought: Some("again".to_owned()),
                is_refused: true,
                changes: vec![change(false)],
                ..step(2)
            },
            StepRecord {
                thought: Some("that was it".to_owned()),
                ..StepRecord::new(3, Category::Talk, "", "")
            },
        ];
        assert_eq!(run.steps, expected);
        let expected = ActionsRecord {
            steps: "eek".to_owned(),
            took_ms: [(Category::Edit, 5)].into(),
            edits: 2,
            edits_rejected: 1,
            ..ActionsRecord::default()
        };
        assert_eq!(run.record.actions, expected);
    }
}
