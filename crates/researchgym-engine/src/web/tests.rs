//! The web against servers of our own: guarded addresses, redirects, kinds of pages, and both search services.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::guard::is_public;
use super::*;

/// Answers every request by its path; remembers what was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, heard) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (answer, heard) = (answer.clone(), heard.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !is_whole(&request) {
                        if connection.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let request = String::from_utf8(request).unwrap();
                    let reply = answer(request.split(' ').nth(1).unwrap());
                    heard.lock().unwrap().push(request);
                    let _ = connection.write_all(&reply).await;
                });
            }
        });
        Server { address, asked }
    }

    /// The only request that came: its first line, its headers in lower case, its body.
    fn only(&self) -> (String, String, String) {
        let asked = self.asked.lock().unwrap();
        let [request] = asked.as_slice() else { panic!("{asked:?}") };
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap();
        (line.to_owned(), headers.to_lowercase(), body.to_owned())
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn reply(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn html(body: &str) -> Vec<u8> {
    reply(200, "content-type: text/html; charset=utf-8\r\n", body)
}

fn redirect(location: &str) -> Vec<u8> {
    reply(302, &format!("location: {location}\r\n"), "")
}

/// The web with these variables.
fn web(variables: &[(&str, &str)]) -> Result<Option<Web>, WebError> {
    let get =
        |name: &str| variables.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
    Web::new(&Variables::new(&get))
}

/// A web that may read pages of the server, too.
fn reading(server: &Server) -> Web {
    let address = server.address.to_string();
    web(&[("EXA_API_KEY", "exa-key-12345"), (TEST_ADDRESS, &address)]).unwrap().unwrap()
}

fn blocklist(entries: &[&str]) -> Blocklist {
    Blocklist::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>()).unwrap()
}

async fn refusal(web: &Web, url: &str, blocked: &[&str]) -> String {
    web.fetch(url, &blocklist(blocked)).await.expect_err(url).reason
}

#[test]
fn only_public_addresses_are_public() {
    let not_public = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for text in not_public {
        assert!(!is_public(text.parse::<IpAddr>().unwrap()), "{text}");
    }
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "192.169.0.1",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:4860:4860::8888",
        "2606:4700::1111",
    ];
    for text in public {
        assert!(is_public(text.parse::<IpAddr>().unwrap()), "{text}");
    }
}

#[tokio::test]
async fn nothing_of_this_machine_or_its_network_is_read() {
    let server = Server::start(|_| html("secret")).await;
    let port = server.address.port();
    let web = web(&[("EXA_API_KEY", "exa-key-12345")]).unwrap().unwrap();
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://localhost/",
        "http://LOCALHOST/",
    ] {
        assert_eq!(refusal(&web, url, &[]).await, "this address is not on the public web", "{url}");
    }
    let other_port = "only the ports 80 and 443 can be read";
    assert_eq!(refusal(&web, &format!("http://127.0.0.1:{port}/"), &[]).await, other_port);
    assert_eq!(refusal(&web, "http://example.org:22/", &[]).await, other_port);
    assert_eq!(
        refusal(&web, "https://me:secret@example.org/", &[]).await,
        "an address with a user name or a password is not read"
    );
    assert_eq!(refusal(&web, "file:///etc/passwd", &[]).await, "only http and https addresses can be read");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn each_redirect_is_looked_at() {
    let server = Server::start(|path| match path {
        "/start" => redirect("next?a=b"),
        "/next?a=b" => redirect("/end#part"),
        "/end" => html("<title>The end</title><p>Here."),
        "/to-blocked" => redirect("//Blocked.Example:80/x"),
        "/to-blocked-path" => redirect("/p%61per/1"),
        "/to-private" => redirect("http://10.0.0.1/"),
        "/to-name" => redirect("http://metadata.localhost/"),
        "/to-file" => redirect("file:///etc/passwd"),
        "/round" => redirect("/round"),
        _ => reply(404, "content-type: text/plain\r\n", "nothing here"),
    })
    .await;
    let web = reading(&server);
    let at = |path: &str| format!("http://{}{path}", server.address);
    let page = web.fetch(&at("/start"), &Blocklist::default()).await.unwrap();
    assert_eq!(
        page,
        Page {
            status: 200,
            url: at("/end"),
            text: "The end\n\nHere.".into(),
            redirects: vec![at("/start"), at("/next?a=b")]
        }
    );
    let missing = web.fetch(&at("/missing"), &Blocklist::default()).await.unwrap();
    assert_eq!((missing.status, missing.text.as_str()), (404, "nothing here"));
    let blocked = ["*.blocked.example", &at("/paper")];
    for (path, leads_to) in
        [("/to-blocked", "http://blocked.example/x"), ("/to-blocked-path", &at("/p%61per/1"))]
    {
        let refused = web.fetch(&at(path), &blocklist(&blocked)).await.expect_err(path);
        let note = Some(format!("{} -> {leads_to}", at(path)));
        assert_eq!(refused, Refusal { reason: "this address is blocked for this task".into(), note });
    }
    assert_eq!(refusal(&web, &at("/paper/2"), &blocked).await, "this address is blocked for this task");
    assert_eq!(refusal(&web, &at("/to-private"), &[]).await, "this address is not on the public web");
    assert_eq!(
        refusal(&web, &at("/to-file"), &[]).await,
        "it was redirected, but only http and https addresses can be read"
    );
    assert_eq!(refusal(&web, &at("/round"), &[]).await, "it was redirected more than 5 times");
    let asked = server.asked.lock().unwrap();
    assert!(
        !asked.iter().any(|request| request.contains("/paper") || request.contains("/p%61per")),
        "{asked:?}"
    );
    let rounds = asked.iter().filter(|request| request.starts_with("GET /round ")).count();
    assert_eq!(rounds, 6);
}

#[tokio::test]
async fn only_text_is_shown() {
    let server = Server::start(|path| match path {
        "/latin" => reply(200, "content-type: text/html;charset=ISO-8859-1\r\n", b"caf\xe9 &amp; more"),
        "/json" => reply(200, "content-type: application/json\r\n", "{\"a\": 1}"),
        "/unnamed" => reply(200, "", "plain words"),
        "/bytes" => reply(200, "", b"\0\x01"),
        "/pdf" => reply(200, "content-type: application/pdf\r\n", "%PDF-1.7"),
        "/hidden-pdf" => reply(200, "content-type: text/plain\r\n", "%PDF-1.7"),
        "/image" => reply(200, "content-type: image/png\r\n", b"\x89PNG"),
        "/packed" => reply(200, "content-type: text/html\r\ncontent-encoding: br\r\n", "x"),
        "/long" => reply(200, "content-type: text/plain\r\n", "x".repeat(MAX_BYTES + 1)),
        "/endless" => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n";
            [head.as_bytes(), "x".repeat(MAX_BYTES + 1).as_bytes()].concat()
        }
        "/key" => html("your key: exa-key-12345"),
        _ => reply(500, "", ""),
    })
    .await;
    let web = reading(&server);
    for (path, text) in [
        ("/latin", "caf\u{e9} & more"),
        ("/json", "{\"a\": 1}"),
        ("/unnamed", "plain words"),
        ("/key", "your key: [redacted]"),
        ("/empty", ""),
    ] {
        let page =
            web.fetch(&format!("http://{}{path}", server.address), &Blocklist::default()).await.unwrap();
        assert_eq!(page.text, text, "{path}");
    }
    for (path, reason) in [
        ("/bytes", "it is not text"),
        ("/pdf", "it is a PDF, which cannot be shown; look for a page in HTML"),
        ("/hidden-pdf", "it is a PDF, which cannot be shown; look for a page in HTML"),
        ("/image", "it is not text but image/png"),
        ("/packed", "the answer is compressed (br)"),
        ("/long", "the answer is longer than 5 MiB"),
        ("/endless", "the answer is longer than 5 MiB"),
    ] {
        assert_eq!(refusal(&web, &format!("http://{}{path}", server.address), &[]).await, reason, "{path}");
    }
}

#[tokio::test]
async fn exa_is_asked_and_blocked_results_are_left_out() {
    let answer = json!({ "requestId": "1", "results": [
        { "title": "One", "url": "https://One.example/a", "id": "1", "text": "first  \n words", "score": 0.5 },
        { "title": null, "url": "https://www.blocked.example/paper" },
        { "title": "No address", "url": "nowhere" },
        { "title": "Two exa-key-12345", "url": "http://two.example", "text": "y".repeat(500) },
        { "title": "Three", "url": "https://three.example/", "text": null },
    ] });
    let server =
        Server::start(move |_| reply(200, "content-type: application/json\r\n", answer.to_string())).await;
    let base = format!("http://{}/v0/", server.address);
    let web = web(&[
        ("EXA_API_KEY", " exa-key-12345\n"),
        ("EXA_BASE_URL", &base),
        ("GOOGLE_CSE_API_KEY", "google-key-12345"),
        ("GOOGLE_CSE_ID", "engine"),
    ])
    .unwrap()
    .unwrap();
    let found = web.search("what is \"new\"?", 2, &blocklist(&["blocked.example"])).await.unwrap();
    let result = |title: &str, url: &str, snippet: &str| WebResult {
        title: title.into(),
        url: url.into(),
        snippet: snippet.into(),
    };
    let expected = vec![
        result("One", "https://one.example/a", "first words"),
        result("Two [redacted]", "http://two.example/", &format!("{}...", "y".repeat(400))),
    ];
    assert_eq!(found, Found { results: expected, blocked: 1 });
    let (line, headers, body) = server.only();
    assert_eq!(line, "POST /v0/search HTTP/1.1");
    assert!(headers.contains("x-api-key: exa-key-12345"), "{headers}");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({ "query": "what is \"new\"?", "numResults": 2, "contents": { "text": { "maxCharacters": 400 } } })
    );
    let refused = web.search("site:blocked.example new", 5, &blocklist(&["blocked.example"])).await;
    assert_eq!(refused, Err(Refusal { reason: "this address is blocked for this task".into(), note: None }));
    assert!(web.search(" ", 5, &Blocklist::default()).await.is_err());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn google_is_asked_where_exa_has_no_key() {
    let server = Server::start(|path| match path.contains("q=nothing") {
        true => reply(200, "", "{\"kind\": \"customsearch#search\"}"),
        false if path.contains("q=broken") => reply(200, "", "<html>"),
        false if path.contains("q=busy") => reply(429, "", "google-key-12345"),
        false => reply(
            200,
            "",
            json!({ "items": [{ "title": "One", "link": "https://one.example/", "snippet": "words" }] })
                .to_string(),
        ),
    })
    .await;
    let base = format!("http://{}/customsearch/v1", server.address);
    let google = [
        ("GOOGLE_CSE_API_KEY", "google-key-12345"),
        ("GOOGLE_CSE_ID", "an engine"),
        ("GOOGLE_CSE_BASE_URL", base.as_str()),
        ("EXA_API_KEY", ""),
    ];
    let web = web(&google).unwrap().unwrap();
    let found = web.search("a b", 3, &Blocklist::default()).await.unwrap();
    let one = WebResult { title: "One".into(), url: "https://one.example/".into(), snippet: "words".into() };
    assert_eq!(found, Found { results: vec![one], blocked: 0 });
    assert_eq!(
        server.only().0,
        "GET /customsearch/v1?key=google-key-12345&cx=an+engine&q=a+b&num=3 HTTP/1.1"
    );
    let nothing = web.search("nothing", 5, &Blocklist::default()).await.unwrap();
    assert_eq!(nothing, Found { results: Vec::new(), blocked: 0 });
    for (query, reason) in [
        ("broken", "the search service's answer cannot be understood"),
        ("busy", "the search service answered with status 429"),
    ] {
        assert_eq!(web.search(query, 5, &Blocklist::default()).await, Err(Refusal::of(reason)));
    }
}

#[tokio::test]
async fn a_key_is_never_part_of_a_failure() {
    let server = Server::start(|_| Vec::new()).await;
    let base = format!("http://{}/", server.address);
    let google = [
        ("GOOGLE_CSE_API_KEY", "google-key-12345"),
        ("GOOGLE_CSE_ID", "engine"),
        ("GOOGLE_CSE_BASE_URL", &base),
    ];
    let web = web(&google).unwrap().unwrap();
    let refused = web.search("a", 5, &Blocklist::default()).await.expect_err("the server hangs up");
    assert!(refused.reason.starts_with("the search service: the connection failed"), "{refused:?}");
    assert!(!format!("{refused:?} {web:?}").contains("google-key"), "{refused:?}");
}

#[test]
fn without_a_key_there_is_no_web() {
    assert!(web(&[]).unwrap().is_none());
    assert!(web(&[("GOOGLE_CSE_ID", "engine"), ("EXA_BASE_URL", "http://a.example")]).unwrap().is_none());
    let problem = |variables: &[(&str, &str)]| web(variables).expect_err("must be refused").to_string();
    assert_eq!(
        problem(&[("GOOGLE_CSE_API_KEY", "key")]),
        "GOOGLE_CSE_ID: is not set, but GOOGLE_CSE_API_KEY is; both are needed"
    );
    assert_eq!(problem(&[("EXA_API_KEY", "a b")]), "EXA_API_KEY: holds characters that no key has");
    assert_eq!(
        problem(&[("EXA_API_KEY", "key"), ("EXA_BASE_URL", "api.exa.ai")]),
        "EXA_BASE_URL: is not an http or https address"
    );
    assert_eq!(
        problem(&[("EXA_API_KEY", "key"), (TEST_ADDRESS, "localhost")]),
        "RESEARCHGYM_TEST_WEB_ADDRESS: is not an address with a port"
    );
}
