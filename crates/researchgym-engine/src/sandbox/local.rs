//! The `local` runtime: what bubblewrap is told.
//!
//! The root is an allow-list: `/usr` with the links to it, named files of `/etc`, and what the specification mounts.
//! Everything is `nosuid,nodev` but the device nodes of granted GPUs; what may be written is the working folder and sized
//! memory file systems. The arguments go through a descriptor and the environment is empty, because the first process of the
//! sandbox would otherwise show both to everyone inside.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::MemfdFlags;

use super::machine::Bubblewrap;
use super::user_namespace::INSIDE;
use super::{SandboxSpec, WorkingFolder};

/// Where the executable is inside.
pub(crate) const GUEST: &str = "/researchgym/bin/researchgym";
/// Where the session listens.
pub(super) const SESSION_SOCKET: &str = "/run/researchgym/session.sock";
/// Where the model gateway's socket is inside.
pub const GATEWAY_SOCKET: &str = "/run/researchgym/gateway.sock";
/// The port of the sandbox's 127.0.0.1 that leads to the model gateway.
pub const GATEWAY_PORT: u16 = 8787;
/// Where the socket of the network policy's proxy is inside.
pub const PROXY_SOCKET: &str = "/run/researchgym/proxy.sock";
/// The port of the sandbox's 127.0.0.1 that leads to that proxy.
pub const PROXY_PORT: u16 = 8788;

/// Folders that hosts have at the root either as links into `/usr` or as real folders.
const USR_LINKS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What programs look for in `/etc` that tells nothing about this machine's users or secrets.
const ETC: [&str; 14] = [
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "timezone",
    "mime.types",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates.conf",
    "os-release",
    "debian_version",
];

const PASSWD: &str = "root:x:0:0:root:/:/usr/sbin/nologin\nresearcher:x:1000:1000:researcher:/tmp:/bin/bash\n\
                      nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nresearcher:x:1000:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost sandbox\n::1 localhost\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files\n";

/// A command ready to be started, and the descriptors that it needs.
pub(super) struct Prepared {
    pub command: Command,
    pub kept: Vec<OwnedFd>,
}

/// Prepares bubblewrap. `namespace`: the user namespace to be used (as root), else a new one is made.
pub(super) fn prepare(
    bubblewrap: &Bubblewrap,
    executable: &Path,
    spec: &SandboxSpec,
    namespace: Option<&OwnedFd>,
) -> io::Result<Prepared> {
    let mut arguments = Arguments::default();
    arguments.namespaces(namespace)?;
    arguments.root()?;
    for node in spec.gpus.iter().flat_map(|gpus| &gpus.nodes) {
        arguments.bind("--dev-bind", &node.source, &node.target);
    }
    arguments.memory_file_systems(spec);
    arguments.bind("--ro-bind", executable, GUEST);
    for (socket, target) in [(&spec.gateway, GATEWAY_SOCKET), (&spec.proxy, PROXY_SOCKET)] {
        if let Some(socket) = socket {
            // Read-only concerns its name and mode; connecting to it is no writing.
            arguments.bind("--ro-bind", socket, target);
        }
    }
    match &spec.working_folder {
        WorkingFolder::Writable { source } | WorkingFolder::Scratch { source, .. } => {
            arguments.bind("--bind", source, spec.working_folder.target());
        }
        WorkingFolder::ReadOnly { .. } => {}
    }
    for mount in &spec.read_only {
        arguments.bind("--ro-bind", &mount.source, &mount.target);
    }
    // Last, because mount points are made in it.
    arguments.add(&["--remount-ro", "/", "--chdir", "/"]);
    arguments.into_command(bubblewrap)
}

#[derive(Default)]
struct Arguments {
    list: Vec<u8>,
    kept: Vec<OwnedFd>,
}

impl Arguments {
    fn add(&mut self, arguments: &[&str]) {
        for argument in arguments {
            self.list.extend_from_slice(argument.as_bytes());
            self.list.push(0);
        }
    }

    /// Makes the folders above a target: bubblewrap itself would make them for root alone.
    fn parents(&mut self, target: &str) {
        let mut parents: Vec<&Path> = Path::new(target).ancestors().skip(1).collect();
        parents.pop();
        for parent in parents.into_iter().rev() {
            self.add(&["--perms", "0755", "--dir", &parent.to_string_lossy()]);
        }
    }

    fn bind(&mut self, how: &str, source: &Path, target: &str) {
        use std::os::unix::ffi::OsStrExt as _;
        self.parents(target);
        self.add(&[how]);
        self.list.extend_from_slice(source.as_os_str().as_bytes());
        self.list.push(0);
        self.add(&[target]);
    }

    fn namespaces(&mut self, namespace: Option<&OwnedFd>) -> io::Result<()> {
        match namespace {
            Some(namespace) => {
                let namespace = namespace.try_clone()?;
                let number = namespace.as_raw_fd().to_string();
                self.kept.push(namespace);
                self.add(&["--userns", &number]);
                // For the guest alone: to become the agent's user, to kill its processes, and to give up the rest.
                self.add(&["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]);
                self.add(&["--cap-add", "CAP_KILL", "--cap-add", "CAP_SETPCAP"]);
            }
            None => {
                let id = INSIDE.to_string();
                self.add(&["--unshare-user", "--disable-userns", "--uid", &id, "--gid", &id]);
                self.add(&["--cap-drop", "ALL"]);
            }
        }
        self.add(&[
            "--unshare-pid",
            "--unshare-net",
            "--unshare-ipc",
            "--unshare-uts",
            "--unshare-cgroup-try",
        ]);
        self.add(&[
            "--hostname",
            "sandbox",
            "--die-with-parent",
            "--new-session",
            "--as-pid-1",
            "--clearenv",
        ]);
        Ok(())
    }

    fn root(&mut self) -> io::Result<()> {
        self.add(&["--ro-bind", "/usr", "/usr"]);
        for name in USR_LINKS {
            let path = format!("/{name}");
            match std::fs::read_link(&path) {
                Ok(target) => self.add(&["--symlink", &target.to_string_lossy(), &path]),
                Err(_) if Path::new(&path).is_dir() => self.add(&["--ro-bind", &path, &path]),
                Err(_) => {}
            }
        }
        self.parents("/etc/ssl/certs");
        for name in ETC {
            let path = format!("/etc/{name}");
            self.add(&["--ro-bind-try", &path, &path]);
        }
        for name in python_settings() {
            self.add(&["--ro-bind-try", &name, &name]);
        }
        self.file(PASSWD, "/etc/passwd")?;
        self.file(GROUP, "/etc/group")?;
        self.file(HOSTS, "/etc/hosts")?;
        self.file(NSSWITCH, "/etc/nsswitch.conf")?;
        self.add(&["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]);
        Ok(())
    }

    fn memory_file_systems(&mut self, spec: &SandboxSpec) {
        // What is in them counts as memory and cannot be freed by killing: never more than the sandbox may use.
        let memory = spec.resources.memory_mib << 20;
        let tmp = (spec.resources.tmp_mib << 20).min(memory / 2);
        let shared = tmp.min(memory / 4);
        self.add(&["--perms", "1777", "--size", &shared.to_string(), "--tmpfs", "/dev/shm"]);
        self.add(&["--remount-ro", "/dev"]);
        self.add(&["--perms", "1777", "--size", &tmp.to_string(), "--tmpfs", "/tmp"]);
        self.add(&["--perms", "1777", "--size", "1048576", "--tmpfs", "/var/tmp"]);
        self.add(&["--perms", "0755", "--size", "1048576", "--tmpfs", "/run"]);
    }

    fn file(&mut self, content: &str, target: &str) -> io::Result<()> {
        let number = self.data(content.as_bytes())?;
        self.add(&["--perms", "0444", "--file", &number, target]);
        Ok(())
    }

    /// Content for the other process to read, and the number under which it finds it.
    fn data(&mut self, content: &[u8]) -> io::Result<String> {
        let file = rustix::fs::memfd_create("arguments", MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(file);
        io::Write::write_all(&mut file, content)?;
        io::Seek::rewind(&mut file)?;
        let number = file.as_raw_fd().to_string();
        self.kept.push(file.into());
        Ok(number)
    }

    fn into_command(mut self, bubblewrap: &Bubblewrap) -> io::Result<Prepared> {
        let list = std::mem::take(&mut self.list);
        let number = self.data(&list)?;
        let mut command = Command::new(&bubblewrap.path);
        command
            .args(["--args", &number, "--", GUEST, "guest"])
            .env_clear()
            .current_dir("/")
            .stderr(Stdio::null());
        Ok(Prepared { command, kept: self.kept })
    }
}

/// Settings of the distribution's Python, which its `site` module reads.
fn python_settings() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/etc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("python3")).map(|name| format!("/etc/{name}")).collect()
}
