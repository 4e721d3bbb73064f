//! `gateway`: the real binary in front of a scripted model, from its first line to its summary.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Finished, World, signal};

fn post(address: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head[9..12].parse().expect("a status"), serde_json::from_str(body).expect("JSON"))
}

#[test]
fn it_serves_records_and_sums_up() {
    let world = World::new();
    world.file("script.jsonl", "{\"text\": \"hello\"}\n{\"text\": \"again\"}\n");
    let words = ["--output", "json", "gateway", "--listen", "127.0.0.1:0", "--log", "calls"];
    let models = ["--model", "scripted/script.jsonl", "--alias", "fast=scripted/script.jsonl"];
    let mut child = world.start(&[&words[..], &models[..]].concat());
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    let opened: Value = serde_json::from_str(&line).expect("an object");
    assert_eq!(opened["models"], json!(["fast", "scripted/script.jsonl"]));
    let url = opened["listening"]["url"].as_str().expect("an address");
    assert_eq!(opened["environment"]["OPENAI_BASE_URL"], format!("{url}/v1"));
    let token = opened["environment"]["ANTHROPIC_API_KEY"].as_str().expect("a token");
    let address = url.trim_start_matches("http://");

    let question =
        json!({"model": "fast", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(post(address, "/v1/messages", "wrong", &question).0, 401);
    let (status, answer) = post(address, "/v1/messages", token, &question);
    assert_eq!((status, &answer["content"][0]["text"]), (200, &json!("hello")), "{answer}");
    let (status, answer) = post(address, "/v1/chat/completions", token, &question);
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("again")), "{answer}");

    signal(&child, Signal::INT);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the rest");
    let finished = Finished::of(child.wait_with_output().expect("it ends"));
    assert_eq!(finished.code, 0, "{finished:?}");
    let closed: Value = serde_json::from_str(&rest).expect("an object");
    assert_eq!((&closed["calls"], &closed["failed"]), (&json!(2), &json!(0)), "{closed}");
    let log = std::fs::read_to_string(world.path("calls/calls.jsonl")).expect("a log");
    assert_eq!(log.lines().count(), 4);
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let world = World::new();
    let check = |words: &[&str], expected: &str| {
        let finished = world.finish(&[&["gateway"], words].concat());
        assert_eq!(finished.code, 2, "{finished:?}");
        assert!(finished.stderr.contains(expected), "{finished:?}");
    };
    check(&["--listen", "8080"], "write an address such as 127.0.0.1:8080, or unix:PATH");
    check(&["--alias", "fast"], "write NAME=provider/model");
    check(&["--model", "gpt"], "`gpt` names no provider");
    check(&[], "there is no model to serve");
    world.file("script.jsonl", "{\"text\": \"hello\"}\n");
    world.file("blank", "\n");
    let model = ["--model", "scripted/script.jsonl"];
    check(&[&model[..], &["--token-file", "blank"]].concat(), "there is no token in it");
    check(&[&model[..], &["--listen", "unix:blank"]].concat(), "is there and is no socket");
}

#[test]
fn its_keys_are_kept_from_other_programs_of_its_user() {
    let world = World::new();
    world.file("script.jsonl", "{\"text\": \"hello\"}\n");
    // Where another user may start it.
    let program = world.path("researchgym");
    std::fs::copy(env!("CARGO_BIN_EXE_researchgym"), &program).expect("a copy");
    let as_ordinary_user = |mut command: Command| {
        if rustix::process::geteuid().is_root() {
            command.uid(1000).gid(1000);
        }
        command.env_clear().env("PATH", "/usr/bin:/bin").env("SOME_API_KEY", "sk-private").current_dir("/");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let read = |path: &str| {
        let mut command = Command::new("cat");
        command.arg(path);
        let output = as_ordinary_user(command).output().expect("cat");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(read("/proc/self/environ").contains("sk-private"));
    let script = format!("scripted/{}", world.path("script.jsonl").display());
    let mut command = Command::new(&program);
    command.args(["--output", "json", "gateway", "--listen", "127.0.0.1:0", "--model", &script]);
    let mut child = as_ordinary_user(command).spawn().expect("the binary starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout.read_line(&mut line).expect("a line");
    assert!(line.contains("listening"), "{line}");
    let came = ["environ", "maps", "mem"].map(|file| read(&format!("/proc/{}/{file}", child.id())));
    signal(&child, Signal::INT);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(came, ["", "", ""]);
}
