//! The gateways that are measured, each as a process of its own.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::process;

/// LiteLLM needs 10 seconds, more on a busy machine.
const UNTIL_HEALTHY: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A running gateway; it ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    /// Kept open: whoever writes to a pipe without a reader dies of it.
    _output: Option<BufReader<ChildStdout>>,
    pub(crate) address: String,
}

impl Server {
    /// `researchgym gateway` before the mock, with a log of its calls or without.
    pub(crate) fn researchgym(
        program: &Path,
        mock: &str,
        folder: &Path,
        log: Option<&Path>,
    ) -> Outcome<Server> {
        let settings =
            format!("[providers.bench]\nbase_url = \"http://{mock}/v1\"\nwire = \"chat\"\nlocal = true\n");
        std::fs::write(folder.join("researchgym.toml"), settings)?;
        let mut command = Command::new(program);
        command
            .args(["gateway", "--listen", "127.0.0.1:0", "--no-token", "--model", "bench/mock"])
            .args(["--budget", "unlimited"])
            .current_dir(folder)
            .env("RESEARCHGYM_HOME", folder.join("home"));
        if let Some(log) = log {
            command.arg("--log").arg(log);
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("the gateway has no output")?);
        let mut line = String::new();
        while output.read_line(&mut line)? > 0 {
            if let Some(address) = address_in(&line) {
                return Ok(Server { process, address, _output: Some(output) });
            }
            line.clear();
        }
        Err(format!("the gateway ended with {}", process.wait()?).into())
    }

    /// LiteLLM's proxy before the mock: one worker, no database, no download of prices.
    pub(crate) fn litellm(command: &str, mock: &str, folder: &Path) -> Outcome<Server> {
        let settings = format!(
            "model_list:\n  - model_name: bench/mock\n    litellm_params:\n      model: openai/mock\n      \
             api_base: http://{mock}/v1\n      api_key: none\nlitellm_settings:\n  telemetry: false\n"
        );
        let file = folder.join("litellm.yaml");
        std::fs::write(&file, settings)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(command)
            .arg("--config")
            .arg(&file)
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .current_dir(folder)
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_LOG", "ERROR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Server { process, _output: None, address: address.to_string() };
        let began = Instant::now();
        while !is_healthy(&server.address) {
            if let Some(status) = server.process.try_wait()? {
                return Err(format!("{command} ended with {status}").into());
            }
            if began.elapsed() > UNTIL_HEALTHY {
                return Err(format!("{command} does not answer after {UNTIL_HEALTHY:?}").into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(server)
    }

    /// CPU time of all its processes so far.
    pub(crate) fn cpu(&self) -> Duration {
        process::cpu_of(&process::family(self.process.id()))
    }

    /// PSS of all its processes.
    pub(crate) fn memory_kib(&self) -> u64 {
        let family = process::family(self.process.id());
        process::proportional_memory_kib(&family, &HashSet::new()).values().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn address_in(line: &str) -> Option<String> {
    let from = line.find("127.0.0.1:")?;
    let rest = line.get(from..)?;
    let end = rest.find(|character: char| !(character.is_ascii_digit() || ".:".contains(character)));
    rest.get(..end.unwrap_or(rest.len())).map(str::to_owned)
}

fn is_healthy(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /health/liveliness HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_a_gateway_says() {
        let found = |line: &str| address_in(line);
        assert_eq!(found("listening on http://127.0.0.1:4000/v1\n").as_deref(), Some("127.0.0.1:4000"));
        assert_eq!(found("{\"address\":\"127.0.0.1:81\"}").as_deref(), Some("127.0.0.1:81"));
        assert_eq!(found("nothing yet"), None);
    }
}
