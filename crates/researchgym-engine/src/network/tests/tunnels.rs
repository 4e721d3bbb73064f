//! Tunnels: what must be in them, and what is said of those that are cut.

use std::sync::Arc;

use researchgym_core::network::{NetworkPolicy, Refusal, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Bench, Server, policy, refused, task};

/// The first message of a TLS client that names this host.
fn hello(name: &str) -> Vec<u8> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("it has something to say");
    bytes
}

#[tokio::test]
async fn a_tunnel_carries_tls_to_its_own_host_and_nothing_else() {
    let server = Server::saying(b"back").await;
    let hosts = [("allowed.example", 443, server.address)];
    let network = task(&["allowed.example"], &[]);
    let fitting = hello("allowed.example");
    let fronted = hello("evil.example");
    let unnamed = hello("127.0.0.1");
    let cases: [(&[u8], Verdict, bool); 6] = [
        (&fitting, Verdict::Allowed, true),
        (&fronted, refused(Refusal::ServerName), false),
        (&unnamed, refused(Refusal::ServerName), false),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", refused(Refusal::NotTls), false),
        (&fitting[..20], refused(Refusal::NotTls), false),
        (b"", Verdict::Allowed, false),
    ];
    for (said, verdict, arrives) in cases {
        let before = server.heard().concat().len();
        let bench = Bench::with(policy(NetworkPolicy::AllowList, &network, &hosts));
        let mut stream = bench.connect().await;
        stream.write_all(b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n").await.expect("it listens");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
        // Cut in two, as a network may.
        let (first, second) = said.split_at(said.len() / 2);
        stream.write_all(first).await.expect("it listens");
        tokio::task::yield_now().await;
        stream.write_all(second).await.expect("it listens");
        if arrives {
            let mut back = [0; 4];
            stream.read_exact(&mut back).await.expect("an answer");
            assert_eq!(&back, b"back");
        }
        stream.shutdown().await.expect("it listens");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!arrives || rest.is_empty());
        let sent = server.heard().concat().len() - before;
        let requests = bench.proxy.close().await;
        let bytes = if arrives { (said.len() as u64, 4) } else { (0, 0) };
        let told = requests.iter().map(|request| (request.verdict, (request.bytes_up, request.bytes_down)));
        assert_eq!(told.collect::<Vec<_>>(), [(verdict, bytes)]);
        assert_eq!(sent > 0, arrives);
    }
}

#[tokio::test]
async fn nobody_is_connected_to_before_the_greeting_names_them() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it is ours");
    let hosts = [("allowed.example", 443, listener.local_addr().expect("an address"))];
    let network = task(&["allowed.example"], &[]);
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &network, &hosts));
    let open = [b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n".to_vec(), hello("evil.example")].concat();
    let answer = bench.ask(&open).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(bench.reports().await[0].4, refused(Refusal::ServerName));
    // Connections of this machine are in the listener's queue once they are made.
    let accepted = listener.accept().map_err(|error| error.kind());
    assert!(matches!(accepted, Err(std::io::ErrorKind::WouldBlock)), "{accepted:?}");
}

#[tokio::test]
async fn a_host_that_is_gone_is_told_after_the_greeting() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let hosts = [("allowed.example", 443, nobody.local_addr().expect("an address"))];
    drop(nobody);
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &task(&["allowed.example"], &[]), &hosts));
    let open = b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n".to_vec();
    let answer = bench.ask(&[open, hello("allowed.example")].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(bench.reports().await[0].4, refused(Refusal::Unreachable));
}

#[tokio::test]
async fn hundreds_of_half_open_heads_and_silent_tunnels_do_not_keep_others_out() {
    let server = Server::saying(super::OK).await;
    let hosts = [("allowed.example", 80, server.address), ("allowed.example", 443, server.address)];
    let network = task(&["allowed.example"], &[]);
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &network, &hosts));
    let mut held = Vec::new();
    for index in 0..300 {
        let mut stream = bench.connect().await;
        let said: &[u8] = match index % 2 {
            0 => b"GET http://allowed.example/ HTTP/1.1\r\nHost: ",
            _ => b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n",
        };
        stream.write_all(said).await.expect("it listens");
        held.push(stream);
    }
    let asked = bench.ask(b"GET http://allowed.example/ HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = tokio::time::timeout(std::time::Duration::from_secs(10), asked).await.expect("it is served");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn an_open_policy_carries_other_protocols_but_not_what_is_blocked() {
    let server = Server::saying(b"SSH-2.0-server\r\n").await;
    let hosts = [("any.example", 22, server.address), ("any.example", 443, server.address)];
    let network = task(&[], &["blocked.example"]);
    let bench = Bench::with(policy(NetworkPolicy::Open, &network, &hosts));
    let answer = bench.ask(b"CONNECT any.example:22 HTTP/1.1\r\n\r\nSSH-2.0-client\r\n").await;
    assert!(answer.ends_with("SSH-2.0-server\r\n"), "{answer}");
    bench.ask(b"CONNECT any.example:443 HTTP/1.1\r\n\r\nSSH-2.0-client\r\n").await;
    bench.ask(b"CONNECT blocked.example:22 HTTP/1.1\r\n\r\n").await;
    let verdicts: Vec<Verdict> = bench.reports().await.into_iter().map(|report| report.4).collect();
    assert_eq!(verdicts, [Verdict::Allowed, refused(Refusal::NotTls), refused(Refusal::Blocked)]);
}

#[tokio::test]
async fn what_is_under_way_is_reported_when_the_sandbox_ends() {
    let server = Server::saying(b"").await;
    let hosts = [("allowed.example", 443, server.address), ("allowed.example", 80, server.address)];
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &task(&["allowed.example"], &[]), &hosts));
    let mut tunnel = bench.connect().await;
    let said = [b"CONNECT allowed.example:443 HTTP/1.1\r\n\r\n".to_vec(), hello("allowed.example")].concat();
    tunnel.write_all(&said).await.expect("it listens");
    let mut plain = bench.connect().await;
    plain.write_all(b"GET http://allowed.example/ HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it listens");
    while server.heard().iter().filter(|heard| !heard.is_empty()).count() < 2 {
        tokio::task::yield_now().await;
    }
    let mut reports = bench.reports().await;
    reports.sort();
    let url = Some("http://allowed.example/".to_owned());
    let host = "allowed.example".to_owned();
    assert_eq!(
        reports,
        [
            ("CONNECT".to_owned(), host.clone(), 443, None, Verdict::Allowed),
            ("GET".to_owned(), host, 80, url, Verdict::Allowed)
        ]
    );
}
