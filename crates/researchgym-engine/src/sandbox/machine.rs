//! What is found and set up once per process: control groups, the sweeper, bubblewrap.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::cgroup::{self, Cgroups};
use super::sweeper::Sweeper;

/// Older ones lack `--size` or `--disable-userns`.
const OLDEST_BUBBLEWRAP: (u32, u32) = (0, 8);

/// Shared by all sandboxes of this process.
#[derive(Debug)]
pub(super) struct Machine {
    pub root: bool,
    pub cgroups: Cgroups,
    pub sweeper: Sweeper,
}

static MACHINE: OnceLock<Machine> = OnceLock::new();

impl Machine {
    /// Sets up at the first call. `executable` is used for the sweeper, control groups are marked with `home`.
    pub(super) fn get(executable: &Path, home: &Path) -> io::Result<&'static Machine> {
        static STARTING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _starting = STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(machine) = MACHINE.get() {
            return Ok(machine);
        }
        let sweeper = Sweeper::start(executable, home)?;
        let cgroups = Cgroups::set_up(home);
        for folder in cgroups.folders() {
            sweeper.add_cgroup(folder)?;
        }
        Ok(MACHINE.get_or_init(|| Machine { root: rustix::process::geteuid().is_root(), cgroups, sweeper }))
    }
}

/// Removes this process's control groups with all in them, and those of processes with this home that are gone. For who is
/// itself in a group of somebody else's that ends with it: its sweeper does not come to it.
pub(crate) fn remove_groups(home: &Path) {
    if let Some(machine) = MACHINE.get() {
        machine.cgroups.folders().for_each(cgroup::remove);
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let stale = cgroup::parents(&mounts).into_iter().filter(|parent| parent.is_of(home) && !parent.is_live());
    stale.for_each(|parent| cgroup::remove(&parent.folder));
}

/// A bubblewrap that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bubblewrap {
    pub path: PathBuf,
    pub version: String,
}

/// Looks for bubblewrap in `PATH` and asks for its version. The error is for people.
pub(super) fn bubblewrap() -> Result<Bubblewrap, String> {
    let path = find_program("bwrap").ok_or("bubblewrap (`bwrap`) is not installed")?;
    let output = Command::new(&path).arg("--version").env_clear().stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{}` cannot be run: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().trim_start_matches("bubblewrap ").to_owned();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST_BUBBLEWRAP {
        return Err(format!("bubblewrap {version} is too old: 0.8 or later is needed"));
    }
    Ok(Bubblewrap { path, version })
}

/// The first executable of that name in `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file() && rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok())
}
