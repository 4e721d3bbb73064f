//! The guest's poll loop: who is ready, and what follows.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use researchgym_core::wire::{FromGuest, Kind, MAX_CHUNK, Refusal, Setup, ToGuest};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::files::{Files, Incoming, Outgoing};
use super::forward::{Forwarder, Watched};
use super::jobs::{Job, Program, Stop, shown};
use super::link::{Link, Message};
use super::meter;
use super::output::Background;
use super::session::Session;
use super::shell::Shell;
use super::tree::Tree;

/// How often memory is added up where no cgroup does it.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// All that the guest knows.
pub(crate) struct Guest {
    pub(super) setup: Setup,
    pub(super) tree: Tree,
    pub(super) shell: Option<Shell>,
    /// The shell has ended while no command ran.
    pub(super) shell_ended: bool,
    /// Where the next shell begins.
    pub(super) folder: String,
    pub(super) command: Option<Job>,
    pub(super) background: Background,
    pub(super) program: Option<Program>,
    pub(super) program_job: Option<Job>,
    pub(super) inherited: Vec<OwnedFd>,
    children: OwnedFd,
    files: Files,
    incoming: Option<Incoming>,
    outgoing: Option<Outgoing>,
    session: Option<Session>,
    forwarders: Vec<Forwarder>,
    _shell_numbers: [OwnedFd; 2],
    frozen_since: Option<Instant>,
    next_watch: Instant,
}

/// What is opened on start.
pub(super) struct Opened {
    pub inherited: Vec<OwnedFd>,
    pub files: Files,
    pub children: OwnedFd,
    pub session: Option<Session>,
    pub forwarders: Vec<Forwarder>,
    pub shell_numbers: [OwnedFd; 2],
}

/// Who is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Host,
    HostOutput,
    Children,
    Status,
    Text,
    ShellOutput(Kind),
    ProgramOutput(Kind),
    Session,
    Forwarder(usize, Watched),
}

impl Guest {
    pub(super) fn assemble(setup: Setup, opened: Opened) -> Guest {
        let Opened { inherited, files, children, session, forwarders, shell_numbers } = opened;
        Guest {
            tree: Tree::new(setup.isolated),
            folder: setup.working_folder.clone(),
            setup,
            inherited,
            files,
            children,
            session,
            forwarders,
            _shell_numbers: shell_numbers,
            shell: None,
            shell_ended: false,
            command: None,
            background: Background::default(),
            program: None,
            program_job: None,
            incoming: None,
            outgoing: None,
            frozen_since: None,
            next_watch: Instant::now(),
        }
    }

    /// Serves until the host hangs up; then kills what is left.
    pub(crate) fn serve(mut self, mut link: Link) -> io::Result<()> {
        let result = self.serve_until_hang_up(&mut link);
        self.tree.cull(&Default::default());
        result
    }

    fn serve_until_hang_up(&mut self, link: &mut Link) -> io::Result<()> {
        let mut buffer = vec![0; MAX_CHUNK];
        loop {
            link.flush()?;
            let (sources, ready) = self.poll(link)?;
            for (&source, &ready) in sources.iter().zip(&ready) {
                match source {
                    _ if ready.is_empty() => {}
                    Source::Host => {
                        if !self.hear(link)? {
                            return Ok(());
                        }
                    }
                    // Writing is tried before every poll.
                    Source::HostOutput => {}
                    Source::Children => {
                        // What it says (who, how) is asked from the kernel again while waiting.
                        while rustix::io::read(&self.children, &mut buffer).is_ok() {}
                        self.reap(link);
                    }
                    Source::Status => self.on_status(link),
                    Source::Text => {
                        // A shell that has ended is seen by its end.
                        let _ = self.shell.as_mut().map(Shell::send_text);
                    }
                    Source::ShellOutput(kind) => self.on_shell_output(kind, &mut buffer, link),
                    Source::ProgramOutput(kind) => self.on_program_output(kind, &mut buffer, link),
                    Source::Session => {}
                    Source::Forwarder(number, watched) => {
                        self.forwarders[number].on_ready(watched, ready, &mut buffer);
                    }
                }
            }
            self.forwarders.iter_mut().for_each(Forwarder::tidy);
            if let (Some(session), Some(first)) =
                (&mut self.session, sources.iter().position(|&source| source == Source::Session))
            {
                session.advance(&ready[first..], link);
            }
            self.send_file(link);
            self.check_time(link);
        }
    }

    /// Waits until something is ready or due.
    fn poll(&self, link: &Link) -> io::Result<(Vec<Source>, Vec<PollFlags>)> {
        let mut sources = Vec::with_capacity(16);
        let mut polled = Vec::with_capacity(16);
        let mut add = |source, descriptor, flags| {
            sources.push(source);
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
        };
        add(Source::Host, link.input(), PollFlags::IN);
        if link.backlog() > 0 {
            add(Source::HostOutput, link.output(), PollFlags::OUT);
        }
        add(Source::Children, self.children.as_fd(), PollFlags::IN);
        if let Some(shell) = &self.shell {
            add(Source::Status, shell.status.as_fd(), PollFlags::IN);
            if shell.has_unsent_text() {
                add(Source::Text, shell.text.as_fd(), PollFlags::OUT);
            }
            for (kind, pipe) in [(Kind::Stdout, &shell.stdout), (Kind::Stderr, &shell.stderr)] {
                if pipe.open && self.command.as_ref().is_none_or(|job| job.output.may_read(kind, link)) {
                    add(Source::ShellOutput(kind), pipe.stream.as_fd(), PollFlags::IN);
                }
            }
        }
        if let (Some(program), Some(job)) = (&self.program, &self.program_job) {
            for (kind, pipe) in [(Kind::Stdout, &program.stdout), (Kind::Stderr, &program.stderr)] {
                if pipe.open && job.output.may_read(kind, link) {
                    add(Source::ProgramOutput(kind), pipe.stream.as_fd(), PollFlags::IN);
                }
            }
        }
        if let Some(session) = &self.session {
            session.interests().into_iter().for_each(|(client, flags)| add(Source::Session, client, flags));
        }
        for (number, forwarder) in self.forwarders.iter().enumerate() {
            for (watched, descriptor, flags) in forwarder.interests() {
                add(Source::Forwarder(number, watched), descriptor, flags);
            }
        }
        let timeout = self.next_due(link).map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = polled.iter().map(PollFd::revents).collect();
        Ok((sources, ready))
    }

    fn next_due(&self, link: &Link) -> Option<Instant> {
        if self.outgoing.as_ref().is_some_and(|outgoing| outgoing.may_send(link)) {
            return Some(Instant::now());
        }
        let forwarder = self.forwarders.iter().filter_map(Forwarder::next_due).min();
        if self.frozen_since.is_some() {
            return forwarder;
        }
        let deadlines = [&self.command, &self.program_job].into_iter().flatten().map(|job| job.deadline);
        let watch = self.watches().then_some(self.next_watch);
        deadlines.chain(watch).chain(forwarder).min()
    }

    fn watches(&self) -> bool {
        self.setup.watched_memory_bytes.is_some() && (self.command.is_some() || self.program.is_some())
    }

    /// Acts on all messages that have arrived. False once the host has hung up.
    fn hear(&mut self, link: &mut Link) -> io::Result<bool> {
        let open = link.read()?;
        while let Some(message) = link.next()? {
            match message {
                Message::Control(message) => self.obey(message, link),
                Message::Content { id, bytes } => self.take_content(id, &bytes, link),
            }
        }
        Ok(open)
    }

    fn obey(&mut self, message: ToGuest, link: &mut Link) {
        match message {
            // Only the first is obeyed, before the loop begins.
            ToGuest::Setup(_) => {}
            ToGuest::Exec { id, text, timeout_ms } => self.exec(id, &text, timeout_ms, link),
            ToGuest::Spawn { id, argv, timeout_ms, keep_inherited } => {
                let inherited = if keep_inherited { Vec::new() } else { std::mem::take(&mut self.inherited) };
                self.spawn(id, &argv, timeout_ms, inherited, link);
            }
            ToGuest::Interrupt { id, reason } => self.interrupt(id, &reason, link),
            ToGuest::Write { id, path, mode, bytes } => {
                let file = self.files.create(&path, mode);
                self.incoming = Some(Incoming { id, file, left: bytes, written: 0 });
                self.take_content(id, &[], link);
            }
            ToGuest::Read { id, path } => match self.files.read(id, &path, self.setup.kept_bytes) {
                Ok(outgoing) => self.outgoing = Some(outgoing),
                Err(refusal) => link.send(&FromGuest::File { id, bytes: 0, refusal: Some(refusal) }),
            },
            ToGuest::Freeze { id } => {
                self.tree.stop_all();
                self.frozen_since.get_or_insert_with(Instant::now);
                link.send(&FromGuest::Done { id });
            }
            ToGuest::Thaw { id } => {
                if let Some(since) = self.frozen_since.take() {
                    let frozen = since.elapsed();
                    for job in [&mut self.command, &mut self.program_job].into_iter().flatten() {
                        job.deadline += frozen;
                    }
                }
                self.tree.continue_all();
                link.send(&FromGuest::Done { id });
            }
            ToGuest::CpuTime { id } => {
                let nanoseconds = meter::cpu_time(&self.tree).as_nanos() as u64;
                link.send(&FromGuest::CpuTime { id, nanoseconds });
            }
            ToGuest::Answer { id, line } => {
                if let Some(session) = &mut self.session {
                    session.answer(id, &line, link);
                }
            }
            ToGuest::Taken { id, bytes } => {
                let jobs = [&mut self.command, &mut self.program_job].into_iter().flatten();
                if let Some(job) = jobs.into_iter().find(|job| job.id == id) {
                    job.output.taken(bytes);
                } else if let Some(outgoing) = self.outgoing.as_mut().filter(|outgoing| outgoing.id == id) {
                    outgoing.output.taken(bytes);
                }
            }
        }
    }

    fn take_content(&mut self, id: u64, bytes: &[u8], link: &mut Link) {
        let Some(incoming) = self.incoming.as_mut().filter(|incoming| incoming.id == id) else { return };
        incoming.left = incoming.left.saturating_sub(bytes.len() as u64);
        if let Ok(file) = &incoming.file {
            match self.files.write(file, bytes) {
                Ok(()) => incoming.written += bytes.len() as u64,
                Err(refusal) => incoming.file = Err(refusal),
            }
        }
        if incoming.left == 0
            && let Some(incoming) = self.incoming.take()
        {
            link.send(&FromGuest::File { id, bytes: incoming.written, refusal: incoming.file.err() });
        }
    }

    fn send_file(&mut self, link: &mut Link) {
        let Some(outgoing) = self.outgoing.as_mut().filter(|outgoing| outgoing.may_send(link)) else {
            return;
        };
        let end = match outgoing.send(link) {
            Ok(false) => return,
            Ok(true) => None,
            Err(refusal) => Some(refusal),
        };
        let (id, bytes): (u64, u64) = (outgoing.id, outgoing.bytes());
        let refusal: Option<Refusal> = end;
        self.outgoing = None;
        link.send(&FromGuest::File { id, bytes, refusal });
    }

    fn on_shell_output(&mut self, kind: Kind, buffer: &mut [u8], link: &mut Link) {
        let Some(shell) = &mut self.shell else { return };
        let pipe = if kind == Kind::Stdout { &mut shell.stdout } else { &mut shell.stderr };
        let bytes = shown(kind, pipe.read(buffer));
        match &mut self.command {
            Some(job) => job.output.push(kind, &bytes, link),
            None => self.background.push(kind, &bytes),
        }
    }

    fn on_program_output(&mut self, kind: Kind, buffer: &mut [u8], link: &mut Link) {
        let (Some(program), Some(job)) = (&mut self.program, &mut self.program_job) else { return };
        let pipe = if kind == Kind::Stdout { &mut program.stdout } else { &mut program.stderr };
        job.output.push(kind, pipe.read(buffer), link);
    }

    /// Ends what has run too long or, where the guest must see to it, uses too much memory.
    fn check_time(&mut self, link: &mut Link) {
        if self.frozen_since.is_some() {
            return;
        }
        let now = Instant::now();
        if self.command.as_ref().is_some_and(|job| job.deadline <= now) {
            self.stop_command(Stop::TimeOut, link);
        }
        if self.program_job.as_ref().is_some_and(|job| job.deadline <= now) {
            self.stop_program(Stop::TimeOut, link);
        }
        if self.watches() && self.next_watch <= now {
            let limit = self.setup.watched_memory_bytes.unwrap_or(u64::MAX);
            if meter::memory(&self.tree) > limit {
                let reason = "the memory limit was reached: what ran was killed";
                self.stop_command(Stop::Interrupt(reason), link);
                self.stop_program(Stop::Interrupt(reason), link);
            }
            self.next_watch = Instant::now() + WATCH_INTERVAL;
        }
    }
}
