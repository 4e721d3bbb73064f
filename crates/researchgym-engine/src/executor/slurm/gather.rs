//! Which waiting jobs are handed over together: decided here, without effects.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::{Group, Needs};

/// Jobs that come so soon after one another are handed over together.
const GATHER: Duration = Duration::from_millis(30);
/// A group that gets no further job for so long is not waited for: its other jobs have ended earlier, or will not come.
const STRAGGLERS: Duration = Duration::from_secs(2);

/// A job that waits to be handed over.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Its key.
    pub(super) key: u64,
    /// What it needs.
    pub(super) needs: Needs,
    /// With which jobs it was asked for.
    pub(super) group: Option<Group>,
    /// When it came.
    pub(super) arrived: Instant,
    /// Not before: the cluster took no more.
    pub(super) not_before: Option<Instant>,
}

/// Of each group, how many of its jobs have come, and when the last one did.
pub(super) type Arrivals = BTreeMap<String, (usize, Instant)>;

/// The jobs that are to be handed over now, all with the same needs and of one group or of none; else when to ask again.
pub(super) fn due(
    waiting: &[Waiting],
    arrivals: &Arrivals,
    now: Instant,
) -> Result<Vec<u64>, Option<Instant>> {
    let mut next: Option<Instant> = None;
    for first in waiting {
        let is_like = |other: &&Waiting| other.group == first.group && other.needs == first.needs;
        let ready_at = ready_at(first, arrivals);
        if ready_at <= now {
            let is_free = |other: &&Waiting| other.not_before.is_none_or(|time| time <= now);
            return Ok(waiting.iter().filter(is_like).filter(is_free).map(|waiting| waiting.key).collect());
        }
        next = Some(next.map_or(ready_at, |next| next.min(ready_at)));
    }
    Err(next)
}

fn ready_at(waiting: &Waiting, arrivals: &Arrivals) -> Instant {
    let gathered = match &waiting.group {
        None => waiting.arrived + GATHER,
        Some(group) => match arrivals.get(&group.name) {
            Some((arrived, last)) if *arrived < group.jobs => *last + STRAGGLERS,
            _ => waiting.arrived,
        },
    };
    waiting.not_before.map_or(gathered, |time| time.max(gathered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(key: u64, cpus: u32, group: Option<&str>, arrived: Instant) -> Waiting {
        Waiting {
            key,
            needs: Needs { cpus, memory_mib: 1, gpus: 0, time: None },
            group: group.map(|name| Group { name: name.to_owned(), jobs: 3, at_once: 2 }),
            arrived,
            not_before: None,
        }
    }

    #[test]
    fn jobs_that_come_together_with_equal_needs_go_together() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let jobs = [waiting(1, 1, None, at(0)), waiting(2, 2, None, at(5)), waiting(3, 1, None, at(20))];
        let none = Arrivals::new();
        assert_eq!(due(&jobs, &none, at(29)), Err(Some(at(30))));
        assert_eq!(due(&jobs, &none, at(30)), Ok(vec![1, 3]));
        assert_eq!(due(&jobs[1..2], &none, at(30)), Err(Some(at(35))));
        assert_eq!(due(&[], &none, at(30)), Err(None));
    }

    #[test]
    fn a_group_goes_when_it_is_whole_or_when_nobody_comes_any_more() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let jobs = [waiting(1, 1, Some("g"), at(0)), waiting(2, 1, Some("g"), at(500))];
        let arrivals = |count, ms| Arrivals::from([("g".to_owned(), (count, at(ms)))]);
        assert_eq!(due(&jobs, &arrivals(2, 500), at(900)), Err(Some(at(2500))));
        assert_eq!(due(&jobs, &arrivals(2, 500), at(2500)), Ok(vec![1, 2]));
        assert_eq!(due(&jobs, &arrivals(3, 900), at(900)), Ok(vec![1, 2]));
    }

    #[test]
    fn a_job_that_was_turned_away_waits() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut jobs = [waiting(1, 1, None, at(0)), waiting(2, 1, None, at(0))];
        jobs[0].not_before = Some(at(1000));
        assert_eq!(due(&jobs, &Arrivals::new(), at(100)), Ok(vec![2]));
        assert_eq!(due(&jobs[..1], &Arrivals::new(), at(100)), Err(Some(at(1000))));
    }
}
