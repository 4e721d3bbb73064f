//! Gemini's own dialect of schemas, read as JSON Schema.

use serde_json::{Map, Value, json};

/// Reads a schema of the key `parameters`: types are in capitals, counts may be text, keys may be in either spelling,
/// `nullable` and `propertyOrdering` are not JSON Schema's.
pub(super) fn to_json_schema(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let keywords = schema.iter().filter_map(|(key, value)| keyword(&camel(key), value));
    let mut converted: Map<String, Value> = keywords.collect();
    if schema.get("nullable") == Some(&Value::Bool(true))
        && let Some(kind) = converted.get_mut("type")
    {
        *kind = json!([kind.take(), "null"]);
    }
    Value::Object(converted)
}

fn keyword(key: &str, value: &Value) -> Option<(String, Value)> {
    let converted = match (key, value) {
        ("nullable" | "propertyOrdering", _) => return None,
        ("ref", target) => return Some(("$ref".to_owned(), target.clone())),
        ("type", Value::String(kind)) => json!(kind.to_lowercase()),
        ("properties" | "defs" | "$defs", Value::Object(named)) => {
            let named = named.iter().map(|(name, schema)| (name.clone(), to_json_schema(schema)));
            Value::Object(named.collect())
        }
        ("anyOf", Value::Array(all)) => all.iter().map(to_json_schema).collect(),
        ("items" | "additionalProperties", schema) => to_json_schema(schema),
        (
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties",
            Value::String(number),
        ) => number.parse::<u64>().map_or_else(|_| value.clone(), Value::from),
        (_, value) => value.clone(),
    };
    Some((key.to_owned(), converted))
}

/// The other spelling of a keyword in snake case.
fn camel(key: &str) -> String {
    let mut is_start = false;
    let characters = key.chars().filter_map(|character| {
        let is_upper = std::mem::replace(&mut is_start, character == '_');
        match character {
            '_' => None,
            _ if is_upper => Some(character.to_ascii_uppercase()),
            _ => Some(character),
        }
    });
    characters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialect_becomes_json_schema() {
        let dialect = json!({
            "type": "OBJECT",
            "properties": {
                "type": {"type": "STRING", "nullable": true, "enum": ["A", "B"], "max_length": "20"},
                "any_of": {"ref": "#/defs/Pet"},
                "list": {"type": "ARRAY", "minItems": "1", "items": {"any_of": [{"type": "INTEGER"}, {"type": "NUMBER"}]}},
            },
            "required": ["type"],
            "propertyOrdering": ["type", "list"],
        });
        let schema = json!({
            "type": "object",
            "properties": {
                "type": {"type": ["string", "null"], "enum": ["A", "B"], "maxLength": 20},
                "any_of": {"$ref": "#/defs/Pet"},
                "list": {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "integer"}, {"type": "number"}]}},
            },
            "required": ["type"],
        });
        assert_eq!(to_json_schema(&dialect), schema);
        assert_eq!(to_json_schema(&schema), schema, "what is JSON Schema stays as it is");
    }
}
