//! Refusals come before anything is sent, in the form on which each kind of client stops.

use researchgym_core::model::Wire;
use researchgym_core::spec::Limits;
use serde_json::{Value, json};

use crate::provider::{Provider, Told};
use crate::support::{Gateway, budget, endpoint, unlimited};
use crate::wires::{TALKS, talk};

async fn refused(wire: Wire, limits: Limits, question: &str) -> (u16, bool, Value) {
    let talk = talk(wire);
    let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
    let gateway = Gateway::start(endpoint(&provider, wire), limits).await;
    let answer = gateway.post(talk.paths[0], question.to_owned()).send().await.unwrap();
    let status = answer.status().as_u16();
    let is_final = answer.headers().get("x-should-retry").is_some_and(|value| value == "false");
    let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(provider.received().len(), 0, "{}", wire.name());
    let books = gateway.finish().await;
    assert_eq!((books.summary.calls, books.summary.spent.0, books.summary.held.cost.0), (0, 0, 0));
    (status, is_final, body)
}

#[tokio::test]
async fn a_budget_that_is_used_up_stops_each_kind_of_client() {
    let expected = [
        (Wire::Chat, 402, json!({"type": "insufficient_quota", "code": "insufficient_quota"})),
        (Wire::Responses, 429, json!({"type": "insufficient_quota", "code": "insufficient_quota"})),
        (Wire::Messages, 402, json!({"type": "billing_error"})),
        (Wire::Gemini, 402, json!({"status": "RESOURCE_EXHAUSTED", "code": 402})),
    ];
    for (wire, expected_status, expected) in expected {
        let (status, is_final, body) = refused(wire, budget(5), talk(wire).questions[0]).await;
        assert_eq!((status, is_final), (expected_status, true), "{body}");
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(body["error"][key], *value, "{body}");
        }
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.ends_with("and 0.000005 USD of the budget are left"), "{message}");
    }
}

#[tokio::test]
async fn tokens_are_a_limit_too() {
    let limits = Limits { tokens: Some(10), ..unlimited() };
    let (status, _, body) = refused(Wire::Messages, limits, talk(Wire::Messages).questions[0]).await;
    assert_eq!(status, 402);
    assert!(body["error"]["message"].as_str().unwrap().ends_with("and 10 are left"), "{body}");
}

#[tokio::test]
async fn what_cannot_be_metered_or_read_is_a_bad_request() {
    let questions = [
        (Wire::Responses, r#"{"model":"m","background":true}"#, "`background` cannot be metered"),
        (
            Wire::Messages,
            r#"{"model":"m","tools":[{"type":"web_search_20250305"}]}"#,
            "the tool `web_search_20250305`",
        ),
        (Wire::Gemini, r#"{"tools":[{"googleSearch":{}}]}"#, "the tool `googleSearch`"),
        (
            Wire::Chat,
            r#"{"model":"m","max_tokens":1,"max_\u0074okens":2}"#,
            "the body is not taken: the key `max_tokens` is there twice",
        ),
        (
            Wire::Chat,
            r#"{"model":"m","messages":[{"content":"long","content":"short"}]}"#,
            "the body is not taken: the key `content` is there twice",
        ),
        (Wire::Chat, r#"{"model":"m""#, "the body is not taken: EOF"),
    ];
    for (wire, question, beginning) in questions {
        let (status, is_final, body) = refused(wire, unlimited(), question).await;
        assert_eq!((status, is_final), (400, true));
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[tokio::test]
async fn thinking_that_does_not_fit_is_refused_rather_than_sent_to_be_refused() {
    let talk = talk(Wire::Messages);
    let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
    let question = r#"{"model":"real-model","max_tokens":9000,"messages":[],"thinking":{"type":"enabled","budget_tokens":4000}}"#;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), budget(6000)).await;
    let answer = gateway.post(talk.paths[0], question).send().await.unwrap();
    assert_eq!(answer.status(), 402);
    assert_eq!(provider.received().len(), 0);
    let books = gateway.finish().await;
    assert_eq!((books.summary.spent.0, books.summary.held.cost.0, books.summary.failed), (0, 0, 1));
}

#[tokio::test]
async fn names_that_are_not_served_are_told_with_the_nearest() {
    for talk in &TALKS {
        let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
        let gateway = Gateway::named(&[("vllm/real-modal", &endpoint(&provider, talk.wire))]).await;
        let path = talk.paths[0].replace("real-model", "vllm/real-model");
        let question = talk.questions[0].replace("real-model", "vllm/real-model");
        let answer = gateway.post(&path, question).send().await.unwrap();
        assert_eq!(answer.status(), 404);
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let expected = "no model is served as `vllm/real-model`; did you mean `vllm/real-modal`?";
        assert_eq!(body["error"]["message"], expected);
        gateway.finish().await;
    }
}

#[tokio::test]
async fn nothing_is_fetched_for_a_program_in_a_run() {
    let picture = json!({"type": "image_url", "image_url": {"url": "https://elsewhere.org/a.png"}});
    let source = json!({"type": "image", "source": {"type": "url", "url": "https://elsewhere.org/a.png"}});
    let asked =
        |part: &Value| json!({"model": "m", "messages": [{"role": "user", "content": [part]}]}).to_string();
    for (wire, part) in [(Wire::Chat, &picture), (Wire::Messages, &source)] {
        let (status, is_final, body) = refused(wire, unlimited(), &asked(part)).await;
        assert_eq!((status, is_final), (400, true));
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("nothing is fetched from addresses here"), "{message}");
    }
    let provider = Provider::start(|_, _| Told::json(200, "{}")).await;
    let gateway = Gateway::start(endpoint(&provider, Wire::Messages), unlimited()).await;
    let counted = gateway.post("/v1/messages/count_tokens", asked(&source)).send().await.unwrap();
    assert_eq!((counted.status().as_u16(), provider.received().len()), (400, 0));
    gateway.finish().await;
}
