//! Attempts against a provider that goes wrong.

use std::collections::BTreeMap;

use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{
    Message, ModelFacts, Part, Price, Reasoning, RequestSettings, Stop, Target, Tool, Wire,
};
use serde_json::json;

use super::*;
use crate::model::endpoint::{Auth, Secret};
use crate::model::fake_provider::{Bill, Conduct, FakeProvider, Fault};
use crate::model::scripted::Script;

const WIRES: [Wire; 4] = [Wire::Chat, Wire::Responses, Wire::Messages, Wire::Gemini];
const KEY: &str = "sk-very-secret";
const CAP: u64 = 500;
const SCRIPT: &str = r#"{"text": "I shall run two commands, and this text is long enough to be cut.", "calls": [{"name": "run", "arguments": {"command": "ls"}}, {"name": "run", "arguments": {"command": "pwd"}}], "usage": {"input": 40, "output": 30}}"#;

fn provider(fault: Option<Fault>) -> FakeProvider {
    let faults = fault.map(|fault| (0, fault)).into_iter().collect::<BTreeMap<_, _>>();
    let script = Script::parse(SCRIPT).unwrap();
    FakeProvider::start(Conduct { script, faults, key: Some(KEY.to_owned()) }).unwrap()
}

fn endpoint(wire: Wire, url: &str) -> Endpoint {
    let (version, auth) = match wire {
        Wire::Chat | Wire::Responses => ("v1", Auth::Bearer),
        Wire::Messages => ("v1", Auth::Header("x-api-key")),
        Wire::Gemini => ("v1beta", Auth::Header("x-goog-api-key")),
    };
    Endpoint {
        target: Target { name: "fake/m".into(), model: "m".into() },
        wire,
        base_url: format!("{url}/{version}"),
        key: Some(Secret::new(KEY)),
        auth,
        headers: Vec::new(),
        query: Vec::new(),
        facts: ModelFacts { price: Some(Price::FREE), ..ModelFacts::default() },
        price_source: String::new(),
        request: Default::default(),
        backend: Backend::Http,
    }
}

fn request() -> Request {
    let run = Tool {
        name: "run".into(),
        description: "Runs a command.".into(),
        parameters: json!({"type": "object", "properties": {"command": {"type": "string"}}}),
    };
    let settings =
        RequestSettings { tools: vec![run], max_output_tokens: Some(CAP), ..RequestSettings::default() };
    Request { messages: vec![Message::System { text: "Work.".into() }, Message::user("Go.")], settings }
}

async fn asked(endpoint: &Endpoint, request: &Request, stream: bool) -> (Attempted, u64) {
    let mut heard = 0;
    let client = Client::new().unwrap();
    let question = Question { request, stream, position: 0 };
    let attempted = ask(&client, endpoint, question, &mut |bytes| heard = bytes).await;
    (attempted, heard)
}

/// Asks a provider with one fault, in every wire, in one piece or as a stream.
async fn everywhere(fault: Option<Fault>, streams: &[bool], check: impl Fn(&str, Attempted, Bill)) {
    for wire in WIRES {
        for stream in streams {
            let provider = provider(fault.clone());
            let (attempted, _) = asked(&endpoint(wire, &provider.url), &request(), *stream).await;
            let case = format!("{}, stream {stream}: {attempted:?}", wire.name());
            assert_eq!(provider.violations(), Vec::<String>::new(), "{case}");
            let bill = provider.bill();
            // Whatever happens, no less is booked than is billed.
            let booked = attempted.billed.unwrap_or_default();
            assert!(
                booked.input >= bill.usage.input && booked.output >= bill.usage.output,
                "{case}, {bill:?}"
            );
            check(&case, attempted, bill);
        }
    }
}

fn failed(attempted: &Attempted) -> (FailureKind, Option<u16>, Option<Duration>) {
    let failure = attempted.result.as_ref().unwrap_err();
    (failure.kind, failure.status, failure.retry_after)
}

#[tokio::test]
async fn an_answer_comes_whole_in_every_wire() {
    everywhere(None, &[false, true], |case, attempted, bill| {
        let reply = attempted.result.expect(case);
        let calls: Vec<(&str, &str)> =
            reply.turn.calls().map(|(_, name, arguments)| (name, arguments)).collect();
        assert_eq!(calls, [("run", "{\"command\":\"ls\"}"), ("run", "{\"command\":\"pwd\"}")], "{case}");
        assert_eq!(reply.stop, Stop::ToolCalls, "{case}");
        assert_eq!(attempted.billed, Some(bill.usage), "{case}");
        assert!(attempted.usage_reported && attempted.first_byte.is_some(), "{case}");
        assert_eq!((bill.requests, bill.billed), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_slow_answer_is_the_same_and_is_heard_as_it_comes() {
    let slow = Fault::Drip { bytes: 700, pause: Duration::from_millis(1) };
    everywhere(Some(slow.clone()), &[false, true], |case, attempted, bill| {
        assert_eq!(attempted.billed, Some(bill.usage), "{case}");
        assert!(attempted.result.is_ok(), "{case}");
    })
    .await;
    let provider = provider(Some(slow));
    let (_, heard) = asked(&endpoint(Wire::Chat, &provider.url), &request(), true).await;
    assert!(heard > 60, "{heard}");
}

#[tokio::test]
async fn refusals_are_unbilled_and_of_their_kind() {
    for (status, kind) in [
        (429, FailureKind::RateLimited),
        (500, FailureKind::Server),
        (529, FailureKind::Overloaded),
        (401, FailureKind::Authentication),
    ] {
        let fault = Fault::Status {
            status,
            headers: vec![("retry-after".into(), "7".into())],
            message: "not now".into(),
        };
        everywhere(Some(fault), &[false, true], |case, attempted, bill| {
            let expected = (kind, Some(status), Some(Duration::from_secs(7)));
            assert_eq!(failed(&attempted), expected, "{case}");
            assert_eq!((attempted.billed, bill.billed), (None, 0), "{case}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_provider_that_hangs_up_before_an_answer_is_paid_at_the_bounds() {
    everywhere(Some(Fault::HangUp), &[false, true], |case, attempted, bill| {
        assert_eq!(failed(&attempted), (FailureKind::BrokenStream, None, None), "{case}");
        assert_eq!(attempted.billed.map(|usage| usage.output), Some(CAP), "{case}");
        assert!(!attempted.usage_reported && !attempted.prompt_reported, "{case}");
        assert_eq!((bill.requests, bill.billed), (1, 1), "{case}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_reset_midway_is_paid_for() {
    for share in [1, 30, 60, 90] {
        everywhere(Some(Fault::Reset(share)), &[false, true], |case, attempted, _| {
            assert_eq!(failed(&attempted).0, FailureKind::BrokenStream, "{case}");
            assert!(!attempted.usage_reported && attempted.billed.is_some(), "{case}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_cut_or_unreadable_answer_is_paid_for() {
    everywhere(Some(Fault::Truncated(50)), &[false], |case, attempted, _| {
        assert_eq!(failed(&attempted).0, FailureKind::Malformed, "{case}");
        assert_eq!(attempted.billed.map(|usage| usage.output), Some(CAP), "{case}");
    })
    .await;
    everywhere(Some(Fault::Garbage), &[false, true], |case, attempted, _| {
        assert_eq!(failed(&attempted).0, FailureKind::Malformed, "{case}");
        assert!(!attempted.usage_reported && attempted.billed.is_some(), "{case}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_usage_or_with_half_of_it_is_booked_at_its_bounds() {
    for fault in [Fault::NoUsage, Fault::HalfUsage] {
        everywhere(Some(fault), &[false, true], |case, attempted, _| {
            assert!(attempted.result.is_ok(), "{case}");
            assert_eq!(attempted.billed.map(|usage| usage.output), Some(CAP), "{case}");
            assert!(!attempted.usage_reported && !attempted.prompt_reported, "{case}");
        })
        .await;
    }
}

#[tokio::test]
async fn an_error_in_a_stream_is_paid_for_only_if_something_came() {
    let fault =
        |after| Fault::ErrorEvent { kind: "overloaded_error".into(), message: "no room".into(), after };
    everywhere(Some(fault(60)), &[true], |case, attempted, _| {
        assert!(attempted.result.is_err(), "{case}");
        assert!(attempted.billed.is_some() && !attempted.usage_reported, "{case}");
    })
    .await;
    everywhere(Some(fault(0)), &[false, true], |case, attempted, bill| {
        assert!(attempted.result.is_err(), "{case}");
        assert_eq!((attempted.billed, bill.billed), (None, 0), "{case}");
    })
    .await;
}

#[tokio::test]
async fn calls_of_the_same_id_can_be_told_apart() {
    everywhere(Some(Fault::SameIds), &[false, true], |case, attempted, _| {
        let reply = attempted.result.expect(case);
        let ids: std::collections::BTreeSet<&str> = reply.turn.calls().map(|(id, _, _)| id).collect();
        assert_eq!(ids.len(), 2, "{case}");
    })
    .await;
}

#[tokio::test]
async fn what_the_wire_has_no_form_for_is_refused_by_name_before_it_is_sent() {
    for (wire, lost) in [(Wire::Responses, Some("stop")), (Wire::Chat, None), (Wire::Messages, None)] {
        let provider = provider(None);
        let mut request = request();
        request.settings.stop = vec!["END".to_owned()];
        let (attempted, _) = asked(&endpoint(wire, &provider.url), &request, true).await;
        let refusal = attempted.result.as_ref().err().map(|failure| (failure.kind, failure.message.as_str()));
        let expected = lost
            .map(|_| (FailureKind::BadRequest, "`stop` has no form in the dialect of the model, responses"));
        assert_eq!(refusal, expected, "{}", wire.name());
        assert_eq!(
            (attempted.billed.is_none(), provider.bill().requests),
            (lost.is_some(), u64::from(lost.is_none()))
        );
    }
}

#[tokio::test]
async fn what_may_have_been_thought_unseen_is_booked_at_the_cap() {
    let provider = provider(Some(Fault::Reset(60)));
    let mut request = request();
    request.settings.reasoning = Some(Reasoning { effort: Some("high".into()), budget_tokens: None });
    let (attempted, _) = asked(&endpoint(Wire::Responses, &provider.url), &request, true).await;
    assert_eq!(attempted.billed.map(|usage| usage.output), Some(CAP));
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let url = {
        let provider = provider(None);
        provider.url.clone()
    };
    let (attempted, _) = asked(&endpoint(Wire::Chat, &url), &request(), true).await;
    assert_eq!((failed(&attempted).0, attempted.billed), (FailureKind::Unreachable, None));
    let message = &attempted.result.as_ref().unwrap_err().message;
    let address = url.trim_start_matches("http://");
    assert!(message.starts_with(&format!("cannot connect to {address}: ")), "{message}");
    assert!(message.contains("onnection refused"), "{message}");
    let policy = RetryPolicy::default();
    assert_eq!(next_step(&policy, &attempted, 1, 0.5), Some(policy.first_wait / 2));
    assert_eq!(next_step(&policy, &attempted, policy.max_attempts, 0.5), None);
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_never_repeated() {
    let provider = provider(None);
    let mut endpoint = endpoint(Wire::Messages, &provider.url);
    endpoint.key = Some(Secret::new("sk-wrong-one"));
    let (attempted, _) = asked(&endpoint, &request(), true).await;
    assert_eq!(failed(&attempted).0, FailureKind::Authentication);
    assert_eq!(next_step(&RetryPolicy::default(), &attempted, 1, 0.5), None);
    assert!(!format!("{attempted:?}{endpoint:?}").contains("sk-wrong-one"));
}

#[tokio::test]
async fn a_key_that_a_provider_repeats_is_taken_out() {
    let message = format!("the key {KEY} is not allowed to");
    let provider = provider(Some(Fault::Status { status: 403, headers: Vec::new(), message }));
    let (attempted, _) = asked(&endpoint(Wire::Chat, &provider.url), &request(), true).await;
    let message = attempted.result.unwrap_err().message;
    assert!(message.contains("the key [redacted] is not allowed to"), "{message}");
}

#[tokio::test]
async fn a_scripted_model_answers_through_the_same_door() {
    let script = "{\"error\": {\"status\": 529, \"message\": \"full\"}}\n{\"text\": \"hi\", \"usage\": {\"input\": 3, \"output\": 2}}";
    let scripted =
        crate::model::Scripted { script: Script::parse(script).unwrap(), secrets: Redactor::new([]) };
    let backend = Backend::Scripted(std::sync::Arc::new(scripted));
    let endpoint = Endpoint { backend, ..endpoint(Wire::Chat, "") };
    let client = Client::new().unwrap();
    let request = request();
    let at = async |position| {
        let question = Question { request: &request, stream: true, position };
        ask(&client, &endpoint, question, &mut |_| {}).await
    };
    assert_eq!(failed(&at(0).await), (FailureKind::Overloaded, Some(529), None));
    let second = at(1).await;
    assert_eq!(second.billed, Some(Usage { input: 3, output: 2, ..Usage::default() }));
    assert_eq!(second.result.unwrap().turn.parts, [Part::Text { text: "hi".into() }]);
    let third = at(2).await;
    assert_eq!((failed(&third).0, third.billed), (FailureKind::BadRequest, None));
}

#[tokio::test]
async fn a_cassette_answers_in_the_providers_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    for wire in WIRES {
        for stream in [false, true] {
            let _ = std::fs::remove_file(&path);
            let open = || {
                let cassette = crate::model::cassette::Cassette::open(&path, Redactor::new([KEY])).unwrap();
                Backend::Cassette(std::sync::Arc::new(cassette))
            };
            let provider = provider(None);
            let mut endpoint = endpoint(wire, &provider.url);
            endpoint.backend = open();
            let (live, _) = asked(&endpoint, &request(), stream).await;
            drop(provider);
            endpoint.backend = open();
            endpoint.key = None;
            let (played, _) = asked(&endpoint, &request(), stream).await;
            assert_eq!((&played.result, played.billed), (&live.result, live.billed), "{}", wire.name());
            // Any status of success is one.
            let recorded = std::fs::read_to_string(&path).unwrap();
            assert!(recorded.contains("\"status\":200"), "{recorded}");
            std::fs::write(&path, recorded.replace("\"status\":200", "\"status\":201")).unwrap();
            endpoint.backend = open();
            let (created, _) = asked(&endpoint, &request(), stream).await;
            assert_eq!((created.result, created.billed), (live.result, live.billed), "{}", wire.name());
            let mut other = request();
            other.messages.push(Message::user("And more."));
            let (missing, _) = asked(&endpoint, &other, stream).await;
            let failure = missing.result.unwrap_err();
            assert_eq!(failure.kind, FailureKind::BadRequest);
            assert!(failure.message.starts_with("the request is not on the cassette"), "{}", failure.message);
        }
    }
}

#[tokio::test]
async fn an_answer_whose_connection_is_held_is_recorded() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let provider = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 65536]).await.unwrap();
        let events = concat!(
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"m\",\"choices\":",
            "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: [DONE]\n\n",
        );
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(format!("{head}{events}").as_bytes()).await.unwrap();
        // Held until the test is over.
        std::future::pending::<()>().await;
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    let open = || {
        let cassette = crate::model::cassette::Cassette::open(&path, Redactor::new([KEY])).unwrap();
        Backend::Cassette(std::sync::Arc::new(cassette))
    };
    let mut endpoint = endpoint(Wire::Chat, &url);
    endpoint.backend = open();
    let (live, _) = asked(&endpoint, &request(), true).await;
    provider.abort();
    endpoint.backend = open();
    let (played, _) = asked(&endpoint, &request(), true).await;
    assert_eq!(live.result.as_ref().unwrap().turn.parts, [Part::Text { text: "hi".into() }]);
    assert_eq!((played.result, played.billed), (live.result, live.billed));
}
