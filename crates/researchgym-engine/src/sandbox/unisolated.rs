//! The `host` runtime: the same guest as an ordinary process, with nothing kept apart.
//!
//! The fixed paths of a sandbox do not exist then. Commands start in the working folder itself, and:
//! * environment values (also items of lists separated by `:`) and program arguments that are such a path, or begin with
//!   one, are rewritten to where the thing really is;
//! * `RESEARCHGYM_WORKSPACE` is the working folder, `RESEARCHGYM_SESSION` the session's socket, and
//!   `RESEARCHGYM_PATH_GRADER` where `/grader` would be, likewise for every other mount (`/researchgym/lib` is
//!   `RESEARCHGYM_PATH_RESEARCHGYM_LIB`);
//! * the model gateway is where a value `/run/researchgym/gateway.sock` is rewritten to, and under no TCP address;
//! * a mount below the working folder becomes a link, unless something is there already, which then stays as it is.
//!
//! Started as root, commands run as an unprivileged user all the same.

use std::path::{Path, PathBuf};

use researchgym_core::wire::Setup;

use super::host::Inner;
use super::local::{GATEWAY_SOCKET, GUEST, SESSION_SOCKET};
use super::machine::Machine;
use super::{SandboxError, SandboxSpec, WorkingFolder};
use crate::scratch::{self, Scratch, without_path};

/// The variable by which a process is known to be the sandbox's: the private folder's path.
pub(crate) const MARKER: &str = "RESEARCHGYM_SANDBOX";
/// What the names of these folders begin with.
pub(crate) const PREFIX: &str = "researchgym-host-";

/// A folder for the session's socket and the program, removed when dropped, and where things really are.
pub(super) struct Private {
    folder: Scratch,
    /// Path inside a sandbox, path here; longer ones first.
    paths: Vec<(String, String)>,
}

impl Private {
    /// Kills what has outlived the guest, as when something inside has killed it: processes that have our folder's name
    /// in their environment. One that has cleared its environment escapes; only isolation is safe from that.
    pub(super) fn kill_stragglers(&self) {
        kill_stragglers_of(self.folder.path());
    }

    /// Rewrites one program argument.
    pub(super) fn rewritten(&self, argument: &str) -> String {
        rewrite(argument, &self.paths)
    }
}

/// Makes the folder and adapts the set-up.
pub(super) fn prepare(
    host: &Inner,
    machine: &Machine,
    spec: &SandboxSpec,
    setup: &mut Setup,
) -> Result<Private, SandboxError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| SandboxError::Path { doing, path, source: without_path(source) }
    };
    // Not below our home folder, whose parents the unprivileged user may not enter.
    let parent = std::env::temp_dir();
    let executable = host.executable()?;
    let announce = |folder: &Path| machine.sweeper.add_folder(folder);
    let folder = scratch::marked(&parent, PREFIX, 0o755, host.home(), &announce)
        .map_err(failed("making a folder in", &parent))?;
    let program = folder.path().join("bin/researchgym");
    let made = std::fs::create_dir(folder.path().join("bin")).and_then(|()| {
        // As root the file itself may be in a folder that the unprivileged user may not enter.
        if machine.root {
            std::fs::copy(executable, &program).map(drop)
        } else {
            std::os::unix::fs::symlink(executable, &program)
        }
    });
    made.map_err(failed("making", &program))?;

    let socket = folder.path().join("session.sock");
    let mut paths = vec![(GUEST.to_owned(), text(&program)), (SESSION_SOCKET.to_owned(), text(&socket))];
    paths.push(("/researchgym/bin".to_owned(), text(&folder.path().join("bin"))));
    if let Some(gateway) = &spec.gateway {
        // Not under the port that it has inside a sandbox: here that would be everybody's on the machine.
        paths.push((GATEWAY_SOCKET.to_owned(), text(gateway)));
        setup.gateway = None;
    }
    setup.proxy = None;
    if let Some(source) = spec.working_folder.writable_source() {
        let source = std::path::absolute(source).map_err(failed("looking up", source))?;
        paths.push((spec.working_folder.target().to_owned(), text(&source)));
    }
    for mount in &spec.read_only {
        let source = std::path::absolute(&mount.source).map_err(failed("looking up", &mount.source))?;
        link_into_working_folder(&spec.working_folder, &mount.target, &source)
            .map_err(failed("linking", &source))?;
        paths.push((mount.target.clone(), text(&source)));
    }
    paths.sort_by_key(|(inside, _)| std::cmp::Reverse(inside.len()));

    setup.working_folder = rewrite(&setup.working_folder, &paths);
    for (_, value) in &mut setup.environment {
        *value = value.split(':').map(|item| rewrite(item, &paths)).collect::<Vec<_>>().join(":");
    }
    let mut set = |name: String, value: String| {
        setup.environment.retain(|(existing, _)| *existing != name);
        setup.environment.push((name, value));
    };
    set(MARKER.to_owned(), text(folder.path()));
    set("RESEARCHGYM_WORKSPACE".to_owned(), setup.working_folder.clone());
    for mount in &spec.read_only {
        let name =
            mount.target.to_uppercase().replace(|character: char| !character.is_ascii_alphanumeric(), "_");
        set(format!("RESEARCHGYM_PATH{name}"), rewrite(&mount.target, &paths));
    }
    if spec.session {
        set("RESEARCHGYM_SESSION".to_owned(), text(&socket));
        setup.session_socket = Some(text(&socket));
    }
    Ok(Private { folder, paths })
}

/// For the sweeper too: the folder is the only sign of what has outlived the guest, and is about to go.
pub(super) fn kill_stragglers_of(folder: &Path) {
    if !folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        return;
    }
    kill_marked(MARKER, folder);
}

/// Kills all processes in whose environment this variable names the folder.
pub(crate) fn kill_marked(variable: &str, folder: &Path) {
    let marker = format!("{variable}={}\0", folder.display());
    for _ in 0..100 {
        let stragglers = processes_with(marker.as_bytes());
        if stragglers.is_empty() {
            return;
        }
        for pid in stragglers {
            // It may have ended meanwhile.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn processes_with(marker: &[u8]) -> Vec<rustix::process::Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        // Unreadable for processes of others, which are none of ours.
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(marker.len()).any(|window| window == marker)
    })
    .filter_map(rustix::process::Pid::from_raw)
    .collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn rewrite(value: &str, paths: &[(String, String)]) -> String {
    let of = |(inside, here): &(String, String)| {
        let rest = value.strip_prefix(inside.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{here}{rest}"))
    };
    paths.iter().find_map(of).unwrap_or_else(|| value.to_owned())
}

fn link_into_working_folder(folder: &WorkingFolder, target: &str, source: &Path) -> std::io::Result<()> {
    let (Some(root), Ok(relative)) =
        (folder.writable_source(), Path::new(target).strip_prefix(folder.target()))
    else {
        return Ok(());
    };
    let link: PathBuf = root.join(relative);
    match link.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(_) => std::os::unix::fs::symlink(source, link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_rewritten_at_their_ends_only() {
        let paths = [("/grader/data".to_owned(), "/b".to_owned()), ("/grader".to_owned(), "/a".to_owned())];
        let check = |value, expected| assert_eq!(rewrite(value, &paths), expected);
        check("/grader", "/a");
        check("/grader/grade.py", "/a/grade.py");
        check("/grader/data/x", "/b/x");
        check("/graders", "/graders");
        check("x/grader", "x/grader");
    }
}
