//! What providers' words and codes mean.
//!
//! Collected from the error pages of OpenAI, Anthropic, Google, DeepSeek and OpenRouter, and from reports of users of
//! these, Azure, xAI, Groq, Mistral, vLLM, llama.cpp and Ollama. All in small letters.

use super::FailureKind;
use super::classify::Report;

/// Codes, and words that stand together in a message.
struct Signs {
    codes: &'static [&'static str],
    words: &'static [&'static [&'static str]],
}

const CONTEXT_LENGTH: Signs = Signs {
    codes: &[
        "context_length_exceeded",
        "exceed_context_size_error",
        "string_above_max_length",
        "request_too_large",
        "model_max_prompt_tokens_exceeded",
    ],
    words: &[
        &["prompt is too long"],
        &["prompt too long"],
        &["input is too long"],
        &["request too large for"],
        &["request exceeds the maximum size"],
        &["maximum context length"],
        &["maximum prompt length"],
        &["input token count", "exceed"],
        &["exceed", "context limit"],
        &["exceed", "context window"],
        &["exceed", "context length"],
        &["exceed", "context size"],
        &["longer than the model's context"],
        &["range of input length should be"],
        &["too large for model", "context"],
    ],
};

const QUOTA: Signs = Signs {
    codes: &[
        "insufficient_quota",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "credit_balance_too_low",
        "account_deactivated",
    ],
    words: &[
        &["credit balance is too low"],
        &["insufficient balance"],
        &["insufficient credits"],
        &["requires more credits"],
        &["billing hard limit"],
        &["api usage limits"],
        &["usage credits required"],
        &["used all available credits"],
    ],
};

const REFUSED: Signs = Signs {
    codes: &[
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "moderation_blocked",
        "data_inspection_failed",
    ],
    words: &[
        &["usage policy"],
        &["usage policies"],
        &["content policy"],
        &["content management policy"],
        &["content filtering policy"],
        &["was flagged"],
        &["requires moderation"],
        &["content exists risk"],
    ],
};

const AUTHENTICATION: Signs = Signs {
    codes: &["authentication_error", "invalid_api_key", "api_key_invalid", "unauthenticated"],
    words: &[&["api key not valid"], &["incorrect api key"], &["invalid api key"], &["api key expired"]],
};

const MODEL_NOT_FOUND: Signs = Signs {
    codes: &["model_not_found", "model_not_exist", "deploymentnotfound"],
    words: &[
        &["model", "does not exist"],
        &["model not exist"],
        &["is not a valid model"],
        &["unknown model"],
        &["no such model"],
        &["invalid model name"],
    ],
};

/// What an answer with such a status and such words means.
pub(super) fn kind(status: u16, report: &Report) -> FailureKind {
    let text = report.message.to_lowercase();
    let says = |signs: &Signs| signs.codes.iter().any(|code| report.has(code)) || signs.in_text(&text);
    match status {
        400..=499 if quota(status, report, &text) || says(&QUOTA) => FailureKind::Quota,
        400 | 413 | 422 | 429 if says(&CONTEXT_LENGTH) => FailureKind::ContextLength,
        413 => FailureKind::ContextLength,
        400 | 403 | 422 | 451 if says(&REFUSED) => FailureKind::Refused,
        400 | 403 | 404 | 422 if says(&MODEL_NOT_FOUND) => FailureKind::ModelNotFound,
        404 if text.contains("model") || text.contains("no endpoints found") => FailureKind::ModelNotFound,
        401 | 403 => FailureKind::Authentication,
        408 => FailureKind::Timeout,
        409 => FailureKind::Conflict,
        429 => FailureKind::RateLimited,
        // Groq's word for a full queue.
        498 => FailureKind::Overloaded,
        400..=499 if says(&AUTHENTICATION) => FailureKind::Authentication,
        400..=499 => FailureKind::BadRequest,
        503 | 529 => FailureKind::Overloaded,
        504 | 522 | 524 => FailureKind::Timeout,
        500..=599 if report.has("overloaded_error") || text.contains("overloaded") => FailureKind::Overloaded,
        500..=599 => FailureKind::Server,
        // Nothing that speaks one of the wires answers with these.
        _ => FailureKind::Malformed,
    }
}

/// OpenAI and Gemini say the same words, the one when the money is gone and the other also when a minute's quota is.
fn quota(status: u16, report: &Report, text: &str) -> bool {
    if status == 402 {
        return true;
    }
    let per_day = report.quotas.iter().any(|quota| quota.contains("perday"));
    let nothing_allowed = !report.quotas.is_empty() && text.contains("limit: 0");
    let nothing_to_wait_for = report.quotas.is_empty() && report.retry_delay.is_none();
    per_day || nothing_allowed || (nothing_to_wait_for && text.contains("exceeded your current quota"))
}

/// What an error within a stream means, which has a kind instead of a status.
pub(super) fn kind_in_stream(code: &str, message: &str) -> FailureKind {
    let code = code.to_lowercase();
    let status = match code.as_str() {
        "invalid_request_error"
        | "invalid_argument"
        | "failed_precondition"
        | "invalid_prompt"
        | "content_filter"
        | "context_length_exceeded" => 400,
        "authentication_error" | "unauthenticated" | "invalid_api_key" => 401,
        "billing_error" => 402,
        "permission_error" | "permission_denied" => 403,
        "not_found_error" | "not_found" | "model_not_found" => 404,
        "request_too_large" => 413,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "resource_exhausted"
        | "insufficient_quota"
        | "too_many_requests" => 429,
        "unavailable" => 503,
        "timeout_error" | "deadline_exceeded" => 504,
        "overloaded_error" => 529,
        // A stream that began well was a request that was right.
        other => other.parse().ok().filter(|status| (400..=599).contains(status)).unwrap_or(500),
    };
    kind(status, &Report { message: message.to_owned(), codes: vec![code], ..Report::default() })
}

impl Report {
    fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|own| own == code)
    }
}

impl Signs {
    fn in_text(&self, text: &str) -> bool {
        self.words.iter().any(|together| together.iter().all(|words| text.contains(words)))
    }
}
