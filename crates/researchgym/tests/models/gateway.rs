//! Programs inside that ask the run's model through its gateway: granted, refused and booked as the agent's own calls are.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use researchgym_engine::model::fake_provider::{FakeProvider, Fault};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::conversations::{PRICE, check_books};
use crate::faults::{KEY, WIRES, introduce, provider};
use crate::support::{Finished, World, can_isolate, events, eventually, of_type, signal, wait};

/// Asks in both forms, streamed and not, until it is refused; then submits.
const CLIENT: &str = r#"
import json, os, urllib.error, urllib.request
chat = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
messages = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
key = os.environ["OPENAI_API_KEY"]
def ask(url, stream):
    body = {"model": "any", "max_tokens": 50, "stream": stream, "messages": [{"role": "user", "content": "say"}]}
    headers = {"content-type": "application/json", "authorization": "Bearer " + key, "x-api-key": key,
        "anthropic-version": "2023-06-01"}
    return urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).read().decode()
count = 0
while True:
    try:
        text = ask([chat, messages][count % 2], count // 2 % 2 == 1)
        assert "said" in text, text
        count += 1
    except urllib.error.HTTPError as error:
        print("refused", error.code, count, error.read().decode()[:300])
        break
"#;

fn agent(world: &World) -> String {
    let text = format!(
        "schema = 1\nname = \"outsider\"\ncommand = '''\ncat > client.py <<'END'\n{CLIENT}\nEND\npython3 client.py\nresearchgym submit\n'''\n"
    );
    world.file("outsider.toml", &text)
}

/// A provider whose model says the same for 200 millionths of a dollar each time, in pieces from the `slow`th request on.
fn model(world: &World, slow: u64) -> FakeProvider {
    let usage = json!({ "input": 100, "output": 50 });
    let answers = vec![json!({ "text": "said", "usage": usage }); 100];
    let drip = Fault::Drip { bytes: 8, pause: Duration::from_millis(20) };
    let provider = provider(&answers, &(slow..100).map(|number| (number, drip.clone())).collect::<Vec<_>>());
    introduce(world, &provider, WIRES[0]);
    provider
}

fn words<'a>(agent: &'a str, budget: &'a str, runtime: &'a str) -> [&'a str; 9] {
    ["run", "tiny", agent, "--model", "fake/m", "--budget", budget, "--runtime", runtime]
}

#[test]
fn a_program_spends_the_budget_and_is_refused() {
    if !can_isolate() {
        return;
    }
    for runtime in ["local", "host"] {
        let world = World::new();
        let agent = agent(&world);
        let provider = model(&world, 100);
        let mut command = world.command(&words(&agent, "0.004", runtime));
        let finished = Finished::of(command.env("FAKE_KEY", KEY).output().expect("the binary starts"));
        assert_eq!(finished.code, 0, "{finished:?}");
        let object = finished.object();
        let printed = finished.printed().concat();
        assert!(printed.contains("refused 402"), "{runtime}: {printed}");
        let events = finished.events();
        let called = of_type(&events, "model_called");
        let count: Vec<&Value> = called.iter().filter(|called| called["cost"] == 200).copied().collect();
        assert!(count.len() > 4 && count.len() == called.len(), "{called:?}");
        assert!(printed.contains(&format!("402 {} ", called.len())), "{runtime}: {printed}");
        let notes: Vec<&Value> = of_type(&events, "noted").iter().map(|noted| &noted["text"]).collect();
        let left = 4000 - 200 * called.len();
        let why = format!("USD and 0.{left:06} USD of the budget are left; raise --budget");
        for (note, until) in notes.iter().zip(["so far", "in all"]) {
            let note = note.as_str().expect("a text");
            let begins = format!(
                "1 call of programs to the model was refused {until}; the last one: this call can cost up to "
            );
            assert!(note.starts_with(&begins) && note.ends_with(&why), "{note}");
            assert!(finished.stderr.contains(note), "{finished:?}");
        }
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!(object["cost_usd"], json!(called.len() as f64 * 200e-6));
        assert_eq!(object["model_calls"], json!(called.len()));
        // The program is one step, each of its calls another.
        assert_eq!(object["steps"], json!(called.len() + 1));
        check_books(&finished.run(), &object["cost_usd"]);
        assert_eq!(provider.bill().billed, called.len() as u64);
        assert_eq!(provider.violations(), [""; 0]);
        world.wait_until_nothing_is_left();
    }
}

#[test]
fn a_call_that_is_under_way_at_a_kill_is_booked_at_its_hold() {
    if !can_isolate() {
        return;
    }
    for runtime in ["local", "host"] {
        let world = World::new();
        let agent = agent(&world);
        let _provider = model(&world, 1);
        let temporary = world.path("temporary");
        std::fs::create_dir(&temporary).expect("a folder");
        let mut command = world.command(&words(&agent, "0.004", runtime));
        let child = command
            .env("FAKE_KEY", KEY)
            .env("TMPDIR", &temporary)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let run = eventually("a call is under way", || {
            let run = world.runs().into_iter().next()?;
            let log = std::fs::read_to_string(run.join("events.jsonl")).ok()?;
            (log.matches("\"type\":\"model_asked\"").count() > 1).then_some(run)
        });
        let folders = [temporary.clone(), world.path("home/scratch")];
        let gateways =
            || folders.iter().map(|folder| begins_with(folder, "researchgym-gateway-")).sum::<usize>();
        assert_eq!(gateways(), 1, "{runtime}");
        signal(&child, Signal::KILL);
        wait(child);
        world.wait_until_nothing_is_left();
        eventually("the gateway's folder is gone", || (gateways() == 0).then_some(()));
        let path = run.display().to_string();
        let mut command = world.command(&["run", "--resume", &path]);
        command.env("FAKE_KEY", KEY).env("TMPDIR", &temporary);
        let resumed = Finished::of(command.output().expect("the binary starts"));
        assert_eq!(resumed.code, 0, "{resumed:?}");
        let events = events(&run);
        assert_eq!(of_type(&events, "model_lost").len(), 1);
        assert_eq!(of_type(&events, "run_ended").len(), 1);
        check_books(&run, &resumed.object()["cost_usd"]);
        assert_eq!(world.finish(&["verify", &path]).code, 0);
        world.wait_until_nothing_is_left();
    }
}

/// Answers one call with this message when it is told to. Says first that the call has come.
fn slow_provider(
    world: &World,
    message: Value,
) -> (mpsc::Receiver<()>, mpsc::Sender<()>, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let (comes, has_come) = mpsc::channel();
    let (go_on, waits) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        let mut asked = vec![0; 65536];
        // One segment is enough: what matters is when the answer comes.
        assert!(stream.read(&mut asked).expect("a request") > 0);
        comes.send(()).expect("the test waits");
        waits.recv().expect("the test says when");
        let answer = json!({
            "id": "1", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": message }],
            "usage": { "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150 },
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(format!("{head}{answer}").as_bytes()).expect("the gateway still reads");
    });
    let (input, output) = PRICE;
    let settings = format!(
        "[providers.fake]\nbase_url = \"{url}\"\nkey_env = \"FAKE_KEY\"\n\
         [models.\"fake/m\"]\ninput = {input}\noutput = {output}\n"
    );
    world.file("researchgym.toml", &settings);
    (has_come, go_on, thread)
}

/// Whether a process has this among its arguments.
fn is_at_work(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
    lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(argument))
}

#[test]
fn programs_are_ended_before_calls_under_way_are_waited_for() {
    if !can_isolate() {
        return;
    }
    for runtime in ["local", "host"] {
        let world = World::new();
        let mark = format!("{}-client", world.mark());
        let client = CLIENT.replace("count // 2 % 2 == 1", "False");
        let agent = world.file(
            "outsider.toml",
            &format!(
                "schema = 1\nname = \"outsider\"\ncommand = '''\ncat > client.py <<'END'\n{client}\nEND\n\
                 python3 client.py {mark} &\nuntil [ -e asked ]; do sleep 0.05; done\nresearchgym submit\n'''\n"
            ),
        );
        let (has_come, go_on, thread) =
            slow_provider(&world, json!({ "role": "assistant", "content": "said" }));
        let mut command = world.command(&words(&agent, "0.004", runtime));
        let child = command
            .env("FAKE_KEY", KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        has_come.recv().expect("a call");
        assert!(is_at_work(&mark));
        std::fs::write(world.runs()[0].join("workspace/input/asked"), "").expect("the workspace is there");
        eventually("the agent's programs are gone", || (!is_at_work(&mark)).then_some(()));
        go_on.send(()).expect("the provider waits");
        thread.join().expect("the provider answers");
        let finished = wait(child);
        assert_eq!(finished.code, 0, "{finished:?}");
        let events = finished.events();
        let called = of_type(&events, "model_called");
        let cost: Vec<&Value> = called.iter().map(|called| &called["cost"]).collect();
        assert_eq!((cost, &called[0]["usage_reported"]), (vec![&json!(200)], &json!(true)), "{called:?}");
        check_books(&finished.run(), &finished.object()["cost_usd"]);
        let run = finished.run().display().to_string();
        assert_eq!(world.finish(&["verify", &run]).code, 0);
        world.wait_until_nothing_is_left();
    }
}

#[test]
fn an_answer_that_cannot_be_recorded_is_told_at_the_end() {
    if !can_isolate() {
        return;
    }
    let world = World::new();
    let submit =
        json!({ "id": "c", "type": "function", "function": { "name": "submit", "arguments": "{}" } });
    let message = json!({ "role": "assistant", "content": null, "tool_calls": [submit] });
    let (has_come, go_on, thread) = slow_provider(&world, message);
    let cassettes = world.path("cassettes");
    std::fs::create_dir(&cassettes).expect("a folder");
    let words = ["run", "tiny", "basic-agent", "--model", "fake/m", "--cassette", "cassettes/c.jsonl"];
    let mut command = world.command(&words);
    command.env("FAKE_KEY", KEY).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    has_come.recv().expect("a call");
    std::fs::remove_dir(&cassettes).expect("nothing is in it yet");
    go_on.send(()).expect("the provider waits");
    thread.join().expect("the provider answers");
    let finished = wait(child);
    assert_eq!(finished.object()["ending"], "submitted", "{finished:?}");
    let path = cassettes.join("c.jsonl").display().to_string();
    let warning = format!("cassette {path} cannot be written: No such file or directory (os error 2)");
    assert!(finished.stderr.contains(&warning), "{finished:?}");
}

/// How many entries of a folder have names that begin so.
fn begins_with(folder: &Path, beginning: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning)).count()
}
