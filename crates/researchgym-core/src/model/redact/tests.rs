//! Forms, marks and cuts.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

use super::*;

const KEY: &str = "sk-test/Aä+\"9 zZ?";

fn check(text: &str, expected: &str) {
    assert_eq!(Redactor::new([KEY, "hunter2hunter2"]).redact(text), expected, "{text}");
}

#[test]
fn the_secret_itself_is_found() {
    check("", "");
    check("nothing here", "nothing here");
    check(KEY, "[redacted]");
    check("Bearer hunter2hunter2.", "Bearer [redacted].");
    check("hunter2hunter2hunter2hunter2", "[redacted]");
    check("hunter2hunter2 hunter2hunter2", "[redacted] [redacted]");
    check("hunter2hunter", "hunter2hunter");
}

#[test]
fn its_encodings_are_found() {
    check("key=sk-test%2FA%C3%A4%2B%229%20zZ%3F&x", "key=[redacted]&x");
    check("key=sk-test%2fA%c3%a4%2b%229+zZ%3f&x", "key=[redacted]&x");
    check("{\"key\":\"sk-test/Aä+\\\"9 zZ?\"}", "{\"key\":\"[redacted]\"}");
    check("{\"key\":\"sk-test\\/A\\u00e4+\\\"9 zZ?\"}", "{\"key\":\"[redacted]\"}");
    check("{\"key\":\"sk-test/A\\u00E4+\\\"9 zZ?\"}", "{\"key\":\"[redacted]\"}");
    check("\"{\\\"key\\\":\\\"sk-test/Aä+\\\\\\\"9 zZ?\\\"}\"", "\"{\\\"key\\\":\\\"[redacted]\\\"}\"");
    check(&hex::encode(KEY), "[redacted]");
    check(&hex::encode_upper(KEY), "[redacted]");
}

#[test]
fn it_is_found_inside_longer_base64() {
    let redactor = Redactor::new([KEY]);
    for before in ["", "u", "us", "use", "user"] {
        for after in ["", ":", "::", ":::"] {
            let plain = format!("{before}{KEY}{after}");
            for encoded in [STANDARD.encode(&plain), URL_SAFE.encode(&plain)] {
                let redacted = redactor.redact(&encoded);
                assert!(redacted.contains("[redacted]"), "{before} {after}: {redacted}");
                assert!(redacted.len() <= "[redacted]".len() + 16, "{before} {after}: {redacted}");
            }
        }
    }
}

#[test]
fn overlapping_secrets_leave_no_rest() {
    let redactor = Redactor::new(["abcdefgh", "efghijkl", "ijklmnopqrst"]);
    assert_eq!(redactor.redact("-abcdefghijklmnop-"), "-[redacted]mnop-");
    assert_eq!(redactor.redact("-abcdefghijklmnopqrst-"), "-[redacted]-");
}

#[test]
fn short_secrets_are_ignored_and_counted() {
    let redactor = Redactor::new(["", "1234567", "12345678"]);
    assert_eq!(
        (redactor.ignored(), redactor.redact("1234567 12345678").into_owned()),
        (2, "1234567 [redacted]".into())
    );
    let none = Redactor::new([]);
    assert_eq!((none.contains(b"x"), none.redact("x").into_owned()), (false, "x".to_owned()));
}

#[test]
fn the_mark_never_completes_a_secret() {
    let redactor = Redactor::new(["1234567[", "abcdefgh"]);
    assert_eq!(redactor.redact("1234567abcdefgh"), "1234567<redacted>");
    assert_eq!(Redactor::new(["[redacted]"]).redact("[redacted]"), "<redacted>");
    assert_eq!(Redactor::new(["redacted"]).redact("redacted"), "████");
}

#[test]
fn nothing_is_held_back_without_need() {
    let mut stream = RedactingStream::new(Redactor::new(["hunter2hunter2"]));
    assert_eq!(stream.push(b"password: hunt"), b"password: ");
    assert_eq!(stream.push(b"ing"), b"hunting");
    assert_eq!(stream.push(b" hunter2hunter2"), b" [redacted]");
    assert_eq!(stream.push(b"."), b".");
    assert_eq!(stream.push(b"h"), b"");
    assert_eq!(stream.finish(), b"h");
}

#[test]
fn a_secret_that_repeats_itself_is_not_kept() {
    let mut stream = RedactingStream::new(Redactor::new(["aaaaaaaa"]));
    let mut output = Vec::new();
    for _ in 0..1000 {
        output.extend(stream.push(b"aaaaa"));
    }
    output.extend(stream.push(b""));
    output.extend(stream.finish());
    assert_eq!(output, b"[redacted]");
}

#[test]
fn secrets_are_not_shown_by_debug() {
    let redactor = Redactor::new([KEY]);
    let mut stream = RedactingStream::new(redactor.clone());
    stream.push(&KEY.as_bytes()[..6]);
    assert_eq!(format!("{redactor:?} {stream:?}"), "Redactor(..) RedactingStream(..)");
}

/// Secrets over few letters, so that they overlap themselves and each other, and some of any text.
fn secrets() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(prop_oneof!["[ab]{8,12}", "[a/é\" \\[]{8,10}", "\\PC{8,20}"], 1..4)
}

/// Text that has whole and half secrets in it, in all forms.
fn text_with(secrets: Vec<String>) -> impl Strategy<Value = (Vec<String>, Vec<u8>)> {
    let forms: Vec<Vec<u8>> = Redactor::new(secrets.iter().map(String::as_str)).inner.forms.clone();
    let piece = prop_oneof![
        (0..forms.len()).prop_map({
            let forms = forms.clone();
            move |index| forms[index].clone()
        }),
        (0..forms.len(), 0usize..12).prop_map(move |(index, length)| {
            let form = &forms[index];
            form[..length.min(form.len())].to_vec()
        }),
        "[ab\\[\\]red]{0,6}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    let pieces = proptest::collection::vec(piece, 0..10);
    (Just(secrets), pieces.prop_map(|pieces| pieces.concat()))
}

proptest! {
    #[test]
    fn no_form_is_left((secrets, text) in secrets().prop_flat_map(text_with)) {
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        let redacted = redactor.redact_bytes(&text);
        prop_assert!(!redactor.contains(&redacted), "{:?}", String::from_utf8_lossy(&redacted));
    }

    #[test]
    fn cuts_do_not_matter(
        (secrets, text) in secrets().prop_flat_map(text_with),
        cuts in proptest::collection::vec(0usize..12, 1..40),
    ) {
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        let mut stream = RedactingStream::new(redactor.clone());
        let mut output = Vec::new();
        let mut rest = text.as_slice();
        for cut in cuts.iter().cycle().take(200) {
            let (piece, others) = rest.split_at((*cut).min(rest.len()));
            output.extend(stream.push(piece));
            rest = others;
        }
        output.extend(stream.push(rest));
        output.extend(stream.finish());
        let whole = redactor.redact_bytes(&text);
        prop_assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&whole));
    }

    #[test]
    fn text_stays_text(secret in "\\PC{8,12}", before in "\\PC{0,8}", after in "\\PC{0,8}") {
        let text = format!("{before}{secret}{after}{secret}");
        let redacted = Redactor::new([secret.as_str()]).redact(&text).into_owned();
        prop_assert!(!redacted.contains(&secret));
    }

    #[test]
    fn a_secret_in_any_base64_is_found(secret in "[ -~]{8,40}", before in "\\PC{0,5}", after in "\\PC{0,5}") {
        let encoded = STANDARD.encode(format!("{before}{secret}{after}"));
        prop_assert!(Redactor::new([secret.as_str()]).contains(encoded.as_bytes()));
    }
}
