//! What runs inside a sandbox: one process, one thread, one poll loop.
//!
//! The guest starts and kills the agent's processes, passes their output on and offers the session and the model gateway
//! to programs inside.
//! It believes the host and nobody else. In a sandbox it is the first process of its namespace: nothing inside can
//! kill it, and its end is the end of all. It opens no files on start beyond what it is told to.

mod connect;
mod event_loop;
mod files;
mod flow;
mod forward;
mod jobs;
mod launch;
mod link;
mod meter;
mod output;
mod seccomp;
mod session;
mod shell;
mod tree;

use std::ffi::OsString;
use std::io;
use std::os::fd::{IntoRawFd as _, RawFd};
use std::path::Path;

use researchgym_core::wire::{FromGuest, Setup, ToGuest};
use rustix::process::{DumpableBehavior, Resource, Rlimit};

use self::event_loop::{Guest, Opened};
use self::link::{Link, Message};
use crate::sys;

/// The exit status of a guest that cannot connect to its host, which has no other way to tell.
pub(crate) const NOT_CONNECTED: i32 = 71;

/// Serves the host over standard input and output until it hangs up; with `--connect PATH`, over the socket there. Returns
/// the exit status.
pub(crate) fn main(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let received = match (arguments.next(), arguments.next()) {
        (Some(word), Some(path)) if word == "--connect" => match connect::connect(Path::new(&path)) {
            Ok(received) => received,
            Err(_) => return NOT_CONNECTED,
        },
        _ => Vec::new(),
    };
    // Owned again, under other numbers, once they are arranged.
    let received = received.into_iter().map(|descriptor| descriptor.into_raw_fd()).collect();
    let mut link = Link::new();
    let guest = match set_up(&mut link, received) {
        Ok(guest) => guest,
        Err(reason) => {
            link.send(&FromGuest::Failed { reason });
            // Whether or not this is heard, there is nothing more to do.
            let _ = link.flush();
            return 1;
        }
    };
    match guest.serve(link) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn set_up(link: &mut Link, received: Vec<RawFd>) -> Result<Guest, String> {
    let setup = match link.wait() {
        Ok(Message::Control(ToGuest::Setup(setup))) => *setup,
        Ok(_) => return Err("the first message is not the set-up".to_owned()),
        Err(error) => return Err(format!("reading the set-up: {error}")),
    };
    let step = |doing: &str, result: io::Result<()>| result.map_err(|error| format!("{doing}: {error}"));
    step("raising the limit on open files", raise_open_files())?;
    let given = if received.is_empty() { &setup.inherited } else { &received };
    let inherited = sys::arrange_descriptors(given).map_err(|error| format!("descriptors: {error}"))?;
    step("no longer dumping core", not_dumpable())?;
    step("giving up privileges", rustix::thread::set_no_new_privs(true).map_err(io::Error::from))?;
    if setup.isolated {
        step("giving up capabilities", bound_capabilities())?;
        seccomp::install().map_err(|error| format!("seccomp: {error}"))?;
    } else {
        let own = Some(rustix::process::getpid());
        step("adopting orphans", rustix::process::set_child_subreaper(own).map_err(io::Error::from))?;
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    step("no longer blocking", link.stop_blocking())?;
    let guest = Guest::new(setup, inherited)?;
    link.send(&FromGuest::Ready);
    Ok(guest)
}

fn raise_open_files() -> io::Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    Ok(rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// Nobody of the same user may read the guest's memory or descriptors.
fn not_dumpable() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Empties the bounding set as far as the guest is allowed to: what it starts can never gain a capability. What it
/// holds itself (as root: changing users and killing) stays.
fn bound_capabilities() -> io::Result<()> {
    use rustix::thread::CapabilitySet;
    let held = rustix::thread::capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // EINVAL: one that this kernel does not know.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut kept = held;
        kept.effective.remove(CapabilitySet::SETPCAP);
        kept.permitted.remove(CapabilitySet::SETPCAP);
        kept.inheritable = CapabilitySet::empty();
        rustix::thread::set_capabilities(None, kept)?;
    }
    Ok(())
}

impl Guest {
    fn new(setup: Setup, inherited: Vec<std::os::fd::OwnedFd>) -> Result<Guest, String> {
        let shell_numbers = shell::reserve_numbers().map_err(|error| format!("descriptors: {error}"))?;
        let files = files::Files::open(&setup.working_folder, setup.user)
            .map_err(|error| format!("the working folder `{}`: {error}", setup.working_folder))?;
        let children = sys::child_signals().map_err(|error| format!("child signals: {error}"))?;
        let session = match &setup.session_socket {
            None => None,
            Some(path) => Some(
                session::Session::listen(path)
                    .map_err(|error| format!("the session socket `{path}`: {error}"))?,
            ),
        };
        let forwarded = [("model gateway", &setup.gateway), ("proxy", &setup.proxy)];
        let listening = forwarded.into_iter().filter_map(|(name, place)| Some((name, place.as_ref()?)));
        let forwarders = listening.map(|(name, place)| {
            forward::Forwarder::listen(place)
                .map_err(|error| format!("the {name} at `{}`: {error}", place.socket))
        });
        let forwarders = forwarders.collect::<Result<Vec<_>, _>>()?;
        Ok(Guest::assemble(setup, Opened { inherited, files, children, session, forwarders, shell_numbers }))
    }
}
