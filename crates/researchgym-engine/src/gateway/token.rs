//! The token that clients show. Each kind of client shows it in its own place; all places are looked at on every route.

use hyper::HeaderMap;

/// A client's token. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// Takes a token; one that is blank would let everybody in.
    pub fn new(text: &str) -> Option<Token> {
        let text = text.trim();
        (!text.is_empty()).then(|| Token(text.into()))
    }

    /// Draws one at random.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Token, getrandom::Error> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes)?;
        Ok(Token(hex::encode(bytes).into()))
    }

    /// The text, to be handed to clients.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a text is it.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        is_same(text, self.0.as_bytes())
    }

    /// Whether a request shows it.
    pub(super) fn is_shown(&self, headers: &HeaderMap, query: Option<&str>) -> bool {
        let bearers = headers.get_all("authorization").iter().filter_map(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        let plain = ["x-api-key", "x-goog-api-key"]
            .into_iter()
            .flat_map(|name| headers.get_all(name))
            .map(|value| value.as_bytes());
        let keys = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter_map(|pair| pair.strip_prefix("key=").map(str::as_bytes));
        bearers.chain(plain).chain(keys).any(|shown| is_same(shown.trim_ascii(), self.0.as_bytes()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// Compares in a time that depends on the lengths alone.
fn is_same(shown: &[u8], expected: &[u8]) -> bool {
    let differences = shown.iter().zip(expected).fold(0, |sum, (one, other)| sum | (one ^ other));
    std::hint::black_box(differences) == 0 && shown.len() == expected.len()
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn check(headers: &[(&'static str, &'static str)], query: Option<&str>, expected: bool) {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(Token::new("abc").unwrap().is_shown(&headers, query), expected, "{headers:?} {query:?}");
    }

    #[test]
    fn every_place_counts_and_only_the_whole_token() {
        check(&[("x-api-key", "abc")], None, true);
        check(&[("authorization", "bearer abc")], None, true);
        check(&[("authorization", "Bearer  abc ")], None, true);
        check(&[("x-goog-api-key", "abc"), ("authorization", "Bearer other")], None, true);
        check(&[], Some("alt=sse&key=abc"), true);
        check(&[], None, false);
        check(&[("authorization", "abc")], None, false);
        check(&[("authorization", "Basic abc")], None, false);
        check(&[("x-api-key", "ab")], None, false);
        check(&[("x-api-key", "abcd")], None, false);
        check(&[("x-api-key", "")], Some("key="), false);
        check(&[], Some("monkey=abc"), false);
    }

    #[test]
    fn a_blank_token_is_none() {
        assert_eq!(Token::new(" \n"), None);
        assert_eq!(Token::new("abc\n"), Token::new("abc"));
    }
}
