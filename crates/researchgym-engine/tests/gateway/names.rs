//! What is changed in a request: the model's name, the cap on output, the usage of streams. Nothing else.

use researchgym_core::model::Wire;
use serde_json::{Value, json};

use crate::provider::{Provider, Told};
use crate::support::{Gateway, budget, endpoint, unlimited};
use crate::wires::{TALKS, talk};

#[tokio::test]
async fn the_models_name_is_replaced_and_every_other_byte_stays() {
    for talk in &TALKS {
        let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let path = talk.paths[0].replace("real-model", "some-name");
        let question = talk.questions[0].replace("real-model", "some-name");
        let answer = gateway.post(&path, question).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), talk.answers[0]);
        assert_eq!(provider.only().bytes, talk.questions[0]);
        gateway.finish().await;
    }
}

#[tokio::test]
async fn chat_streams_are_asked_for_their_usage_and_the_client_sees_none() {
    let talk = talk(Wire::Chat);
    for size in [1, 13, 100_000] {
        let provider = Provider::start(move |_, _| Told::events(talk.answers[1], size)).await;
        let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
        let question = r#"{"model":"real-model","messages":[],"stream":true,"max_tokens":20}"#;
        let answer = gateway.post(talk.paths[1], question).send().await.unwrap();
        let (before, usage) = talk.answers[1].split_once("\r\n\r\n").unwrap();
        let (_, after) = usage.split_once("\n\n").unwrap();
        let expected = format!("{before}\r\n\r\n{after}");
        assert_eq!(answer.text().await.unwrap(), expected);
        let sent = provider.only().json();
        assert_eq!(sent["stream_options"], json!({"include_usage": true}));
        assert_eq!(gateway.finish().await.only(), (true, talk.usage, true, 27));
    }
}

#[tokio::test]
async fn a_cap_is_put_in_where_there_is_none_and_lowered_to_what_is_left() {
    let caps = [
        (Wire::Chat, "/max_tokens"),
        (Wire::Responses, "/max_output_tokens"),
        (Wire::Messages, "/max_tokens"),
        (Wire::Gemini, "/generationConfig/maxOutputTokens"),
    ];
    for (wire, pointer) in caps {
        let talk = talk(wire);
        let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
        let mut question: Value = serde_json::from_str(talk.questions[0]).unwrap();
        *question.pointer_mut(pointer).unwrap() = Value::Null;
        if wire == Wire::Gemini {
            question["generationConfig"] = json!({});
        }
        let gateway = Gateway::start(endpoint(&provider, wire), unlimited()).await;
        gateway.post(talk.paths[0], question.to_string()).send().await.unwrap();
        let books = gateway.finish().await;
        assert_eq!(books.asked()[0].max_output_tokens, 1000, "what the model can say");
        let input = books.asked()[0].hold.tokens - 1000;

        // Enough for the prompt and for 400 tokens of output.
        let gateway = Gateway::start(endpoint(&provider, wire), budget(input + 3 * 400)).await;
        gateway.post(talk.paths[0], question.to_string()).send().await.unwrap();
        gateway.finish().await;
        let sent: Vec<Value> = provider
            .received()
            .iter()
            .map(|received| received.json().pointer(pointer).unwrap().clone())
            .collect();
        assert_eq!(sent, [json!(1000), json!(400)], "{}", wire.name());
    }
}

#[tokio::test]
async fn several_choices_are_set_aside_for() {
    let talk = talk(Wire::Chat);
    let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let question = r#"{"model":"real-model","messages":[],"n":4,"max_tokens":20}"#;
    gateway.post(talk.paths[0], question).send().await.unwrap();
    let books = gateway.finish().await;
    assert_eq!(books.asked()[0].max_output_tokens, 80);
    assert_eq!(provider.only().bytes, question);
}
