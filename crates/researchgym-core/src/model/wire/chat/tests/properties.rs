use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::model::Wire;
use crate::model::wire::chat::*;
use crate::model::wire::openai::samples::{events, hostile, replies, requests, target, without_raw};

proptest! {
    #[test]
    fn an_answer_survives_rendering(reply in replies(Wire::Chat)) {
        let body = render_reply(&reply, "gpt-9", "resp_7", 1_700_000_000);
        prop_assert_eq!(without_raw(&decode(&body, &target("openai/gpt-9")).unwrap()), reply);
    }

    #[test]
    fn a_stream_gives_what_the_whole_answer_gives(reply in replies(Wire::Chat)) {
        let target = target("openai/gpt-9");
        let mut stream = Stream::new(&target);
        for event in render_stream(&reply, "gpt-9", "resp_7", 1_700_000_000, true) {
            stream.push(&event).unwrap();
        }
        let body = render_reply(&reply, "gpt-9", "resp_7", 1_700_000_000);
        prop_assert_eq!(stream.finish().unwrap(), decode(&body, &target).unwrap());
    }

    #[test]
    fn a_request_survives_the_wire(request in requests(Wire::Chat), stream in any::<bool>()) {
        let parsed = parse_request(&encode(&request, &target("openai/gpt-9"), stream)).unwrap();
        prop_assert_eq!(parsed.request, request);
        prop_assert_eq!((parsed.model.as_str(), parsed.stream, parsed.include_usage), ("gpt-9", stream, stream));
    }

    #[test]
    fn hostile_bodies_do_not_panic(value in hostile()) {
        let target = target("vllm/a");
        let answers = [
            value.clone(),
            json!({ "choices": [value] }),
            json!({ "choices": [{ "message": value }] }),
            json!({ "choices": [{ "message": { "tool_calls": [value] } }], "usage": value }),
        ];
        for answer in answers {
            usage_of(&answer);
            if let Ok(reply) = decode(&answer, &target) {
                render_stream(&reply, "a", "b", 0, true);
            }
        }
        for request in [
            value.clone(),
            json!({ "model": "a", "messages": [value] }),
            json!({ "model": "a", "messages": [{ "role": "user", "content": [value] }], "tools": [value] }),
            json!({ "model": "a", "messages": [], "tool_choice": value, "stop": value }),
        ] {
            if let Ok(parsed) = parse_request(&request) {
                encode(&parsed.request, &target, parsed.stream);
            }
        }
    }

    #[test]
    fn hostile_streams_do_not_panic(values in vec(hostile(), 0..8), is_done in any::<bool>()) {
        let mut stream = Stream::new(&target("vllm/a"));
        for value in values {
            let chunks = [
                value.clone(),
                json!({ "choices": [value] }),
                json!({ "choices": [{ "delta": value }] }),
                json!({ "choices": [{ "delta": { "tool_calls": [value], "content": value } }] }),
            ];
            for event in events(&chunks) {
                let _ = stream.push(&event);
            }
        }
        if is_done {
            stream.push(&crate::model::sse::SseEvent::data("[DONE]")).unwrap();
        }
        let _ = stream.finish();
    }
}
