//! The provider's bytes are the client's bytes, and the other way round.

use bytes::Bytes;
use researchgym_core::model::Wire;

use crate::provider::{Provider, Step, Told};
use crate::support::{Gateway, endpoint, unlimited};
use crate::wires::{TALKS, talk};

#[tokio::test]
async fn plain_answers_pass_as_they_are_and_are_metered() {
    for talk in &TALKS {
        let provider =
            Provider::start(|_, _| Told::json(200, talk.answers[0]).header("request-id", "q")).await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let answer = gateway.post(talk.paths[0], talk.questions[0]).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["request-id"]), (200, &"q".parse().unwrap()));
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.text().await.unwrap(), talk.answers[0]);
        assert_eq!(provider.only().bytes, talk.questions[0]);
        let books = gateway.finish().await;
        assert_eq!(books.only(), (true, talk.usage, true, 12 + 5 * 3), "{}", talk.wire.name());
    }
}

#[tokio::test]
async fn streams_pass_as_they_are_however_they_are_cut() {
    for talk in &TALKS {
        for size in [1, 7, 64, 100_000] {
            let provider = Provider::start(move |_, _| Told::events(talk.answers[1], size)).await;
            let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
            let answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
            assert_eq!(answer.headers()["content-type"], "text/event-stream");
            assert_eq!(answer.text().await.unwrap(), talk.answers[1]);
            assert_eq!(provider.only().bytes, talk.questions[1]);
            let books = gateway.finish().await;
            assert_eq!(books.only(), (true, talk.usage, true, 12 + 5 * 3), "{} {size}", talk.wire.name());
        }
    }
}

#[tokio::test]
async fn pieces_of_a_stream_are_not_kept_back() {
    let talk = talk(Wire::Messages);
    let go_on = std::sync::Arc::new(tokio::sync::Notify::new());
    let (first, rest) = talk.answers[1].split_at(talk.answers[1].find("event: ping").unwrap());
    let waits = go_on.clone();
    let provider = Provider::start(move |_, _| {
        let told = Told::events(first, 100_000).with(Step::Wait(waits.clone()));
        told.with(Step::Bytes(Bytes::from_static(rest.as_bytes())))
    })
    .await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let mut answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), first);
    go_on.notify_one();
    assert_eq!(answer.text().await.unwrap(), rest);
    gateway.finish().await;
}

#[tokio::test]
async fn a_provider_that_streams_in_one_piece_what_was_asked_as_a_stream_is_understood() {
    let talk = talk(Wire::Messages);
    let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let answer = gateway.post(talk.paths[1], talk.questions[1]).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), talk.answers[0]);
    assert_eq!(gateway.finish().await.only(), (true, talk.usage, true, 27));
}

#[tokio::test]
async fn gemini_streams_without_events_are_an_array() {
    let talk = talk(Wire::Gemini);
    let provider = Provider::start(|_, _| Told::events(talk.answers[1], 11)).await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let path = "/v1beta/models/real-model:streamGenerateContent";
    let answer = gateway.post(path, talk.questions[1]).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let elements: Vec<serde_json::Value> = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let expected: Vec<serde_json::Value> = talk.answers[1]
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(elements, expected);
    assert_eq!(provider.only().target, "/v1beta/models/real-model:streamGenerateContent?alt=sse");
    assert_eq!(gateway.finish().await.only(), (true, talk.usage, true, 27));
}
