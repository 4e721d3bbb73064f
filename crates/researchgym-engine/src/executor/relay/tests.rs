use std::collections::BTreeMap;

use researchgym_core::model::redact::Redactor;
use researchgym_core::model::{ModelFacts, RetryPolicy, Target, Wire};
use serde_json::json;

use super::*;
use crate::model::fake_provider::{Conduct, FakeProvider};
use crate::model::relayed::Relayed;
use crate::model::scripted::Script;
use crate::model::{Auth, Backend, Client, Secret};

const KEY: &str = "sk-fake-0123456789abcdefghijklmnopqrstuv";

fn endpoint(url: &str, key: Option<Secret>) -> Endpoint {
    Endpoint {
        target: Target { name: "fake/m".into(), model: "m".into() },
        wire: Wire::Messages,
        base_url: format!("{url}/v1"),
        key,
        auth: Auth::Header("x-api-key"),
        headers: vec![("anthropic-version".into(), "2023-06-01".into())],
        query: Vec::new(),
        facts: ModelFacts::default(),
        price_source: String::new(),
        request: serde_json::Map::new(),
        backend: Backend::Http,
    }
}

fn provider() -> FakeProvider {
    let line = json!({"text": "Well."});
    let script = Script::parse(&format!("{line}\n{line}\n")).unwrap();
    FakeProvider::start(Conduct { script, faults: BTreeMap::new(), key: Some(KEY.to_owned()) }).unwrap()
}

fn door(provider: &FakeProvider) -> Arc<Door> {
    Arc::new(Door {
        client: Client::new().unwrap(),
        endpoint: Arc::new(endpoint(&provider.url, Some(Secret::new(KEY)))),
        policy: RetryPolicy::default(),
        redactor: Redactor::new([KEY]),
    })
}

fn asks(text: &str) -> Bytes {
    let body = json!({
        "model": "m", "max_tokens": 100, "stream": false,
        "messages": [{"role": "user", "content": text}],
    });
    Bytes::from(body.to_string())
}

/// Asks as a job on a node does.
async fn ask(relayed: Relayed, provider: &FakeProvider, call: &str) -> Result<(u16, String), NoAnswer> {
    let client = Client::new().unwrap().through(relayed);
    let endpoint = endpoint(&provider.url, None);
    let url = format!("{}{call}", endpoint.base_url);
    let mut answer = client.send(&endpoint, &url, &hyper::HeaderMap::new(), asks("How?")).await?;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    Ok((answer.status, String::from_utf8(text).unwrap()))
}

fn refusal(answered: Result<(u16, String), NoAnswer>) -> (Option<u16>, FailureKind) {
    match answered {
        Err(NoAnswer::Unsent(failure)) => (failure.status, failure.kind),
        other => panic!("it was to be refused before it is sent: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_asks_with_its_token_and_nothing_else_passes() {
    let (provider, place) = (provider(), tempfile::tempdir().unwrap());
    // Longer than the address of a socket may be.
    let folder = place.path().join("a".repeat(120));
    std::fs::create_dir(&folder).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let by_address = SlurmSpec { gateway: Some(address.clone()), ..SlurmSpec::default() };
    for spec in [SlurmSpec::default(), by_address] {
        let is_socket = spec.gateway.is_none();
        let relay = Relay::open(&RelayPlace::of(&spec).unwrap()).await.unwrap();
        let admission = relay.admit(&folder, door(&provider)).await.unwrap();
        let way = |secret: &str| match is_socket {
            true => Relayed::unix(&folder, SOCKET, Secret::new(secret)).unwrap(),
            false => Relayed::tcp(&address, Secret::new(secret)).unwrap(),
        };
        let token = read_token(&folder).unwrap().unwrap();
        let (status, text) = ask(way(token.expose()), &provider, "/messages").await.unwrap();
        assert!(status == 200 && text.contains("Well.") && !text.contains(KEY), "{status} {text}");
        let wrong = refusal(ask(way("another"), &provider, "/messages").await);
        assert_eq!(wrong, (Some(401), FailureKind::Authentication));
        for call in ["/models", "/messages/../files", "/messages?x=1", ""] {
            let other = refusal(ask(way(token.expose()), &provider, call).await);
            assert_eq!(other, (Some(403), FailureKind::BadRequest), "{call}");
        }
        drop(admission);
        let gone = refusal(ask(way(token.expose()), &provider, "/messages").await);
        assert!(matches!(gone.1, FailureKind::Authentication | FailureKind::Unreachable), "{gone:?}");
    }
    assert_eq!((provider.bill().requests, provider.violations()), (2, Vec::new()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&folder.join(TOKEN).metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_had_nothing() {
    let (provider, place) = (provider(), tempfile::tempdir().unwrap());
    let relay = Relay::open(&RelayPlace::of(&SlurmSpec::default()).unwrap()).await.unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = Arc::new(Door {
        client: Client::new().unwrap(),
        endpoint: Arc::new(endpoint(&format!("http://127.0.0.1:{port}"), None)),
        policy: RetryPolicy::default(),
        redactor: Redactor::new([]),
    });
    let _admission = relay.admit(place.path(), away).await.unwrap();
    let token = read_token(place.path()).unwrap().unwrap();
    let relayed = Relayed::unix(place.path(), SOCKET, Secret::new(token.expose())).unwrap();
    assert_eq!(refusal(ask(relayed, &provider, "/messages").await), (None, FailureKind::Unreachable));
}

#[test]
fn the_place_is_a_socket_or_an_address() {
    let of = |gateway: Option<&str>, listen: Option<&str>| {
        let (gateway, gateway_listen) = (gateway.map(str::to_owned), listen.map(str::to_owned));
        RelayPlace::of(&SlurmSpec { gateway, gateway_listen, ..SlurmSpec::default() })
            .map(|place| (place.way, place.listen.map(|address| address.to_string())))
            .map_err(|error| error.to_string())
    };
    let socket = Ok((Way::Socket { host: host() }, None));
    assert_eq!((of(None, None), of(Some("socket"), None)), (socket.clone(), socket));
    let way = |address: &str| Way::Address { address: address.to_owned() };
    assert_eq!(of(Some("login:9000"), None), Ok((way("login:9000"), Some("127.0.0.1:9000".to_owned()))));
    let listening = of(Some("login:9000"), Some("0.0.0.0:1"));
    assert_eq!(listening, Ok((way("login:9000"), Some("0.0.0.0:1".to_owned()))));
    for (gateway, listen) in [
        (Some("login"), None),
        (Some(":9000"), None),
        (Some("login:0"), None),
        (Some("http://login:9000"), None),
        (Some("login:9000"), Some("login:9000")),
        (None, Some("127.0.0.1:1")),
    ] {
        assert!(of(gateway, listen).unwrap_err().starts_with("[slurm] gateway"), "{gateway:?} {listen:?}");
    }
}
