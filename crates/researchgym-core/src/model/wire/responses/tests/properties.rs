use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::model::Wire;
use crate::model::wire::openai::samples::{events, hostile, replies, requests, target, without_raw};
use crate::model::wire::responses::*;

proptest! {
    #[test]
    fn an_answer_survives_rendering(reply in replies(Wire::Responses)) {
        let body = render_reply(&reply, "gpt-9", "resp_7", 1_700_000_000);
        prop_assert_eq!(without_raw(&decode(&body, &target("openai/gpt-9")).unwrap()), reply);
    }

    #[test]
    fn a_stream_gives_what_the_whole_answer_gives(reply in replies(Wire::Responses), keep_output in any::<bool>()) {
        let target = target("openai/gpt-9");
        let mut stream = Stream::new(&target);
        let mut rendered = render_stream(&reply, "gpt-9", "resp_7", 1_700_000_000, true);
        if !keep_output {
            let last = rendered.last_mut().unwrap();
            let mut value: serde_json::Value = serde_json::from_str(&last.data).unwrap();
            value["response"]["output"] = json!([]);
            last.data = value.to_string();
        }
        for event in rendered {
            stream.push(&event).unwrap();
        }
        let body = render_reply(&reply, "gpt-9", "resp_7", 1_700_000_000);
        prop_assert_eq!(stream.finish().unwrap(), decode(&body, &target).unwrap());
    }

    #[test]
    fn a_request_survives_the_wire(request in requests(Wire::Responses), stream in any::<bool>()) {
        let parsed = parse_request(&encode(&request, &target("openai/gpt-9"), stream)).unwrap();
        prop_assert_eq!(parsed.request, request);
        prop_assert_eq!((parsed.model.as_str(), parsed.stream), ("gpt-9", stream));
    }

    #[test]
    fn hostile_bodies_do_not_panic(value in hostile()) {
        let target = target("openai/a");
        let answers = [
            value.clone(),
            json!({ "output": [value], "usage": value }),
            json!({ "output": [{ "type": "message", "content": [value] }], "status": "incomplete" }),
            json!({ "output": [{ "type": "reasoning", "summary": value }], "incomplete_details": value }),
        ];
        for mut answer in answers {
            usage_of(&answer);
            if let Ok(reply) = decode(&answer, &target) {
                render_stream(&reply, "a", "b", 0, true);
            }
            namespaces(&json!({ "tools": [value] })).restore(&mut answer);
        }
        for request in [
            value.clone(),
            json!({ "model": "a", "input": [value] }),
            json!({ "model": "a", "input": [{ "role": "assistant", "content": [value] }], "tools": [value] }),
            json!({ "model": "a", "input": [], "tool_choice": value, "include": value }),
        ] {
            if let Ok(parsed) = parse_request(&request) {
                encode(&parsed.request, &target, parsed.stream);
            }
        }
    }

    #[test]
    fn hostile_streams_do_not_panic(values in vec(hostile(), 0..8)) {
        let mut stream = Stream::new(&target("openai/a"));
        for value in values {
            let chunks = [
                value.clone(),
                json!({ "type": "response.created", "response": value }),
                json!({ "type": "response.output_item.done", "item": value, "output_index": u64::MAX }),
                json!({ "type": "response.output_item.done", "item": value }),
                json!({ "type": "response.completed", "response": value }),
            ];
            for event in events(&chunks) {
                let _ = stream.push(&event);
            }
        }
        let _ = stream.finish();
    }
}
