//! The same small talk in the four forms.

use researchgym_core::model::{Usage, Wire};

/// A question and its answer in one form.
pub(crate) struct Talk {
    pub(crate) wire: Wire,
    /// Where a client asks, plainly and for a stream.
    pub(crate) paths: [&'static str; 2],
    /// What it asks, plainly and for a stream. Nothing of it must be changed.
    pub(crate) questions: [&'static str; 2],
    /// What the provider answers, plainly and as a stream.
    pub(crate) answers: [&'static str; 2],
    /// What the answers say about tokens.
    pub(crate) usage: Usage,
}

const USAGE: Usage =
    Usage { input: 12, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 5, reasoning: 0 };

pub(crate) const TALKS: [Talk; 4] = [
    Talk {
        wire: Wire::Chat,
        paths: ["/v1/chat/completions", "/p/chat/completions"],
        questions: [
            r#"{ "model":"real-model","messages":[{"role":"user","content":"hi"}] ,"max_tokens":20, "temperature":1.0}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"real-model","messages":[{"role":"user","content":"hi"}],"max_tokens":20}"#,
        ],
        answers: [
            r#"{ "id":"c1","object":"chat.completion","created":1,"model":"real-model","choices":[{"index":0,"message":{"role":"assistant","content":"héllo"},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17} }"#,
            concat!(
                ": begin\n\n",
                "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hé\"},\"finish_reason\":null}],\"usage\":null}\n\n",
                "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"},\"finish_reason\":\"stop\"}],\"usage\":null}\r\n\r\n",
                "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":5,\"total_tokens\":17}}\n\n",
                "data: [DONE]\n\n",
            ),
        ],
        usage: USAGE,
    },
    Talk {
        wire: Wire::Responses,
        paths: ["/v1/responses", "/p/v1/responses"],
        questions: [
            r#"{"model":"real-model","input":"hi","max_output_tokens":20,"x_unknown":[1.50]}"#,
            r#"{"model":"real-model","input":"hi","max_output_tokens":20,"stream":true}"#,
        ],
        answers: [
            r#"{"id":"r1","object":"response","created_at":1,"status":"completed","model":"real-model","output":[{"type":"message","id":"m1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"héllo","annotations":[]}]}],"usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":17}}"#,
            concat!(
                "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r1\",\"object\":\"response\",\"status\":\"in_progress\",\"output\":[]}}\n\n",
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"m1\",\"output_index\":0,\"content_index\":0,\"delta\":\"héllo\"}\n\n",
                "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r1\",\"object\":\"response\",\"created_at\":1,\"status\":\"completed\",\"model\":\"real-model\",\"output\":[{\"type\":\"message\",\"id\":\"m1\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"héllo\",\"annotations\":[]}]}],\"usage\":{\"input_tokens\":12,\"output_tokens\":5,\"total_tokens\":17}}}\n\n",
            ),
        ],
        usage: USAGE,
    },
    Talk {
        wire: Wire::Messages,
        paths: ["/v1/messages?beta=true", "/p/v1/messages"],
        questions: [
            r#"{"max_tokens":20,"model":"real-model","messages":[{"role":"user","content":"hi"}],"context_management":{}}"#,
            r#"{"max_tokens":20,"model":"real-model","messages":[{"role":"user","content":"hi"}],"stream":true}"#,
        ],
        answers: [
            r#"{"id":"m1","type":"message","role":"assistant","model":"real-model","content":[{"type":"text","text":"héllo"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":5}}"#,
            concat!(
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"real-model\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n",
                "event: ping\ndata: {\"type\":\"ping\"}\n\n",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"héllo\"}}\n\n",
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
                "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ),
        ],
        usage: USAGE,
    },
    Talk {
        wire: Wire::Gemini,
        paths: [
            "/v1beta/models/real-model:generateContent",
            "/p/v1/models/real-model:streamGenerateContent?alt=sse",
        ],
        questions: [
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":20}}"#,
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":20}}"#,
        ],
        answers: [
            r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"héllo"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":5,"totalTokenCount":17}}"#,
            concat!(
                "data: {\"candidates\":[{\"index\":0,\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hé\"}]}}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":2,\"totalTokenCount\":14}}\r\n\r\n",
                "data: {\"candidates\":[{\"index\":0,\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"llo\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":5,\"totalTokenCount\":17}}\r\n\r\n",
            ),
        ],
        usage: USAGE,
    },
];

/// The talk in one form.
pub(crate) fn talk(wire: Wire) -> &'static Talk {
    TALKS.iter().find(|talk| talk.wire == wire).unwrap()
}
