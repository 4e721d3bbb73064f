use serde_json::{Value, json};

use crate::model::sse::SseEvent;
use crate::model::wire::openai::samples::{events, target};
use crate::model::wire::responses::{Stream, decode, render_stream};
use crate::model::{Part, Reply, Stop, Turn, Usage, WireError};

fn receive(values: &[Value]) -> Stream {
    let mut stream = Stream::new(&target("openai/gpt-5"));
    events(values).iter().for_each(|event| stream.push(event).unwrap());
    stream
}

fn call(index: u64) -> Value {
    json!({
        "type": "function_call", "id": format!("fc_{index}"), "call_id": format!("call_{index}"),
        "name": "f", "arguments": "{}", "status": "completed",
    })
}

fn done(index: u64, item: &Value) -> Value {
    json!({ "type": "response.output_item.done", "output_index": index, "item": item })
}

fn created() -> Value {
    let response = json!({ "id": "resp_1", "model": "gpt-5-x", "status": "in_progress", "output": [] });
    json!({ "type": "response.created", "response": response, "sequence_number": 0 })
}

fn completed(output: Value) -> Value {
    json!({ "type": "response.completed", "response": {
        "id": "resp_1", "model": "gpt-5-x", "status": "completed", "output": output, "error": null,
        "usage": { "input_tokens": 9, "output_tokens": 5, "total_tokens": 14 },
    } })
}

#[test]
fn the_answer_is_that_of_the_last_event() {
    let deltas = [
        json!({ "type": "response.reasoning_summary_text.delta", "delta": "Hm." }),
        json!({ "type": "response.output_text.delta", "delta": "é" }),
        json!({ "type": "response.function_call_arguments.delta", "delta": "{}" }),
        json!({ "type": "response.something_new", "delta": "ignored" }),
    ];
    let mut values = vec![created()];
    values.extend(deltas);
    let stream = receive(&values);
    assert_eq!((stream.is_complete(), stream.usage(), stream.output_bytes()), (false, None, 7));
    assert_eq!(stream.finish(), Err(WireError::CutOff));

    let whole = completed(json!([call(0), call(1)]));
    values.push(whole.clone());
    let stream = receive(&values);
    let usage = Some(Usage { input: 9, output: 5, ..Usage::default() });
    assert_eq!((stream.is_complete(), stream.usage()), (true, usage));
    assert_eq!(stream.finish(), decode(&whole["response"], &target("openai/gpt-5")));
}

#[test]
fn a_usage_that_the_last_event_does_not_tell_is_none() {
    let mut begun = created();
    begun["response"]["usage"] = json!({ "input_tokens": 9, "output_tokens": 0 });
    let mut last = completed(json!([call(0)]));
    last["response"].as_object_mut().unwrap().remove("usage");
    let stream = receive(&[begun.clone(), last]);
    let so_far = Some(Usage { input: 9, ..Usage::default() });
    assert_eq!(stream.usage(), so_far);
    assert_eq!(stream.finish().unwrap().usage, None);
    let stream = receive(&[begun, completed(json!([call(0)]))]);
    assert_eq!(stream.finish().unwrap().usage, Some(Usage { input: 9, output: 5, ..Usage::default() }));
}

#[test]
fn finished_items_stand_in_for_an_empty_output_in_their_order() {
    let reasoning = json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA" });
    let expected = completed(json!([reasoning, call(1), call(2)]));
    let expected = decode(&expected["response"], &target("openai/gpt-5"));
    let items = [created(), done(0, &reasoning), done(2, &call(2)), done(1, &call(1))];
    let unnumbered = [reasoning, call(1), call(2)]
        .map(|item| json!({ "type": "response.output_item.done", "item": item }));
    let bare = json!({ "type": "response.completed", "response": {
        "id": "resp_1", "usage": { "input_tokens": 9, "output_tokens": 5 },
    } });
    for (items, last) in [
        (items.to_vec(), completed(json!([]))),
        (items.to_vec(), completed(json!(null))),
        (items.to_vec(), bare.clone()),
        ([vec![created()], unnumbered.to_vec()].concat(), bare),
    ] {
        assert_eq!(receive(&[items, vec![last.clone()]].concat()).finish(), expected, "{last}");
    }
}

#[test]
fn the_type_may_be_the_name_of_the_event() {
    let mut stream = Stream::new(&target("openai/gpt-5"));
    let data = json!({ "response": { "id": "r", "status": "completed", "output": [call(0)] } });
    stream.push(&SseEvent::named("response.completed", data.to_string())).unwrap();
    assert_eq!(stream.finish().map(|reply| reply.stop), Ok(Stop::ToolCalls));
}

#[test]
fn incomplete_and_failed_answers_end_the_stream() {
    let end = |status: &str, more: (&str, Value)| {
        let mut response = json!({ "id": "resp_1", "status": status, "output": [] });
        response[more.0] = more.1;
        let stream =
            receive(&[created(), json!({ "type": format!("response.{status}"), "response": response })]);
        assert!(stream.is_complete());
        stream.finish().map(|reply| reply.stop)
    };
    let reason = |reason: &str| ("incomplete_details", json!({ "reason": reason }));
    assert_eq!(end("incomplete", reason("max_output_tokens")), Ok(Stop::MaxTokens));
    assert_eq!(end("incomplete", reason("content_filter")), Ok(Stop::Refusal));
    let error = json!({ "code": "rate_limit_exceeded", "message": "slow down" });
    let expected =
        WireError::Provider { kind: "rate_limit_exceeded".to_owned(), message: "slow down".to_owned() };
    assert_eq!(end("failed", ("error", error)), Err(expected));
}

#[test]
fn what_is_no_stream() {
    let push = |data: &str| Stream::new(&target("openai/gpt-5")).push(&SseEvent::data(data));
    let provider = |kind: &str, message: &str| {
        Err(WireError::Provider { kind: kind.to_owned(), message: message.to_owned() })
    };
    let malformed = |text: &str| Err(WireError::Malformed(text.to_owned()));
    assert_eq!(
        push(r#"{"type":"error","code":"server_error","message":"oops"}"#),
        provider("server_error", "oops")
    );
    assert_eq!(
        push(r#"{"type":"error","error":{"type":"busy","message":"later"}}"#),
        provider("busy", "later")
    );
    assert_eq!(push(r#"{"error":{"code":500,"message":"oops"}}"#), provider("500", "oops"));
    assert_eq!(push("[]"), malformed("an event of the stream is not an object"));
    assert_eq!(
        push(r#"{"type":"response.completed"}"#),
        malformed("an event of the stream: `response` is missing")
    );
    assert!(matches!(push("{"), Err(WireError::Malformed(_))));
    assert_eq!((push(""), push("[DONE]")), (Ok(()), Ok(())));
}

#[test]
fn a_stream_as_openai_writes_it() {
    let reply = Reply {
        turn: Turn {
            parts: vec![
                Part::Thinking { text: "Hm.".to_owned() },
                Part::Text { text: "So".to_owned() },
                Part::Refusal { text: "No".to_owned() },
                Part::Call { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() },
            ],
            raw: None,
        },
        stop: Stop::ToolCalls,
        usage: Some(Usage::default()),
        id: None,
        model: None,
        tokens: None,
    };
    let events = render_stream(&reply, "m", "resp_1", 0, true);
    let mut names = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let value: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!((&value["type"], &value["sequence_number"]), (&json!(event.event), &json!(number)));
        names.push(event.event.strip_prefix("response.").unwrap());
    }
    let expected = "created in_progress \
        output_item.added reasoning_summary_part.added reasoning_summary_text.delta reasoning_summary_text.done \
        reasoning_summary_part.done output_item.done \
        output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done \
        output_item.added content_part.added refusal.delta refusal.done content_part.done output_item.done \
        output_item.added function_call_arguments.delta function_call_arguments.done output_item.done \
        completed";
    assert_eq!(names.join(" "), expected);
    let added: Value = serde_json::from_str(&events[20].data).unwrap();
    let expected = json!({
        "type": "response.output_item.added",
        "sequence_number": 20,
        "output_index": 3,
        "item": {
            "id": "fc_1_3", "type": "function_call", "status": "in_progress",
            "call_id": "c", "name": "f", "arguments": "",
        },
    });
    assert_eq!(added, expected);

    let last = render_stream(&reply, "m", "resp_1", 0, false).pop().unwrap();
    let last: Value = serde_json::from_str(&last.data).unwrap();
    assert_eq!(last["response"]["usage"], json!(null));
}
