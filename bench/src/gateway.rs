//! What `researchgym gateway` adds to a call, beside the same load sent straight to the provider and through LiteLLM.
//!
//! Provider, load and gateways are processes that share the machine, and take turns in rounds. Requests per second depend
//! on all of them; CPU time of a request is the gateway's own.

use std::time::Duration;

use serde_json::json;

use crate::Outcome;
use crate::load::{Answered, Load};
use crate::mock::{Mock, Says};
use crate::options::Options;
use crate::process;
use crate::program;
use crate::report::{Figure, Report, Unit, talk};
use crate::sample::Samples;
use crate::server::Server;

/// The length of a request's body.
const REQUEST_BYTES: usize = 1200;
const WARM_UP: Duration = Duration::from_millis(300);
/// 10,000 requests per CPU second.
const AIM_CPU_US: f64 = 100.0;
/// For the median that is added with one connection, in milliseconds.
const AIM_ADDED_MS: f64 = 0.3;
const AIM_MEMORY_KIB: f64 = 20_480.0;

/// The two forms of an answer.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Stream,
}

/// One that is measured.
struct Target {
    name: &'static str,
    address: String,
    /// `None` for the provider itself.
    server: Option<Server>,
}

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let connections = options.numbers("connections", &[1, 32, 500])?;
    let time = Duration::from_secs(options.number("seconds", 2)?.max(1) as u64);
    let rounds = options.number("rounds", 3)?.max(1);
    let folder = tempfile::Builder::new().prefix("researchgym-bench-").tempdir()?;
    let program = program::built()?;
    let mock = Mock::start(Says::Text, Duration::ZERO)?;

    let mut targets = vec![Target { name: "direct", address: mock.address.clone(), server: None }];
    let gateway = Server::researchgym(&program, &mock.address, folder.path(), None)?;
    targets.push(Target::new("gateway", gateway));
    let log = folder.path().join("log");
    let logged = Server::researchgym(&program, &mock.address, folder.path(), Some(&log))?;
    targets.push(Target::new("gateway with --log", logged));
    match options.text("litellm") {
        Some(command) => {
            talk("starting LiteLLM");
            targets.push(Target::new("litellm", Server::litellm(command, &mock.address, folder.path())?));
        }
        None => talk("LiteLLM is SKIPPED: --litellm COMMAND names its executable"),
    }
    for target in &targets {
        target.write_memory("before any call", report);
    }
    for form in [Form::Plain, Form::Stream] {
        for count in &connections {
            let load = format!("{}, {count} connections", form.name());
            talk(&load);
            let measured = measured(&targets, form, *count, time, rounds)?;
            for (target, of_it) in targets.iter().zip(&measured) {
                let name = format!("{}, {load}", target.name);
                of_it.write_calls(&name, form, report);
                if target.server.is_some() {
                    of_it.write_added(&name, &measured[0], *count, report);
                    target.write_memory(&format!("after {load}"), report);
                }
            }
        }
    }
    Ok(())
}

impl Target {
    fn new(name: &'static str, server: Server) -> Target {
        Target { name, address: server.address.clone(), server: Some(server) }
    }

    fn write_memory(&self, when: &str, report: &Report) {
        if let Some(server) = &self.server {
            let name = format!("{}: PSS {when}", self.name);
            report.write(Figure::number(&name, "KiB", server.memory_kib() as f64).aim(AIM_MEMORY_KIB));
        }
    }
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Stream => "stream",
        }
    }

    fn request(self) -> Vec<u8> {
        let body = |text: String| {
            let mut body = json!({
                "model": "bench/mock", "max_tokens": 256, "messages": [
                    {"role": "system", "content": "You are a careful assistant."}, {"role": "user", "content": text}
                ]
            });
            if let Form::Stream = self {
                body["stream"] = json!(true);
                body["stream_options"] = json!({"include_usage": true});
            }
            body.to_string()
        };
        let missing = REQUEST_BYTES.saturating_sub(body(String::new()).len());
        let text: String = "some question of words ".chars().cycle().take(missing).collect();
        let body = body(text);
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Authorization: Bearer sk-bench\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// What each answer of this form holds.
    fn expected(self) -> &'static str {
        match self {
            Form::Plain => "\"completion_tokens\":50",
            Form::Stream => "data: [DONE]",
        }
    }
}

/// What was measured of one target.
#[derive(Default)]
struct Measured {
    whole: Samples,
    first: Samples,
    /// One figure for each round.
    requests_per_second: Vec<f64>,
    cpu: Duration,
    load_cpu: Duration,
}

fn measured(
    targets: &[Target],
    form: Form,
    connections: usize,
    time: Duration,
    rounds: usize,
) -> Outcome<Vec<Measured>> {
    let request = form.request();
    let mut all: Vec<Measured> = targets.iter().map(|_| Measured::default()).collect();
    for _ in 0..rounds {
        for (target, measured) in targets.iter().zip(&mut all) {
            let load = Load {
                address: &target.address,
                request: &request,
                expected: form.expected(),
                connections,
                warm_up: WARM_UP,
                time,
            };
            let mut cpu = Vec::new();
            let answered = load.send(|| {
                let own = process::own_cpu();
                cpu.push((target.server.as_ref().map_or(Duration::ZERO, Server::cpu), own));
            })?;
            let [before, after] = cpu[..] else { return Err("a load looks twice".into()) };
            measured.add(answered, after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        }
    }
    Ok(all)
}

impl Measured {
    fn add(&mut self, answered: Answered, cpu: Duration, load_cpu: Duration) {
        self.requests_per_second.push(answered.whole.len() as f64 / answered.took.as_secs_f64());
        self.whole.extend(answered.whole);
        self.first.extend(answered.first);
        self.cpu += cpu;
        self.load_cpu += load_cpu;
    }

    fn rate(&self) -> f64 {
        let mut rates = self.requests_per_second.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    }

    fn requests(&self) -> u32 {
        u32::try_from(self.whole.len()).unwrap_or(u32::MAX).max(1)
    }

    fn write_calls(&self, name: &str, form: Form, report: &Report) {
        report.write(Figure::samples(&format!("{name}: a call"), Unit::Milliseconds, &self.whole));
        if let Form::Stream = form {
            let name = format!("{name}: to the first byte of the body");
            report.write(Figure::samples(&name, Unit::Milliseconds, &self.first));
        }
        report.write(
            Figure::number(&format!("{name}: requests"), "1/s", self.rate())
                .with("rounds", self.requests_per_second.len())
                .with("cpu_of_the_load_us", Unit::Microseconds.of(self.load_cpu / self.requests())),
        );
    }

    /// What a gateway adds. With more than one connection most of a call's time is waiting for a turn, so that there is no
    /// aim for it.
    fn write_added(&self, name: &str, direct: &Measured, connections: usize, report: &Report) {
        let added = |share: f64| self.whole.quantile(share).saturating_sub(direct.whole.quantile(share));
        let figure = Figure::duration(
            &format!("{name}: added to the median of a call"),
            Unit::Milliseconds,
            added(0.5),
        )
        .with("added_to_p99", Unit::Milliseconds.of(added(0.99)))
        .beside_duration("direct, p50", Unit::Milliseconds, direct.whole.median());
        report.write(if connections == 1 { figure.aim(AIM_ADDED_MS) } else { figure });
        let cpu = self.cpu / self.requests();
        report.write(
            Figure::duration(&format!("{name}: CPU of the gateway for a call"), Unit::Microseconds, cpu)
                .with("calls_per_cpu_second", (1.0 / cpu.as_secs_f64()).round())
                .aim(AIM_CPU_US),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_promised_length() {
        for form in [Form::Plain, Form::Stream] {
            let request = String::from_utf8(form.request()).expect("text");
            let (_, body) = request.split_once("\r\n\r\n").expect("a head and a body");
            assert_eq!(body.len(), REQUEST_BYTES);
        }
    }
}
