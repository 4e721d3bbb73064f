//! Control groups: one folder per process of ours in each hierarchy, with those of its sandboxes below.

use std::os::unix::fs::MetadataExt as _;

use super::locks::Locks;
use super::{Holder, Kind, Places, Remains, Scope, Way, is_ours};
use crate::sandbox::cgroup::parents;

pub(super) fn look(places: &Places, mountinfo: &str, locks: &Locks) -> Vec<Remains> {
    parents(mountinfo)
        .into_iter()
        .filter(|parent| parent.folder.metadata().is_ok_and(|metadata| is_ours(metadata.uid())))
        .filter(|parent| places.scope == Scope::Machine || parent.is_of(&places.home))
        .map(|parent| {
            let what = parent.folder.display().to_string();
            match (parent.is_live(), locks.holder(&parent.folder)) {
                (_, Holder::Live { pid }) => {
                    Remains::live(Kind::ControlGroup, what, pid.or(Some(parent.pid())))
                }
                (true, _) => Remains::live(Kind::ControlGroup, what, Some(parent.pid())),
                (false, _) => Remains::left_with(Kind::ControlGroup, what, Way::ControlGroup(parent)),
            }
        })
        .collect()
}
