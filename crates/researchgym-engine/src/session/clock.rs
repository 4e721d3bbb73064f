//! Working time: what counts against a run's hours.

use std::time::{Duration, Instant};

/// Counts working time over a run's segments; grading and waiting for others are left out.
#[derive(Debug)]
pub(crate) struct Clock {
    before: Duration,
    began: Instant,
    paused: Duration,
    /// Since when it stands still.
    held: Option<Instant>,
    /// Working time when the agent was done.
    stopped: Option<Duration>,
}

impl Clock {
    /// Begins a segment after `before` of working time.
    pub(crate) fn start(before: Duration) -> Clock {
        Clock { before, began: Instant::now(), paused: Duration::ZERO, held: None, stopped: None }
    }

    /// Working time of the run so far.
    pub(crate) fn working(&self) -> Duration {
        let until = self.held.map_or_else(|| self.segment(), |since| since.duration_since(self.began));
        self.stopped.unwrap_or_else(|| self.before + until.saturating_sub(self.paused))
    }

    /// Stands still until [`Clock::release`].
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_with(Instant::now);
    }

    /// Goes on.
    pub(crate) fn release(&mut self) {
        self.paused += self.held.take().map_or(Duration::ZERO, |since| since.elapsed());
    }

    /// Whether it stands still.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The agent is done: what comes now is not working time.
    pub(crate) fn stop(&mut self) {
        self.stopped = Some(self.working());
    }

    /// The same in the unit of the log.
    pub(crate) fn working_ms(&self) -> u64 {
        self.working().as_millis() as u64
    }

    /// Wall time of this segment.
    pub(crate) fn segment(&self) -> Duration {
        self.began.elapsed()
    }

    /// What was left out of this segment.
    pub(crate) fn left_out(&self) -> Duration {
        self.paused
    }

    /// Leaves out what was not the agent's. While the clock stands still all is left out already.
    pub(crate) fn leave_out(&mut self, not_working: Duration) {
        if !self.is_held() {
            self.paused += not_working;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine is up that long")
    }

    #[test]
    fn while_it_stands_still_no_time_passes_and_none_is_left_out_twice() {
        let before = Duration::from_secs(100);
        let mut clock = Clock { began: ago(50), ..Clock::start(before) };
        clock.leave_out(Duration::from_secs(10));
        clock.held = Some(ago(30));
        clock.hold();
        let held = clock.working();
        assert_eq!(held.as_secs(), 110, "20 s of this segment, 10 of them left out");
        clock.leave_out(Duration::from_secs(5));
        assert_eq!(clock.working(), held);
        clock.release();
        assert!(!clock.is_held());
        assert_eq!((clock.working() - held).as_secs(), 0);
        clock.release();
        assert_eq!(clock.working().as_secs(), 110);
    }
}
