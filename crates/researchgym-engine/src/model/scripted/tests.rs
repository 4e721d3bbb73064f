use researchgym_core::model::{Input, Message, RequestSettings, Tool, ToolResult};
use serde_json::json;

use super::*;

fn target() -> Target {
    Target { name: "scripted/s".into(), model: "s".into() }
}

fn request(messages: Vec<Message>) -> Request {
    Request { messages, settings: RequestSettings::default() }
}

fn hello() -> Request {
    request(vec![Message::user("hello world")])
}

fn no_secrets() -> Redactor {
    Redactor::new([])
}

fn said(script: &str, request: &Request, position: u64) -> Result<Said, Refused> {
    Script::parse(script).unwrap().ask(request, &target(), position, &no_secrets())
}

fn reply(script: &str, request: &Request, position: u64) -> Reply {
    said(script, request, position).unwrap().result.unwrap()
}

#[test]
fn lines_are_answers_in_order() {
    let script = r#"{"thinking": "hmm", "text": "do it", "calls": [{"name": "run", "arguments": {"b": 1, "a": 2}}, {"name": "run", "arguments": "{broken"}]}
{"text": "done", "usage": {"input": 100, "cache_read": 40, "output": 7}, "stop": "refusal", "delay_ms": 5}"#;
    let first = reply(script, &hello(), 0);
    let expected = json!({
        "turn": {"parts": [
            {"type": "thinking", "text": "hmm"},
            {"type": "text", "text": "do it"},
            {"type": "call", "id": "call_1_1", "name": "run", "arguments": "{\"a\":2,\"b\":1}"},
            {"type": "call", "id": "call_1_2", "name": "run", "arguments": "{broken"},
        ]},
        "stop": "tool_calls",
        "usage": {"input": 3, "output": 11, "reasoning": 1},
        "id": "scripted_1",
        "model": "s",
    });
    assert_eq!(serde_json::to_value(&first).unwrap(), expected);
    let second = said(script, &hello(), 1).unwrap();
    assert_eq!(second.delay, Duration::from_millis(5));
    let expected = json!({
        "turn": {"parts": [{"type": "text", "text": "done"}]},
        "stop": "refusal",
        "usage": {"input": 100, "cache_read": 40, "output": 7},
        "id": "scripted_2",
        "model": "s",
    });
    assert_eq!(serde_json::to_value(second.result.unwrap()).unwrap(), expected);
}

#[test]
fn the_end_of_a_script_is_a_refusal_unless_the_last_line_stays() {
    let once = "{\"text\": \"a\"}\n{\"text\": \"b\"}";
    assert_eq!(said(once, &hello(), 2), Err(Refused::AtEnd(2)));
    let again = format!("{{\"script\": 1, \"repeat_last\": true}}\n{once}");
    assert_eq!(reply(&again, &hello(), 9).turn.text(), "b");
}

#[test]
fn an_answer_is_cut_at_the_cap() {
    let script = r#"{"text": "0123456789", "calls": [{"name": "run", "arguments": {}}]}"#;
    let mut request = hello();
    request.settings.max_output_tokens = Some(2);
    let reply = reply(script, &request, 0);
    assert_eq!((reply.turn.text().as_str(), reply.turn.calls().count()), ("01234567", 0));
    assert_eq!((reply.stop, reply.usage.unwrap().output), (Stop::MaxTokens, 2));
}

#[test]
fn a_prompt_beyond_the_window_and_errors_are_failures_of_their_kind() {
    let check = |line: &str, expected: (FailureKind, Option<u16>, bool, Option<u64>)| {
        let script = format!("{{\"script\": 1, \"context_window\": 50}}\n{line}");
        let failure = said(&script, &hello(), 0).unwrap().result.unwrap_err();
        let wait = failure.retry_after.map(|wait| wait.as_millis() as u64);
        assert_eq!((failure.kind, failure.status, failure.retryable, wait), expected, "{line}");
    };
    check(r#"{"text": "a", "usage": {"input": 51}}"#, (FailureKind::ContextLength, Some(400), false, None));
    check(
        r#"{"error": {"status": 429, "message": "slow", "retry_after_ms": 9}}"#,
        (FailureKind::RateLimited, Some(429), true, Some(9)),
    );
    check(r#"{"error": {"status": 500, "message": "oops"}}"#, (FailureKind::Server, Some(500), true, None));
    check(
        r#"{"error": {"status": 401, "message": "who"}}"#,
        (FailureKind::Authentication, Some(401), false, None),
    );
}

#[test]
fn expectations_look_at_the_texts_of_the_request() {
    let check = |expect: &str, unmet: Option<&str>| {
        let script = format!("\n{{\"text\": \"a\", \"expect\": {expect}}}");
        let refused = said(&script, &hello(), 0).err();
        let expected = unmet.map(|unmet| Refused::Unexpected { line: 2, unmet: unmet.to_owned() });
        assert_eq!(refused, expected, "{expect}");
    };
    check(r#"{"contains": "lo wo"}"#, None);
    check(r#"{"contains": ["hello", "bye"]}"#, Some("the request was expected to contain \"bye\""));
    check(r#"{"not_contains": "hello"}"#, Some("the request was expected not to contain \"hello\""));
    check(r#"{"contains": "hello", "not_contains": ["bye"]}"#, None);
}

#[test]
fn invariants_of_requests_are_held() {
    let turn = |ids: &[&str]| {
        let call = |id: &&str| Part::Call { id: (*id).into(), name: "run".into(), arguments: "{}".into() };
        Message::Assistant(Turn { parts: ids.iter().map(call).collect(), raw: None })
    };
    let tool = |ids: &[&str]| {
        let result = |id: &&str| ToolResult {
            call_id: (*id).into(),
            name: "run".into(),
            content: vec![Input::Text { text: "out".into() }],
            is_error: false,
        };
        Message::Tool { results: ids.iter().map(result).collect() }
    };
    let user = || Message::user("go");
    let system = || Message::System { text: "be".into() };
    let check = |messages: Vec<Message>, expected: Option<&str>| {
        let refused = said("{\"text\": \"a\"}", &request(messages), 0).err();
        assert_eq!(refused, expected.map(|broken| Refused::Invariant(broken.to_owned())));
    };
    check(vec![system(), user(), turn(&["a", "b"]), tool(&["b", "a"]), user()], None);
    check(vec![], Some("there are no messages"));
    check(vec![system()], Some("nothing follows the system message"));
    check(vec![user(), system()], Some("messages[1]: the system message must be the first"));
    check(vec![turn(&[])], Some("messages[0]: an empty assistant message begins the conversation"));
    check(vec![user(), turn(&[])], Some("messages[1]: the assistant message is empty"));
    check(vec![Message::User { content: vec![] }], Some("messages[0]: the user message is empty"));
    check(vec![user(), turn(&["a"]), tool(&[])], Some("messages[2]: the tool message holds no result"));
    check(vec![user(), turn(&["a", "a"])], Some("messages[1]: two calls have the id `a`"));
    check(vec![user(), turn(&[""])], Some("messages[1]: a call without an id or a name"));
    check(vec![user(), turn(&["a"])], Some("the call `a` of the last turn is not answered"));
    check(
        vec![user(), turn(&["a"]), user()],
        Some("messages[2]: the call `a` of the turn before is not answered"),
    );
    check(
        vec![user(), turn(&["a"]), tool(&["b"])],
        Some("messages[2]: the result of `b` answers no open call of the turn before"),
    );
    check(
        vec![user(), turn(&["a"]), tool(&["a", "a"])],
        Some("messages[2]: the result of `a` answers no open call of the turn before"),
    );
}

#[test]
fn a_key_in_a_request_is_a_broken_invariant() {
    let script = Script::parse("{\"text\": \"a\"}").unwrap();
    let secrets = Redactor::new(["sk-very-secret"]);
    let leaking = request(vec![Message::user("my key is sk-very-secret")]);
    let expected = Err(Refused::Invariant("the request holds a key".to_owned()));
    assert_eq!(script.ask(&leaking, &target(), 0, &secrets), expected);
    assert!(script.ask(&hello(), &target(), 0, &secrets).is_ok());
}

#[test]
fn tools_are_named_as_providers_demand() {
    let check = |names: &[&str], expected: Option<&str>| {
        let mut request = hello();
        let tool =
            |name: &&str| Tool { name: (*name).into(), description: String::new(), parameters: json!({}) };
        request.settings.tools = names.iter().map(tool).collect();
        let refused = said("{\"text\": \"a\"}", &request, 0).err();
        assert_eq!(refused, expected.map(|broken| Refused::Invariant(broken.to_owned())));
    };
    check(&["run", "write_file"], None);
    check(&["a b"], Some("the tool name `a b` is not 1 to 64 letters, digits, _ and -"));
    check(&["run", "run"], Some("two tools have the name `run`"));
}

#[test]
fn bad_scripts_are_named_by_line() {
    let check = |script: &str, expected: &str| {
        let error = Script::parse(script).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check("", "line 1: the script holds no answer");
    check("{\"script\": 1}", "line 1: the script holds no answer");
    check("{\"text\": \"a\"}\nnonsense", "line 2: not JSON: ");
    check("[]", "line 1: not a JSON object");
    check("{}", "line 1: needs one of `text`, `thinking`, `calls` and `error`");
    check("{\"txt\": \"a\"}", "line 1: unknown field `txt`");
    check("{\"text\": \"a\"}\n\n{\"script\": 1}", "line 3: the line with `script` must be the first");
    check("{\"script\": 2}\n{\"text\": \"a\"}", "line 1: `script` is 2; this program reads version 1");
    check("{\"script\": 1, \"price\": {\"input\": -1, \"output\": 1}}", "line 1: `price.input`: negative");
    check(
        "{\"text\": \"a\", \"error\": {\"status\": 500, \"message\": \"\"}}",
        "line 1: `error` stands alone",
    );
    check("{\"error\": {\"status\": 200, \"message\": \"\"}}", "line 1: `error.status` is 200");
    check(
        "{\"text\": \"a\", \"usage\": {\"input\": 1, \"cache_read\": 2}}",
        "line 1: `usage`: `input` counts cached tokens in",
    );
    check("{\"calls\": [{\"name\": \"\", \"arguments\": {}}]}", "line 1: `calls`: each has a `name`");
    check("{\"calls\": [{\"name\": \"a\", \"arguments\": 3}]}", "line 1: `calls`: each has a `name`");
    check("{\"text\": \"a\", \"expect\": {\"contains\": \"\"}}", "line 1: an empty text is in every request");
}

mod any_script {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hostile_scripts_do_not_panic(text in ".{0,200}") {
            let _ = super::Script::parse(&text);
        }
    }
}
