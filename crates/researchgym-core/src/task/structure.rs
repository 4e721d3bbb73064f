//! Holds a task file against the JSON Schema of [`Task`]: keys that are unknown, missing or of the wrong type.
//!
//! The schema is derived from the types, so that nothing about the format is written twice. Only the words of
//! JSON Schema that `schemars` uses for these types are understood.

use schemars::Schema;
use serde_json::{Map, Value};
use toml::de::DeValue;

use super::Task;
use super::document::{Document, KeyPath};
use super::problem::Problem;
use crate::nearest::nearest;

/// The JSON Schema of `task.toml`.
pub fn schema() -> Schema {
    schemars::schema_for!(Task)
}

/// All keys that are unknown, missing or of the wrong type.
pub(super) fn problems(document: &Document<'_>) -> Vec<Problem> {
    let schema = Value::from(schema());
    let mut checker = Checker { document, schema: &schema, problems: Vec::new() };
    checker.check(document.root(), &schema, &KeyPath::default());
    checker.problems
}

struct Checker<'a> {
    document: &'a Document<'a>,
    schema: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn check(&mut self, value: &DeValue<'_>, schema: &'a Value, path: &KeyPath) {
        let schema = self.resolved(schema);
        if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            return self.check_choices(value, choices, path);
        }
        if !is_of_type(value, schema) {
            let found = value.type_str();
            return self.report(path, format!("is {}", article(found)), format!("write {}", wanted(schema)));
        }
        match value {
            DeValue::Table(_) => self.check_table(value, schema, path),
            DeValue::Array(array) => {
                if let Some(items) = schema.get("items") {
                    for (index, item) in array.iter().enumerate() {
                        self.check(item.get_ref(), items, &path.index(index));
                    }
                }
            }
            DeValue::Integer(integer)
                if integer.as_str().starts_with('-') && schema.get("minimum").is_some() =>
            {
                self.report(path, "is below 0", "write 0 or more");
            }
            _ => {}
        }
    }

    fn check_table(&mut self, value: &DeValue<'_>, schema: &'a Value, path: &KeyPath) {
        let DeValue::Table(table) = value else { return };
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        for (key, inner) in table {
            let path = path.key(key.get_ref());
            match properties.and_then(|properties| properties.get(key.get_ref().as_ref())).or(others) {
                Some(property) => self.check(inner.get_ref(), property, &path),
                None => self.report(
                    &path,
                    "is not known here",
                    known(key.get_ref(), properties.unwrap_or(&empty)),
                ),
            }
        }
        for name in
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !table.contains_key(name) {
                let property = properties.and_then(|properties| properties.get(name));
                let advice = property.map(|property| self.how_to_add(name, property)).unwrap_or_default();
                self.report(&path.key(name), "is missing", advice);
            }
        }
    }

    /// An enum of texts, an optional value, a table told apart by its `kind`, or a value of several types.
    fn check_choices(&mut self, value: &DeValue<'_>, choices: &'a [Value], path: &KeyPath) {
        let choices: Vec<&Value> = choices.iter().map(|choice| self.resolved(choice)).collect();
        // An optional value is what it is without the null, which TOML does not have.
        let present: Vec<&Value> = choices.iter().copied().filter(|choice| !is_null(choice)).collect();
        if let ([only], true) = (present.as_slice(), choices.len() > 1) {
            return self.check(value, only, path);
        }
        let constants: Vec<&str> =
            choices.iter().filter_map(|choice| choice.get("const")?.as_str()).collect();
        if !constants.is_empty() {
            let found = value.as_str();
            if !found.is_some_and(|text| constants.contains(&text)) {
                let shown = found.map_or_else(|| article(value.type_str()), |text| format!("{text:?}"));
                self.report(path, format!("is {shown}"), format!("write {}", either(&constants)));
            }
            return;
        }
        let kind_of = |choice: &'a Value| choice.pointer("/properties/kind/const").and_then(Value::as_str);
        let kinds: Vec<&str> = choices.iter().filter_map(|choice| kind_of(choice)).collect();
        if !kinds.is_empty() {
            let Some(table) = value.as_table() else {
                return self.report(
                    path,
                    format!("is {}", article(value.type_str())),
                    "write a table with a `kind`",
                );
            };
            let kind = table.get("kind").map(|kind| kind.get_ref().as_str().unwrap_or_default());
            return match choices.iter().find(|choice| kind.is_some() && kind_of(choice) == kind) {
                Some(choice) => self.check_table(value, choice, path),
                None if kind.is_none() => {
                    self.report(&path.key("kind"), "is missing", format!("write {}", either(&kinds)))
                }
                None => self.report(&path.key("kind"), "is not known", format!("write {}", either(&kinds))),
            };
        }
        match choices.iter().find(|choice| is_of_type(value, choice)) {
            Some(choice) => self.check(value, choice, path),
            None => {
                let wanted: Vec<String> =
                    choices.iter().filter(|choice| !is_null(choice)).map(|choice| wanted(choice)).collect();
                self.report(
                    path,
                    format!("is {}", article(value.type_str())),
                    format!("write {}", wanted.join(" or ")),
                );
            }
        }
    }

    /// What to write, from the documentation of the field's type.
    fn how_to_add(&self, name: &str, property: &'a Value) -> String {
        let resolved = self.resolved(property);
        let described = property.get("description").or_else(|| resolved.get("description"));
        let meaning = described.and_then(Value::as_str).unwrap_or_default();
        let meaning = meaning.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let form = if resolved.get("properties").is_some() {
            format!("add the section `[{name}]`")
        } else if resolved.get("items").is_some_and(|items| self.resolved(items).get("properties").is_some())
        {
            format!("add a section `[[{name}]]`")
        } else {
            "add it".to_owned()
        };
        format!("{form}: {}", meaning.trim_end_matches('.'))
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let reference =
            schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(schema)
    }

    fn report(&mut self, path: &KeyPath, message: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(self.document.problem(path, message, advice));
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(single)) => vec![single],
        _ => Vec::new(),
    }
}

fn is_null(schema: &Value) -> bool {
    types(schema) == ["null"]
}

fn is_of_type(value: &DeValue<'_>, schema: &Value) -> bool {
    types(schema).into_iter().any(|name| match name {
        "object" => value.is_table(),
        "array" => value.is_array(),
        "string" => value.is_str(),
        "boolean" => value.is_bool(),
        "integer" => value.is_integer(),
        "number" => value.is_integer() || value.is_float(),
        _ => false,
    })
}

fn wanted(schema: &Value) -> String {
    let names: Vec<&str> = types(schema)
        .into_iter()
        .filter_map(|name| match name {
            "object" => Some("a table"),
            "array" => Some("an array"),
            "string" => Some("a string"),
            "boolean" => Some("true or false"),
            "integer" => Some("a whole number"),
            "number" => Some("a number"),
            _ => None,
        })
        .collect();
    names.join(" or ")
}

fn article(type_name: &str) -> String {
    match type_name {
        "array" | "integer" => format!("an {type_name}"),
        other => format!("a {other}"),
    }
}

fn either(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
}

fn known(key: &str, properties: &Map<String, Value>) -> String {
    match nearest(key, properties.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<String> = properties.keys().map(|name| format!("`{name}`")).collect();
            format!("the keys here are {}", names.join(", "))
        }
    }
}
