//! Puts the texts of settings files over one another.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use researchgym_core::image::{IMAGE_FORM, check_image_name};
use researchgym_core::nearest::nearest;
use serde::Deserialize as _;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::{Entry, Merged, Settings, SettingsError, is_of_project};

pub(super) const TOP: [&str; 6] = ["providers", "models", "prices", "trusted_projects", "docker", "slurm"];
pub(super) const DOCKER: [&str; 1] = ["image"];
pub(super) const SLURM: [&str; 13] = [
    "partition",
    "account",
    "qos",
    "gres",
    "cpus",
    "memory_mib",
    "minutes",
    "options",
    "poll_s",
    "program",
    "home",
    "gateway",
    "gateway_listen",
];
pub(super) const PROVIDER: [&str; 8] =
    ["base_url", "wire", "key_env", "key_file", "auth", "headers", "query", "local"];
pub(super) const MODEL: [&str; 9] = [
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "context_window",
    "max_output",
    "embedding",
    "request",
];
/// What people may write in the belief that a key goes here.
const KEYS: [&str; 5] = ["key", "api_key", "apikey", "token", "secret"];

/// One leaf of a file.
struct Leaf {
    path: Vec<String>,
    value: Value,
    line: usize,
}

pub(super) fn merge(texts: &[(PathBuf, String)]) -> Result<Merged, SettingsError> {
    let mut leaves: BTreeMap<Vec<String>, (Value, Entry)> = BTreeMap::new();
    let mut warnings = Vec::new();
    let mut declared = BTreeSet::new();
    for (file, text) in texts {
        let (read, providers) = read(file, text, &mut warnings)?;
        declared.extend(providers);
        for leaf in read {
            let entry = Entry {
                key: leaf.path.iter().map(|key| shown_key(key)).collect::<Vec<_>>().join("."),
                value: shown_value(&leaf),
                file: file.clone(),
                line: leaf.line,
            };
            leaves.insert(leaf.path, (leaf.value, entry));
        }
    }
    let mut root = Table::new();
    for (path, (value, _)) in &leaves {
        put(&mut root, path, value.clone());
    }
    let mut settings = Settings::deserialize(root).expect("each value was read as part of its own file");
    // One of which nothing is said has no leaf, and is declared all the same.
    for name in declared {
        settings.providers.entry(name).or_default();
    }
    let entries = leaves.into_values().map(|(_, entry)| entry).collect();
    Ok(Merged { settings, entries, warnings })
}

/// Reads one file: checks it whole and gives its known values, with files named in it made absolute, and its providers.
fn read(
    file: &Path,
    text: &str,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Leaf>, Vec<String>), SettingsError> {
    let wrong = |span: Option<Range<usize>>, problem: String| SettingsError {
        file: file.to_owned(),
        line: span.map(|span| line_at(text, span.start)),
        problem,
    };
    let described = |error: toml::de::Error| {
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        wrong(error.span(), message)
    };
    let spanned = DeTable::parse(text).map_err(described)?;
    let whole: Settings = toml::from_str(text).map_err(described)?;
    let mut leaves = Vec::new();
    let mut walk = Walk { file, text, leaves: &mut leaves, warnings };
    walk.table(spanned.get_ref(), &mut Vec::new());
    let line_of = |first: &str, second: &str| {
        let leaf =
            leaves.iter().find(|leaf| leaf.path.len() > 1 && leaf.path[0] == first && leaf.path[1] == second);
        leaf.map(|leaf| leaf.line)
    };
    for name in whole.providers.keys() {
        if name.is_empty() || name.contains('/') || name == "scripted" {
            let problem = format!("`{name}` cannot be the name of a provider");
            return Err(SettingsError { file: file.to_owned(), line: line_of("providers", name), problem });
        }
    }
    for (name, provider) in &whole.providers {
        let is_variable = |name: &str| {
            !name.starts_with(|first: char| first.is_ascii_digit())
                && !name.is_empty()
                && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        };
        if provider.key_env.as_deref().is_some_and(|variable| !is_variable(variable)) {
            // Not repeated: it may be the key itself.
            let problem =
                format!("`key_env` of [providers.{name}] must be the name of a variable, not a key");
            let own = leaves.iter().find(|leaf| leaf.path == ["providers", name, "key_env"]);
            return Err(SettingsError { file: file.to_owned(), line: own.map(|leaf| leaf.line), problem });
        }
    }
    for name in whole.models.keys() {
        if !name.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty()) {
            let problem = format!("[models.\"{name}\"]: a model is named `provider/model`");
            return Err(SettingsError { file: file.to_owned(), line: line_of("models", name), problem });
        }
    }
    if let Some(Err(error)) = whole.docker.image.as_deref().map(check_image_name) {
        let problem = format!("`image` of [docker]: {error}; {IMAGE_FORM}");
        let own = leaves.iter().find(|leaf| leaf.path == ["docker", "image"]);
        return Err(SettingsError { file: file.to_owned(), line: own.map(|leaf| leaf.line), problem });
    }
    let slurm = &whole.slurm;
    let numbers = [
        ("cpus", slurm.cpus.map(u64::from)),
        ("memory_mib", slurm.memory_mib),
        ("minutes", slurm.minutes),
        ("poll_s", slurm.poll_s),
    ];
    if let Some((key, _)) = numbers.into_iter().find(|(_, number)| *number == Some(0)) {
        let problem = format!("`{key}` of [slurm] must be 1 or more; leave it out for what the task says");
        let own = leaves.iter().find(|leaf| leaf.path == ["slurm", key]);
        return Err(SettingsError { file: file.to_owned(), line: own.map(|leaf| leaf.line), problem });
    }
    if is_of_project(file) {
        // Nobody vouches for themselves.
        for leaf in leaves.extract_if(.., |leaf| leaf.path[0] == "trusted_projects") {
            let (file, line) = (file.display(), leaf.line);
            warnings
                .push(format!("{file}:{line}: `trusted_projects` has an effect in the user's own file only"));
        }
    }
    let folder = file.parent().unwrap_or(Path::new("/"));
    for leaf in &mut leaves {
        let is_file = matches!(leaf.path[..], [ref only] if only == "prices" || only == "trusted_projects")
            || matches!(leaf.path[..], [ref first, _, ref last] if first == "providers" && last == "key_file");
        if is_file {
            absolute(&mut leaf.value, folder);
        }
    }
    Ok((leaves, whole.providers.into_keys().collect()))
}

/// Goes through a file and gathers its leaves.
struct Walk<'a> {
    file: &'a Path,
    text: &'a str,
    leaves: &'a mut Vec<Leaf>,
    warnings: &'a mut Vec<String>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &mut Vec<String>) {
        for (key, value) in table {
            let line = line_at(self.text, key.span().start);
            let name = key.get_ref().to_string();
            if let Some(known) = known_keys(path).filter(|known| !known.contains(&name.as_str())) {
                self.warn(line, path, &name, known);
                continue;
            }
            path.push(name);
            match value.get_ref() {
                DeValue::Table(inner) => self.table(inner, path),
                leaf => {
                    if let Some(value) = plain(leaf) {
                        self.leaves.push(Leaf { path: path.clone(), value, line });
                    }
                }
            }
            path.pop();
        }
    }

    fn warn(&mut self, line: usize, path: &[String], name: &str, known: &[&str]) {
        let place = match path {
            [] => String::new(),
            path => format!(" of [{}]", path.iter().map(|key| shown_key(key)).collect::<Vec<_>>().join(".")),
        };
        let advice = if KEYS.contains(&name) && path.first().is_some_and(|first| first == "providers") {
            "; keys do not belong here: name a variable with `key_env` or a file with `key_file`".to_owned()
        } else {
            match nearest(name, known.iter().copied()) {
                Some(meant) => format!("; did you mean `{meant}`?"),
                None => format!("; known are {}", known.join(", ")),
            }
        };
        let file = self.file.display();
        self.warnings.push(format!("{file}:{line}: `{name}`{place} is not known and has no effect{advice}"));
    }
}

/// The keys that a table may have; `None` if any may stand there.
fn known_keys(path: &[String]) -> Option<&'static [&'static str]> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    match words[..] {
        [] => Some(&TOP),
        ["providers", _] => Some(&PROVIDER),
        ["models", _] => Some(&MODEL),
        ["docker"] => Some(&DOCKER),
        ["slurm"] => Some(&SLURM),
        _ => None,
    }
}

fn plain(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(moment) => Value::Datetime(*moment),
        DeValue::Array(list) => {
            Value::Array(list.iter().filter_map(|value| plain(value.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .filter_map(|(key, value)| Some((key.get_ref().to_string(), plain(value.get_ref())?)))
                .collect(),
        ),
    })
}

fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn absolute(value: &mut Value, folder: &Path) {
    match value {
        Value::String(path) => *path = folder.join(&*path).display().to_string(),
        Value::Array(list) => list.iter_mut().for_each(|value| absolute(value, folder)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => {}
    }
}

pub(in crate::model) fn shown_key(key: &str) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

fn shown_value(leaf: &Leaf) -> String {
    match leaf.path.get(2).map(String::as_str) {
        Some("headers" | "query") => "(set)".to_owned(),
        Some(_) | None => leaf.value.to_string(),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
