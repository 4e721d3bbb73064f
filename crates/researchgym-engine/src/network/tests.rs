//! The proxy as programs speak to it, in front of servers of this machine that bear public names.

mod tunnels;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use researchgym_core::network::{NetworkPolicy, NetworkRequested, Phase, Refusal, Rules, Verdict};
use researchgym_core::task::Network;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

use super::{Door, Names, Policy, Proxy, environment};
use crate::gateway::Token;

/// Remembers what it was told, byte for byte, and says one thing to everybody.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    async fn saying(answer: &'static [u8]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let hearing = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let number = {
                    let mut heard = hearing.lock().expect("no panic");
                    heard.push(Vec::new());
                    heard.len() - 1
                };
                let hearing = hearing.clone();
                tokio::spawn(async move {
                    let mut piece = [0; 4096];
                    let mut has_said = false;
                    while let Ok(length) = stream.read(&mut piece).await
                        && length > 0
                    {
                        hearing.lock().expect("no panic")[number].extend_from_slice(&piece[..length]);
                        if !std::mem::replace(&mut has_said, true) {
                            let _ = stream.write_all(answer).await;
                        }
                    }
                });
            }
        });
        Server { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().expect("no panic");
        heard.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKeep-Alive: timeout=5\r\nX-Own: yes\r\n\r\nhello";

fn task(allow: &[&str], blocked: &[&str]) -> Network {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Network { allow: owned(allow), blocked_urls: owned(blocked), ..Network::default() }
}

fn policy(kind: NetworkPolicy, network: &Network, hosts: &[(&str, u16, SocketAddr)]) -> Policy {
    let known: BTreeMap<(String, u16), SocketAddr> =
        hosts.iter().map(|(host, port, address)| (((*host).to_owned(), *port), *address)).collect();
    let rules = Rules::of(kind, network).expect("rules");
    Policy { phase: Phase::Agent, rules, traffic: 1 << 20, names: Names::Fixed(Arc::new(known)) }
}

struct Bench {
    proxy: Proxy,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn with(policy: Policy) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        Bench { proxy: Proxy::on_socket(folder.path(), policy).expect("a proxy"), _folder: folder }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.proxy.socket().expect("a socket")).await.expect("a connection")
    }

    /// All that comes back; a proxy that cuts the connection has said its last.
    async fn ask(&self, text: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(text).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn reports(self) -> Vec<(String, String, u16, Option<String>, Verdict)> {
        let requests = self.proxy.close().await;
        let of = |request: NetworkRequested| {
            (request.method, request.host, request.port, request.url, request.verdict)
        };
        requests.into_iter().map(of).collect()
    }
}

fn refused(reason: Refusal) -> Verdict {
    Verdict::Refused { reason }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[tokio::test]
async fn each_request_has_its_verdict_and_its_report() {
    let server = Server::saying(OK).await;
    let network = task(
        &["allowed.example", "shared.example", "gone.example", "away.example"],
        &["shared.example/paper", "allowed.example/secret"],
    );
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gone = nobody.local_addr().expect("an address");
    drop(nobody);
    let hosts = [
        ("allowed.example", 80, server.address),
        ("shared.example", 443, server.address),
        ("gone.example", 443, gone),
    ];
    let connect = |place: &str| format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n");
    let get = |url: &str| format!("GET {url} HTTP/1.1\r\nHost: x\r\n\r\n");
    let cases = [
        (
            get("http://allowed.example/a?key=1"),
            "200",
            ("GET", "allowed.example", 80, Some("http://allowed.example/a?..."), Verdict::Allowed),
        ),
        (
            get("http://allowed.example/%73ecret/1"),
            "403",
            (
                "GET",
                "allowed.example",
                80,
                Some("http://allowed.example/%73ecret/1"),
                refused(Refusal::Blocked),
            ),
        ),
        (
            get("http://other.example/"),
            "403",
            ("GET", "other.example", 80, Some("http://other.example/"), refused(Refusal::NotAllowed)),
        ),
        (
            get("http://allowed.example:8080/"),
            "403",
            ("GET", "allowed.example", 8080, Some("http://allowed.example:8080/"), refused(Refusal::Port)),
        ),
        (
            get("http://169.254.169.254/latest"),
            "403",
            (
                "GET",
                "169.254.169.254",
                80,
                Some("http://169.254.169.254/latest"),
                refused(Refusal::IpAddress),
            ),
        ),
        (
            get("https://allowed.example/"),
            "400",
            ("GET", "allowed.example", 443, Some("https://allowed.example/"), refused(Refusal::Malformed)),
        ),
        (get("/"), "400", ("GET", "?", 0, Some("/"), refused(Refusal::Malformed))),
        (
            get("ftp://allowed.example/"),
            "400",
            ("GET", "allowed.example", 0, Some("ftp://allowed.example/"), refused(Refusal::Malformed)),
        ),
        (
            connect("shared.example:443"),
            "403",
            ("CONNECT", "shared.example", 443, None, refused(Refusal::BlockedPaths)),
        ),
        (
            connect("other.example:443"),
            "403",
            ("CONNECT", "other.example", 443, None, refused(Refusal::NotAllowed)),
        ),
        (
            connect("allowed.example:22"),
            "403",
            ("CONNECT", "allowed.example", 22, None, refused(Refusal::Port)),
        ),
        (connect("127.0.0.1:443"), "403", ("CONNECT", "127.0.0.1", 443, None, refused(Refusal::IpAddress))),
        (connect("[::1]:443"), "403", ("CONNECT", "[::1]", 443, None, refused(Refusal::IpAddress))),
        (connect("0x7f.1:443"), "403", ("CONNECT", "0x7f.1", 443, None, refused(Refusal::IpAddress))),
        (
            // It leaves without a greeting, so that nobody is connected to.
            connect("gone.example:443"),
            "200",
            ("CONNECT", "gone.example", 443, None, Verdict::Allowed),
        ),
        (
            connect("away.example:443"),
            "502",
            ("CONNECT", "away.example", 443, None, refused(Refusal::Unresolved)),
        ),
        (
            connect("me@allowed.example:443"),
            "400",
            ("CONNECT", "allowed.example", 0, None, refused(Refusal::Malformed)),
        ),
        ("nonsense\r\n\r\n".to_owned(), "400", ("?", "?", 0, None, refused(Refusal::Malformed))),
        (
            format!("GET http://allowed.example/ HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)),
            "431",
            ("?", "?", 0, None, refused(Refusal::Malformed)),
        ),
    ];
    for (text, expected, report) in cases {
        let bench = Bench::with(policy(NetworkPolicy::AllowList, &network, &hosts));
        let answer = bench.ask(text.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{text:.100}: {answer}");
        let (method, host, port, url, verdict) = report;
        let expected = (method.to_owned(), host.to_owned(), port, url.map(str::to_owned), verdict);
        assert_eq!(bench.reports().await, [expected], "{text:.100}");
    }
    assert_eq!(server.heard().len(), 1, "nothing that is refused reaches a server");
}

#[tokio::test]
async fn a_refusal_says_why() {
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &task(&["pypi"], &["pypi.org/project/x"]), &[]));
    let answer = bench.ask(b"CONNECT pypi.org:443 HTTP/1.1\r\n\r\n").await;
    let said = answer.rsplit("\r\n\r\n").next().unwrap_or_default();
    let expected = "researchgym network policy: pypi.org: this task blocks some addresses of this host; over HTTPS they \
                    cannot be told from the others, so the host is refused as a whole\n";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn plain_requests_are_written_anew() {
    let server = Server::saying(OK).await;
    let hosts = [("allowed.example", 80, server.address)];
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &task(&["allowed.example"], &[]), &hosts));
    let request = b"POST http://allowed.example/a/../b?q=1#f HTTP/1.1\r\nHost: evil.example\r\nConnection: x-hop, close\r\n\
                    X-Hop: 1\r\nProxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
                    Expect: 100-continue\r\nX-End: 2\r\nContent-Length: 3\r\n\r\nabcGET http://evil.example/ HTTP/1.1\r\n\r\n";
    let answer = bench.ask(request).await;
    assert!(
        answer.contains("200 OK") && answer.ends_with("hello") && answer.contains("x-own: yes"),
        "{answer}"
    );
    assert!(!answer.to_lowercase().contains("keep-alive"), "{answer}");
    let heard = server.heard();
    let expected = "POST /b?q=1 HTTP/1.1\r\nhost: allowed.example\r\nx-end: 2\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.to_lowercase().split("\r\n").map(str::to_owned).collect();
        lines[1..].sort();
        lines
    };
    assert_eq!(heard.iter().map(|text| sorted(text)).collect::<Vec<_>>(), [sorted(expected)]);
    assert_eq!(bench.reports().await.len(), 1, "what follows on the connection is not read");
}

#[tokio::test]
async fn an_answer_without_a_body_keeps_its_length() {
    let server = Server::saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await;
    let hosts = [("allowed.example", 80, server.address)];
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &task(&["allowed.example"], &[]), &hosts));
    let answer = bench.ask(b"HEAD http://allowed.example/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.to_lowercase().contains("content-length: 5"),
        "{answer}"
    );
    assert_eq!(bench.proxy.close().await[0].bytes_down, 0);
}

#[tokio::test]
async fn a_body_of_two_lengths_is_no_second_request() {
    let server = Server::saying(OK).await;
    let hosts = [("allowed.example", 80, server.address)];
    let bench = Bench::with(policy(NetworkPolicy::AllowList, &task(&["allowed.example"], &[]), &hosts));
    for lengths in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: allowed.example\r\n\r\n";
        let request = format!(
            "POST http://allowed.example/ HTTP/1.1\r\nHost: allowed.example\r\n{lengths}\r\n{smuggled}"
        );
        bench.ask(request.as_bytes()).await;
    }
    drop(bench.reports().await);
    for heard in server.heard() {
        assert_eq!(heard.matches("HTTP/1.1").count(), 1, "{heard}");
        assert!(!heard.to_lowercase().contains("transfer-encoding: chunked\r\ncontent-length"), "{heard}");
    }
}

/// The names of this machine itself, and of services that tell clouds' machines about themselves.
#[tokio::test]
async fn names_of_this_machine_lead_nowhere() {
    let rules = Rules::of(NetworkPolicy::Open, &task(&[], &[])).expect("rules");
    let policy = Policy { phase: Phase::Agent, rules, traffic: 1 << 20, names: Names::Machine };
    let bench = Bench::with(policy);
    let answer = bench.ask(b"CONNECT localhost:22 HTTP/1.1\r\n\r\n").await;
    assert!(answer.contains("this name does not lead to the public network"), "{answer}");
    let answer = bench.ask(b"GET http://localhost:8787/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(status(&answer), "403", "{answer}");
    let verdicts: Vec<Verdict> = bench.reports().await.into_iter().map(|report| report.4).collect();
    assert_eq!(verdicts, [refused(Refusal::NotPublic); 2]);
}

#[tokio::test]
async fn traffic_ends_where_the_task_says() {
    let long: &'static [u8] =
        Vec::leak([b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 300 << 10]].concat());
    let server = Server::saying(long).await;
    let hosts = [("allowed.example", 80, server.address)];
    let limited = Policy { traffic: 100 << 10, ..policy(NetworkPolicy::Open, &task(&[], &[]), &hosts) };
    let bench = Bench::with(limited);
    let request = b"GET http://allowed.example/ HTTP/1.1\r\nHost: x\r\n\r\n";
    let first = bench.ask(request).await;
    assert!(first.len() <= (100 << 10) + 1000, "{}", first.len());
    let second = bench.ask(request).await;
    assert!(second.contains("the traffic that this task allows is used up"), "{second}");
    let reports = bench.proxy.close().await;
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|report| report.verdict == refused(Refusal::Traffic)), "{reports:?}");
    assert!(reports.iter().map(|report| report.bytes_down).sum::<u64>() <= 100 << 10);
}

#[tokio::test]
async fn a_port_asks_for_its_password() {
    let server = Server::saying(OK).await;
    let hosts = [("allowed.example", 80, server.address)];
    let allowed = policy(NetworkPolicy::AllowList, &task(&["allowed.example"], &[]), &hosts);
    let proxy = Proxy::on_port(allowed).await.expect("a proxy");
    let Door::Port(port, token) = proxy.door().clone() else { panic!("a port") };
    let url = environment(&proxy)["HTTP_PROXY"].clone();
    assert_eq!(url, format!("http://researchgym:{}@127.0.0.1:{port}", token.expose()));
    let encoded = |token: &Token| {
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("x:{}", token.expose()))
    };
    let other = Token::new("other").expect("a token");
    for (credentials, expected) in
        [(encoded(&token), "200"), (encoded(&other), "407"), (String::new(), "407")]
    {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let request = format!(
            "GET http://allowed.example/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert_eq!(status(&answer), expected);
    }
    assert_eq!(proxy.close().await.len(), 1, "who shows no password asks for nothing");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bytes come: a server hears requests of its own host alone, one a connection, and each has its report.
    #[test]
    fn no_bytes_reach_a_server_but_requests_of_its_own(
        start in prop::sample::select(vec!["GET http://a.example/", "CONNECT a.example:443", "POST http://a.example", ""]),
        middle in "[ -~\r\n\t\u{0}\u{e9}]{0,60}",
        headers in prop::collection::vec(
            prop::sample::select(vec![
                "Host: b.example", "Host:\ta.example", "Transfer-Encoding: chunked", "Transfer-Encoding : chunked",
                "Content-Length: 5", "Content-Length: +5", " folded: x", "Connection: host", "X: \u{b}y", "",
            ]), 0..6),
        body in "[ -~\r\n]{0,80}",
    ) {
        let text = format!("{start}{middle} HTTP/1.1\r\n{}\r\n\r\n{body}", headers.join("\r\n"));
        runtime().block_on(async {
            let server = Server::saying(OK).await;
            let hosts = [("a.example", 80, server.address), ("a.example", 443, server.address)];
            let bench = Bench::with(policy(NetworkPolicy::AllowList, &task(&["a.example"], &[]), &hosts));
            bench.ask(text.as_bytes()).await;
            let reports = bench.reports().await;
            prop_assert!(reports.len() <= 1, "{reports:?}");
            let heard = server.heard();
            prop_assert!(heard.len() <= reports.len(), "{heard:?}");
            for heard in heard.iter().filter(|heard| !heard.is_empty()) {
                let head = heard.split("\r\n\r\n").next().unwrap_or_default().to_lowercase();
                prop_assert_eq!(head.matches("\r\nhost: a.example").count(), 1, "{}", heard);
                prop_assert_eq!(head.matches("\r\nhost").count(), 1, "{}", heard);
                prop_assert!(!(head.contains("transfer-encoding") && head.contains("content-length")), "{}", heard);
                prop_assert!(!head.contains("b.example") || head.lines().next().is_some_and(|line| line.contains("b.example")), "{}", heard);
            }
            Ok(())
        })?;
    }
}
