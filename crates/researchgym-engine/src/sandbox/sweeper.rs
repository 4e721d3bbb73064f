//! A small process that outlives ours just long enough to remove what the kernel does not: control groups, private
//! folders and containers.
//!
//! It holds the reading end of a pipe from us, reads what to remove, and acts when the pipe ends, which it does however
//! we die. It is in a session of its own, so that an interrupt at the terminal does not end it.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::{cgroup, docker};

/// The running sweeper.
#[derive(Debug)]
pub(super) struct Sweeper {
    orders: Mutex<Option<ChildStdin>>,
    _process: Child,
}

impl Sweeper {
    /// Starts it.
    pub(super) fn start(executable: &Path) -> io::Result<Sweeper> {
        let mut process = Command::new(executable)
            .arg("sweep")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let orders = Mutex::new(process.stdin.take());
        Ok(Sweeper { orders, _process: process })
    }

    /// To be removed after us: a control group with all below it.
    pub(super) fn add_cgroup(&self, folder: &Path) -> io::Result<()> {
        self.order('c', folder)
    }

    /// To be removed after us: a folder of ours.
    pub(super) fn add_folder(&self, folder: &Path) -> io::Result<()> {
        self.order('f', folder)
    }

    /// To be removed after us: the containers that an order of the `docker` runtime names.
    pub(super) fn add_containers(&self, order: &str) -> io::Result<()> {
        self.order('d', Path::new(order))
    }

    fn order(&self, what: char, folder: &Path) -> io::Result<()> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        match orders.as_mut() {
            Some(orders) => orders.write_all(format!("{what}{}\0", folder.display()).as_bytes()),
            None => Ok(()),
        }
    }
}

/// The sweeper's `main`.
pub(crate) fn main() -> i32 {
    // Fails if it is one already.
    let _ = rustix::process::setsid();
    let orders: Vec<String> = io::stdin()
        .lock()
        .split(0)
        .map_while(Result::ok)
        .filter_map(|order| String::from_utf8(order).ok())
        .collect();
    for order in &orders {
        if let Some(folder) = order.strip_prefix('c') {
            cgroup::remove(Path::new(folder));
        } else if let Some(folder) = order.strip_prefix('f') {
            // Most were removed by their owner.
            let _ = std::fs::remove_dir_all(folder);
        } else if let Some(order) = order.strip_prefix('d') {
            docker::remove_all_of(order);
        }
    }
    0
}
