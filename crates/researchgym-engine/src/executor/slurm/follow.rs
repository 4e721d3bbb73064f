//! What a job's place in the queue means for whoever waits for it: decided here, without effects.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{Cause, JobState, Lost};
use super::queue::{Exit, JobId, Queue, Seen, Stage};

/// How much longer processes of a job that has ended are waited for than the grace.
const ENDING: Duration = Duration::from_secs(120);

/// A job that the cluster has.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    /// Its number.
    pub(super) id: JobId,
    /// Its comment; empty if it is not known.
    pub(super) mark: String,
    /// Whether its number means it: this process handed it over, or the queue has shown it with its mark.
    pub(super) is_ours: bool,
    /// Since when it is followed.
    pub(super) since: Instant,
    /// What was told last.
    told: Option<JobState>,
    /// Since when it has ended, or is not in the queue, without a result.
    pub(super) over: Option<Instant>,
}

/// What to do after a look at the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// Say how it stands.
    Tell(JobState),
    /// Give it up.
    Lost(Lost),
    /// Nobody knows it any more: the accounts may.
    Vanished,
}

impl Followed {
    /// A job as it is handed over (`is_ours`), or as it was noted down by an earlier process.
    pub(super) fn new(id: JobId, mark: String, is_ours: bool, now: Instant) -> Followed {
        Followed { id, mark, is_ours, since: now, told: None, over: None }
    }

    /// Whether its state may change within moments.
    pub(super) fn is_moving(&self, now: Instant) -> bool {
        let is_young = now.duration_since(self.since) < Duration::from_secs(3);
        self.over.is_some() || (is_young && !matches!(self.told, Some(JobState::Running { .. })))
    }

    /// Decides after the queue was asked at `asked` and has answered by `now`. A job that has ended, or is unknown, has so long
    /// as `grace` to show its result: shared file systems show files late, and a queue may be read while a job changes.
    pub(super) fn on_queue(&mut self, queue: &Queue, asked: Instant, now: Instant, grace: Duration) -> Step {
        if asked < self.since {
            return Step::Wait;
        }
        // Another job bears its number: a controller that was killed forgets what it did last.
        let Some(seen) = queue.find(self.id).filter(|seen| seen.is_marked(&self.mark)) else {
            return if now.duration_since(*self.over.get_or_insert(now)) < grace {
                Step::Wait
            } else {
                Step::Vanished
            };
        };
        self.is_ours = true;
        let state = match seen.stage {
            Stage::Ended(cause) => return self.on_end(cause, seen, now, grace),
            Stage::Ending(cause) => return self.on_end(cause, seen, now, grace + ENDING),
            Stage::Waiting => JobState::Queued { id: self.id.to_string(), reason: seen.reason.clone() },
            Stage::Working => JobState::Running { host: seen.host.clone() },
        };
        self.over = None;
        self.tell(state)
    }

    /// What to say, if it is new.
    pub(super) fn tell(&mut self, state: JobState) -> Step {
        if self.told.as_ref() == Some(&state) {
            return Step::Wait;
        }
        self.told = Some(state.clone());
        Step::Tell(state)
    }

    fn on_end(&mut self, cause: Cause, seen: &Seen, now: Instant, grace: Duration) -> Step {
        if now.duration_since(*self.over.get_or_insert(now)) < grace {
            return Step::Wait;
        }
        let place = if seen.host.is_empty() { String::new() } else { format!(" on {}", seen.host) };
        let reason = if seen.reason.is_empty() { String::new() } else { format!(", {}", seen.reason) };
        let exit = match seen.exit {
            Some(Exit::Code(code)) => format!(", exit code {code}"),
            Some(Exit::Signal(signal)) => format!(", signal {signal}"),
            None => String::new(),
        };
        let message = format!("job {}{place} ended without a result: {}{reason}{exit}", self.id, seen.word);
        Step::Lost(Lost { cause, message })
    }

    /// What a job is that the queue has forgotten, by the first line of `sacct --parsable2 --format=State,NodeList`.
    pub(super) fn by_account(&self, line: Option<&str>) -> Lost {
        let line = line.unwrap_or_default().trim();
        let (state, host) = line.split_once('|').unwrap_or((line, ""));
        let cause = super::queue::ended(state.split([' ', '+']).next().unwrap_or_default());
        let message = match cause {
            Some(_) => format!("job {} on {host} ended without a result: {state} by the accounts", self.id),
            None => format!("job {} left no result, and the cluster does not know it any more", self.id),
        };
        Lost { cause: cause.unwrap_or(Cause::Vanished), message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::queue::parse;
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn queue(state: &str) -> Queue {
        let job = json!({ "job_id": 7, "job_state": state, "state_reason": "None", "nodes": "n1", "exit_code": 256 });
        parse(&json!({ "jobs": if state.is_empty() { vec![] } else { vec![job] } }).to_string()).unwrap()
    }

    /// What comes of looks at the queue, at these seconds.
    fn steps(looks: &[(u64, &str)]) -> Vec<String> {
        let start = Instant::now();
        let mut followed = Followed::new("7".parse().unwrap(), "m".to_owned(), true, start);
        let mut steps = Vec::new();
        for (second, state) in looks {
            let now = start + Duration::from_secs(*second);
            steps.push(match followed.on_queue(&queue(state), now, now, GRACE) {
                Step::Wait => "wait".to_owned(),
                Step::Tell(JobState::Queued { id, .. }) => format!("queued {id}"),
                Step::Tell(JobState::Running { host }) => format!("running {host}"),
                Step::Lost(lost) => format!("{:?}: {}", lost.cause, lost.message),
                Step::Vanished => "vanished".to_owned(),
            });
        }
        steps
    }

    #[test]
    fn a_job_is_told_of_as_it_moves_and_given_up_after_a_grace() {
        assert_eq!(
            steps(&[(1, "PENDING"), (2, "PENDING"), (3, "RUNNING")]),
            ["queued 7", "wait", "running n1"]
        );
        assert_eq!(
            steps(&[(1, "RUNNING"), (2, "OUT_OF_MEMORY"), (11, "OUT_OF_MEMORY"), (12, "OUT_OF_MEMORY")])[1..],
            ["wait", "wait", "OutOfMemory: job 7 on n1 ended without a result: OUT_OF_MEMORY, exit code 1"]
        );
        // Put back into the queue: the grace begins anew.
        assert_eq!(
            steps(&[
                (1, "RUNNING"),
                (2, "NODE_FAIL"),
                (8, "PENDING"),
                (9, "RUNNING"),
                (10, "NODE_FAIL"),
                (14, "NODE_FAIL")
            ]),
            ["running n1", "wait", "queued 7", "running n1", "wait", "wait"]
        );
        assert_eq!(steps(&[(1, ""), (10, ""), (11, "")]), ["wait", "wait", "vanished"]);
        assert_eq!(steps(&[(1, ""), (10, "PENDING"), (12, "")]), ["wait", "queued 7", "wait"]);
    }

    #[test]
    fn a_queue_that_was_asked_before_the_job_was_there_says_nothing() {
        let start = Instant::now();
        let since = start + Duration::from_secs(5);
        let mut followed = Followed::new("7".parse().unwrap(), "m".to_owned(), true, since);
        let late = start + Duration::from_secs(60);
        assert_eq!(followed.on_queue(&queue(""), start, late, GRACE), Step::Wait);
        assert_eq!(followed.over, None);
    }

    #[test]
    fn another_job_with_its_number_is_not_it() {
        let start = Instant::now();
        let answer =
            json!({ "jobs": [{ "job_id": 7, "job_state": "RUNNING", "nodes": "n1", "comment": "other" }] });
        let other = parse(&answer.to_string()).unwrap();
        let mut followed = Followed::new("7".parse().unwrap(), "m".to_owned(), true, start);
        assert_eq!(followed.on_queue(&other, start, start, GRACE), Step::Wait);
        assert_eq!(followed.on_queue(&other, start, start + GRACE, GRACE), Step::Vanished);
    }

    #[test]
    fn accounts_tell_what_the_queue_has_forgotten() {
        let followed = Followed::new("12_3".parse().unwrap(), String::new(), true, Instant::now());
        let table = [
            (
                Some("CANCELLED by 0|n1"),
                Cause::Cancelled,
                "job 12_3 on n1 ended without a result: CANCELLED by 0 by the accounts",
            ),
            (
                Some("OUT_OF_MEMORY|n2"),
                Cause::OutOfMemory,
                "job 12_3 on n2 ended without a result: OUT_OF_MEMORY by the accounts",
            ),
            (
                Some("RUNNING|n2"),
                Cause::Vanished,
                "job 12_3 left no result, and the cluster does not know it any more",
            ),
            (None, Cause::Vanished, "job 12_3 left no result, and the cluster does not know it any more"),
        ];
        for (line, cause, message) in table {
            assert_eq!(followed.by_account(line), Lost { cause, message: message.to_owned() });
        }
    }
}
