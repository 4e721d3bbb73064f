//! Texts that people and models write: tasks, scripts, patches, edits, `.env` files.

use researchgym_core::edit::{self as editing, Form, Surface, Tree};
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

/// A file's content, a NUL, and a reply with edits, read in every form. Nothing outside the surface changes, messages
/// stay short, and what was changed can be shown as a diff and made again from it.
pub fn edits(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let (content, reply) = text.split_once('\0').unwrap_or(("", &text));
    let paths = ["solve.py", "lib/net.py", "fixed/grade.py"];
    let before: Tree = paths.map(|path| (path.to_owned(), content.as_bytes().to_vec())).into();
    let surface =
        Surface { editable: vec!["solve.py".into(), "lib".into()], protected: vec!["fixed".into()] };
    let mut is_understood = false;
    for form in [Form::Any, Form::SearchReplace, Form::UnifiedDiff, Form::WholeFiles] {
        let edits = editing::parse(reply, form, &surface.files(&before));
        let applied = match edits.and_then(|edits| editing::apply(&before, &edits, &surface)) {
            Ok(applied) => applied,
            Err(error) => {
                assert!(error.to_string().chars().count() <= 2000, "{error}");
                continue;
            }
        };
        is_understood = true;
        for path in applied.changed.iter().chain(&applied.added).chain(&applied.removed) {
            assert!(path == "solve.py" || path.starts_with("lib/"), "{path} is outside the surface");
        }
        // Content with NUL is only named in a diff.
        if !applied.tree.values().any(|bytes| bytes.contains(&0)) {
            let shown = editing::unified(&before, &applied.tree, 2);
            let again = editing::parse(&shown, Form::UnifiedDiff, &surface.files(&before))
                .and_then(|edits| editing::apply(&before, &edits, &surface));
            assert_eq!(again.map(|again| again.tree), Ok(applied.tree), "{shown}");
        }
    }
    is_understood
}

/// `.env`.
pub fn dotenv(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(values) = parse_dotenv(text) else { return false };
    assert!(values.keys().all(|name| !name.is_empty() && !name.contains('=')), "{values:?}");
    true
}
