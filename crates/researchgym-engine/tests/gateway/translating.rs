//! Clients of one form in front of a provider of another.

use std::sync::Arc;

use bytes::Bytes;
use researchgym_core::model::sse::Splitter;
use researchgym_core::model::wire::WireStream;
use researchgym_core::model::{Reply, ResponseFormat, Target, Wire};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::provider::{Provider, Step, Told};
use crate::support::{Gateway, budget, endpoint, unlimited};
use crate::wires::{TALKS, Talk, talk};

fn pairs() -> impl Iterator<Item = (&'static Talk, &'static Talk)> {
    TALKS
        .iter()
        .flat_map(|client| TALKS.iter().map(move |provider| (client, provider)))
        .filter(|(client, provider)| client.wire != provider.wire)
}

fn target() -> Target {
    Target { name: "p/m".to_owned(), model: "m".to_owned() }
}

fn check(client: &Talk, provider: &Talk, reply: &Reply) {
    let name = format!("{} in front of {}", client.wire.name(), provider.wire.name());
    assert_eq!(reply.turn.text(), "héllo", "{name}");
    assert_eq!(reply.usage, Some(client.usage), "{name}");
}

#[tokio::test]
async fn plain_answers_are_given_in_every_form() {
    for (client, behind) in pairs() {
        let provider = Provider::start(|_, _| Told::json(200, behind.answers[0])).await;
        let gateway = Gateway::start(endpoint(&provider, behind.wire), unlimited()).await;
        let answer = gateway.post(client.paths[0], client.questions[0]).send().await.unwrap();
        let value: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        check(client, behind, &client.wire.decode(&value, &target()).unwrap());
        let sent = provider.only();
        let parsed = behind.wire.parse_request(&sent.json(), "real-model", false).unwrap();
        assert_eq!(
            (parsed.model.as_str(), parsed.request.settings.max_output_tokens),
            ("real-model", Some(20))
        );
        assert_eq!(gateway.finish().await.only(), (true, behind.usage, true, 27));
    }
}

#[tokio::test]
async fn streams_are_given_in_every_form_with_signs_of_life() {
    for (client, behind) in pairs() {
        let go_on = Arc::new(Notify::new());
        let waits = go_on.clone();
        let (first, rest) = behind.answers[1].split_at(behind.answers[1].len() / 2 - 3);
        let provider = Provider::start(move |_, _| {
            let told = Told::events(first, 9).with(Step::Wait(waits.clone()));
            told.with(Step::Bytes(Bytes::from_static(rest.as_bytes())))
        })
        .await;
        let gateway = Gateway::start(endpoint(&provider, behind.wire), unlimited()).await;
        let mut answer = gateway.post(client.paths[1], client.questions[1]).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut bytes = answer.chunk().await.unwrap().unwrap().to_vec();
        go_on.notify_one();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        let mut stream = WireStream::new(client.wire, &target());
        let mut splitter = Splitter::default();
        splitter.push(&bytes, |event| stream.push(&event).unwrap()).unwrap();
        check(client, behind, &stream.finish().unwrap());
        assert_eq!(gateway.finish().await.only(), (true, behind.usage, true, 27));
    }
}

#[tokio::test]
async fn errors_and_refusals_are_in_the_clients_form() {
    for (client, behind) in pairs() {
        let text = r#"{"error":{"message":"the prompt is odd","type":"invalid_request_error"}}"#;
        let provider = Provider::start(move |_, _| Told::json(400, text)).await;
        let gateway = Gateway::start(endpoint(&provider, behind.wire), unlimited()).await;
        let answer = gateway.post(client.paths[1], client.questions[1]).send().await.unwrap();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let expected = client.wire.render_error(400, "", None, "the prompt is odd");
        assert_eq!(body, expected, "{} in front of {}", client.wire.name(), behind.wire.name());
        assert_eq!(gateway.finish().await.only().3, 0);

        let gateway = Gateway::start(endpoint(&provider, behind.wire), budget(5)).await;
        let answer = gateway.post(client.paths[1], client.questions[1]).send().await.unwrap();
        let expected = if client.wire == Wire::Responses { 429 } else { 402 };
        assert_eq!(answer.status(), expected);
        gateway.finish().await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_an_error_event_and_booked() {
    let (client, behind) = (talk(Wire::Messages), talk(Wire::Chat));
    let first = behind.answers[1].split_inclusive("\n\n").take(2).collect::<String>();
    let provider = Provider::start(move |_, _| Told::events(&first, 100).with(Step::Cut)).await;
    let gateway = Gateway::start(endpoint(&provider, behind.wire), unlimited()).await;
    let answer = gateway.post(client.paths[1], client.questions[1]).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("event: error\ndata: {"), "{text}");
    let books = gateway.finish().await;
    let (is_answered, usage, is_reported, _) = books.only();
    assert_eq!((is_answered, usage.output, is_reported), (false, 3, false));
    assert_eq!(provider.received().len(), 1);
}

#[tokio::test]
async fn the_form_of_the_answer_is_asked_for_in_every_form() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    for (client, behind) in pairs() {
        let provider = Provider::start(|_, _| Told::json(200, behind.answers[0])).await;
        let gateway = Gateway::start(endpoint(&provider, behind.wire), unlimited()).await;
        let (key, value) = match client.wire {
            Wire::Chat => (
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}}),
            ),
            Wire::Responses => (
                "text",
                json!({"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": true}}),
            ),
            Wire::Messages => ("output_config", json!({"format": {"type": "json_schema", "schema": schema}})),
            Wire::Gemini => (
                "generationConfig",
                json!({"responseMimeType": "application/json", "responseJsonSchema": schema}),
            ),
        };
        let answer = gateway.post(client.paths[0], with(client, key, value)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let sent = behind.wire.parse_request(&provider.only().json(), "real-model", false).unwrap();
        let expected =
            ResponseFormat::JsonSchema { name: "answer".to_owned(), schema: schema.clone(), strict: true };
        let name = format!("{} in front of {}", client.wire.name(), behind.wire.name());
        assert_eq!(sent.request.settings.response_format, Some(expected), "{name}");
        gateway.finish().await;
    }
}

#[tokio::test]
async fn what_the_provider_has_no_form_for_is_refused_before_it_is_sent() {
    let cases = [
        (Wire::Messages, Wire::Responses, "stop_sequences", json!(["END"]), "stop"),
        (Wire::Chat, Wire::Messages, "seed", json!(1), "seed"),
        (Wire::Chat, Wire::Gemini, "logprobs", json!(true), "logprobs"),
        (Wire::Chat, Wire::Responses, "presence_penalty", json!(0.5), "presence_penalty"),
    ];
    for (client, behind, key, value, lost) in cases {
        let (client, behind) = (talk(client), talk(behind));
        let provider = Provider::start(|_, _| Told::json(200, behind.answers[0])).await;
        let gateway = Gateway::start(endpoint(&provider, behind.wire), unlimited()).await;
        let answer = gateway.post(client.paths[0], with(client, key, value)).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let wire = behind.wire.name();
        let message = format!("`{lost}` has no form in the dialect of the model, {wire}");
        assert_eq!(body, client.wire.render_error(400, "", None, &message));
        assert!(provider.received().is_empty());
        gateway.finish().await;
    }
}

/// The client's question with another key.
fn with(client: &Talk, key: &str, value: Value) -> String {
    let mut question: Value = serde_json::from_str(client.questions[0]).unwrap();
    match (&mut question[key], value) {
        (Value::Object(old), Value::Object(new)) => old.extend(new),
        (old, new) => *old = new,
    }
    question.to_string()
}
