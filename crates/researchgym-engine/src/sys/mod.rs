//! The only unsafe code: system calls without a safe wrapper, and what happens between fork and exec.
//!
//! Nothing here decides anything. Functions run between fork and exec call only what is async-signal-safe and
//! allocate nothing.
#![expect(unsafe_code, reason = "system calls without a safe wrapper; each block says why it is sound")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use researchgym_core::wire::{ProcessLimits, User};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::unix::AsyncFd;

/// What a command, a shell or a program of the agent gets between fork and exec.
pub(crate) struct AgentChild {
    /// The user to become.
    pub user: Option<User>,
    /// Its limits.
    pub limits: ProcessLimits,
    /// Descriptors to hand over: where they are, where they shall be.
    pub descriptors: Vec<(RawFd, RawFd)>,
    /// What to add to the badness that the kernel's memory killer goes by.
    pub oom_score: &'static str,
    /// Where to start: the first of these that it may enter.
    pub folders: [CString; 2],
}

/// Makes the command start as the agent's: own session, unprivileged user, limits, descriptors.
pub(crate) fn prepare_agent_child(command: &mut Command, child: AgentChild) {
    let enter = move || {
        rustix::process::setsid()?;
        write_oom_score(child.oom_score);
        set_limits(&child.limits)?;
        if let Some(user) = child.user {
            become_user(user)?;
        }
        rustix::thread::set_no_new_privs(true)?;
        let [first, second] = &child.folders;
        rustix::process::chdir(first.as_c_str()).or_else(|_| rustix::process::chdir(second.as_c_str()))?;
        for &(from, to) in &child.descriptors {
            hand_over(from, to)?;
        }
        Ok(())
    };
    // SAFETY: `enter` only makes system calls; it neither allocates nor takes locks.
    unsafe { command.pre_exec(enter) };
}

/// What a sandbox's outermost process gets between fork and exec.
pub(crate) struct SandboxChild {
    /// Opened `cgroup.procs` files to join.
    pub cgroups: Vec<OwnedFd>,
    /// Descriptors that stay open under the same number.
    pub kept: Vec<OwnedFd>,
    /// Whether to make the kernel's memory killer spare it (needs root).
    pub spared: bool,
}

/// Makes the command start in its cgroups and in a session of its own.
pub(crate) fn prepare_sandbox_child(command: &mut Command, child: SandboxChild) {
    let enter = move || {
        rustix::process::setsid()?;
        for cgroup in &child.cgroups {
            rustix::io::write(cgroup, b"0")?;
        }
        if child.spared {
            write_oom_score("-900");
        }
        for kept in &child.kept {
            hand_over(kept.as_raw_fd(), kept.as_raw_fd())?;
        }
        Ok(())
    };
    // SAFETY: `enter` only makes system calls; it neither allocates nor takes locks.
    unsafe { command.pre_exec(enter) };
}

/// Failing is no error: an ordinary user may only raise the score.
fn write_oom_score(score: &str) {
    let path = c"/proc/self/oom_score_adj";
    if let Ok(file) = rustix::fs::open(path, rustix::fs::OFlags::WRONLY, rustix::fs::Mode::empty()) {
        let _ = rustix::io::write(&file, score.as_bytes());
    }
}

fn set_limits(limits: &ProcessLimits) -> io::Result<()> {
    let set = |resource, value: u64| {
        let hard = rustix::process::getrlimit(resource).maximum;
        let value = Some(hard.map_or(value, |hard| hard.min(value)));
        rustix::process::setrlimit(resource, Rlimit { current: value, maximum: value })
    };
    set(Resource::Core, 0)?;
    set(Resource::Nofile, limits.files)?;
    set(Resource::Fsize, limits.file_bytes)?;
    if let Some(processes) = limits.processes {
        set(Resource::Nproc, processes)?;
    }
    if let Some(data) = limits.data_bytes {
        set(Resource::Data, data)?;
    }
    Ok(())
}

/// Gives up the old user for good: supplementary groups, group, user, and with them every capability.
fn become_user(user: User) -> io::Result<()> {
    // SAFETY: plain system calls on this (single-threaded, just forked) process; the list of groups is empty.
    let results = unsafe {
        [
            libc::setgroups(0, std::ptr::null()),
            libc::setresgid(user.gid, user.gid, user.gid),
            libc::setresuid(user.uid, user.uid, user.uid),
        ]
    };
    if results.contains(&-1) { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn hand_over(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: both calls take numbers only; a closed descriptor is an error, not undefined.
    let result =
        unsafe { if from == to { libc::fcntl(from, libc::F_SETFD, 0) } else { libc::dup2(from, to) } };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes file access count as another user's until dropped. For a single-threaded process.
pub(crate) struct FileUser(());

impl FileUser {
    /// Takes on the user, if one is given.
    pub(crate) fn enter(user: Option<User>) -> Option<FileUser> {
        let user = user?;
        set_file_user(user.uid, user.gid);
        Some(FileUser(()))
    }
}

impl Drop for FileUser {
    fn drop(&mut self) {
        set_file_user(0, 0);
    }
}

fn set_file_user(uid: u32, gid: u32) {
    let signal = rustix::process::parent_process_death_signal().ok().flatten();
    // SAFETY: plain system calls; they cannot fail in a way that matters, the access checks that follow do.
    unsafe {
        if uid == 0 {
            libc::setfsuid(uid);
            libc::setfsgid(gid);
        } else {
            libc::setfsgid(gid);
            libc::setfsuid(uid);
        }
    }
    // The kernel clears both whenever the file user changes.
    let _ = rustix::process::set_parent_process_death_signal(signal);
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// A descriptor that becomes readable when a child ends. Blocks `SIGCHLD` for this thread.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is used; the descriptor is new and ours.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) == -1 {
            return Err(io::Error::last_os_error());
        }
        let descriptor = libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Sends a signal to every process of this process-id namespace but ourselves. Refuses if we are not its first.
pub(crate) fn signal_namespace(signal: Signal) -> io::Result<()> {
    if rustix::process::getpid() != Pid::INIT {
        return Err(io::Error::other("not the first process of a namespace"));
    }
    // SAFETY: takes numbers only.
    if unsafe { libc::kill(-1, signal.as_raw()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// CPU time of a living process with all its threads.
pub(crate) fn process_cpu_time(pid: Pid) -> Option<Duration> {
    let clock = ((!pid.as_raw_nonzero().get()) << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call; a clock of a process that is gone is an error.
    if unsafe { libc::clock_gettime(clock, &mut time) } == -1 {
        return None;
    }
    Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// CPU time of all children that were waited for.
pub(crate) fn children_cpu_time() -> Duration {
    // SAFETY: an all-zero `rusage` is valid and `getrusage` fills it.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let part = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    part(usage.ru_utime) + part(usage.ru_stime)
}

/// Arranges the descriptors of a new guest: 0, 1, 2 stay, the given ones become 3, 4, .., all others are closed.
/// Call it before anything else is opened.
pub(crate) fn arrange_descriptors(given: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    let high_start = given.iter().fold(512, |high, &descriptor| high.max(descriptor + 1));
    for (index, &descriptor) in given.iter().enumerate() {
        let high = high_start + index as RawFd;
        // SAFETY: takes numbers only; nothing in this process owns these descriptors yet.
        if unsafe { libc::dup3(descriptor, high, libc::O_CLOEXEC) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    let mut owned = Vec::new();
    // SAFETY: nothing in this process owns a descriptor from 3 on; those made here are ours alone.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, high_start - 1, 0);
        libc::syscall(libc::SYS_close_range, high_start as usize + given.len(), u32::MAX, 0);
        for index in 0..given.len() as RawFd {
            if libc::dup3(high_start + index, 3 + index, libc::O_CLOEXEC) == -1 {
                return Err(io::Error::last_os_error());
            }
            libc::close(high_start + index);
            owned.push(OwnedFd::from_raw_fd(3 + index));
        }
    }
    Ok(owned)
}

/// Standard input and output as the guest's link to the host.
pub(crate) fn standard_streams() -> (BorrowedFd<'static>, BorrowedFd<'static>) {
    // SAFETY: the guest never closes descriptors 0 and 1.
    unsafe { (BorrowedFd::borrow_raw(0), BorrowedFd::borrow_raw(1)) }
}

/// Moves this process, which must have one thread only, into a new user namespace.
pub(crate) fn unshare_user_namespace() -> io::Result<()> {
    // SAFETY: the flag concerns neither memory nor descriptors, the two things that threads take to be shared.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) }?)
}

/// Lets the asynchronous runtime tell when a descriptor becomes readable.
pub(crate) fn when_readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` always answers with the same open descriptor.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, tokio::io::Interest::READABLE) }?)
}
