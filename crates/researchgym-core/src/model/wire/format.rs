//! The form that an answer's text must have, as the wires write it.

use serde_json::{Value, json};

use super::WireError;
use super::openai::Fields;
use crate::model::ResponseFormat;

/// The name of a schema from a wire that names none.
const UNNAMED: &str = "answer";

/// Writes a format as chat completions have it.
pub(super) fn nested(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::JsonObject => json!({ "type": "json_object" }),
        ResponseFormat::JsonSchema { name, schema, strict } => json!({
            "type": "json_schema",
            "json_schema": { "name": name, "schema": schema, "strict": strict },
        }),
    }
}

/// Writes a format as responses have it.
pub(super) fn flat(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::JsonObject => json!({ "type": "json_object" }),
        ResponseFormat::JsonSchema { name, schema, strict } => {
            json!({ "type": "json_schema", "name": name, "schema": schema, "strict": strict })
        }
    }
}

/// Reads what [`nested`] or [`flat`] writes, and `json_object` with a schema as other servers have it.
pub(super) fn parse(format: &Fields<'_>) -> Result<Option<ResponseFormat>, WireError> {
    match format.needed_text("type")? {
        "text" => Ok(None),
        "json_object" => match format.fields("schema")? {
            Some(schema) => Ok(Some(unnamed(Value::Object(schema.object.clone())))),
            None => Ok(Some(ResponseFormat::JsonObject)),
        },
        "json_schema" => {
            let inner = format.fields("json_schema")?;
            let named = inner.as_ref().unwrap_or(format);
            let mut schema = named.needed_fields("schema")?.object.clone();
            // The model reads it there as well.
            if let Some(description) = named.text("description")? {
                schema.entry("description").or_insert_with(|| description.into());
            }
            Ok(Some(ResponseFormat::JsonSchema {
                name: named.needed_text("name")?.to_owned(),
                schema: schema.into(),
                strict: named.truth("strict")?.unwrap_or(false),
            }))
        }
        other => Err(format.wrong(&format!("a format of type `{other}` is not understood"))),
    }
}

/// A format of a wire that has schemas without names and always enforces them.
pub(super) fn unnamed(schema: Value) -> ResponseFormat {
    ResponseFormat::JsonSchema { name: UNNAMED.to_owned(), schema, strict: true }
}

/// The schema without the key that tells its version, which not every provider takes.
pub(super) fn bare(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(schema) = &mut schema {
        schema.remove("$schema");
    }
    schema
}
