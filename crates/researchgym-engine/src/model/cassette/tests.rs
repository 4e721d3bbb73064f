use reqwest::header::{HeaderMap, HeaderValue};

use super::*;

fn recorded(path: &Path, exchanges: &[(&str, &str)]) {
    let cassette = Cassette::open(path, Redactor::new(["sk-very-secret"])).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("set-cookie", HeaderValue::from_static("session"));
    for (request, body) in exchanges {
        let question = cassette.question(Wire::Chat, "/chat/completions", request.as_bytes());
        assert_eq!(cassette.play(&question), Ok(None));
        cassette.record(&question, 200, &headers, body.as_bytes()).unwrap();
    }
}

fn played(path: &Path, request: &str) -> Result<String, String> {
    let cassette = Cassette::open(path, Redactor::new([])).unwrap();
    one(&cassette, request)
}

fn one(cassette: &Cassette, request: &str) -> Result<String, String> {
    let question = cassette.question(Wire::Chat, "/chat/completions", request.as_bytes());
    let played = cassette.play(&question).map_err(|failure| failure.message)?;
    Ok(String::from_utf8(played.unwrap().body).unwrap())
}

#[test]
fn answers_come_back_whatever_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    recorded(&path, &[("{\"a\":1}", "one"), ("{\"a\":2}", "two"), ("{\"a\":1}", "one again")]);
    let cassette = Cassette::open(&path, Redactor::new([])).unwrap();
    assert!(cassette.is_played());
    let answers = ["{\"a\":2}", "{\"a\":1}", "{\"a\":1}", "{\"a\":1}", "{\"a\":2}"];
    let answers: Vec<String> = answers.iter().map(|request| one(&cassette, request).unwrap()).collect();
    assert_eq!(answers, ["two", "one", "one again", "one again", "two"]);
}

#[test]
fn the_order_of_keys_and_what_is_volatile_make_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    recorded(&path, &[("{\"a\":{\"x\":1,\"y\":2},\"b\":2,\"user\":\"me\"}", "answer")]);
    assert_eq!(
        played(&path, "{\"b\":2, \"a\":{\"y\":2,\"x\":1}, \"metadata\":{\"run\":7}}"),
        Ok("answer".into())
    );
}

#[test]
fn a_request_that_is_not_there_is_told_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    recorded(
        &path,
        &[("{\"messages\":[1,2],\"model\":\"m\"}", "a"), ("{\"messages\":[7],\"model\":\"n\"}", "b")],
    );
    let check = |request: &str, differs: &str| {
        let expected = format!(
            "the request is not on the cassette {}: the nearest one differs in {differs}; delete the file to record it again",
            path.display()
        );
        assert_eq!(played(&path, request), Err(expected));
    };
    check("{\"messages\":[1,3],\"model\":\"m\"}", "`messages[1]`");
    check("{\"messages\":[1,2,3],\"model\":\"m\"}", "`messages[2]`");
    check("{\"messages\":[7],\"model\":\"n\",\"top_p\":1}", "`top_p`");
    let cassette = Cassette::open(&path, Redactor::new([])).unwrap();
    let question = cassette.question(Wire::Gemini, "/models/m:generateContent", b"{}");
    let message = cassette.play(&question).unwrap_err().message;
    assert!(message.contains("it holds no exchange of the wire gemini"), "{message}");
}

#[test]
fn the_file_holds_no_key_no_request_and_no_other_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    recorded(&path, &[("{\"messages\":[\"tell me sk-very-secret\"]}", "it is sk-very-secret")]);
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let part = Digest::of(b"\"tell me [redacted]\"").to_string();
    let expected = serde_json::json!({
        "cassette": 1,
        "request": line["request"],
        "wire": "chat",
        "shape": {"call": "/chat/completions", "messages[0]": part[..16]},
        "status": 200,
        "headers": {"content-type": "application/json"},
        "body": {"text": "it is [redacted]"},
    });
    assert_eq!(line, expected);
}

#[test]
fn nothing_is_made_before_the_first_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    let cassette = Cassette::open(&path, Redactor::new([])).unwrap();
    assert!(!cassette.is_played() && !path.exists());
    let missing = folder.path().join("no/c.jsonl");
    let refused = Cassette::open(&missing, Redactor::new([])).unwrap_err().to_string();
    assert_eq!(refused, format!("cassette {}: No such file or directory (os error 2)", missing.display()));
}

#[test]
fn after_an_answer_that_could_not_be_recorded_nothing_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone/c.jsonl");
    std::fs::create_dir(folder.path().join("gone")).unwrap();
    let cassette = Cassette::open(&path, Redactor::new([])).unwrap();
    let question = cassette.question(Wire::Chat, "/chat/completions", b"{}");
    assert_eq!(cassette.play(&question), Ok(None));
    std::fs::remove_dir(folder.path().join("gone")).unwrap();
    let failure = cassette.record(&question, 200, &HeaderMap::new(), b"").unwrap_err();
    let expected =
        format!("cassette {} cannot be written: No such file or directory (os error 2)", path.display());
    assert_eq!(failure.message, expected);
    assert_eq!(cassette.problem(), Some(expected));
    assert_eq!(cassette.play(&question), Err(failure));
}
