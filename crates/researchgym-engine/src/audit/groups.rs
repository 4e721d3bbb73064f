//! Control groups: one folder per process of ours in each hierarchy, with those of its sandboxes below.

use std::os::unix::fs::MetadataExt as _;

use super::locks::Locks;
use super::{Holder, Kind, Remains, Way, is_ours};
use crate::sandbox::cgroup::parents;

pub(super) fn look(mountinfo: &str, locks: &Locks) -> Vec<Remains> {
    parents(mountinfo)
        .into_iter()
        .filter(|parent| parent.folder.metadata().is_ok_and(|metadata| is_ours(metadata.uid())))
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
