//! A small process that outlives ours just long enough to remove what the kernel does not: control groups, private folders
//! and containers. Its argument is the number of the process that it follows, by which `doctor` tells whether that is alive.
//!
//! It holds the reading end of a pipe from us, reads what to remove, and acts when the pipe ends, which it does however
//! we die. It is in a session of its own, so that an interrupt at the terminal does not end it.

use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::{cgroup, docker, unisolated};
use crate::session::CONTROL_SOCKET;
use crate::store::{LOCK, remove_unfinished};
use crate::{hold, scratch, search};

/// The variable by which `doctor` knows whose it is.
pub(crate) const HOME: &str = "RESEARCHGYM_HOME";
/// How long a killed process may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running sweeper, and all that it was told, for the next one should it be killed.
#[derive(Debug)]
pub(super) struct Sweeper {
    executable: PathBuf,
    home: PathBuf,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    orders: String,
}

impl Sweeper {
    /// Starts it.
    pub(super) fn start(executable: &Path, home: &Path) -> io::Result<Sweeper> {
        let running = Mutex::new(Running { process: start(executable, home)?, orders: String::new() });
        Ok(Sweeper { executable: executable.to_owned(), home: home.to_owned(), running })
    }

    /// To be removed after us: a control group with all below it.
    pub(super) fn add_cgroup(&self, folder: &Path) -> io::Result<()> {
        self.order('c', folder)
    }

    /// To be removed after us unless another holds it: a folder of ours.
    pub(super) fn add_folder(&self, folder: &Path) -> io::Result<()> {
        self.order('f', folder)
    }

    /// To be removed after us unless another works on the run: its control socket and what was half written.
    pub(super) fn add_run(&self, folder: &Path) -> io::Result<()> {
        self.order('r', folder)
    }

    /// To be removed after us: the containers that an order of the `docker` runtime names.
    pub(super) fn add_containers(&self, order: &str) -> io::Result<()> {
        self.order('d', Path::new(order))
    }

    fn order(&self, what: char, folder: &Path) -> io::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let order = format!("{what}{}\0", folder.display());
        running.orders.push_str(&order);
        match tell(&mut running.process, &order) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            told => return told,
        }
        // It was killed.
        running.process.wait()?;
        running.process = start(&self.executable, &self.home)?;
        let Running { process, orders } = &mut *running;
        tell(process, orders)
    }
}

fn start(executable: &Path, home: &Path) -> io::Result<Child> {
    Command::new(executable)
        .arg("sweep")
        .arg(std::process::id().to_string())
        .env_clear()
        .env(HOME, home)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn tell(process: &mut Child, orders: &str) -> io::Result<()> {
    let pipe = process.stdin.as_mut().expect("it was started with a pipe");
    pipe.write_all(orders.as_bytes())
}

/// Waits until a process is gone altogether. The kernel closes what a killed process had open one after the other: the
/// pipe that woke us may be closed while locks further on are still held.
fn wait_for_the_end_of(owner: Option<u32>) {
    let owner = owner.and_then(|owner| Pid::from_raw(i32::try_from(owner).ok()?));
    let begun = Instant::now();
    while owner.is_some() && rustix::process::getppid() == owner && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Removes a folder that nobody holds, and ends what still works in it.
fn sweep_folder(folder: &Path) {
    // Most were removed by their owner.
    if folder.is_dir() && !hold::is_held(folder) {
        unisolated::kill_stragglers_of(folder);
        search::kill_policy_of(folder);
        let _ = scratch::remove_unheld(folder);
    }
}

/// Removes the socket and the half-written files of a run on which nobody works.
fn hang_up(run: &Path) {
    if let Ok(_lock) = hold::take_own(&run.join(LOCK)) {
        // Most were removed by their owner.
        let _ = std::fs::remove_file(run.join(CONTROL_SOCKET));
        let _ = remove_unfinished(run);
    }
}

/// The sweeper's `main`. `owner`: the number of the process that it follows, as both see it.
pub(crate) fn main(owner: Option<u32>) -> i32 {
    // Fails if it is one already.
    let _ = rustix::process::setsid();
    let orders: Vec<String> = io::stdin()
        .lock()
        .split(0)
        .map_while(Result::ok)
        .filter_map(|order| String::from_utf8(order).ok())
        .collect();
    wait_for_the_end_of(owner);
    for order in &orders {
        if let Some(folder) = order.strip_prefix('c') {
            cgroup::remove(Path::new(folder));
        } else if let Some(folder) = order.strip_prefix('f') {
            sweep_folder(Path::new(folder));
        } else if let Some(run) = order.strip_prefix('r') {
            hang_up(Path::new(run));
        } else if let Some(order) = order.strip_prefix('d') {
            docker::remove_all_of(order);
        }
    }
    0
}
