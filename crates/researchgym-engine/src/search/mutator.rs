//! The operator `mutate`: a Python in a sandbox of its own that changes syntax trees and runs nothing of the candidates
//! (`support/researchgym_mutate.py`).

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::isolation::{Image, Runtime};
use researchgym_core::task::Resources;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::sandbox::{Capture, ReadOnlyMount, Sandbox, SandboxSpec, WorkingFolder};
use crate::scratch::Scratch;
use crate::workbench::Workbench;

/// The longest answer.
const MAX_ANSWER: u64 = 1 << 20;
/// How long one mutation may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// As long as a search may last.
const FOR_EVER: Duration = Duration::from_secs(366 * 86_400);

/// Mutates programs, one at a time. It is started for the first one.
pub(super) struct Mutator {
    workbench: Arc<Workbench>,
    name: String,
    runtime: Runtime,
    image: Option<Image>,
    server: tokio::sync::Mutex<Option<Server>>,
}

struct Server {
    stream: BufReader<tokio::net::UnixStream>,
    /// Ends with it.
    _running: tokio::task::JoinHandle<()>,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Request {
    /// The program.
    pub(super) source: String,
    /// Programs from which expressions may be taken.
    pub(super) donors: Vec<String>,
    pub(super) seed: u64,
    /// How many mutations.
    pub(super) count: u32,
}

/// What is answered.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Mutated {
    /// Another program, and how it differs.
    Program { source: String, description: String },
    /// It cannot be mutated.
    Unusable { error: String },
}

impl Mutator {
    pub(super) fn new(
        workbench: Arc<Workbench>,
        run_id: &str,
        runtime: Runtime,
        image: Option<Image>,
    ) -> Mutator {
        // Nothing of the candidates runs there: it is isolated whatever the run is.
        let runtime = if runtime == Runtime::Docker { Runtime::Docker } else { Runtime::Local };
        let name = format!("{run_id}-mutate");
        Mutator { workbench, name, runtime, image, server: tokio::sync::Mutex::default() }
    }

    /// Mutates one program.
    ///
    /// # Errors
    /// The sandbox or the server in it failed.
    pub(super) async fn mutate(&self, request: &Request) -> Result<Mutated, Failure> {
        let mut server = self.server.lock().await;
        let mut ready = match server.take() {
            Some(ready) => ready,
            None => self.start().await?,
        };
        let line = json!({
            "source": request.source,
            "donors": request.donors,
            "seed": request.seed,
            "count": request.count,
        });
        let answer = tokio::time::timeout(PATIENCE, exchange(&mut ready.stream, &line.to_string())).await;
        let broke =
            |what: String| Failure::new(Boundary::Sandbox, format!("programs cannot be mutated: {what}"));
        match answer {
            Ok(Ok(answer)) => {
                *server = Some(ready);
                Ok(answer)
            }
            Ok(Err(error)) => Err(broke(error.to_string())),
            Err(_) => Err(broke(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn start(&self) -> Result<Server, Failure> {
        let broke = |error: std::io::Error| Failure::new(Boundary::Sandbox, error.to_string());
        let (ours, theirs) = UnixStream::pair().map_err(broke)?;
        let scratch = self.workbench.scratch_folder()?;
        let work = scratch.path().join("work");
        std::fs::create_dir(&work).map_err(broke)?;
        let library = self.workbench.library.clone();
        let spec = SandboxSpec {
            runtime: self.runtime,
            image: self.image.clone(),
            name: self.name.clone(),
            working_folder: WorkingFolder::Scratch { source: work, target: "/work".to_owned() },
            read_only: vec![ReadOnlyMount { source: library, target: "/researchgym/lib".to_owned() }],
            environment: BTreeMap::from([
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
                ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ]),
            resources: Resources { memory_mib: 512, cpus: 1.0, ..Resources::default() },
            gpus: None,
            session: false,
            gateway: None,
            proxy: None,
        };
        let sandbox = Sandbox::start(&self.workbench.sandboxes, spec, vec![OwnedFd::from(theirs)]).await?;
        ours.set_nonblocking(true).map_err(broke)?;
        let stream = BufReader::new(tokio::net::UnixStream::from_std(ours).map_err(broke)?);
        let running = tokio::spawn(serve(sandbox, scratch));
        Ok(Server { stream, _running: running })
    }
}

/// Keeps the server going until its socket is closed.
async fn serve(sandbox: Sandbox, scratch: Scratch) {
    let command = ["python3", "-I", "/researchgym/lib/researchgym_mutate.py"].map(str::to_owned);
    let mut capture = Capture::new(scratch.path()).at_most(1 << 16);
    // How it ends is seen at the socket.
    let _ = sandbox.spawn(&command, FOR_EVER, &mut capture).await;
    sandbox.stop().await;
}

async fn exchange(
    stream: &mut BufReader<tokio::net::UnixStream>,
    request: &str,
) -> Result<Mutated, std::io::Error> {
    stream.get_mut().write_all(request.as_bytes()).await?;
    stream.get_mut().write_all(b"\n").await?;
    let mut line = Vec::new();
    stream.take(MAX_ANSWER + 1).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(std::io::Error::other("the program that mutates has ended; is there a python3?"));
    }
    serde_json::from_slice(&line).map_err(std::io::Error::other)
}
