//! The web through this program: searched, read, refused and on record. The web and the search service are a server of
//! the test's own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Finished, World, answer, can_isolate, exec, of_type, submit};

const KEY: &str = "exa-test-key-0123456789";
const BLOCKED: &str = "this address is blocked for this task";

/// The web, and a search service in it.
struct Net {
    address: SocketAddr,
    /// The first line of every request.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Net {
    fn new() -> Net {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for mut connection in listener.incoming().flatten() {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !is_whole(&request) {
                    match connection.read(&mut buffer) {
                        Ok(length @ 1..) => request.extend_from_slice(&buffer[..length]),
                        _ => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let line = request.lines().next().unwrap_or_default().to_owned();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                heard.lock().expect("no panic").push(line);
                match page(&path) {
                    Some(page) => drop(connection.write_all(page.as_bytes())),
                    None => held.push(connection),
                }
            }
        });
        Net { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn lines(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap_or(0))
}

/// Nothing for a page that never comes.
fn page(path: &str) -> Option<String> {
    let (more, body) = match path {
        "/search" => (
            "content-type: application/json\r\n",
            json!({ "results": [
                { "title": "On nine", "url": "https://numbers.example/nine", "text": "Nine is the largest digit." },
                { "title": "The paper", "url": "https://www.blocked.example/paper.html", "text": "Its method." },
            ] })
            .to_string(),
        ),
        "/long" => {
            let lines: String = (0..1000).map(|number| format!("<p>line {number} of it</p>")).collect();
            ("content-type: text/html\r\n", format!("<title>Long</title>{lines}"))
        }
        "/away" => ("location: http://blocked.example/paper.html\r\n", String::new()),
        "/slow" => return None,
        _ => ("content-type: text/plain\r\n", "short\n".to_owned()),
    };
    let status = if path == "/away" { "302 Found" } else { "200 OK" };
    let length = body.len();
    Some(format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"))
}

/// A copy of the fixture task with this `[network]`; returns its folder.
pub(crate) fn task(world: &World, network: &str) -> String {
    let folder = world.path("tasks/tiny");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/tiny"), &folder);
    let file = folder.join("task.toml");
    let text = std::fs::read_to_string(&file).expect("a task");
    std::fs::write(&file, format!("{text}\n[network]\n{network}\n")).expect("a task");
    folder.display().to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), &target).expect("a copy")),
        }
    }
}

const OPEN: &str = "web = true\nblocked_urls = [\"*.blocked.example\", \"the-hidden-paper\"]";

/// Runs a command with a search key and a web of its own.
fn finish(world: &World, net: &Net, words: &[&str]) -> Finished {
    let mut command = world.command(words);
    command
        .env("EXA_API_KEY", KEY)
        .env("EXA_BASE_URL", net.url("/"))
        .env("RESEARCHGYM_TEST_WEB_ADDRESS", net.address.to_string());
    Finished::of(command.output().expect("the binary starts"))
}

fn call(told: &[&str], name: &str, arguments: Value) -> Value {
    json!({ "calls": [{ "name": name, "arguments": arguments }], "expect": { "contains": told } })
}

fn actions(finished: &Finished) -> Vec<Value> {
    of_type(&finished.events(), "acted").iter().map(|event| event["action"].clone()).collect()
}

fn notes(finished: &Finished) -> Vec<Value> {
    of_type(&finished.events(), "noted").iter().map(|event| event["text"].clone()).collect()
}

#[test]
fn a_model_searches_reads_and_is_refused() {
    if !can_isolate() {
        return;
    }
    let (world, net) = (World::new(), Net::new());
    let folder = task(&world, OPEN);
    let (long, away) = (net.url("/long"), net.url("/away"));
    let lines = [
        call(
            &["`web_search` and `web_browser` reach the web"],
            "web_search",
            json!({ "query": "large digits", "max_results": 3 }),
        ),
        call(
            &["1. On nine\n   https://numbers.example/nine\n   Nine is the largest digit.\n"],
            "web_browser",
            json!({ "url": long }),
        ),
        call(
            &["/long\nPage 1 of 2\n\nLong\n\nline 0 of it"],
            "web_browser",
            json!({ "url": long, "page": 2 }),
        ),
        call(&["Page 2 of 2\n\n", "line 999 of it"], "web_browser", json!({ "url": long, "page": 3 })),
        call(
            &["has 2 pages; there is no page 3"],
            "web_browser",
            json!({ "url": "HTTP://www.Blocked.example.:80/p%61per" }),
        ),
        call(&[BLOCKED], "web_browser", json!({ "url": away })),
        call(&[BLOCKED], "web_search", json!({ "query": "summary of blocked.example/paper" })),
        call(&[BLOCKED], "web_browser", json!({ "url": "http://10.0.0.1/" })),
        call(
            &["this address is not on the public web"],
            "write_file",
            json!({ "file_path": "answer.json", "content": "{\"answer\": 9}" }),
        ),
        call(&[], "submit", json!({})),
    ];
    let model = format!("scripted/{}", world.script(&lines));
    let finished = finish(&world, &net, &["run", &folder, "basic-agent", "--model", &model]);
    assert_eq!(finished.outcome(), (0, json!("submitted"), json!(9.0)), "{finished:?}");
    let fetch = |url: &str| json!({ "type": "fetch", "url": url });
    assert_eq!(
        actions(&finished)[1..9],
        [
            json!({ "type": "search", "query": "large digits", "results": 3 }),
            fetch(&long),
            fetch("HTTP://www.Blocked.example.:80/p%61per"),
            fetch(&away),
            json!({ "type": "search", "query": "summary of blocked.example/paper", "results": 5 }),
            fetch("http://10.0.0.1/"),
            json!({ "type": "write", "path": "answer.json", "content": { "text": "{\"answer\": 9}" }, "mode": 0o644 }),
            json!({ "type": "submit" }),
        ]
    );
    let observations = finished.observations();
    let nine = json!({ "title": "On nine", "url": "https://numbers.example/nine", "snippet": "Nine is the largest digit." });
    assert_eq!(observations[1], json!({ "type": "found", "results": [nine] }));
    let fetched = &observations[2];
    assert_eq!(
        (&fetched["type"], &fetched["status"], &fetched["url"]),
        (&json!("fetched"), &json!(200), &json!(long))
    );
    let blob = fetched["content"]["blob"].as_str().expect("a blob");
    let text = std::fs::read_to_string(finished.run().join("blobs").join(blob)).expect("a blob");
    assert_eq!(
        (text.len() as u64, text.lines().count()),
        (fetched["content"]["bytes"].as_u64().expect("bytes"), 2001)
    );
    let refused = json!({ "type": "refused", "reason": BLOCKED });
    assert_eq!([&observations[3], &observations[4], &observations[5]], [&refused; 3]);
    assert_eq!(
        notes(&finished),
        [
            json!("action 2: 1 results were left out, as the task blocks them"),
            json!(format!("action 5 was redirected: {away} -> http://blocked.example/paper.html")),
        ]
    );
    assert_eq!(net.lines(), ["POST /search HTTP/1.1", "GET /long HTTP/1.1", "GET /away HTTP/1.1"]);
    // What is blocked is in the task that the log begins with and nowhere else; the key is nowhere.
    let mut lines_with_entry = 0;
    for file in files(&finished.run()) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap_or_default()).into_owned();
        assert!(!text.contains(KEY), "{}", file.display());
        let found = text.lines().filter(|line| line.contains("the-hidden-paper")).count();
        assert!(found == 0 || file.ends_with("events.jsonl"), "{}", file.display());
        lines_with_entry += found;
    }
    assert_eq!(lines_with_entry, 1);
    assert!(!finished.stdout.contains(KEY) && !finished.stderr.contains(KEY));
    let verified = world.finish(&["verify", &finished.run().display().to_string()]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => files(&entry.path()),
            false => vec![entry.path()],
        })
        .collect()
}

#[test]
fn without_a_key_or_the_tasks_leave_there_is_no_web() {
    if !can_isolate() {
        return;
    }
    let net = Net::new();
    let lines = [
        call(&[], "web_search", json!({ "query": "large digits" })),
        call(&["There is no tool `web_search`"], "web_browser", json!({ "url": net.url("/long") })),
        call(&["There is no tool `web_browser`"], "submit", json!({})),
    ];
    let actions = [
        json!({ "search": { "query": "large digits" } }),
        json!({ "fetch": { "url": net.url("/long") } }),
        answer(5),
        submit(),
    ];
    let no_leave = "this task does not allow the web";
    let no_key = "the web cannot be used in this run: no search key was set when it began";
    for (network, has_key, reason) in [
        ("web = false", true, no_leave),
        ("blocked_urls = [\"a.example\"]", true, no_leave),
        (OPEN, false, no_key),
    ] {
        let world = World::new();
        let folder = task(&world, network);
        let run = |words: &[&str]| if has_key { finish(&world, &net, words) } else { world.finish(words) };
        let script = world.script(&actions);
        let finished = run(&["run", &folder, "scripted", "--script", &script]);
        assert_eq!(finished.outcome(), (0, json!("submitted"), json!(5.0)), "{finished:?}");
        let refused = json!({ "type": "refused", "reason": reason });
        assert_eq!(finished.observations()[..2], [refused.clone(), refused]);
        assert_eq!(finished.events()[0]["spec"].get("web"), None);
        let model = format!("scripted/{}", world.script(&lines));
        let finished = run(&["run", &folder, "basic-agent", "--model", &model]);
        assert_eq!(finished.outcome().0, 0, "{finished:?}");
    }
    assert_eq!(net.lines(), Vec::<String>::new());
}

#[test]
fn a_resumed_run_does_not_ask_again() {
    if !can_isolate() {
        return;
    }
    let (world, net) = (World::new(), Net::new());
    let folder = task(&world, OPEN);
    let script = world.script(&[
        json!({ "search": { "query": "large digits", "results": 2 } }),
        json!({ "fetch": { "url": net.url("/long") } }),
        json!({ "fetch": { "url": net.url("/short") } }),
        exec("echo on"),
        answer(7),
        submit(),
    ]);
    let cut = finish(&world, &net, &["run", &folder, "scripted", "--script", &script, "--steps", "2"]);
    assert_eq!(cut.object()["ending"], "step_limit", "{cut:?}");
    let path = cut.run().display().to_string();
    let resumed = finish(&world, &net, &["run", "--resume", &path, "--steps", "unlimited"]);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(7.0)), "{resumed:?}");
    let asked = ["POST /search HTTP/1.1", "GET /long HTTP/1.1", "GET /short HTTP/1.1"];
    assert_eq!(net.lines(), asked);
    let short = json!({ "type": "fetched", "status": 200, "url": net.url("/short"), "content": { "text": "short\n", "bytes": 6 } });
    assert_eq!(resumed.observations()[2], short);
    // Without a key it is told so, and goes on.
    let cut = finish(&world, &net, &["run", &folder, "scripted", "--script", &script, "--steps", "2"]);
    let path = cut.run().display().to_string();
    let resumed = world.finish(&["run", "--resume", &path, "--steps", "unlimited"]);
    assert_eq!(resumed.outcome(), (0, json!("submitted"), json!(7.0)), "{resumed:?}");
    let refused = json!({ "type": "refused", "reason": "the web cannot be used now: no search key is set" });
    assert_eq!(resumed.observations()[2], refused);
    assert!(resumed.stderr.contains("no search key is set now"), "{resumed:?}");
    // Another run with the same actions asks for itself.
    let before = net.lines().len();
    let again = finish(&world, &net, &["run", &folder, "replay", "--from", &path]);
    assert_eq!(again.outcome(), (0, json!("submitted"), json!(7.0)), "{again:?}");
    assert_eq!(net.lines()[before..], asked);
}

#[test]
fn a_page_that_never_comes_does_not_hold_a_run() {
    if !can_isolate() {
        return;
    }
    let (world, net) = (World::new(), Net::new());
    let folder = task(&world, OPEN);
    let script = world.script(&[json!({ "fetch": { "url": net.url("/slow") } }), submit()]);
    let words = ["run", &folder, "scripted", "--script", &script, "--hours", "0.0003"];
    let finished = finish(&world, &net, &words);
    assert_eq!(finished.object()["ending"], "time_limit", "{finished:?}");
    let refused = json!({ "type": "refused", "reason": "the run ended while this was under way" });
    assert_eq!(finished.observations()[0], refused);
}

#[test]
fn a_bad_entry_is_named_with_its_place() {
    let world = World::new();
    let folder = task(&world, "web = true\nblocked_urls = [\"a.example\", \"x\"]");
    let finished = world.finish(&["task", "show", &folder]);
    assert_eq!(finished.code, 2, "{finished:?}");
    let said = "key `network.blocked_urls[1]`: has fewer than 3 characters and would block nearly everything";
    assert!(finished.stderr.contains(said), "{finished:?}");
}
