//! Requests whose cost is not bounded by their bytes and their cap on output: tools that the provider runs and bills,
//! prompts that the provider keeps, dearer tiers, other models than the one that was granted, answers that come later.
//!
//! Tools are let through by name: a kind that nobody here knows may be one that the provider runs.

use researchgym_core::model::Wire;
use serde_json::Value;

use super::fetched::any_content;

/// Names the first thing in a request that cannot be metered.
pub(super) fn unmetered(dialect: Wire, body: &Value) -> Option<String> {
    key(body, &ELSEWHERE).or_else(|| match dialect {
        Wire::Chat => chat(body),
        Wire::Responses => responses(body),
        Wire::Messages => messages(body),
        Wire::Gemini => gemini(body),
    })
}

/// With what a router between us and the model (OpenRouter's documents on routing and on plugins, LiteLLM's on fallbacks
/// and on credentials of clients) asks another model, another seller or another address, or adds paid searches.
const ELSEWHERE: [&str; 15] = [
    "models",
    "route",
    "provider",
    "preset",
    "plugins",
    "fallbacks",
    "context_window_fallbacks",
    "context_window_fallback_dict",
    "content_policy_fallbacks",
    "model_list",
    "user_config",
    "api_base",
    "base_url",
    "api_key",
    "custom_llm_provider",
];

fn chat(body: &Value) -> Option<String> {
    let is_audio = |modality: &Value| modality == "audio";
    // A tool without a type is a function on some servers and the provider's own on others: its definition tells.
    let is_ours = |kind: Option<&str>, tool: &Value| match kind {
        Some(kind) => matches!(kind, "function" | "custom"),
        None => tool["function"].is_object(),
    };
    // xAI's searches, and a kept prompt in Google's additions to this form.
    key(body, &["web_search_options", "search_parameters", "prediction"])
        .or_else(|| dear_tier(body))
        .or_else(|| list(body, "modalities").any(is_audio).then(|| "audio output".to_owned()))
        .or_else(|| tool(body, is_ours))
        .or_else(|| {
            let google = body.pointer("/extra_body/google").unwrap_or(&Value::Null);
            key(google, &["cached_content", "cachedContent"])
        })
        .or_else(|| {
            let file = |part: &Value| part["type"] == "file" && !part["file"]["file_id"].is_null();
            reference(&body["messages"], &file)
        })
}

fn responses(body: &Value) -> Option<String> {
    if body["background"] == true {
        return Some("`background`".to_owned());
    }
    const OURS: [&str; 9] = [
        "function",
        "custom",
        "namespace",
        "local_shell",
        "shell",
        "apply_patch",
        "tool_search",
        "computer",
        "computer_use_preview",
    ];
    let is_ours = |kind: Option<&str>, tool: &Value| {
        let place = tool["environment"]["type"].as_str();
        kind.is_none_or(|kind| OURS.contains(&kind))
            && place.is_none_or(|place| !place.starts_with("container"))
    };
    key(body, &["previous_response_id", "conversation", "prompt"])
        .or_else(|| dear_tier(body))
        .or_else(|| tool(body, is_ours))
        .or_else(|| {
            let file = |part: &Value| {
                let is_named = ["file_id", "file_url"].iter().any(|key| !part[*key].is_null());
                part["type"] == "item_reference" || (part["type"] == "input_file" && is_named)
            };
            reference(&body["input"], &file)
        })
}

fn messages(body: &Value) -> Option<String> {
    const OURS: [&str; 5] = ["bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_"];
    let is_ours = |kind: Option<&str>, _: &Value| {
        kind.is_none_or(|kind| kind == "custom" || OURS.iter().any(|ours| kind.starts_with(ours)))
    };
    // Its summary is another call, which the usage of the answer leaves out.
    let compacts = |edit: &Value| edit["type"].as_str().is_some_and(|kind| kind.starts_with("compact"));
    let servers = list(body, "mcp_servers").next().map(|_| "`mcp_servers`".to_owned());
    key(body, &["container"])
        .or(servers)
        .or_else(|| (body["speed"] == "fast").then(|| "`speed`".to_owned()))
        .or_else(|| {
            let place = body["inference_geo"].as_str();
            place.is_some_and(|place| place != "global").then(|| "`inference_geo`".to_owned())
        })
        .or_else(|| {
            let edits = &body["context_management"];
            list(edits, "edits").any(compacts).then(|| "compaction by the provider".to_owned())
        })
        .or_else(|| tool(body, is_ours))
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

fn tool(body: &Value, is_ours: impl Fn(Option<&str>, &Value) -> bool) -> Option<String> {
    list(body, "tools").find_map(|tool| {
        let kind = tool["type"].as_str();
        let named =
            || kind.or_else(|| tool.as_object()?.keys().next().map(String::as_str)).unwrap_or_default();
        (!is_ours(kind, tool)).then(|| format!("the tool `{}`", bounded(named())))
    })
}

/// Looks through messages for content that the provider keeps or fetches, whose length nobody here knows.
fn reference(messages: &Value, is_reference: &dyn Fn(&Value) -> bool) -> Option<String> {
    any_content(messages, is_reference).then(|| "a file that the provider keeps or fetches".to_owned())
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
        check(Wire::Chat, json!({"tools": [{"function": {"name": "a"}}]}), None);
        check(Wire::Chat, json!({"tools": [{"googleSearch": {}}]}), Some("the tool `googleSearch`"));
        check(Wire::Chat, json!({"web_search_options": {}}), Some("`web_search_options`"));
        check(Wire::Chat, json!({"search_parameters": {"mode": "on"}}), Some("`search_parameters`"));
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
        for kind in ["code_execution", "collections_search", "openrouter:web_search", "a_kind_of_tomorrow"] {
            let expected = format!("the tool `{kind}`");
            check(Wire::Responses, json!({"tools": [{"type": kind}]}), Some(&expected));
            check(Wire::Messages, json!({"tools": [{"type": kind}]}), Some(&expected));
        }
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
        check(
            Wire::Messages,
            json!({"context_management": {"edits": [{"type": "compact_20260112"}]}}),
            Some("compaction by the provider"),
        );
        check(
            Wire::Messages,
            json!({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}),
            None,
        );
        check(
            Wire::Chat,
            json!({"extra_body": {"google": {"cached_content": "c"}}}),
            Some("`cached_content`"),
        );
        check(Wire::Gemini, json!({"contents": [{"parts": [{"fileData": {"fileUri": "u"}}]}]}), file);
        let answer = json!({"functionResponse": {"parts": [{"fileData": {"fileUri": "u"}}]}});
        check(Wire::Gemini, json!({"contents": [{"parts": [answer]}]}), file);
        check(Wire::Gemini, json!({"cachedContent": "c"}), Some("`cachedContent`"));
        check(
            Wire::Gemini,
            json!({"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}),
            Some("output other than text"),
        );
        check(Wire::Chat, json!({"modalities": ["text", "audio"]}), Some("audio output"));
    }

    #[test]
    fn no_other_model_or_address_is_asked_for() {
        for wire in [Wire::Chat, Wire::Responses, Wire::Messages, Wire::Gemini] {
            for (key, value) in [
                ("models", json!(["p/dearer"])),
                ("fallbacks", json!(["dearer"])),
                ("plugins", json!([{"id": "web"}])),
                ("provider", json!({"order": ["dearer"]})),
                ("api_base", json!("http://elsewhere")),
                ("user_config", json!({})),
            ] {
                check(wire, json!({key: value}), Some(&format!("`{key}`")));
            }
        }
    }
}
