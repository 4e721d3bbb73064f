//! `codex_output.jsonl`: events of `codex exec --json`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Reader, push_call, push_words};
use crate::import::steps::Call;

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    item: Option<Item>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    #[serde(rename = "type", alias = "item_type")]
    kind: String,
    text: Option<String>,
    command: Option<String>,
    aggregated_output: Option<String>,
    exit_code: Option<i32>,
    status: Option<String>,
    filepath: Option<String>,
    changes: Option<Vec<FileChange>>,
    query: Option<String>,
    items: Option<Value>,
    server: Option<String>,
    tool: Option<String>,
    arguments: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileChange {
    path: String,
    kind: Option<String>,
}

impl Reader<'_> {
    /// Takes the items that were completed as steps, and gives how it ended if it failed.
    pub(super) fn codex(&mut self) -> Option<String> {
        let mut thoughts: Vec<String> = Vec::new();
        let mut failed = None;
        self.lines("logs/codex_output.jsonl", |reader, event: Event| {
            match (event.kind.as_str(), event.item) {
                ("item.completed", Some(item)) if item.kind == "reasoning" => thoughts.extend(item.text),
                ("item.completed", Some(item)) => {
                    let thought = (!thoughts.is_empty()).then(|| std::mem::take(&mut thoughts).join("\n\n"));
                    reader.item(item, thought);
                }
                ("turn.failed" | "error", _) => {
                    failed = Some(event.message.or(event.error.map(|error| error.to_string())))
                }
                ("turn.completed", _) => failed = None,
                _ => {}
            }
        });
        if !thoughts.is_empty() {
            push_words(&mut self.run, &thoughts.join("\n\n"), None, None);
        }
        if let Some(error) = failed.flatten() {
            self.run.record.ending.failure = Some(error);
        }
        None
    }

    fn item(&mut self, item: Item, thought: Option<String>) {
        let is_refused = matches!(item.status.as_deref(), Some("failed" | "declined"));
        let mut call = Call { thought, ..Call::default() };
        match item.kind.as_str() {
            "command_execution" => {
                call.function = "bash".to_owned();
                call.arguments = json!({ "command": unwrapped(item.command.as_deref().unwrap_or_default()) });
                call.observation = item.aggregated_output.unwrap_or_default();
                push_call(&mut self.run, call);
                if let Some(step) = self.run.steps.last_mut() {
                    step.exit_code = item.exit_code;
                }
            }
            "file_change" | "file_edit" => {
                let named = item.filepath.map(|path| FileChange { path, kind: None });
                for change in item.changes.unwrap_or_default().into_iter().chain(named) {
                    let kind = change.kind.unwrap_or_else(|| "update".to_owned());
                    push_call(
                        &mut self.run,
                        Call {
                            function: "edit".to_owned(),
                            arguments: json!({ "path": change.path, "kind": kind }),
                            is_refused,
                            ..call.clone()
                        },
                    );
                    call.thought = None;
                }
            }
            "web_search" => {
                call.function = "web_search".to_owned();
                call.arguments = json!({ "query": item.query.or(item.text) });
                push_call(&mut self.run, call);
            }
            "todo_list" => {
                call.function = "update_plan".to_owned();
                call.arguments = json!({ "items": item.items });
                push_call(&mut self.run, call);
            }
            "mcp_tool_call" => {
                let name = [item.server, item.tool].into_iter().flatten().collect::<Vec<_>>().join(".");
                call.function = name;
                call.arguments = item.arguments.unwrap_or_default();
                call.is_refused = is_refused;
                push_call(&mut self.run, call);
            }
            _ => {
                let words = [call.thought, item.text].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
                if !words.is_empty() {
                    push_words(&mut self.run, &words, None, None);
                }
            }
        }
    }
}

/// The command inside `bash -lc '...'`, in which Codex wraps it.
fn unwrapped(command: &str) -> &str {
    let inner = ["/bin/bash -lc ", "bash -lc ", "/bin/sh -lc ", "sh -lc "]
        .iter()
        .find_map(|shell| command.strip_prefix(shell));
    let Some(inner) = inner else { return command };
    let quoted = ['\'', '"'].into_iter().find_map(|quote| inner.strip_prefix(quote)?.strip_suffix(quote));
    quoted.unwrap_or(inner)
}
