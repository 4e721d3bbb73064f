//! One running sandbox.

mod files;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use researchgym_core::isolation::{Isolation, Runtime};
use researchgym_core::observation::{ExecEnding, ReachedLimit};
use researchgym_core::wire::{Ended, Kind, MAX_COMMAND, MAX_LINE, ToGuest};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::cgroup::{Counts, Group};
use super::launch::{self, Launched};
use super::link::{Link, Opened, Reply};
use super::ownership;
use super::remains::Remains;
use super::watch::Watch;
use super::{
    Capture, ExecOutcome, SandboxError, SandboxHost, SandboxSpec, SessionRequest, Usage, docker, spawner,
};

/// How long a guest may take to set itself up on a busy machine.
const START_TIME: Duration = Duration::from_secs(60);
/// Raw bytes are acknowledged in portions of this size.
const ACKNOWLEDGED: u64 = 256 << 10;

/// One tree of processes behind one guest. Dropping it kills everything in it.
pub struct Sandbox {
    name: String,
    isolation: Isolation,
    link: Arc<Link>,
    requests: tokio::sync::Mutex<Receiver<SessionRequest>>,
    commands: Arc<Semaphore>,
    programs: Arc<Semaphore>,
    files: Arc<Semaphore>,
    counts: Mutex<Counts>,
    watch: Option<Watch>,
    /// The workspace outgrew its limit since the last command ended.
    has_overflowed: AtomicBool,
    workspace_bytes: u64,
    remains: Option<Remains>,
    runtime: tokio::runtime::Handle,
}

impl Sandbox {
    /// Starts one and waits until its guest answers. `inherited` become descriptors 3, 4, .. of the first process
    /// started with [`Sandbox::spawn`]; nothing else holds them then.
    pub async fn start(
        host: &SandboxHost,
        spec: SandboxSpec,
        inherited: Vec<OwnedFd>,
    ) -> Result<Sandbox, SandboxError> {
        let (inner, watched) = (Arc::clone(&host.inner), spec.clone());
        let watch = spawner::run(move || {
            let limit = watched.resources.workspace_mib << 20;
            watched.working_folder.writable_source().map(|folder| Watch::new(folder, limit))
        })
        .await;
        let launched = match spec.runtime {
            Runtime::Docker => docker::launch(inner, spec.clone(), inherited).await,
            Runtime::Local | Runtime::Host => {
                let spec = spec.clone();
                spawner::run(move || launch::launch(&inner, &spec, inherited)).await
            }
        };
        let Launched { process, control, complaints, group, slot, setup, isolation, private } = launched?;
        let process = Some(process);
        let host = Arc::clone(&host.inner);
        let mut remains = Remains { host, process, ended: None, complaints, group, slot, private };
        let opened = remains.adopt(control);
        let Opened { link, ready, requests } = match opened {
            Ok(opened) => opened,
            Err(source) => {
                remains.clear().await;
                return Err(SandboxError::System { doing: "watching over a new sandbox", source });
            }
        };
        let counts = Mutex::new(remains.group.as_ref().map(Group::counts).unwrap_or_default());
        let one = || Arc::new(Semaphore::new(1));
        let working_folder = setup.working_folder.clone();
        let user = setup.user.filter(|_| !setup.isolated);
        let sandbox = Sandbox {
            name: spec.name,
            isolation,
            link,
            requests: tokio::sync::Mutex::new(requests),
            commands: one(),
            programs: one(),
            files: one(),
            counts,
            watch,
            has_overflowed: AtomicBool::new(false),
            workspace_bytes: spec.resources.workspace_mib << 20,
            remains: Some(remains),
            runtime: tokio::runtime::Handle::current(),
        };
        sandbox.link.send(&ToGuest::Setup(Box::new(setup)));
        let reason = match tokio::time::timeout(START_TIME, ready).await {
            Ok(Ok(Ok(()))) => String::new(),
            Ok(Ok(Err(reason))) => sandbox.explain(reason),
            Ok(Err(_)) => sandbox.explain(String::new()),
            Err(_) => format!("no answer within {} s", START_TIME.as_secs()),
        };
        if reason.is_empty() {
            if let Some(user) = user {
                sandbox.check_reach(&working_folder, user.uid).await?;
            }
            return Ok(sandbox);
        }
        let name = sandbox.name.clone();
        sandbox.stop().await;
        Err(SandboxError::Start { name, reason })
    }

    /// As root without isolation: whether the unprivileged user can work in the folder at all.
    async fn check_reach(&self, folder: &str, uid: u32) -> Result<(), SandboxError> {
        let test = [
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            "cd -- \"$1\"".to_owned(),
            "sh".to_owned(),
            folder.to_owned(),
        ];
        let (id, mut replies) = self.link.request(None);
        self.link.send(&ToGuest::Spawn { id, argv: test.to_vec(), timeout_ms: 10_000, keep_inherited: true });
        while let Some(reply) = replies.recv().await {
            if let Reply::Ended(ended) = reply {
                let reached = ended.exit_code == Some(0);
                let path = folder.into();
                return if reached { Ok(()) } else { Err(SandboxError::Unreachable { path, uid }) };
            }
        }
        Err(self.died())
    }

    fn explain(&self, reason: String) -> String {
        let complaints = self.complaints();
        match (reason.is_empty(), complaints.is_empty()) {
            (true, true) => "it ended at once".to_owned(),
            (true, false) => complaints,
            (false, true) => reason,
            (false, false) => format!("{reason}; {complaints}"),
        }
    }

    fn complaints(&self) -> String {
        let file = self.remains.as_ref().and_then(|remains| remains.complaints.try_clone().ok());
        file.map(|mut file| launch::complaints(&mut file)).unwrap_or_default()
    }

    fn died(&self) -> SandboxError {
        let reason = self.link.closed().unwrap_or_default();
        let complaints = self.complaints();
        let parts: Vec<String> = [reason, complaints].into_iter().filter(|part| !part.is_empty()).collect();
        let reason = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
        SandboxError::Died { name: self.name.clone(), reason }
    }

    fn broke_protocol(&self) -> SandboxError {
        let what = "an answer of the wrong kind".to_owned();
        self.link.close(&what);
        SandboxError::Protocol { name: self.name.clone(), what }
    }

    /// What is kept apart and what is not.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// Runs one command in the persistent bash. One at a time: a second waits for the first. If the future is dropped,
    /// the command is killed.
    pub async fn exec(
        &self,
        command: &str,
        timeout: Duration,
        capture: &mut Capture,
    ) -> Result<ExecOutcome, SandboxError> {
        if let Some(reason) = unacceptable(command) {
            capture.stderr.push(reason.as_bytes());
            let ending = ExecEnding::Exited;
            let (notes, limits) = (Vec::new(), Vec::new());
            return Ok(ExecOutcome { exit_code: Some(2), ending, new_shell: false, notes, limits });
        }
        let permit = permit(&self.commands).await;
        let timeout_ms = milliseconds(timeout);
        let message = |id| ToGuest::Exec { id, text: command.to_owned(), timeout_ms };
        self.run(permit, message, capture).await
    }

    /// Runs one program (no shell) in the working folder until it ends. One at a time, beside [`Sandbox::exec`]. If the
    /// future is dropped, the program is killed.
    pub async fn spawn(
        &self,
        argv: &[String],
        timeout: Duration,
        capture: &mut Capture,
    ) -> Result<ExecOutcome, SandboxError> {
        let permit = permit(&self.programs).await;
        let private = self.remains.as_ref().and_then(|remains| remains.private.as_ref());
        let argv: Vec<String> = argv
            .iter()
            .map(|argument| private.map_or_else(|| argument.clone(), |private| private.rewritten(argument)))
            .collect();
        let timeout_ms = milliseconds(timeout);
        let message = |id| ToGuest::Spawn { id, argv, timeout_ms, keep_inherited: false };
        self.run(permit, message, capture).await
    }

    /// Waits for something while no command runs. What goes on in the background is killed if it fills the workspace.
    pub async fn guarded<T>(&self, something: impl Future<Output = T>) -> T {
        let guard = async {
            let Some(watch) = &self.watch else { return std::future::pending().await };
            loop {
                let reason = watch.overflow().await;
                self.has_overflowed.store(true, Ordering::Relaxed);
                // No command has this number.
                self.link.send(&ToGuest::Interrupt { id: 0, reason });
            }
        };
        tokio::select! {
            biased;
            outcome = something => outcome,
            () = guard => unreachable!("it never ends"),
        }
    }

    async fn run(
        &self,
        permit: OwnedSemaphorePermit,
        message: impl FnOnce(u64) -> ToGuest,
        capture: &mut Capture,
    ) -> Result<ExecOutcome, SandboxError> {
        let (id, mut replies) = self.link.request(Some(permit));
        self.link.send(&message(id));
        let mut kill = KillOnDrop { link: &self.link, id, armed: true };
        let overflow = async {
            match &self.watch {
                Some(watch) => watch.overflow().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(overflow);
        let mut watching = true;
        let ended = loop {
            tokio::select! {
                biased;
                ended = self.receive(id, &mut replies, capture) => break ended,
                reason = &mut overflow, if watching => {
                    watching = false;
                    self.has_overflowed.store(true, Ordering::Relaxed);
                    self.link.send(&ToGuest::Interrupt { id, reason });
                }
            }
        };
        kill.armed = false;
        match ended? {
            Reply::Ended(ended) => Ok(self.outcome(ended, capture)),
            Reply::Raw(..) | Reply::File { .. } | Reply::Done | Reply::CpuTime { .. } => {
                Err(self.broke_protocol())
            }
        }
    }

    /// Takes raw bytes until the request is answered. Nothing is lost if this future is dropped between two replies.
    async fn receive(
        &self,
        id: u64,
        replies: &mut UnboundedReceiver<Reply>,
        capture: &mut Capture,
    ) -> Result<Reply, SandboxError> {
        let mut taken = 0;
        loop {
            match replies.recv().await {
                Some(Reply::Raw(kind, bytes)) => {
                    let stream = if kind == Kind::Stderr { &mut capture.stderr } else { &mut capture.stdout };
                    stream.push(&bytes);
                    taken += bytes.len() as u64;
                    if taken >= ACKNOWLEDGED || replies.is_empty() && taken >= ACKNOWLEDGED / 8 {
                        self.link.taken(id, taken);
                        taken = 0;
                    }
                }
                Some(reply) => return Ok(reply),
                None => return Err(self.died()),
            }
        }
    }

    fn outcome(&self, ended: Ended, capture: &mut Capture) -> ExecOutcome {
        let Ended { id: _, exit_code, ending, new_shell, mut notes, stdout_dropped, stderr_dropped } = ended;
        capture.stdout.drop_bytes(stdout_dropped);
        capture.stderr.drop_bytes(stderr_dropped);
        let limits = self.limits_met(&mut notes);
        ExecOutcome { exit_code, ending, new_shell, notes, limits }
    }

    /// The limits that were met since this was asked last, or a command ended; what is to be said of them is added.
    pub(crate) fn limits_met(&self, notes: &mut Vec<String>) -> Vec<ReachedLimit> {
        let mut limits = Vec::new();
        // The guest watches over the memory where no control group does.
        let mut memory = notes.iter().any(|note| note.starts_with("the memory limit"));
        if self.has_overflowed.swap(false, Ordering::Relaxed) {
            limits.push(ReachedLimit::Workspace);
        }
        if let Some(group) = self.remains.as_ref().and_then(|remains| remains.group.as_ref()) {
            let now = group.counts();
            let mut before = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let killed = now.out_of_memory.saturating_sub(before.out_of_memory);
            if killed > 0 {
                memory = true;
                notes.push(format!("the memory limit was reached: {killed} killed for it"));
            }
            let refused = now.pids_refused.saturating_sub(before.pids_refused);
            if refused > 0 {
                limits.push(ReachedLimit::Processes);
                notes.push(format!("the limit on processes was reached: {refused} could not be started"));
            }
            *before = now;
        }
        if memory {
            limits.push(ReachedLimit::Memory);
        }
        limits.sort_unstable();
        limits
    }

    /// Stops every process but the guest; time-outs stand still.
    pub async fn freeze(&self) -> Result<(), SandboxError> {
        self.done(|id| ToGuest::Freeze { id }).await
    }

    /// Lets them go on.
    pub async fn thaw(&self) -> Result<(), SandboxError> {
        self.done(|id| ToGuest::Thaw { id }).await
    }

    async fn done(&self, message: impl FnOnce(u64) -> ToGuest) -> Result<(), SandboxError> {
        let (id, mut replies) = self.link.request(None);
        self.link.send(&message(id));
        match replies.recv().await {
            Some(Reply::Done) => Ok(()),
            Some(_) => Err(self.broke_protocol()),
            None => Err(self.died()),
        }
    }

    /// CPU time of all processes so far, ended ones included. Where no control group counts it, what a process that
    /// ignores its children's end has used through them is lost.
    pub async fn cpu_time(&self) -> Result<Duration, SandboxError> {
        if let Some(time) = self.counted_cpu_time() {
            return Ok(time);
        }
        let (id, mut replies) = self.link.request(None);
        self.link.send(&ToGuest::CpuTime { id });
        match replies.recv().await {
            Some(Reply::CpuTime { nanoseconds }) => Ok(Duration::from_nanos(nanoseconds)),
            Some(_) => Err(self.broke_protocol()),
            None => Err(self.died()),
        }
    }

    /// CPU time of all processes so far, where a control group counts it.
    pub(crate) fn counted_cpu_time(&self) -> Option<Duration> {
        self.remains.as_ref()?.group.as_ref()?.cpu_time()
    }

    /// Kills everything but the guest and the shell, if nothing runs that was asked for.
    pub(crate) fn kill_all(&self) {
        // No command has this number.
        self.link.send(&ToGuest::Interrupt { id: 0, reason: String::new() });
    }

    /// Hands what is in the working folder to the sandbox's user. For when nothing of the agent's runs.
    pub(crate) fn hand_over(&self, folder: &Path) -> Result<(), SandboxError> {
        let slot = self.remains.as_ref().and_then(|remains| remains.slot.as_ref());
        let Some(user) = slot.map(|slot| slot.user) else { return Ok(()) };
        let doing = "handing the folder to the sandbox's user:";
        ownership::hand_over(folder, user).map_err(|source| SandboxError::Path {
            doing,
            path: folder.to_owned(),
            source,
        })
    }

    /// Asks the guest for a sign of life.
    pub async fn answers(&self) -> Result<(), SandboxError> {
        let (id, mut replies) = self.link.request(None);
        self.link.send(&ToGuest::CpuTime { id });
        match replies.recv().await {
            Some(Reply::CpuTime { .. }) => Ok(()),
            Some(_) => Err(self.broke_protocol()),
            None => Err(self.died()),
        }
    }

    /// Whether the kernel has killed anything in it for memory, where a control group counts that.
    pub fn ran_out_of_memory(&self) -> bool {
        let group = self.remains.as_ref().and_then(|remains| remains.group.as_ref());
        group.is_some_and(|group| group.counts().out_of_memory > 0)
    }

    /// The next line from a program inside; `None` once the sandbox is gone.
    pub async fn next_request(&self) -> Option<SessionRequest> {
        self.requests.lock().await.recv().await
    }

    /// Answers a line (a newline is added). Not an error if the program has gone. At most 1 MiB.
    pub async fn answer(&self, id: u64, line: &str) -> Result<(), SandboxError> {
        const LONGEST: usize = MAX_LINE * 16;
        let line = match line.contains('\n') || line.len() > LONGEST {
            true => r#"{"type":"error","message":"the answer is no line or too long"}"#.to_owned(),
            false => line.to_owned(),
        };
        self.link.send(&ToGuest::Answer { id, line });
        match self.link.closed() {
            None => Ok(()),
            Some(_) => Err(self.died()),
        }
    }

    /// Kills everything, waits until it is gone and removes what was made for it.
    pub async fn stop(mut self) -> Usage {
        // Where no control group counts, the guest is asked while it lives.
        let cpu = self.cpu_time().await.unwrap_or_default();
        // A group that an engine made is gone with its container.
        let group = self.remains.as_ref().and_then(|remains| remains.group.as_ref());
        let before = group.map(Group::usage).unwrap_or_default();
        self.link.close("it was stopped");
        match self.remains.take() {
            Some(remains) => remains.clear().await.at_least(&Usage { cpu: before.cpu.max(cpu), ..before }),
            None => Usage::default(),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The guest kills everything when it hears no more. Killing the guest itself first would, without a namespace,
        // set its children free.
        self.link.close("it was dropped");
        if let Some(remains) = self.remains.take() {
            // Without a runtime everything still ends, and the sweeper removes what is left when we end.
            self.runtime.spawn(remains.clear());
        }
    }
}

/// Kills the command of a future that was dropped.
struct KillOnDrop<'a> {
    link: &'a Link,
    id: u64,
    armed: bool,
}

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.link.send(&ToGuest::Interrupt { id: self.id, reason: "it was cancelled".to_owned() });
        }
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_owned().await.expect("it is never closed")
}

fn milliseconds(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
}

fn unacceptable(command: &str) -> Option<String> {
    if command.contains('\0') {
        return Some("the command contains a NUL character: it was not run\n".to_owned());
    }
    let (length, limit) = (command.len(), MAX_COMMAND);
    (length > limit).then(|| {
        format!(
            "the command has {length} bytes, the limit is {limit}: it was not run; write a file instead\n"
        )
    })
}
