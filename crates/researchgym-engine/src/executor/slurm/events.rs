//! What the desk starts, and what it makes of what comes back.

use std::path::PathBuf;
use std::time::Duration;

use researchgym_core::failure::{Boundary, Failure};
use tokio::time::Instant;

use super::super::{JobEnd, JobState, Lost};
use super::commands::Trouble;
use super::desk::{Desk, Job, Stage};
use super::follow::{Followed, Step};
use super::queue::{self, JobId, Queue};
use super::submit::{self, Outcome, refusal};
use super::trace::{self, Trace};

/// What has ended that the desk had started.
pub(super) enum Event {
    /// A folder was read.
    Read { key: u64, trace: Trace },
    /// Jobs were handed over, or not.
    HandedOver(Vec<(u64, Outcome)>),
    /// The queue has answered, or not.
    Queue { asked: Instant, answer: Result<Queue, Trouble> },
    /// Results were looked for.
    Looked { since: Instant, done: Vec<u64> },
    /// The accounts have answered.
    Accounts { key: u64, line: Option<String> },
    /// Jobs were cancelled, or not.
    Cancelled { ids: Vec<JobId>, answer: Result<String, Trouble> },
    /// A job that was lost or cancelled may be handed over anew.
    Forgotten { id: JobId, ended: Option<(u64, JobEnd)> },
    /// Held jobs were looked at: those of folders in which nothing is left to do.
    Swept { over: Vec<(Followed, PathBuf)> },
    /// Something was written that nobody waits for.
    Noted,
}

impl Desk {
    pub(super) fn ask(&mut self, now: Instant) {
        self.is_asking = true;
        let commands = self.sender.commands.clone();
        self.tasks.spawn(async move {
            let options = ["--me", "--states=all", "--json"].map(str::to_owned);
            let answer = commands.run("squeue", &options).await;
            Event::Queue {
                asked: now,
                answer: answer.and_then(|text| queue::parse(&text).map_err(Trouble::Away)),
            }
        });
    }

    pub(super) fn look(&mut self, folders: Vec<(u64, PathBuf, bool)>, now: Instant) {
        self.is_looking = true;
        self.tasks.spawn_blocking(move || {
            let has_result = |folder: &PathBuf, is_over: bool| {
                if is_over { trace::has_result_by_listing(folder) } else { trace::has_result(folder) }
            };
            let done = folders
                .iter()
                .filter(|(_, folder, is_over)| has_result(folder, *is_over))
                .map(|(key, ..)| *key);
            Event::Looked { since: now, done: done.collect() }
        });
    }

    pub(super) fn cancel(&mut self, now: Instant) {
        self.is_cancelling = true;
        let ids = self.doomed.due(now);
        let commands = self.sender.commands.clone();
        self.tasks.spawn(async move {
            let names: Vec<String> = ids.iter().map(JobId::to_string).collect();
            let arguments: Vec<String> = std::iter::once("--quiet".to_owned()).chain(names).collect();
            let answer = commands.run("scancel", &arguments).await;
            Event::Cancelled { ids, answer }
        });
    }

    pub(super) fn on_event(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Read { key, trace } => self.on_read(key, trace, now),
            Event::HandedOver(outcomes) => {
                self.is_handing_over = false;
                outcomes.into_iter().for_each(|(key, outcome)| self.on_outcome(key, outcome, now));
            }
            Event::Queue { asked, answer } => {
                self.is_asking = false;
                self.asked = Some((asked, now.duration_since(asked)));
                match answer {
                    Ok(queue) => self.on_queue(&queue, asked, now),
                    Err(trouble) => self.on_trouble(&trouble, now),
                }
            }
            Event::Looked { since, done } => {
                self.is_looking = false;
                self.looked = Some((now, now.duration_since(since)));
                done.into_iter().for_each(|key| self.end(key, Ok(JobEnd::Result)));
            }
            Event::Accounts { key, line } => {
                if let Some(Job { stage: Stage::Accounting(followed), .. }) = self.jobs.get(&key) {
                    let (id, lost) = (followed.id, followed.by_account(line.as_deref()));
                    self.lose(key, id, lost);
                }
            }
            Event::Cancelled { ids, answer } => {
                self.is_cancelling = false;
                match answer {
                    // It says so too if some are gone already.
                    Ok(_) | Err(Trouble::Refused(_)) => self.doomed.cancelled(&ids, now),
                    Err(trouble) => {
                        self.cancel_after = Some(now + Duration::from_secs(2));
                        self.on_trouble(&trouble, now);
                    }
                }
            }
            Event::Forgotten { id, ended } => {
                if let Some((key, end)) = ended {
                    self.end(key, Ok(end));
                }
                let is_parked = |job: &Job| matches!(job.stage, Stage::Parked(parked) if parked == id);
                self.jobs
                    .values_mut()
                    .filter(|job| is_parked(job))
                    .for_each(|job| job.stage = Stage::New { arrived: now, not_before: None });
            }
            Event::Swept { over } => self.on_swept(over, now),
            Event::Noted => {}
        }
    }

    fn on_read(&mut self, key: u64, trace: Trace, now: Instant) {
        let is_doomed = |id| self.doomed.has(id);
        let Some(job) = self.jobs.get_mut(&key) else { return };
        // One that has come further already is one of its group all the same.
        if let Some(group) = &job.order.group {
            let (count, last) = self.arrivals.entry(group.name.clone()).or_insert((0, now));
            *count += 1;
            *last = now;
        }
        match trace {
            Trace::Done => self.end(key, Ok(JobEnd::Result)),
            Trace::Submitted(id, _) if is_doomed(id) => job.stage = Stage::Parked(id),
            Trace::Submitted(id, mark) => self.follow(key, Followed::new(id, mark, false, now)),
            Trace::Intended(intent) => job.stage = Stage::Unsure { intent, since: now, words: None },
            Trace::New if job.answer.is_none() => {
                self.jobs.remove(&key);
            }
            Trace::New => job.stage = Stage::New { arrived: now, not_before: None },
        }
    }

    /// Follows a job that the cluster has, unless nobody wants it any more.
    fn follow(&mut self, key: u64, mut followed: Followed) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if job.answer.is_none() {
            self.doom(key, followed);
            return;
        }
        let queued = JobState::Queued { id: followed.id.to_string(), reason: String::new() };
        if followed.is_ours
            && let Step::Tell(state) = followed.tell(queued)
        {
            let _ = job.order.states.send(state);
        }
        job.stage = Stage::Followed(followed);
    }

    fn on_outcome(&mut self, key: u64, outcome: Outcome, now: Instant) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        match outcome {
            Outcome::Submitted(id, mark) => {
                job.turned = None;
                self.is_full_told = false;
                self.follow(key, Followed::new(id, mark, true, now));
            }
            Outcome::Failed(failure) => self.end(key, Err(failure)),
            Outcome::Unsure(intent, words) => {
                job.stage = Stage::Unsure { intent, since: now, words: Some(words.clone()) };
                // Once for the batch: the others change nothing within the same moment.
                if self.away.is_none() {
                    self.on_trouble(&Trouble::Away(words), now);
                }
            }
            Outcome::Turned(words) => {
                if !self.is_full_told {
                    (self.warn)(&format!(
                        "Slurm takes no more jobs at the moment, which is tried again: {words}"
                    ));
                    self.is_full_told = true;
                }
                self.turn_away(key, words, now);
            }
        }
    }

    /// A job that the cluster has not taken waits a while, longer each time; at last it is given up, if none of ours is there
    /// whose end could make room.
    fn turn_away(&mut self, key: u64, words: String, now: Instant) {
        let is_alone = !self.jobs.values().any(|job| matches!(job.stage, Stage::Followed(_)));
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if job.answer.is_none() {
            self.jobs.remove(&key);
            return;
        }
        let since = *job.turned.get_or_insert(now);
        if is_alone && now.duration_since(since) > self.timing.patience {
            self.end(key, Err(refusal(&Trouble::Refused(words))));
            return;
        }
        job.turns += 1;
        let wait = Duration::from_secs(2_u64.pow(job.turns.min(6))).min(Duration::from_mins(1));
        job.stage = Stage::New { arrived: now, not_before: Some(now + wait) };
    }

    fn on_queue(&mut self, queue: &Queue, asked: Instant, now: Instant) {
        if let Some((since, times)) = self.away.take()
            && times > 1
        {
            (self.warn)(&format!("Slurm answers again, after {} s", now.duration_since(since).as_secs()));
        }
        for (id, folder) in self.doomed.gone(queue, asked) {
            self.forget(id, folder, None);
        }
        self.look_at_held(queue, now);
        let keys: Vec<u64> = self.jobs.keys().copied().collect();
        for key in keys {
            let Some(job) = self.jobs.get_mut(&key) else { continue };
            match &mut job.stage {
                Stage::Unsure { intent, since, words } if *since <= asked => match queue.marked(&intent.mark)
                {
                    Some(number) => {
                        let id = JobId { job: number, task: intent.task };
                        let (folder, intent) = (job.order.folder.clone(), intent.clone());
                        let mark = intent.mark.clone();
                        self.tasks.spawn_blocking(move || {
                            // Else the intent leads to it once more.
                            let _ = submit::note(&[folder], &[id], &intent);
                            Event::Noted
                        });
                        self.follow(key, Followed::new(id, mark, true, now));
                    }
                    None if job.answer.is_none() => {
                        self.jobs.remove(&key);
                    }
                    None => match words.take() {
                        Some(words) => self.turn_away(key, words, now),
                        None => job.stage = Stage::New { arrived: now, not_before: None },
                    },
                },
                Stage::Followed(followed) => {
                    let id = followed.id;
                    match followed.on_queue(queue, asked, now, self.timing.grace) {
                        Step::Wait => {}
                        Step::Tell(state) => {
                            let _ = job.order.states.send(state);
                        }
                        Step::Lost(lost) => self.lose(key, id, lost),
                        Step::Vanished => self.ask_accounts(key),
                    }
                }
                _ => {}
            }
        }
    }

    fn ask_accounts(&mut self, key: u64) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let Stage::Followed(followed) = &job.stage else { return };
        let followed = followed.clone();
        if !self.has_accounting {
            let lost = followed.by_account(None);
            self.lose(key, followed.id, lost);
            return;
        }
        let commands = self.sender.commands.clone();
        let id = followed.id;
        job.stage = Stage::Accounting(followed);
        self.tasks.spawn(async move {
            let options = [
                "--noheader",
                "--parsable2",
                "--allocations",
                "--format=State,NodeList",
                &format!("--jobs={id}"),
            ];
            let answer = commands.run("sacct", &options.map(str::to_owned)).await.ok();
            Event::Accounts { key, line: answer.and_then(|text| text.lines().last().map(str::to_owned)) }
        });
    }

    /// Gives a job up, once its folder says that it may be handed over anew.
    fn lose(&mut self, key: u64, id: JobId, lost: Lost) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        job.stage = Stage::Reading;
        let folder = job.order.folder.clone();
        self.forget(id, folder, Some((key, lost)));
    }

    fn forget(&mut self, id: JobId, folder: PathBuf, lost: Option<(u64, Lost)>) {
        self.tasks.spawn_blocking(move || {
            // A folder that is gone has nothing to forget.
            let _ = trace::forget(&folder);
            // A result at the last moment wins.
            let end = |lost| {
                if trace::has_result_by_listing(&folder) { JobEnd::Result } else { JobEnd::Lost(lost) }
            };
            Event::Forgotten { id, ended: lost.map(|(key, lost)| (key, end(lost))) }
        });
    }

    /// The cluster cannot be asked: waits, says so once, and gives up after a long time.
    fn on_trouble(&mut self, trouble: &Trouble, now: Instant) {
        let (since, times) = self.away.unwrap_or((now, 0));
        self.away = Some((since, times + 1));
        if times == 1 {
            (self.warn)(&format!(
                "Slurm does not answer, which is tried again; jobs go on meanwhile: {trouble}"
            ));
        }
        if now.duration_since(since) > self.timing.patience {
            let minutes = self.timing.patience.as_secs() / 60;
            let failure = Failure::new(
                Boundary::Executor,
                format!("Slurm has not answered for {minutes} minutes: {trouble}"),
            )
            .hinted("jobs go on without us; resume when `scontrol ping` says that the controller is up");
            let keys: Vec<u64> = self.jobs.keys().copied().collect();
            keys.into_iter().for_each(|key| self.end(key, Err(failure.clone())));
            self.away = None;
        }
    }

    /// Tells whoever waits for a job how it ended.
    fn end(&mut self, key: u64, end: Result<JobEnd, Failure>) {
        if let Some(Job { answer: Some(answer), .. }) = self.jobs.remove(&key) {
            let _ = answer.send(end);
        }
    }
}
