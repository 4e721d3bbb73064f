//! What runs have left on this machine, whose it is, and how to be rid of it: `doctor --audit` and `doctor --clean`.
//!
//! A process of ours that is killed takes its sandboxes with it, and its sweeper removes the rest. The audit is for what
//! escapes that: a sweeper that was killed too, a machine that lost power, a bug. Each kind of remains has a file here with
//! one `look`. What is live is told by locks that the kernel holds for living processes; numbers of processes alone, which
//! come again and differ between namespaces, never decide that something may be removed.
//!
//! It sees what its user may see: as root the whole machine, otherwise what belongs to the user; in folders for temporary
//! files, whose names are anybody's, only what this user made and marked. [`Scope::Home`] narrows it to what one home's
//! processes have made. A kind that needs
//! somebody else's answer, such as the containers of an engine, adds its own [`Remains`] to the audit's.

mod clean;
mod folders;
mod groups;
mod locks;
mod mounts;
mod processes;
mod runs;
mod slots;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use self::clean::Way;
pub use self::clean::{Cleaned, Failed, clean};
use self::locks::Locks;

/// How long a folder may be without its lock, or half removed, on a busy machine.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Where runs leave things.
#[derive(Clone, Debug)]
pub struct Places {
    /// `RESEARCHGYM_HOME`.
    pub home: PathBuf,
    /// The folder of the runs.
    pub runs: PathBuf,
    /// Folders for temporary files.
    pub temporary: Vec<PathBuf>,
    /// Whose remains count.
    pub scope: Scope,
}

/// Whose remains an audit looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's on this machine whom this user may judge.
    Machine,
    /// Those of processes with this home folder, as far as they say so: guests and bubblewraps do not.
    Home,
}

impl Places {
    /// These places, and the machine's folders for temporary files.
    pub fn new(home: PathBuf, runs: PathBuf) -> Places {
        let mut temporary = vec![std::env::temp_dir(), PathBuf::from("/tmp")];
        temporary.dedup();
        Places { home, runs, temporary, scope: Scope::Machine }
    }

    /// Whether something that a process with this home has made counts.
    fn counts(&self, home: &Path) -> bool {
        match self.scope {
            Scope::Machine => true,
            Scope::Home => home == self.home,
        }
    }
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A guest, a bubblewrap, a sweeper, or what was started in a sandbox without isolation.
    Process,
    /// A control group with all below it.
    ControlGroup,
    /// A mount below a folder of ours.
    Mount,
    /// A container of an engine.
    Container,
    /// A socket on which nobody listens, or that a live run listens on.
    Socket,
    /// A folder for one grading, one gateway, one unfinished download.
    Folder,
    /// A half-written file.
    File,
    /// A run without an end.
    Run,
    /// An unprivileged user id that is taken.
    UserId,
}

impl Kind {
    /// The kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Process => "process",
            Kind::ControlGroup => "control group",
            Kind::Mount => "mount",
            Kind::Container => "container",
            Kind::Socket => "socket",
            Kind::Folder => "folder",
            Kind::File => "file",
            Kind::Run => "run",
            Kind::UserId => "user id",
        }
    }
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "held_by")]
pub enum Holder {
    /// A process of ours that lives.
    Live {
        /// Its number, if it can be seen from here.
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<u32>,
    },
    /// The user: it is data, and only the user removes it.
    User,
    /// Nobody: it is left.
    Nobody,
}

/// One thing that a run has made, or that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// What kind of thing.
    pub kind: Kind,
    /// Which one: a path, or number and command of a process.
    pub what: String,
    /// Whose it is.
    #[serde(flatten)]
    pub holder: Holder,
    /// Whether `doctor --clean` removes it.
    pub removable: bool,
    /// More about it, such as the way on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(skip)]
    way: Option<Way>,
}

impl Remains {
    /// Something that a live process holds.
    pub fn live(kind: Kind, what: String, pid: Option<u32>) -> Remains {
        Remains { kind, what, holder: Holder::Live { pid }, removable: false, detail: None, way: None }
    }

    /// Something of the user's.
    fn kept(kind: Kind, what: String, detail: String) -> Remains {
        let detail = Some(detail);
        Remains { kind, what, holder: Holder::User, removable: false, detail, way: None }
    }

    /// Something that belongs to nobody; whoever adds it removes it.
    pub fn left(kind: Kind, what: String) -> Remains {
        Remains { kind, what, holder: Holder::Nobody, removable: true, detail: None, way: None }
    }

    fn left_with(kind: Kind, what: String, way: Way) -> Remains {
        Remains { way: Some(way), ..Remains::left(kind, what) }
    }

    /// Whether it belongs to nobody.
    pub fn is_left(&self) -> bool {
        self.holder == Holder::Nobody
    }
}

/// Whether what belongs to a user is for us to judge: root judges everything, others their own.
fn is_ours(owner: u32) -> bool {
    let user = rustix::process::geteuid();
    user.is_root() || user.as_raw() == owner
}

/// Looks at everything, and a second time if something is left: what is just being made, or removed, is nobody's for a
/// moment. Blocks for some 10 ms, longer with many processes and runs; changes nothing.
pub fn look(places: &Places) -> Vec<Remains> {
    let mut remains = glance(places);
    if remains.iter().any(Remains::is_left) {
        let name = |remains: &Remains| (remains.kind, remains.what.clone());
        let left: HashSet<_> = remains.iter().filter(|one| one.is_left()).map(name).collect();
        std::thread::sleep(BETWEEN_LOOKS);
        remains = glance(places);
        remains.retain(|one| !one.is_left() || left.contains(&name(one)));
    }
    remains
}

fn glance(places: &Places) -> Vec<Remains> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mountinfo = read("/proc/self/mountinfo");
    let locks = Locks::read(&read("/proc/locks"));
    let mut remains = processes::look(places, &locks);
    remains.extend(groups::look(places, &mountinfo, &locks));
    remains.extend(mounts::look(places, &mountinfo, &locks));
    remains.extend(folders::look(places, &locks));
    remains.extend(runs::look(places, &locks));
    remains.extend(slots::look(places, &locks));
    remains
}
