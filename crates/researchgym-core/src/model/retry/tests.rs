//! Answers as providers send them.

use proptest::prelude::*;
use serde_json::json;

use super::FailureKind::*;
use super::*;

const NOW: u64 = 784_111_777;

fn classified(status: u16, headers: &[(&str, &str)], body: &str) -> ProviderFailure {
    let header =
        |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    classify(status, header, body, NOW)
}

/// One answer: what kind it is and which words are kept.
fn check(status: u16, body: &str, kind: FailureKind, message: &str) {
    let expected = ProviderFailure {
        kind,
        status: Some(status),
        message: message.to_owned(),
        retryable: kind.is_passing(),
        retry_after: None,
    };
    assert_eq!(classified(status, &[], body), expected, "{body}");
}

/// In OpenAI's form.
fn openai(status: u16, code: &str, message: &str, kind: FailureKind) {
    let body = json!({"error": {"message": message, "type": "x", "param": null, "code": code}});
    check(status, &body.to_string(), kind, message);
}

/// In Anthropic's form.
fn anthropic(status: u16, code: &str, message: &str, kind: FailureKind) {
    let body = json!({"type": "error", "error": {"type": code, "message": message}, "request_id": "req_1"});
    check(status, &body.to_string(), kind, message);
}

/// In Gemini's form.
fn gemini(status: u16, code: &str, message: &str, kind: FailureKind) {
    let error = json!({"error": {"code": status, "message": message, "status": code}});
    check(status, &error.to_string(), kind, message);
    check(status, &json!([error]).to_string(), kind, message);
}

#[test]
fn openais_errors() {
    openai(
        429,
        "rate_limit_exceeded",
        "Rate limit reached for gpt-5 on tokens per min (TPM): Limit 30000",
        RateLimited,
    );
    openai(
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
        Quota,
    );
    openai(
        429,
        "rate_limit_exceeded",
        "Request too large for gpt-4o on tokens per min (TPM): Limit 30000",
        ContextLength,
    );
    openai(
        400,
        "context_length_exceeded",
        "Your input exceeds the context window of this model.",
        ContextLength,
    );
    openai(
        400,
        "",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in",
        ContextLength,
    );
    openai(
        400,
        "invalid_prompt",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        Refused,
    );
    openai(
        400,
        "unsupported_value",
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        BadRequest,
    );
    openai(401, "invalid_api_key", "Incorrect API key provided: sk-1***.", Authentication);
    openai(
        403,
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
        Authentication,
    );
    openai(403, "model_not_found", "Project `p` does not have access to model `gpt-9`", ModelNotFound);
    openai(
        404,
        "model_not_found",
        "The model `gpt-9` does not exist or you do not have access to it.",
        ModelNotFound,
    );
    openai(404, "", "Unknown request URL: POST /v1/chats", BadRequest);
    openai(500, "server_error", "The server had an error while processing your request.", Server);
    openai(503, "", "The engine is currently overloaded, please try again later", Overloaded);
}

#[test]
fn anthropics_errors() {
    anthropic(
        400,
        "invalid_request_error",
        "prompt is too long: 208656 tokens > 200000 maximum",
        ContextLength,
    );
    anthropic(
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
        ContextLength,
    );
    anthropic(
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API.",
        Quota,
    );
    anthropic(400, "invalid_request_error", "You have reached your specified API usage limits.", Quota);
    anthropic(400, "invalid_request_error", "messages: roles must alternate", BadRequest);
    anthropic(400, "invalid_request_error", "Output blocked by content filtering policy", Refused);
    anthropic(401, "authentication_error", "invalid x-api-key", Authentication);
    anthropic(402, "billing_error", "There is an issue with your billing or payment information.", Quota);
    anthropic(403, "permission_error", "Your API key does not have permission to use this.", Authentication);
    anthropic(404, "not_found_error", "model: claude-9", ModelNotFound);
    anthropic(413, "request_too_large", "Request exceeds the maximum size", ContextLength);
    anthropic(
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit",
        RateLimited,
    );
    anthropic(500, "api_error", "Internal server error", Server);
    anthropic(500, "overloaded_error", "Overloaded", Overloaded);
    anthropic(504, "timeout_error", "The request timed out", Timeout);
    anthropic(529, "overloaded_error", "Overloaded", Overloaded);
}

#[test]
fn geminis_errors() {
    let long = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).";
    gemini(400, "INVALID_ARGUMENT", long, ContextLength);
    gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", Authentication);
    gemini(400, "INVALID_ARGUMENT", "Please use a valid role: user, model.", BadRequest);
    gemini(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", Authentication);
    gemini(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta", ModelNotFound);
    gemini(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", RateLimited);
    gemini(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        Quota,
    );
    gemini(500, "INTERNAL", "An internal error has occurred.", Server);
    gemini(503, "UNAVAILABLE", "The model is overloaded. Please try again later.", Overloaded);
    gemini(504, "DEADLINE_EXCEEDED", "The request timed out.", Timeout);
}

fn gemini_quota(quota_id: &str, message: &str) -> ProviderFailure {
    let details = json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaMetric": "m", "quotaId": quota_id}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
    ]);
    let error = json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}});
    classified(429, &[], &error.to_string())
}

#[test]
fn geminis_details_tell_a_minutes_quota_from_a_days() {
    let words = "You exceeded your current quota, please check your plan and billing details.";
    let minute = gemini_quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", words);
    assert_eq!((minute.kind, minute.retry_after), (RateLimited, Some(Duration::from_millis(34_500))));
    let day = gemini_quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", words);
    assert_eq!((day.kind, day.retryable), (Quota, false));
    let nothing = gemini_quota(
        "GenerateContentInputTokensPerModelPerMinute-FreeTier",
        "Quota exceeded, limit: 0, model: x",
    );
    assert_eq!((nothing.kind, nothing.retryable), (Quota, false));
}

#[test]
fn errors_of_other_servers() {
    check(
        400,
        r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}"#,
        ContextLength,
        "This model's maximum context length is 4096 tokens.",
    );
    check(
        400,
        r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
        ContextLength,
        "the request exceeds the available context size",
    );
    check(404, r#"{"error":"model 'x' not found"}"#, ModelNotFound, "model 'x' not found");
    check(400, r#"{"error":{"message":"Model Not Exist"}}"#, ModelNotFound, "Model Not Exist");
    check(402, r#"{"error":{"message":"Insufficient Balance"}}"#, Quota, "Insufficient Balance");
    check(422, r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, BadRequest, "field required");
    check(
        400,
        r#"{"error":{"message":"x is not a valid model ID","code":400}}"#,
        ModelNotFound,
        "x is not a valid model ID",
    );
    check(
        404,
        r#"{"error":{"message":"No endpoints found for a/b.","code":404}}"#,
        ModelNotFound,
        "No endpoints found for a/b.",
    );
    check(
        404,
        r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment does not exist."}}"#,
        ModelNotFound,
        "The API deployment does not exist.",
    );
    check(
        403,
        r#"{"error":{"code":403,"message":"m requires moderation on Q. Your input was flagged","metadata":{"reasons":["x"]}}}"#,
        Refused,
        "m requires moderation on Q. Your input was flagged",
    );
    check(
        498,
        r#"{"error":{"message":"Flex tier capacity exceeded"}}"#,
        Overloaded,
        "Flex tier capacity exceeded",
    );
}

#[test]
fn errors_inside_errors_are_unwrapped() {
    let inner = r#"{"error":{"code":429,"message":"Slow down","status":"RESOURCE_EXHAUSTED"}}"#;
    check(429, &json!({"error": {"message": inner, "code": 429}}).to_string(), RateLimited, "Slow down");
    let raw = json!({"error": {"message": "Provider returned error", "code": 400, "metadata": {
        "raw": "{\"error\":{\"message\":\"prompt is too long: 3 tokens > 2 maximum\"}}", "provider_name": "P"}}});
    check(400, &raw.to_string(), ContextLength, "prompt is too long: 3 tokens > 2 maximum");
}

#[test]
fn answers_that_are_no_json() {
    check(502, "<html>\n<head><title>502 Bad  Gateway</title></head></html>", Server, "502 Bad Gateway");
    check(524, "error code: 524", Timeout, "error code: 524");
    check(500, "", Server, "status 500 without a message");
    check(408, " ", Timeout, "status 408 without a message");
    check(409, "{}", Conflict, "status 409 without a message");
    check(418, "null", BadRequest, "status 418 without a message");
    check(302, "moved", Malformed, "moved");
    let long = "x".repeat(5000);
    let kept = classified(500, &[], &long).message;
    assert_eq!((kept.chars().count(), kept.ends_with("x…")), (MAX_MESSAGE_CHARACTERS, true));
}

fn check_wait(headers: &[(&str, &str)], expected: Option<f64>) {
    let wait = classified(429, headers, "").retry_after;
    assert_eq!(wait, expected.map(Duration::from_secs_f64), "{headers:?}");
}

#[test]
fn the_time_to_wait_is_read() {
    check_wait(&[], None);
    check_wait(&[("retry-after", "7")], Some(7.0));
    check_wait(&[("retry-after", " 1.5 ")], Some(1.5));
    check_wait(&[("retry-after-ms", "250"), ("retry-after", "7")], Some(0.25));
    check_wait(&[("retry-after-ms", "soon"), ("retry-after", "7")], Some(7.0));
    check_wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60.0));
    check_wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], None);
    for odd in ["0", "-1", "nan", "inf", "1e300", "", "tomorrow"] {
        check_wait(&[("retry-after", odd)], None);
    }
}

#[test]
fn the_provider_has_the_last_word_on_asking_again() {
    assert!(classified(400, &[("x-should-retry", "true")], "").retryable);
    assert!(!classified(529, &[("x-should-retry", "false")], "").retryable);
    assert!(classified(529, &[("x-should-retry", "maybe")], "").retryable);
    assert!(!classified(400, &[], "").retryable);
}

#[test]
fn errors_within_a_stream() {
    let within = |kind: &str, message: &str| {
        ProviderFailure::from_wire(&WireError::Provider { kind: kind.into(), message: message.into() }).kind
    };
    assert_eq!(within("overloaded_error", "Overloaded"), Overloaded);
    assert_eq!(within("rate_limit_exceeded", "slow down"), RateLimited);
    assert_eq!(within("insufficient_quota", "You exceeded your current quota"), Quota);
    assert_eq!(within("RESOURCE_EXHAUSTED", "later"), RateLimited);
    assert_eq!(within("context_length_exceeded", "too long"), ContextLength);
    assert_eq!(within("502", "bad gateway"), Server);
    assert_eq!(within("", "something"), Server);
    assert_eq!(ProviderFailure::from_wire(&WireError::CutOff).kind, BrokenStream);
    let malformed = ProviderFailure::from_wire(&WireError::Malformed("no choices".into()));
    assert_eq!(
        (malformed.kind, malformed.message.as_str(), malformed.retryable),
        (Malformed, "no choices", false)
    );
}

#[test]
fn a_failure_is_written_with_its_wait_in_milliseconds() {
    let failure = ProviderFailure {
        retry_after: Some(Duration::from_millis(1500)),
        ..ProviderFailure::new(Unreachable, "no route")
    };
    let written =
        json!({"kind": "unreachable", "message": "no route", "retryable": true, "retry_after_ms": 1500});
    assert_eq!(serde_json::to_value(&failure).unwrap(), written);
    assert_eq!(serde_json::from_value::<ProviderFailure>(written).unwrap(), failure);
    let plain = json!({"kind": "quota", "status": 402, "message": "", "retryable": false});
    let read: ProviderFailure = serde_json::from_value(plain.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), plain);
}

fn check_next(failure: &ProviderFailure, attempt: u32, random: f64, expected_ms: Option<u64>) {
    let wait = RetryPolicy::default().next_wait(failure, attempt, random);
    assert_eq!(wait, expected_ms.map(Duration::from_millis), "{failure:?} {attempt} {random}");
}

#[test]
fn waits_double_up_to_a_limit() {
    let failure = ProviderFailure::new(Overloaded, "");
    check_next(&failure, 1, 0.0, Some(0));
    check_next(&failure, 1, 0.5, Some(500));
    check_next(&failure, 2, 0.5, Some(1000));
    check_next(&failure, 6, 0.5, Some(16_000));
    check_next(&failure, 7, 0.5, Some(30_000));
    check_next(&failure, 19, 0.5, Some(30_000));
    check_next(&failure, 20, 0.5, None);
    check_next(&failure, u32::MAX, 0.5, None);
    check_next(&failure, 1, f64::NAN, Some(1000));
    check_next(&ProviderFailure::new(BadRequest, ""), 1, 0.5, None);
}

#[test]
fn the_providers_own_wait_is_kept_unless_it_is_too_long() {
    let after = |seconds| ProviderFailure {
        retry_after: Some(Duration::from_secs(seconds)),
        ..ProviderFailure::new(RateLimited, "")
    };
    check_next(&after(90), 1, 0.1, Some(90_000));
    check_next(&after(600), 1, 0.1, Some(600_000));
    check_next(&after(601), 1, 0.1, None);
    check_next(&after(1), 20, 0.1, None);
}

proptest! {
    #[test]
    fn no_answer_panics(status in any::<u16>(), body in "\\PC{0,200}", after in "\\PC{0,40}") {
        let failure = classified(status, &[("retry-after", &after), ("retry-after-ms", &after)], &body);
        prop_assert_eq!(failure.retryable, failure.kind.is_passing());
    }

    #[test]
    fn waits_stay_within_their_span(attempt in 1u32..20, random in 0.0f64..1.0) {
        let wait = RetryPolicy::default().next_wait(&ProviderFailure::new(Server, ""), attempt, random).unwrap();
        prop_assert!(wait <= Duration::from_secs(60));
        prop_assert!(wait <= Duration::from_secs(1 << (attempt - 1).min(6)));
    }
}
