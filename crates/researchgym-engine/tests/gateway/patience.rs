//! Clients that do not come to the end of what they say: they hold up neither others nor the end.

use std::time::Duration;

use researchgym_core::model::Wire;
use researchgym_engine::gateway::Patience;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::provider::{Provider, Told};
use crate::support::{Gateway, endpoint};
use crate::wires::talk;

/// Only a test that fails waits that long.
const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(30);

/// All that comes on a connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut come = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut come).await;
    String::from_utf8(come).unwrap()
}

async fn started(patience: Patience) -> Gateway {
    let provider = Provider::start(|_, _| Told::json(200, talk(Wire::Chat).answers[0])).await;
    Gateway::patient(endpoint(&provider, Wire::Chat), patience).await
}

#[tokio::test]
async fn heads_and_idle_connections_have_a_time() {
    let gateway = started(Patience { head: SOON, body: HOUR, farewell: HOUR }).await;
    let check = async |said: &str, answered: &str| {
        let mut stream = gateway.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let come = rest(&mut stream).await;
        assert!(come.starts_with(answered) && come.is_empty() == answered.is_empty(), "{said}: {come}");
    };
    check("", "").await;
    check("POST /v1/chat/completions HTT", "").await;
    check("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n", "").await;
    check("GET /health HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 200").await;
    check("GET /health HTTP/1.1\r\nhost: x\r\n\r\nGET", "HTTP/1.1 200").await;
    gateway.finish().await;
}

#[tokio::test]
async fn bodies_have_a_time_between_their_pieces() {
    let gateway = started(Patience { head: HOUR, body: SOON, farewell: HOUR }).await;
    let mut stream = gateway.connect().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"mod";
    stream.write_all(head.as_bytes()).await.unwrap();
    let come = rest(&mut stream).await;
    assert!(come.starts_with("HTTP/1.1 408"), "{come}");
    assert!(come.contains("the rest of the body did not come in time"), "{come}");
    gateway.finish().await;
}

#[tokio::test]
async fn the_end_waits_for_no_request_that_is_not_whole() {
    let gateway = started(Patience { head: HOUR, body: HOUR, farewell: SOON }).await;
    let mut streams = Vec::new();
    let answered = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let half = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    for said in ["", "GET /hea", half, answered, &format!("{answered}GET /hea"), &format!("{answered}{half}")]
    {
        let mut stream = gateway.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        if said.starts_with(answered) {
            stream.read_exact(&mut [0; 12]).await.unwrap();
        }
        streams.push(stream);
    }
    let summary = gateway.finish().await.summary;
    assert_eq!(summary.calls, 0);
    for stream in &mut streams {
        rest(stream).await;
    }
}
