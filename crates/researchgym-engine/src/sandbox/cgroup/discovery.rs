//! Finding the controllers that we may use, and our place among them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::group::Group;
use super::removal;
use crate::hold;
use researchgym_core::isolation::Runtime;
use researchgym_core::task::Resources;

/// What a control group can do for a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sandbox) enum Controller {
    Memory,
    Pids,
    Cpu,
    CpuAccounting,
    /// Killing a whole group at once.
    Kill,
}

impl Controller {
    fn v1_name(self) -> Option<&'static str> {
        match self {
            Controller::Memory => Some("memory"),
            Controller::Pids => Some("pids"),
            Controller::Cpu => Some("cpu"),
            Controller::CpuAccounting => Some("cpuacct"),
            Controller::Kill => None,
        }
    }

    /// The name in `cgroup.controllers`; accounting and killing need none.
    fn v2_name(self) -> Option<&'static str> {
        match self {
            Controller::Memory => Some("memory"),
            Controller::Pids => Some("pids"),
            Controller::Cpu => Some("cpu"),
            Controller::CpuAccounting | Controller::Kill => None,
        }
    }

    const ALL: [Controller; 5] =
        [Controller::Memory, Controller::Pids, Controller::Cpu, Controller::CpuAccounting, Controller::Kill];
}

/// Which interface a folder speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// A folder of ours in one hierarchy, and what it is used for.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub version: Version,
    pub folder: PathBuf,
    pub controllers: Vec<Controller>,
    /// Held as long as this process lives; absent where the kernel has no locks for it.
    pub _hold: Option<Arc<File>>,
}

/// The parent folders of this process's sandboxes.
#[derive(Debug)]
pub(in crate::sandbox) struct Cgroups {
    pub(super) places: Vec<Place>,
}

/// A mounted hierarchy, with our own group in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    version: Version,
    /// Names of v1 controllers.
    controllers: Vec<String>,
    mount_point: PathBuf,
    own: PathBuf,
}

impl Cgroups {
    /// Makes the parent folders wherever that is allowed. What cannot be had is left out.
    pub(in crate::sandbox) fn set_up(home: &Path) -> Cgroups {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let hierarchies = hierarchies(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let tag = removal::own_tag(home);
        let mut places: Vec<Place> = Vec::new();
        let has =
            |places: &[Place], controller| places.iter().any(|place| place.controllers.contains(&controller));
        for hierarchy in hierarchies.iter().filter(|hierarchy| hierarchy.version == Version::V1) {
            let wanted: Vec<Controller> = Controller::ALL
                .into_iter()
                .filter(|controller| {
                    controller
                        .v1_name()
                        .is_some_and(|name| hierarchy.controllers.iter().any(|has| has == name))
                })
                .filter(|&controller| !has(&places, controller))
                .collect();
            if !wanted.is_empty()
                && let Ok((folder, hold)) = make_parent(&hierarchy.own, &tag)
            {
                places.push(Place { version: Version::V1, folder, controllers: wanted, _hold: hold });
            }
        }
        for hierarchy in hierarchies.iter().filter(|hierarchy| hierarchy.version == Version::V2) {
            let missing: Vec<Controller> =
                Controller::ALL.into_iter().filter(|&controller| !has(&places, controller)).collect();
            if let Some(place) = v2_place(hierarchy, &tag, &missing) {
                places.push(place);
            }
        }
        Cgroups { places }
    }

    /// Whether groups have this controller.
    pub(in crate::sandbox) fn has(&self, controller: Controller) -> bool {
        self.places.iter().any(|place| place.controllers.contains(&controller))
    }

    /// The parent folders.
    pub(in crate::sandbox) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().map(|place| place.folder.as_path())
    }

    /// The versions in use, for people.
    pub(in crate::sandbox) fn describe(&self) -> String {
        let of = |version| self.places.iter().any(|place| place.version == version);
        match (of(Version::V1), of(Version::V2)) {
            (true, true) => "versions 1 and 2".to_owned(),
            (true, false) => "version 1".to_owned(),
            (false, true) => "version 2".to_owned(),
            (false, false) => "none that we may use".to_owned(),
        }
    }

    /// Makes the group of one sandbox with its limits. `overhead` processes are allowed beyond the limit.
    ///
    /// Processes in a namespace of their own die with its first one: they need no group just to be killed.
    pub(in crate::sandbox) fn make_group(
        &self,
        name: &str,
        runtime: Runtime,
        resources: &Resources,
        overhead: u64,
    ) -> io::Result<Group> {
        let is_needed = |place: &&Place| runtime == Runtime::Host || place.controllers != [Controller::Kill];
        Group::make(self.places.iter().filter(is_needed), name, resources, overhead)
    }
}

fn make_parent(own: &Path, tag: &str) -> io::Result<(PathBuf, Option<Arc<File>>)> {
    removal::remove_stale(own);
    let folder = own.join(tag);
    match std::fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => {
            let hold = hold::take_own(&folder).ok().map(Arc::new);
            Ok((folder, hold))
        }
    }
}

/// A process may not be in a v2 group that hands controllers down, so our own group seldom offers any; then the
/// nearest group above that does is used, if we may.
fn v2_place(hierarchy: &Hierarchy, tag: &str, wanted: &[Controller]) -> Option<Place> {
    let mut own_offer = None;
    let mut candidate = Some(hierarchy.own.as_path());
    while let Some(above) = candidate.filter(|above| above.starts_with(&hierarchy.mount_point)) {
        candidate = above.parent();
        // Moving a process needs write access to the common ancestor, which is this one.
        let may_move = rustix::fs::access(above.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok();
        let Some((folder, hold)) = may_move.then(|| make_parent(above, tag).ok()).flatten() else { continue };
        let controllers = std::fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        let offered: Vec<Controller> = wanted
            .iter()
            .copied()
            .filter(|controller| match controller.v2_name() {
                Some(name) => controllers.split_ascii_whitespace().any(|offered| offered == name),
                None => true,
            })
            .collect();
        let enabled = offered
            .iter()
            .filter_map(|controller| controller.v2_name())
            .all(|name| std::fs::write(folder.join("cgroup.subtree_control"), format!("+{name}")).is_ok());
        let place = Place { version: Version::V2, folder, controllers: offered, _hold: hold };
        let whole = enabled && place.controllers.len() == wanted.len();
        if whole {
            if let Some(Place { folder, .. }) = own_offer {
                let _ = std::fs::remove_dir(folder);
            }
            return Some(place);
        }
        if own_offer.is_none() {
            let usable =
                place.controllers.iter().copied().filter(|controller| controller.v2_name().is_none());
            own_offer = Some(Place { controllers: usable.collect(), ..place });
        } else {
            let _ = std::fs::remove_dir(&place.folder);
        }
    }
    own_offer
}

/// Where a process's groups are, whoever made them; empty if they cannot be seen from here.
pub(super) fn places_of(pid: u32) -> Vec<Place> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let hierarchies = hierarchies(&read("/proc/self/mountinfo"), &read(&format!("/proc/{pid}/cgroup")));
    let mut places: Vec<Place> = Vec::new();
    for version in [Version::V1, Version::V2] {
        for hierarchy in hierarchies.iter().filter(|hierarchy| hierarchy.version == version) {
            let controllers: Vec<Controller> = Controller::ALL
                .into_iter()
                .filter(|controller| match (version, controller.v1_name()) {
                    (Version::V1, Some(name)) => hierarchy.controllers.iter().any(|has| has == name),
                    (Version::V1, None) => false,
                    (Version::V2, _) => *controller != Controller::Kill,
                })
                .filter(|controller| !places.iter().any(|place| place.controllers.contains(controller)))
                .collect();
            if !controllers.is_empty() && hierarchy.own.is_dir() {
                places.push(Place { version, folder: hierarchy.own.clone(), controllers, _hold: None });
            }
        }
    }
    places
}

fn hierarchies(mountinfo: &str, own: &str) -> Vec<Hierarchy> {
    mountinfo.lines().filter_map(|line| hierarchy(line, own)).collect()
}

/// Where hierarchies of control groups are mounted.
pub(super) fn mount_points(mountinfo: &str) -> Vec<PathBuf> {
    let mount_point = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let is_cgroup = matches!(file_system.split(' ').next()?, "cgroup" | "cgroup2");
        is_cgroup.then(|| Some(PathBuf::from(mount.split(' ').nth(4)?)))?
    };
    mountinfo.lines().filter_map(mount_point).collect()
}

/// One line of `/proc/self/mountinfo`, matched with our lines of `/proc/self/cgroup`.
fn hierarchy(line: &str, own: &str) -> Option<Hierarchy> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mount: Vec<&str> = mount.split(' ').collect();
    let (root, mount_point) = (mount.get(3)?, PathBuf::from(mount.get(4)?));
    let mut file_system = file_system.split(' ');
    let version = match file_system.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options: Vec<&str> = file_system.nth(1)?.split(',').collect();
    let (controllers, path) = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let names: Vec<String> =
            controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let matches = match version {
            Version::V1 => !names.is_empty() && names.iter().all(|name| options.contains(&name.as_str())),
            Version::V2 => names.is_empty(),
        };
        matches.then_some((names, path))
    })?;
    // In a namespace of its own, or under a bind mount, our group's path does not begin at the mount.
    let relative = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
    let relative = relative.strip_prefix("/").unwrap_or(relative);
    let own = mount_point.join(relative);
    Some(Hierarchy { version, controllers, mount_point, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_side_by_side() {
        let mountinfo = "\
31 25 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
34 25 0:30 / /proc rw - proc proc rw\n";
        let own = "4:memory:/user/a\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/user/b\n";
        let found = hierarchies(mountinfo, own);
        let places: Vec<_> = found.iter().map(|found| (found.version, found.own.to_str().unwrap())).collect();
        assert_eq!(
            places,
            [
                (Version::V1, "/sys/fs/cgroup/memory/user/a"),
                (Version::V1, "/sys/fs/cgroup/cpu,cpuacct/"),
                (Version::V2, "/sys/fs/cgroup/unified/user/b"),
            ]
        );
    }

    #[test]
    fn a_group_below_the_mounted_root_is_found() {
        let mountinfo = "31 25 0:27 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let found = hierarchies(mountinfo, "0::/docker/x/inner\n");
        assert_eq!(found[0].own, Path::new("/sys/fs/cgroup/inner"));
    }
}
