//! Running `nvidia-smi`: for a bounded time, reading a bounded part of what it says.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use researchgym_core::gpu::{
    DEVICE_FIELDS, Installed, PROCESS_FIELDS, Process, parse_devices, parse_processes,
};
use rustix::process::{Pid, Signal};

use super::{GpuError, GpuPlaces};

/// What a machine with hundreds of devices says is shorter.
const MOST_BYTES: u64 = 1 << 20;
/// As much of a failure's words is shown.
const SHOWN: usize = 400;
/// How often it is looked whether the program has ended.
const PULSE: Duration = Duration::from_millis(5);

/// All devices of the machine.
pub(super) fn devices(places: &GpuPlaces) -> Result<Vec<Installed>, GpuError> {
    let said = ask(places, &format!("--query-gpu={DEVICE_FIELDS}"))?;
    parse_devices(&said).map_err(|source| GpuError::Output { program: program(places), source })
}

/// All programs that compute on a device.
pub(super) fn processes(places: &GpuPlaces) -> Result<Vec<Process>, GpuError> {
    Ok(parse_processes(&ask(places, &format!("--query-compute-apps={PROCESS_FIELDS}"))?))
}

fn program(places: &GpuPlaces) -> std::path::PathBuf {
    places.program.clone().unwrap_or_else(|| "nvidia-smi".into())
}

fn ask(places: &GpuPlaces, query: &str) -> Result<String, GpuError> {
    let program = places.program.as_ref().ok_or(GpuError::NotInstalled)?;
    let lost = |source| GpuError::Run { program: program.clone(), source };
    let mut child = Command::new(program)
        .args([query, "--format=csv,noheader,nounits"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Whatever it starts can be ended with it.
        .process_group(0)
        .spawn()
        .map_err(lost)?;
    let (out, complaints) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let deadline = Instant::now() + places.patience;
    let silent = || GpuError::Silent { program: program.clone(), seconds: places.patience.as_secs() };
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    let answer = wait(&mut child, deadline).map_err(lost)?.and_then(|status| {
        let text = out.recv_timeout(left(deadline)).ok()?;
        Some((status, text, complaints.recv_timeout(left(deadline)).ok()?))
    });
    let Some((status, text, complaints)) = answer else {
        end(&mut child);
        return Err(silent());
    };
    // With this status and these words it says that there are none.
    if status.success() || text.trim() == "No devices were found" {
        return Ok(text);
    }
    let said = if text.trim().is_empty() { complaints } else { text };
    Err(GpuError::Failed { program: program.clone(), status, said: line(&said) })
}

/// Reads the beginning of a stream on a thread of its own, which ends with the stream.
fn reader(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is all there is. The rest is read for the writer to end.
            let _ = stream.by_ref().take(MOST_BYTES).read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    receiver
}

fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() >= deadline => return Ok(None),
            None => std::thread::sleep(PULSE),
        }
    }
}

fn end(child: &mut Child) {
    let group = Pid::from_child(child);
    // It may have ended meanwhile.
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// Words in one line, cut off where they are too long.
fn line(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    let text: String = words.join(" ").chars().filter(|character| !character.is_control()).collect();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}
