//! Texts that people and models write: tasks, scripts, patches, `.env` files.

use researchgym_core::model::keys::parse_dotenv;
use researchgym_core::patch::{self as patches, Change};
use researchgym_core::{script as scripts, task};

/// `task.toml`. What is read is read again from its own JSON, and every variant exists.
pub fn task_toml(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(task) = task::parse(text, "task.toml") else { return false };
    for name in task.variants.keys() {
        assert!(task.with_variant(name).is_ok());
    }
    let written = serde_json::to_value(&task).expect("a task can be written");
    assert_eq!(serde_json::from_value::<task::Task>(written).ok(), Some(task));
    true
}

/// The file of the `scripted` agent. What is read is read again from how we write it.
pub fn script(data: &[u8]) -> bool {
    let Ok(steps) = scripts::parse(data) else { return false };
    assert_eq!(scripts::parse(scripts::format(&steps).as_bytes()).expect("we read what we write"), steps);
    true
}

/// A file's content, a NUL, and a patch. A patched file is no longer than both together.
pub fn patch(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let (content, patch) = text.split_once('\0').unwrap_or(("", &text));
    let Ok(patch) = patches::parse(patch) else { return false };
    let mut all = true;
    for change in &patch.changes {
        if let Change::Update { hunks, .. } = change {
            let Ok(changed) = patches::apply(content, hunks) else {
                all = false;
                continue;
            };
            // One byte more: a last line without its end gets one.
            assert!(changed.len() <= text.len() + 1, "{} of {}", changed.len(), text.len());
        }
    }
    all
}

/// `.env`.
pub fn dotenv(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(values) = parse_dotenv(text) else { return false };
    assert!(values.keys().all(|name| !name.is_empty() && !name.contains('=')), "{values:?}");
    true
}
