//! The few headers that pass: from a client to a provider, and back. Everything else stays, keys and cookies above all.

use hyper::header::{HeaderMap, HeaderName};
use researchgym_core::model::Wire;

/// What a client says about its use of the provider's form.
pub(crate) fn onward(headers: &HeaderMap, wire: Wire) -> HeaderMap {
    let names: &[&str] = match wire {
        Wire::Messages => &["anthropic-version", "anthropic-beta"],
        Wire::Chat | Wire::Responses => &["openai-beta"],
        Wire::Gemini => &[],
    };
    let mut passed = HeaderMap::new();
    for name in names {
        for value in headers.get_all(*name) {
            passed.append(HeaderName::from_static(name), value.clone());
        }
    }
    passed
}

/// What a provider says about its answer. Whose account it is stays here.
pub(crate) fn back(headers: &HeaderMap) -> HeaderMap {
    const NAMES: [&str; 6] =
        ["content-type", "request-id", "x-request-id", "retry-after", "retry-after-ms", "x-should-retry"];
    const PREFIXES: [&str; 3] = ["anthropic-", "openai-", "x-ratelimit-"];
    const ACCOUNT: [&str; 2] = ["organization", "project"];
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        let text = name.as_str();
        let is_known = NAMES.contains(&text) || PREFIXES.iter().any(|prefix| text.starts_with(prefix));
        if is_known && !ACCOUNT.iter().any(|word| text.contains(word)) {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn passed(names: &[&'static str], pass: impl Fn(&HeaderMap) -> HeaderMap) -> Vec<String> {
        let value = HeaderValue::from_static("v");
        let headers = names.iter().map(|name| (HeaderName::from_static(name), value.clone())).collect();
        pass(&headers).keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn only_what_is_listed_passes() {
        let sent =
            ["authorization", "x-api-key", "cookie", "anthropic-beta", "accept-encoding", "x-stainless-os"];
        assert_eq!(passed(&sent, |headers| onward(headers, Wire::Messages)), ["anthropic-beta"]);
        assert_eq!(passed(&sent, |headers| onward(headers, Wire::Chat)), Vec::<String>::new());
        let received = [
            "content-type",
            "content-length",
            "transfer-encoding",
            "connection",
            "set-cookie",
            "request-id",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-organization-id",
            "openai-organization",
            "x-ratelimit-reset-requests",
        ];
        let expected = [
            "content-type",
            "request-id",
            "anthropic-ratelimit-tokens-remaining",
            "x-ratelimit-reset-requests",
        ];
        assert_eq!(passed(&received, back), expected);
    }
}
