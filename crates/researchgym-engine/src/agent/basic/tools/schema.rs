//! What the model is told of a tool's arguments, from their type.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// A type's document, and its fields as a schema that every provider takes.
pub(crate) fn schema<T: JsonSchema>() -> (String, Value) {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let description = match schema.as_object_mut().and_then(|schema| schema.remove("description")) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    plain(&mut schema);
    (description, schema)
}

/// Takes out what some providers refuse; an absent value is said by `required`, not by a type `null`.
fn plain(value: &mut Value) {
    let Value::Object(object) = value else { return };
    for key in ["$schema", "title", "format", "default"] {
        object.remove(key);
    }
    if let Some(Value::Array(types)) = object.get("type")
        && let Some(kind) = types.iter().find(|kind| *kind != "null").cloned()
    {
        object.insert("type".to_owned(), kind);
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(plain);
    }
    if let Some(items) = object.get_mut("items") {
        plain(items);
    }
    if object.get("type").is_some_and(|kind| kind == "object") {
        object.entry("properties").or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::score::Validate;
    use super::super::search::SearchFile;
    use super::*;

    #[test]
    fn schemas_are_plain() {
        let (description, parameters) = schema::<SearchFile>();
        assert!(description.starts_with("Finds lines"), "{description}");
        assert_eq!(
            parameters,
            json!({
                "type": "object",
                "properties": {
                    "file": { "type": "string", "description": "The file, relative to `/workspace` or absolute." },
                    "query": { "type": "string", "description": "The text, in upper or lower case. No pattern." },
                    "context_lines": { "type": "integer", "minimum": 0, "description": "Lines shown around each match: 2 unless told, at most 20." },
                    "max_matches": { "type": "integer", "minimum": 0, "description": "Matches a page: 5 unless told, at most 50." },
                    "page": { "type": "integer", "minimum": 0, "description": "Which page of matches: 1 unless told." },
                },
                "required": ["file", "query"],
                "additionalProperties": false,
            })
        );
        let nothing = json!({ "type": "object", "properties": {}, "additionalProperties": false });
        assert_eq!(schema::<Validate>().1, nothing);
    }
}
