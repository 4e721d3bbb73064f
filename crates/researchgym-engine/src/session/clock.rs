//! Working time: what counts against a run's hours.

use std::time::{Duration, Instant};

/// Counts working time over a run's segments; grading and waiting for others are left out.
#[derive(Debug)]
pub(crate) struct Clock {
    before: Duration,
    began: Instant,
    paused: Duration,
    /// Working time when the agent was done.
    stopped: Option<Duration>,
}

impl Clock {
    /// Begins a segment after `before` of working time.
    pub(crate) fn start(before: Duration) -> Clock {
        Clock { before, began: Instant::now(), paused: Duration::ZERO, stopped: None }
    }

    /// Working time of the run so far.
    pub(crate) fn working(&self) -> Duration {
        self.stopped.unwrap_or_else(|| self.before + self.segment().saturating_sub(self.paused))
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

    /// Leaves out what was not the agent's.
    pub(crate) fn leave_out(&mut self, not_working: Duration) {
        self.paused += not_working;
    }
}
