//! A container engine of the harness's own, to be killed: `.ci/docker-engine own` makes it, with its data, its socket and its
//! settings in a folder that its command line names. No other engine is ever touched.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal};

use super::family::command_line;
use crate::Outcome;
use crate::place;

/// What a program needs to know of an engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Address {
    /// `DOCKER_HOST`, if it is not the usual place.
    pub(super) host: Option<String>,
    /// The image that runs are given, if it is not the usual one.
    pub(super) image: Option<String>,
}

impl Address {
    /// The engine of whoever started the harness.
    pub(super) fn given() -> Address {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Address { host: variable("DOCKER_HOST"), image: variable("RESEARCHGYM_TEST_IMAGE") }
    }
}

/// The engine; stopped when dropped.
#[derive(Debug)]
pub(super) struct Engine {
    folder: PathBuf,
    pub(super) address: Address,
}

impl Engine {
    /// Starts one. The error says why that cannot be done here.
    pub(super) fn start() -> Outcome<Engine> {
        // The script's settings are shell words.
        let show = "settings=$(bash .ci/docker-engine own) && eval \"$settings\" && \
                    printf '%s\\n' \"$RESEARCHGYM_ENGINE\" \"$DOCKER_HOST\" \"$RESEARCHGYM_TEST_IMAGE\"";
        let output = Command::new("bash")
            .args(["-c", show])
            .current_dir(place::repository())
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        match text.lines().collect::<Vec<_>>().as_slice() {
            [folder, host, image] if output.status.success() => {
                let address = Address { host: Some((*host).to_owned()), image: Some((*image).to_owned()) };
                Ok(Engine { folder: folder.into(), address })
            }
            _ => Err("an engine of the harness's own cannot be started".into()),
        }
    }

    /// Kills the daemon; whether it was there. Its containers live on, as they do when a daemon crashes.
    pub(super) fn kill(&self) -> bool {
        let text = std::fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
        let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else { return false };
        let Ok(held) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // Looked up again once it is held: its number may be another's by now.
        let number = pid.as_raw_nonzero().get().unsigned_abs();
        let own = self.folder.join("daemon.json").display().to_string();
        let is_ours = command_line(number).contains(&own);
        is_ours && rustix::process::pidfd_send_signal(&held, Signal::KILL).is_ok()
    }

    /// Starts the daemon again; it ends what its predecessor left running.
    pub(super) fn again(&self) -> Outcome<()> {
        self.script("again")
    }

    fn script(&self, word: &str) -> Outcome<()> {
        let status = Command::new("bash")
            .arg(".ci/docker-engine")
            .arg(word)
            .arg(&self.folder)
            .current_dir(place::repository())
            .stdin(Stdio::null())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`.ci/docker-engine {word}` ended with {status}").into())
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // What it says goes to standard error.
        let _ = self.script("stop");
    }
}
