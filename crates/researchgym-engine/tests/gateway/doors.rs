//! Who is let in, by which door, and what is at each path.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use researchgym_core::model::Wire;
use researchgym_engine::gateway::{ListenError, Listener, Patience, Served, Token};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Notify;

use crate::provider::{Provider, Step, Told};
use crate::support::{CLIENT_KEY, Gateway, begin, endpoint, unlimited};
use crate::wires::{TALKS, talk};

async fn json_of(answer: reqwest::Response) -> (u16, Value) {
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn the_token_is_taken_in_every_place_and_nothing_else_is() {
    for talk in &TALKS {
        let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
        let served = Served::one(Arc::new(endpoint(&provider, talk.wire)));
        let gateway = Gateway::serving(served, unlimited(), Token::new(CLIENT_KEY)).await;
        let ask = |query: &str| {
            let path = talk.paths[0].split('?').next().unwrap();
            gateway.http.post(format!("{}{path}{query}", gateway.url)).body(talk.questions[0])
        };
        let granted = [
            ask("").bearer_auth(CLIENT_KEY),
            ask("").header("x-api-key", CLIENT_KEY),
            ask("").header("x-goog-api-key", CLIENT_KEY),
            ask(&format!("?key={CLIENT_KEY}")),
        ];
        for request in granted {
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        let refused = [ask(""), ask("").bearer_auth("wrong"), ask("?key=wrong")];
        for request in refused {
            let (status, body) = json_of(request.send().await.unwrap()).await;
            assert_eq!(status, 401);
            assert_eq!(body["error"]["message"], "this gateway needs its token as the API key");
        }
        assert_eq!(provider.received().len(), 4);
        assert!(provider.received().iter().all(|received| !received.target.contains(CLIENT_KEY)));
        gateway.finish().await;
    }
}

#[tokio::test]
async fn models_are_listed_in_each_form() {
    let provider = Provider::start(|_, _| Told::json(200, "")).await;
    let chat = endpoint(&provider, Wire::Chat);
    let gateway = Gateway::named(&[("openai/a", &chat), ("vllm/b", &chat)]).await;
    let get = |path: &str| gateway.http.get(format!("{}{path}", gateway.url));
    let openai =
        |id: &str, owner: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": owner});
    let listed = json_of(get("/v1/models").send().await.unwrap()).await;
    let models = [openai("openai/a", "openai"), openai("vllm/b", "vllm")];
    assert_eq!(listed, (200, json!({"object": "list", "data": models})));
    let one = json_of(get("/v1/models/a").send().await.unwrap()).await;
    assert_eq!(one, (200, openai("a", "openai")));
    let anthropic = |id: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z"});
    let listed =
        json_of(get("/v1/models").header("anthropic-version", "2023-06-01").send().await.unwrap()).await;
    let expected = json!({
        "data": [anthropic("openai/a"), anthropic("vllm/b")],
        "has_more": false, "first_id": "openai/a", "last_id": "vllm/b",
    });
    assert_eq!(listed, (200, expected));
    let (_, listed) = json_of(get("/v1beta/models").send().await.unwrap()).await;
    let expected = json!({
        "name": "models/openai/a", "displayName": "openai/a", "outputTokenLimit": 1000,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    });
    assert_eq!(listed["models"][0], expected);
    // Google's own client asks here.
    let google = get("/v1/models").header("x-goog-api-client", "google-genai-sdk/3.6.1");
    assert_eq!(json_of(google.send().await.unwrap()).await, (200, listed));
    let (status, body) = json_of(get("/v1/models/nobody").send().await.unwrap()).await;
    let message = "no model is served as `nobody`; GET /v1/models lists those that are";
    assert_eq!((status, &body["error"]["message"]), (404, &json!(message)));
    gateway.finish().await;
}

#[tokio::test]
async fn other_requests_are_answered_at_once_in_the_likely_form() {
    let provider = Provider::start(|_, _| Told::json(200, "")).await;
    let gateway = Gateway::start(endpoint(&provider, Wire::Chat), unlimited()).await;
    let url = |path: &str| format!("{}{path}", gateway.url);
    assert_eq!(gateway.http.head(url("/")).send().await.unwrap().status(), 200);
    let health = json_of(gateway.http.get(url("/health")).send().await.unwrap()).await;
    assert_eq!(health, (200, json!({"status": "ok"})));
    let upgrade = gateway.http.get(url("/v1/responses")).header("connection", "upgrade");
    assert_eq!(upgrade.header("upgrade", "websocket").send().await.unwrap().status(), 426);
    let (status, body) = json_of(gateway.post("/v1/messages/batches", "{}").send().await.unwrap()).await;
    assert_eq!(
        (status, &body["type"], &body["error"]["type"]),
        (404, &json!("error"), &json!("not_found_error"))
    );
    let (status, body) = json_of(gateway.http.get(url("/v1/messages")).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["message"]), (405, &json!("GET is not for this path")));
    let packed = gateway.post("/v1/responses", "x").header("content-encoding", "zstd");
    assert_eq!(packed.send().await.unwrap().status(), 415);
    assert_eq!(provider.received().len(), 0);
    gateway.finish().await;
}

#[tokio::test]
async fn bodies_may_be_long_but_not_endless() {
    let talk = talk(Wire::Chat);
    let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
    let gateway = Gateway::start(endpoint(&provider, talk.wire), unlimited()).await;
    let text = "x".repeat(20 << 20);
    let question =
        json!({"model": "real-model", "messages": [{"role": "user", "content": text}], "max_tokens": 20});
    let question = question.to_string();
    let answer = gateway.post(talk.paths[0], question.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(provider.only().bytes, question.as_bytes());
    let announced = gateway.post(talk.paths[0], vec![b' '; (64 << 20) + 1]);
    match announced.send().await {
        Ok(answer) => assert_eq!(answer.status(), 413),
        // Refused before all of it was written.
        Err(error) => assert!(error.is_request(), "{error:?}"),
    }
    gateway.finish().await;
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_or_else_bounded() {
    let provider = Provider::start(|_, _| Told::json(200, r#"{"input_tokens": 7}"#)).await;
    let gateway = Gateway::start(endpoint(&provider, Wire::Messages), unlimited()).await;
    let question = r#"{"messages":[],"model":"some-name"}"#;
    let counted = gateway.post("/v1/messages/count_tokens?beta=true", question).send().await.unwrap();
    assert_eq!(counted.text().await.unwrap(), r#"{"input_tokens": 7}"#);
    let sent = provider.only();
    assert_eq!(sent.target, "/v1/messages/count_tokens");
    assert_eq!(sent.bytes, r#"{"messages":[],"model":"real-model"}"#);
    let path = "/v1beta/models/some-name:countTokens";
    let (status, body) = json_of(gateway.post(path, r#"{"contents":[]}"#).send().await.unwrap()).await;
    assert!(status == 200 && body["totalTokens"].as_u64().unwrap() > 0, "{body}");
    assert_eq!(provider.received().len(), 1);
    assert_eq!(gateway.finish().await.summary.calls, 0);
}

#[tokio::test]
async fn counts_have_a_limit_and_a_time() {
    let silent = Arc::new(Notify::new());
    let waits = silent.clone();
    let provider = Provider::start(move |_, number| {
        let mut told = Told::json(200, r#"{"input_tokens": 7}"#);
        if number == 1 {
            told.steps.insert(0, Step::Wait(waits.clone()));
        }
        told
    })
    .await;
    let gateway = Gateway::start(endpoint(&provider, Wire::Messages), unlimited()).await;
    let mut statuses = Vec::new();
    let mut last = Value::Null;
    for _ in 0..5 {
        let question = r#"{"messages":[],"model":"some-name"}"#;
        let answer = gateway.post("/v1/messages/count_tokens", question).send().await.unwrap();
        let must_wait = answer.headers().contains_key("retry-after");
        let (status, body) = json_of(answer).await;
        assert_eq!(must_wait, status == 429, "{body}");
        if status == 504 {
            assert_eq!(body["error"]["message"], "the provider did not count within 0.2 s");
        }
        statuses.push(status);
        last = body;
    }
    assert_eq!(statuses, [200, 504, 200, 429, 429]);
    assert_eq!(last["error"]["message"], "no more than 3 counts are asked for in a minute");
    assert_eq!(provider.received().len(), 3);
    silent.notify_one();
    gateway.finish().await;
}

#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_a_stale_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = Listener::unix(&path).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Listener::unix(&path).await, Err(ListenError::InUse(_))));
    let other = folder.path().join("file");
    fs::write(&other, "mine").unwrap();
    assert!(matches!(Listener::unix(&other).await, Err(ListenError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");

    let talk = talk(Wire::Chat);
    let provider = Provider::start(|_, _| Told::json(200, talk.answers[0])).await;
    let served = Served::one(Arc::new(endpoint(&provider, talk.wire)));
    let log = folder.path().join("log");
    let (stop, serving, books) = begin(listener, served, unlimited(), None, &log, Patience::USUAL);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let question = talk.questions[0];
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{question}",
        talk.paths[0],
        question.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(talk.answers[0]), "{answer}");
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert_eq!(books.await.unwrap().usage, talk.usage);
    assert!(!path.exists());
}
