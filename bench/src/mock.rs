//! A provider that is as cheap as can be: the same answer for every request of the chat wire, at once or after a delay.
//!
//! Measurements start it as a process of its own (`mock`, which is not for people). It writes its address as one line to
//! standard output and ends with its standard input. A stream is written event by event, as providers do.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;
use crate::http::Connection;
use crate::options::Options;
use crate::report;

/// The answer's text in plain answers and in streams: 216 characters in 18 pieces.
const PIECE: &str = "some answer ";
const PIECES: usize = 18;
/// Calls differ: an agent gives up where its model does the same all the time.
const VARIANTS: usize = 10;
/// What a request holds for each result of a tool.
const RESULT: &str = r#""role":"tool""#;

/// A running mock; it ends when this is dropped.
pub(crate) struct Mock {
    process: Child,
    pub(crate) address: String,
}

/// What a mock answers.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    Text,
    /// A call of the tool `bash`, until a request holds so many results; then nothing more.
    Bash {
        turns: usize,
    },
}

impl Mock {
    pub(crate) fn start(says: Says, delay: Duration) -> Outcome<Mock> {
        let turns = match says {
            Says::Text => 0,
            Says::Bash { turns } => turns,
        };
        let mut process = Command::new(std::env::current_exe()?)
            .args(["mock", "--turns", &turns.to_string(), "--delay-ms", &delay.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        let output = process.stdout.take().ok_or("the mock has no output")?;
        BufReader::new(output).read_line(&mut address)?;
        Ok(Mock { process, address: address.trim().to_owned() })
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers until standard input ends.
pub(crate) fn answer(options: &Options) -> Outcome<()> {
    let delay = Duration::from_millis(options.number("delay-ms", 0)? as u64);
    let turns = options.number("turns", 0)?;
    let canned = match turns {
        0 => vec![Canned::text()],
        _ => (0..VARIANTS).map(Canned::bash).collect(),
    };
    let answers: &'static Answers =
        Box::leak(Box::new(Answers { canned, next: AtomicUsize::new(0), turns, delay }));
    let (over, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        over.send(())
    });
    // One thread: nothing is handed from one to another, which costs more than the answer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        report::say(&listener.local_addr()?.to_string());
        let serving = async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // A client that has gone is served no more.
                    let _ = connected(stream, answers).await;
                });
            }
        };
        tokio::select! {
            () = serving => {}
            _ = ended => {}
        }
        Ok(())
    })
}

async fn connected(stream: TcpStream, answers: &Answers) -> Outcome<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(request) = connection.read().await? {
        let body = request.body();
        if answers.turns > 0 && body.matches(RESULT).count() >= answers.turns {
            std::future::pending::<()>().await;
        }
        if !answers.delay.is_zero() {
            tokio::time::sleep(answers.delay).await;
        }
        let next = answers.next.fetch_add(1, Ordering::Relaxed) % answers.canned.len();
        let Some(canned) = answers.canned.get(next) else { continue };
        let is_stream = body.contains(r#""stream":true"#) || body.contains(r#""stream": true"#);
        match is_stream {
            true => {
                for event in &canned.stream {
                    connection.stream.write_all(event).await?;
                }
            }
            false => connection.stream.write_all(&canned.plain).await?,
        }
    }
    Ok(())
}

/// What is answered, in turn.
struct Answers {
    canned: Vec<Canned>,
    next: AtomicUsize,
    /// Requests with so many results are not answered; 0 is no limit.
    turns: usize,
    delay: Duration,
}

/// Answers in full, heads included.
struct Canned {
    plain: Vec<u8>,
    /// The head goes with the first event, the end with the last.
    stream: Vec<Vec<u8>>,
}

impl Canned {
    fn text() -> Canned {
        let message = json!({"role": "assistant", "content": PIECE.repeat(PIECES)});
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        deltas.extend((0..PIECES).map(|_| json!({"content": PIECE})));
        Canned::new(&message, &deltas, "stop")
    }

    fn bash(variant: usize) -> Canned {
        let call = |arguments: &str| {
            json!({
                "id": "call_1", "type": "function", "function": {"name": "bash", "arguments": arguments}
            })
        };
        let arguments = json!({"cmd": format!("true # {variant}")}).to_string();
        let message = json!({"role": "assistant", "content": null, "tool_calls": [call(&arguments)]});
        let mut first = call("");
        first["index"] = json!(0);
        let rest = json!({"index": 0, "function": {"arguments": arguments}});
        let deltas = [json!({"role": "assistant", "tool_calls": [first]}), json!({"tool_calls": [rest]})];
        Canned::new(&message, &deltas, "tool_calls")
    }

    fn new(message: &serde_json::Value, deltas: &[serde_json::Value], reason: &str) -> Canned {
        let usage = json!({"prompt_tokens": 300, "completion_tokens": 50, "total_tokens": 350});
        let body = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "mock", "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}]
        })
        .to_string();
        let chunk = |choices: serde_json::Value, usage: Option<&serde_json::Value>| {
            let data = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock",
                "choices": choices, "usage": usage
            });
            format!("data: {data}\n\n")
        };
        let mut events: Vec<String> = deltas
            .iter()
            .map(|delta| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), None))
            .collect();
        events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}]), None));
        events.push(chunk(json!([]), Some(&usage)));
        events.push("data: [DONE]\n\n".to_owned());
        let head = |content: &str, framing: &str| {
            format!("HTTP/1.1 200 OK\r\nContent-Type: {content}\r\n{framing}\r\n\r\n")
        };
        let length = format!("Content-Length: {}", body.len());
        let plain = format!("{}{body}", head("application/json", &length)).into_bytes();
        let mut stream: Vec<Vec<u8>> =
            events.iter().map(|event| format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()).collect();
        let head = head("text/event-stream", "Transfer-Encoding: chunked");
        if let Some(first) = stream.first_mut() {
            first.splice(0..0, head.into_bytes());
        }
        if let Some(last) = stream.last_mut() {
            last.extend_from_slice(b"0\r\n\r\n");
        }
        Canned { plain, stream }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_promised_size() {
        let Canned { plain, stream } = Canned::text();
        let plain = String::from_utf8(plain).expect("text");
        assert!(plain.contains(&format!("\"content\":\"{}\"", PIECE.repeat(PIECES))));
        assert_eq!(PIECE.len() * PIECES, 216);
        assert_eq!(stream.len(), 1 + PIECES + 3);
        let last = stream.last().map(|last| String::from_utf8_lossy(last).into_owned());
        assert_eq!(last.as_deref(), Some("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"));
    }
}
