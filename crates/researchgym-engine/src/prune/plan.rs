//! Which runs go. Pure: the time is an argument.

use std::time::{Duration, SystemTime};

use super::{Candidate, Total};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Only runs whose log was not written to for so long.
    pub older_than: Option<Duration>,
    /// Oldest first, and no more than it takes for the store to be no larger than this.
    pub keep_bytes: Option<u64>,
}

/// What would go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The runs, oldest first.
    pub goes: Vec<Candidate>,
    /// What that frees.
    pub frees: u64,
    /// What the store takes now.
    pub taken: u64,
}

/// Chooses among the runs that may go. `others` are all that may not, for the size of the store.
pub fn plan(may_go: Vec<Candidate>, others: &[Candidate], criteria: Criteria, now: SystemTime) -> Plan {
    let taken = Total::taken(may_go.iter().chain(others).map(|candidate| &candidate.size));
    let is_old = |candidate: &Candidate| {
        // A log of the future is not old.
        let age = now.duration_since(candidate.written).unwrap_or_default();
        criteria.older_than.is_none_or(|least| age > least)
    };
    let mut may_go: Vec<Candidate> = may_go.into_iter().filter(is_old).collect();
    may_go.sort_by(|one, other| {
        let key = |candidate: &Candidate| (candidate.written, candidate.folder.root().to_owned());
        key(one).cmp(&key(other))
    });
    let mut freed = Total::default();
    let mut goes = Vec::new();
    for candidate in may_go {
        if criteria.keep_bytes.is_some_and(|keep| taken.saturating_sub(freed.bytes()) <= keep) {
            break;
        }
        freed.free(&candidate.size);
        goes.push(candidate);
    }
    Plan { goes, frees: freed.bytes(), taken }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::prune::Size;
    use crate::store::RunFolder;

    /// Runs of one file each, the first the oldest by a day.
    fn candidates(parent: &Path, count: u64, now: SystemTime) -> Vec<Candidate> {
        (0..count)
            .map(|at| {
                let root = parent.join(format!("{at:08x}"));
                std::fs::create_dir(&root).expect("a folder");
                std::fs::write(root.join("events.jsonl"), vec![b'x'; 100_000]).expect("a file");
                let written = now - Duration::from_secs((count - at) * 86_400);
                Candidate {
                    folder: RunFolder::open(&root).expect("a folder"),
                    written,
                    size: Size::of(&root),
                }
            })
            .collect()
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.goes.iter().map(|candidate| candidate.folder.id()).collect()
    }

    #[test]
    fn the_oldest_go_first_and_no_more_than_is_asked_for() {
        let parent = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let mut runs = candidates(parent.path(), 4, now);
        let one = runs[0].size.bytes();
        runs.reverse();
        let all = plan(runs.clone(), &[], Criteria::default(), now);
        assert_eq!(ids(&all), ["00000000", "00000001", "00000002", "00000003"]);
        assert_eq!((all.frees, all.taken), (4 * one, 4 * one));
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        let old = plan(runs.clone(), &[], Criteria { older_than: days(2), keep_bytes: None }, now);
        assert_eq!(ids(&old), ["00000000", "00000001"]);
        let small = Criteria { older_than: None, keep_bytes: Some(3 * one - 1) };
        assert_eq!(ids(&plan(runs.clone(), &[], small, now)), ["00000000", "00000001"]);
        let fits = Criteria { older_than: None, keep_bytes: Some(4 * one) };
        assert_eq!(ids(&plan(runs.clone(), &[], fits, now)), Vec::<&str>::new());
        // What may not go counts, too.
        let others = runs.split_off(2);
        let kept = plan(runs, &others, Criteria { older_than: days(3), keep_bytes: Some(one) }, now);
        assert_eq!((ids(&kept), kept.taken), (vec![], 4 * one));
    }
}
