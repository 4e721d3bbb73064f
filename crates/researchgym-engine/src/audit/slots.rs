//! User ids that are taken: locked files in the home folder. A file that nobody holds is a free id, not a leftover.

use super::locks::Locks;
use super::{Holder, Kind, Places, Remains};

pub(super) fn look(places: &Places, locks: &Locks) -> Vec<Remains> {
    let entries = std::fs::read_dir(places.home.join("slots")).into_iter().flatten().flatten();
    let mut taken: Vec<(u32, Option<u32>)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            match locks.holder(&entry.path()) {
                Holder::Live { pid } => Some((number, pid)),
                Holder::User | Holder::Nobody => None,
            }
        })
        .collect();
    taken.sort_unstable();
    taken
        .into_iter()
        .map(|(number, pid)| Remains::live(Kind::UserId, format!("slot {number}"), pid))
        .collect()
}
