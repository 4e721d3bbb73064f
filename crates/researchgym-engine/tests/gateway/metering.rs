//! What is booked: usage as reported, bounds where nothing is, nothing for errors; attempts and their number.

use researchgym_core::event::{CallOutcome, Event};
use researchgym_core::model::{FailureKind, Usage, Wire};
use serde_json::json;

use crate::provider::{Provider, Step, Told};
use crate::support::{Gateway, KEY, endpoint, unlimited};
use crate::wires::{TALKS, talk};

#[tokio::test]
async fn without_a_report_the_bounds_are_booked() {
    let talk = talk(Wire::Chat);
    let answer = talk.answers[0].replace("\"usage\"", "\"unknown\"");
    let provider = Provider::start(move |_, _| Told::json(200, answer.clone())).await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    gateway.post(talk.paths[0], talk.questions[0]).send().await.unwrap();
    let books = gateway.finish().await;
    let hold = books.asked()[0].hold;
    let usage = Usage { input: hold.tokens - 20, output: 20, ..Usage::default() };
    assert_eq!(books.only(), (true, usage, false, hold.cost.0));
}

#[tokio::test]
async fn errors_pass_as_they_are_and_cost_nothing() {
    for talk in &TALKS {
        let text = r#"{ "error": {"message": "no such thing"} }"#;
        let provider = Provider::start(move |_, _| Told::json(400, text).header("retry-after", "3")).await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let answer = gateway.post(talk.paths[0], talk.questions[0]).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["retry-after"], "3");
        assert_eq!(answer.text().await.unwrap(), text);
        assert_eq!(provider.received().len(), 1);
        let books = gateway.finish().await;
        assert_eq!(books.only(), (false, Usage::default(), true, 0));
        assert_eq!((books.summary.calls, books.summary.failed), (1, 1));
    }
}

#[tokio::test]
async fn failures_that_pass_are_tried_again_and_recorded() {
    let talk = talk(Wire::Messages);
    let provider = Provider::start(|_, before| match before {
        0 => Told::json(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#),
        1 => Told::json(200, "{").with(Step::Cut),
        _ => Told::json(200, talk.answers[0]),
    })
    .await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let answer = gateway.post(talk.paths[0], talk.questions[0]).send().await.unwrap();
    // The second answer had begun: it is not asked for again, since it may be billed.
    assert_eq!(answer.status(), 502);
    assert_eq!(provider.received().len(), 2);
    let books = gateway.finish().await;
    let hold = books.asked()[0].hold;
    let usage = Usage { input: hold.tokens - 20, output: 20, ..Usage::default() };
    assert_eq!(books.only(), (false, usage, false, hold.cost.0));
    let retried: Vec<_> = books
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ModelRetried { call, failure, .. } => Some((*call, failure.kind, failure.status)),
            _ => None,
        })
        .collect();
    assert_eq!(retried, [(1, FailureKind::Overloaded, Some(529))]);
    assert_eq!(books.called()[0].attempts, 2);
}

#[tokio::test]
async fn the_fourth_answer_is_the_last_one() {
    let talk = talk(Wire::Messages);
    let provider = Provider::start(|_, before| Told::json(503, format!("busy {before}"))).await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text().await.unwrap(), "busy 3");
    let books = gateway.finish().await;
    assert_eq!(books.called()[0].attempts, 4);
    assert_eq!(books.only(), (false, Usage::default(), true, 0));
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_a_bad_gateway_and_costs_nothing() {
    let talk = talk(Wire::Messages);
    let provider = Provider::start(|_, _| Told::json(200, "")).await;
    let mut nobody = endpoint(&provider, talk.wire);
    nobody.base_url = "http://127.0.0.1:9/v1".to_owned();
    let gateway = Gateway::start(nobody, unlimited()).await;
    let answer = gateway.post(talk.paths[0], talk.questions[0]).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["type"], "error");
    let said = body["error"]["message"].as_str().unwrap();
    assert!(said.contains("cannot connect to 127.0.0.1:9: "), "{said}");
    let books = gateway.finish().await;
    assert_eq!(books.only(), (false, Usage::default(), true, 0));
    assert_eq!(books.called()[0].attempts, 4);
}

#[tokio::test]
async fn keys_pass_in_neither_direction() {
    for talk in &TALKS {
        let text = json!({"error": {"message": format!("wrong key: {KEY}")}}).to_string();
        let provider = Provider::start(move |_, _| {
            Told::json(401, text.clone()).header("set-cookie", "a=b").header("openai-organization", "us")
        })
        .await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let request = gateway.post(talk.paths[0], talk.questions[0]);
        let client = ["x-api-key", "x-goog-api-key", "cookie"];
        let request =
            client.iter().fold(request, |request, name| request.header(*name, "client-token-9876543210"));
        let answer = request.header("accept-encoding", "gzip").send().await.unwrap();
        let headers = format!("{:?}", answer.headers());
        assert!(!headers.contains("cookie") && !headers.contains("organization"), "{headers}");
        let answer = answer.text().await.unwrap();
        assert!(answer.contains("wrong key: ") && !answer.contains(KEY), "{answer}");
        let received = provider.only();
        let sent = format!("{:?}", received.headers);
        assert!(!sent.contains("client-token") && !sent.contains("gzip"), "{sent}");
        let shown =
            received.headers.iter().filter(|(_, value)| value.to_str().unwrap().contains(KEY)).count();
        assert_eq!(shown, 1);
        let books = gateway.finish().await;
        let CallOutcome::Failed { failure } = &books.called()[0].outcome else { panic!() };
        assert_eq!(failure.kind, FailureKind::Authentication);
        assert!(!failure.message.contains(KEY));
    }
}

#[tokio::test]
async fn a_context_that_the_client_widens_is_no_bound() {
    let talk = talk(Wire::Messages);
    let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
    let mut narrow = endpoint(&provider, talk.wire);
    narrow.facts.context_window = Some(10);
    let gateway = Gateway::start(narrow, unlimited()).await;
    for features in ["context-management-2025-06-27", "a, context-1m-2025-08-07"] {
        let request = gateway.post(talk.paths[0], talk.questions[0]).header("anthropic-beta", features);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let books = gateway.finish().await;
    let holds: Vec<bool> = books.asked().iter().map(|asked| asked.hold.tokens > 1000).collect();
    assert_eq!(holds, [false, true]);
}

#[tokio::test]
async fn an_answer_that_repeats_the_key_does_not_hand_it_on() {
    for talk in &TALKS {
        let plain = talk.answers[0].replacen('{', &format!("{{\"debug\":\"Bearer {KEY}\","), 1);
        let event = format!("data: {{\"error\":{{\"message\":\"refused {KEY}\",\"code\":401}}}}\n\n");
        let told = plain.clone();
        let provider = Provider::start(move |_, before| match before {
            0 => Told::json(200, told.clone()).header("x-request-id", KEY),
            _ => Told::events(&event, 7),
        })
        .await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let answer = gateway.post(talk.paths[0], talk.questions[0]).send().await.unwrap();
        assert!(!format!("{:?}", answer.headers()).contains(KEY));
        assert_eq!(answer.text().await.unwrap(), plain.replace(KEY, "[redacted]"));
        let stream = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
        let bytes = stream.bytes().await.unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY));
        let log = format!("{:?}", gateway.finish().await.events);
        assert!(log.contains("[redacted]") && !log.contains(KEY), "{log}");
    }
}
