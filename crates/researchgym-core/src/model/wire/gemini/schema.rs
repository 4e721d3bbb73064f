//! Gemini's own dialect of schemas, read as JSON Schema.

use serde_json::{Map, Value, json};

/// Reads a schema of the key `parameters`: types are in capitals, counts may be text, `nullable` and
/// `propertyOrdering` are not JSON Schema's.
pub(super) fn to_json_schema(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let mut converted: Map<String, Value> =
        schema.iter().filter_map(|(key, value)| Some((key.clone(), keyword(key, value)?))).collect();
    if schema.get("nullable") == Some(&Value::Bool(true))
        && let Some(kind) = converted.get_mut("type")
    {
        *kind = json!([kind.take(), "null"]);
    }
    Value::Object(converted)
}

fn keyword(key: &str, value: &Value) -> Option<Value> {
    match (key, value) {
        ("nullable" | "propertyOrdering" | "property_ordering", _) => None,
        ("type", Value::String(kind)) => Some(json!(kind.to_lowercase())),
        ("properties" | "defs" | "$defs", Value::Object(named)) => {
            let named = named.iter().map(|(name, schema)| (name.clone(), to_json_schema(schema)));
            Some(Value::Object(named.collect()))
        }
        ("anyOf", Value::Array(all)) => Some(all.iter().map(to_json_schema).collect()),
        ("items" | "additionalProperties", schema) => Some(to_json_schema(schema)),
        (
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties",
            Value::String(number),
        ) => Some(number.parse::<u64>().map_or_else(|_| value.clone(), Value::from)),
        (_, value) => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialect_becomes_json_schema() {
        let dialect = json!({
            "type": "OBJECT",
            "properties": {
                "type": {"type": "STRING", "nullable": true, "enum": ["A", "B"], "maxLength": "20"},
                "list": {"type": "ARRAY", "minItems": "1", "items": {"anyOf": [{"type": "INTEGER"}, {"type": "NUMBER"}]}},
            },
            "required": ["type"],
            "propertyOrdering": ["type", "list"],
        });
        let schema = json!({
            "type": "object",
            "properties": {
                "type": {"type": ["string", "null"], "enum": ["A", "B"], "maxLength": 20},
                "list": {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "integer"}, {"type": "number"}]}},
            },
            "required": ["type"],
        });
        assert_eq!(to_json_schema(&dialect), schema);
        assert_eq!(to_json_schema(&schema), schema, "what is JSON Schema stays as it is");
    }
}
