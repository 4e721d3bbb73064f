//! Requests whose cost is not bounded by their bytes and their cap on output: tools that the provider runs and bills,
//! prompts that the provider keeps, dearer tiers, answers that come later.

use researchgym_core::model::Wire;
use serde_json::Value;

/// Names the first thing in a request that cannot be metered.
pub(super) fn unmetered(dialect: Wire, body: &Value) -> Option<String> {
    match dialect {
        Wire::Chat => chat(body),
        Wire::Responses => responses(body),
        Wire::Messages => messages(body),
        Wire::Gemini => gemini(body),
    }
}

fn chat(body: &Value) -> Option<String> {
    let is_audio = |modality: &Value| modality == "audio";
    key(body, &["web_search_options", "prediction"])
        .or_else(|| dear_tier(body))
        .or_else(|| list(body, "modalities").any(is_audio).then(|| "audio output".to_owned()))
        .or_else(|| tool(body, |kind, _| !matches!(kind, "function" | "custom")))
        .or_else(|| {
            let file = |part: &Value| part["type"] == "file" && !part["file"]["file_id"].is_null();
            reference(&body["messages"], &file)
        })
}

fn responses(body: &Value) -> Option<String> {
    if body["background"] == true {
        return Some("`background`".to_owned());
    }
    const PAID: [&str; 6] =
        ["web_search", "file_search", "code_interpreter", "image_generation", "mcp", "x_search"];
    let is_paid = |kind: &str, tool: &Value| {
        let hosted = tool["environment"]["type"].as_str().is_some_and(|kind| kind.starts_with("container"));
        hosted || PAID.iter().any(|paid| kind.starts_with(paid))
    };
    key(body, &["previous_response_id", "conversation", "prompt"])
        .or_else(|| dear_tier(body))
        .or_else(|| tool(body, is_paid))
        .or_else(|| {
            let file = |part: &Value| {
                let is_named = ["file_id", "file_url"].iter().any(|key| !part[*key].is_null());
                part["type"] == "item_reference" || (part["type"] == "input_file" && is_named)
            };
            reference(&body["input"], &file)
        })
}

fn messages(body: &Value) -> Option<String> {
    const PAID: [&str; 4] = ["web_search", "web_fetch", "code_execution", "advisor"];
    let servers = list(body, "mcp_servers").next().map(|_| "`mcp_servers`".to_owned());
    key(body, &["container"])
        .or(servers)
        .or_else(|| (body["speed"] == "fast").then(|| "`speed`".to_owned()))
        .or_else(|| {
            let place = body["inference_geo"].as_str();
            place.is_some_and(|place| place != "global").then(|| "`inference_geo`".to_owned())
        })
        .or_else(|| tool(body, |kind, _| PAID.iter().any(|paid| kind.starts_with(paid))))
        .or_else(|| {
            let document = |part: &Value| {
                let source = part["source"]["type"].as_str();
                (part["type"] == "document" && matches!(source, Some("url" | "file")))
                    || part["type"] == "container_upload"
            };
            reference(&body["messages"], &document)
        })
}

fn gemini(body: &Value) -> Option<String> {
    const OURS: [&str; 4] = ["functionDeclarations", "function_declarations", "computerUse", "computer_use"];
    let paid = list(body, "tools").filter_map(Value::as_object).flatten();
    let paid = paid.map(|(name, _)| name).find(|name| !OURS.contains(&name.as_str()));
    let config = body.get("generationConfig").or_else(|| body.get("generation_config"));
    let modalities = config
        .into_iter()
        .flat_map(|config| list(config, "responseModalities").chain(list(config, "response_modalities")));
    let is_text = |modality: &Value| modality.as_str().is_some_and(|name| name.eq_ignore_ascii_case("text"));
    key(body, &["cachedContent", "cached_content"])
        .or_else(|| paid.map(|name| format!("the tool `{}`", bounded(name))))
        .or_else(|| {
            modalities.into_iter().any(|one| !is_text(one)).then(|| "output other than text".to_owned())
        })
        .or_else(|| {
            let file = |part: &Value| !part["fileData"].is_null() || !part["file_data"].is_null();
            reference(&body["contents"], &file)
        })
}

fn list<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    object.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// One of the keys, if it is there and not null.
fn key(body: &Value, keys: &[&str]) -> Option<String> {
    let found = keys.iter().find(|key| body.get(**key).is_some_and(|value| !value.is_null()));
    found.map(|key| format!("`{key}`"))
}

fn dear_tier(body: &Value) -> Option<String> {
    (body["service_tier"] == "priority").then(|| "`service_tier: priority`".to_owned())
}

fn tool(body: &Value, is_paid: impl Fn(&str, &Value) -> bool) -> Option<String> {
    list(body, "tools").find_map(|tool| {
        let kind = tool["type"].as_str().unwrap_or("function");
        is_paid(kind, tool).then(|| format!("the tool `{}`", bounded(kind)))
    })
}

/// Looks through messages for content that the provider keeps or fetches, whose length nobody here knows.
fn reference(messages: &Value, is_reference: &dyn Fn(&Value) -> bool) -> Option<String> {
    fn any(value: &Value, is_reference: &dyn Fn(&Value) -> bool) -> bool {
        match value {
            Value::Array(values) => values.iter().any(|value| any(value, is_reference)),
            Value::Object(object) => {
                is_reference(value)
                    || ["content", "parts", "output"]
                        .iter()
                        .filter_map(|key| object.get(*key))
                        .any(|value| any(value, is_reference))
            }
            _ => false,
        }
    }
    any(messages, is_reference).then(|| "a file that the provider keeps or fetches".to_owned())
}

fn bounded(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(dialect: Wire, body: Value, expected: Option<&str>) {
        assert_eq!(unmetered(dialect, &body).as_deref(), expected, "{body}");
    }

    #[test]
    fn tools_of_the_client_pass_and_tools_of_the_provider_do_not() {
        check(Wire::Chat, json!({"tools": [{"type": "function"}, {"type": "custom"}]}), None);
        check(Wire::Chat, json!({"tools": [{"type": "web_search"}]}), Some("the tool `web_search`"));
        check(Wire::Chat, json!({"web_search_options": {}}), Some("`web_search_options`"));
        let ours = ["function", "custom", "namespace", "local_shell", "apply_patch", "tool_search"];
        let tools: Vec<Value> = ours.iter().map(|kind| json!({"type": kind})).collect();
        check(Wire::Responses, json!({"tools": tools, "store": false}), None);
        check(
            Wire::Responses,
            json!({"tools": [{"type": "web_search_preview"}]}),
            Some("the tool `web_search_preview`"),
        );
        check(
            Wire::Responses,
            json!({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}),
            Some("the tool `shell`"),
        );
        check(Wire::Messages, json!({"tools": [{"name": "a"}, {"type": "bash_20250124"}]}), None);
        check(
            Wire::Messages,
            json!({"tools": [{"type": "web_search_20250305"}]}),
            Some("the tool `web_search_20250305`"),
        );
        check(Wire::Messages, json!({"mcp_servers": [{}]}), Some("`mcp_servers`"));
        check(Wire::Messages, json!({"mcp_servers": [], "container": null}), None);
        check(Wire::Gemini, json!({"tools": [{"functionDeclarations": []}]}), None);
        check(Wire::Gemini, json!({"tools": [{"google_search": {}}]}), Some("the tool `google_search`"));
    }

    #[test]
    fn what_the_bytes_do_not_bound_does_not_pass() {
        let file = Some("a file that the provider keeps or fetches");
        check(Wire::Responses, json!({"previous_response_id": "r"}), Some("`previous_response_id`"));
        check(Wire::Responses, json!({"service_tier": "priority"}), Some("`service_tier: priority`"));
        check(
            Wire::Responses,
            json!({"input": [{"content": [{"type": "input_file", "file_url": "u"}]}]}),
            file,
        );
        check(
            Wire::Responses,
            json!({"input": [{"content": [{"type": "input_file", "file_data": "u"}]}]}),
            None,
        );
        let source = json!({"type": "document", "source": {"type": "url", "url": "u"}});
        check(Wire::Messages, json!({"messages": [{"content": [source.clone()]}]}), file);
        check(
            Wire::Messages,
            json!({"messages": [{"content": [{"type": "tool_result", "content": [source]}]}]}),
            file,
        );
        check(Wire::Messages, json!({"speed": "fast"}), Some("`speed`"));
        check(Wire::Gemini, json!({"contents": [{"parts": [{"fileData": {"fileUri": "u"}}]}]}), file);
        check(Wire::Gemini, json!({"cachedContent": "c"}), Some("`cachedContent`"));
        check(
            Wire::Gemini,
            json!({"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}),
            Some("output other than text"),
        );
        check(Wire::Chat, json!({"modalities": ["text", "audio"]}), Some("audio output"));
    }
}
