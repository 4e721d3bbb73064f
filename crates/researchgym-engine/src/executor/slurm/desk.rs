//! The desk: the one owner of what this process knows of its jobs. It sleeps until a message comes, something it has started
//! ends, or something is due.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use researchgym_core::executor::SlurmSpec;
use researchgym_core::failure::Failure;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::{ClusterJob, JobEnd, Needs};
use super::cancel::Doomed;
use super::commands::{Commands, Trouble};
use super::events::Event;
use super::facts::Facts;
use super::follow::Followed;
use super::gather::{self, Arrivals, Waiting};
use super::queue::JobId;
use super::script::Shape;
use super::strays::Strays;
use super::submit::{Batch, Sender, refusal};
use super::trace::{self, Intent};
use super::{Timing, Warn};

/// How often results are looked for, at best.
const LOOK: Duration = Duration::from_millis(100);
/// After which a cluster that does not answer is told of.
const SLOW: Duration = Duration::from_secs(5);

/// What the desk is told.
pub(super) enum Message {
    /// Carry a job out.
    CarryOut {
        /// By which it is dropped.
        key: u64,
        /// The job.
        job: ClusterJob,
        /// Where its end is told.
        answer: oneshot::Sender<Result<JobEnd, Failure>>,
    },
    /// Nobody waits for a job any more.
    Drop {
        /// Its key.
        key: u64,
    },
    /// Say when all that was dropped is gone.
    Settle(oneshot::Sender<()>),
    /// Come to an end.
    Close,
}

/// A job that somebody waits for, or that was dropped before it was known where it is.
pub(super) struct Job {
    pub(super) order: ClusterJob,
    /// `None` once it is dropped.
    pub(super) answer: Option<oneshot::Sender<Result<JobEnd, Failure>>>,
    pub(super) stage: Stage,
    /// Since when the cluster takes no more.
    pub(super) turned: Option<Instant>,
    /// How often it was turned away.
    pub(super) turns: u32,
}

/// How far a job has come.
pub(super) enum Stage {
    /// Its folder is being read.
    Reading,
    /// It waits to be handed over.
    New { arrived: Instant, not_before: Option<Instant> },
    /// It is being handed over.
    HandingOver,
    /// The next queue that is asked for after this decides whether the cluster has it. With what was said instead of its
    /// number, if that was heard.
    Unsure { intent: Intent, since: Instant, words: Option<String> },
    /// The cluster has it.
    Followed(Followed),
    /// The accounts are being asked what became of it.
    Accounting(Followed),
    /// Its last incarnation is being cancelled.
    Parked(JobId),
}

/// See the module.
pub(super) struct Desk {
    pub(super) sender: Sender,
    pub(super) timing: Timing,
    pub(super) warn: Warn,
    pub(super) has_accounting: bool,
    pub(super) jobs: BTreeMap<u64, Job>,
    pub(super) doomed: Doomed,
    pub(super) strays: Strays,
    pub(super) tasks: JoinSet<Event>,
    pub(super) arrivals: Arrivals,
    is_left: Arc<AtomicBool>,
    settling: Vec<(Instant, oneshot::Sender<()>)>,
    closing: Option<Instant>,
    pub(super) is_handing_over: bool,
    pub(super) is_cancelling: bool,
    pub(super) is_asking: bool,
    pub(super) is_looking: bool,
    /// When the queue was asked last, and how long it took.
    pub(super) asked: Option<(Instant, Duration)>,
    /// The same of the look for results.
    pub(super) looked: Option<(Instant, Duration)>,
    /// Since when the cluster has not answered, and how often it was asked.
    pub(super) away: Option<(Instant, u32)>,
    /// Whether it was told that the cluster takes no more.
    pub(super) is_full_told: bool,
    /// After a `scancel` that failed.
    pub(super) cancel_after: Option<Instant>,
}

impl Desk {
    /// Asks the cluster what it is like, and whether it would take a job.
    pub(super) async fn open(
        commands: Commands,
        timing: Timing,
        spec: SlurmSpec,
        program: PathBuf,
        warn: Warn,
        is_left: Arc<AtomicBool>,
    ) -> Result<Desk, Failure> {
        let facts = {
            let asking = Facts::ask(&commands);
            tokio::pin!(asking);
            let slow = tokio::time::sleep(SLOW);
            tokio::pin!(slow);
            tokio::select! {
                facts = &mut asking => facts,
                () = &mut slow => {
                    warn("Slurm has not answered yet; its commands try for a minute or two");
                    asking.await
                }
            }
        };
        let facts = facts.map_err(|trouble| refusal(&trouble))?;
        let needs = Needs { cpus: 1, memory_mib: 16, gpus: 0, time: None };
        let shape = Shape {
            name: "researchgym",
            mark: "researchgym",
            place: Path::new("/"),
            needs: &needs,
            jobs: 1,
            at_once: None,
            after: None,
        };
        let mut options = shape.options(&spec);
        options.push("--test-only".to_owned());
        match commands.run_with("sbatch", &options, "#!/bin/sh\n").await {
            Err(trouble @ Trouble::Missing(_)) => return Err(refusal(&trouble)),
            // What nodes are down, or busy, now is for the queue to wait for.
            Err(Trouble::Refused(words)) if is_for_good(&words) => {
                return Err(refusal(&Trouble::Refused(words)));
            }
            _ => {}
        }
        let program = spec.program.as_ref().map_or(program, PathBuf::from);
        let sender = Sender { commands, spec: Arc::new(spec), program, longest_array: facts.longest_array() };
        Ok(Desk {
            sender,
            timing,
            warn,
            has_accounting: facts.has_accounting(),
            jobs: BTreeMap::new(),
            doomed: Doomed::default(),
            strays: Strays::default(),
            tasks: JoinSet::new(),
            arrivals: Arrivals::new(),
            is_left,
            settling: Vec::new(),
            closing: None,
            is_handing_over: false,
            is_cancelling: false,
            is_asking: false,
            is_looking: false,
            asked: None,
            looked: None,
            away: None,
            is_full_told: false,
            cancel_after: None,
        })
    }

    /// Works until it is closed and nothing is left to cancel.
    pub(super) async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        loop {
            let now = Instant::now();
            let wake = self.start_what_is_due(now);
            self.tell_settled(now);
            if let Some(until) = self.closing
                && (self.is_settled() || self.is_left.load(Ordering::SeqCst) || now >= until)
            {
                if !self.doomed.is_empty() && !self.is_left.load(Ordering::SeqCst) {
                    (self.warn)(&format!("jobs are cancelled, but not gone yet: {}", self.doomed.names()));
                }
                return;
            }
            tokio::select! {
                Some(message) = inbox.recv() => self.on_message(message),
                Some(event) = self.tasks.join_next() => match event {
                    Ok(event) => self.on_event(event),
                    Err(error) => {
                        // What it was about cannot be told: whoever waits is told by the desk's end.
                        (self.warn)(&format!("what speaks with Slurm has failed: {error}"));
                        return;
                    }
                },
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn on_message(&mut self, message: Message) {
        let now = Instant::now();
        match message {
            Message::CarryOut { key, job, answer } => {
                self.read(key, job.folder.clone());
                let job =
                    Job { order: job, answer: Some(answer), stage: Stage::Reading, turned: None, turns: 0 };
                self.jobs.insert(key, job);
            }
            Message::Drop { key } => self.on_drop(key),
            Message::Settle(answer) => self.settling.push((now + self.timing.leave_taking, answer)),
            Message::Close => {
                self.closing.get_or_insert(now + self.timing.leave_taking);
            }
        }
    }

    /// Reads a job's folder beside the loop.
    pub(super) fn read(&mut self, key: u64, folder: PathBuf) {
        self.tasks.spawn_blocking(move || Event::Read { key, trace: trace::read(&folder) });
    }

    fn on_drop(&mut self, key: u64) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        job.answer = None;
        match &job.stage {
            // Decided when it is known whether the cluster has it.
            Stage::Reading | Stage::HandingOver | Stage::Unsure { .. }
                if !self.is_left.load(Ordering::SeqCst) => {}
            Stage::Followed(followed) | Stage::Accounting(followed) => {
                let followed = followed.clone();
                self.doom(key, followed);
            }
            _ => {
                self.jobs.remove(&key);
            }
        }
    }

    /// Cancels a job that nobody waits for.
    pub(super) fn doom(&mut self, key: u64, followed: Followed) {
        let Some(job) = self.jobs.remove(&key) else { return };
        if !self.is_left.load(Ordering::SeqCst) {
            self.doomed.add(followed, job.order.folder, Instant::now());
        }
    }

    fn is_settled(&self) -> bool {
        self.doomed.is_empty() && self.jobs.values().all(|job| job.answer.is_some())
    }

    fn tell_settled(&mut self, now: Instant) {
        let is_settled = self.is_settled();
        for (_, answer) in self.settling.extract_if(.., |(until, _)| is_settled || now >= *until) {
            let _ = answer.send(());
        }
    }

    /// Starts what is due, each kind once at a time, and says when to look again.
    fn start_what_is_due(&mut self, now: Instant) -> Instant {
        let mut wake = now + Duration::from_mins(10);
        let mut at = |time: Instant| wake = wake.min(time);
        if !self.is_handing_over && self.closing.is_none() && self.away.is_none() {
            match gather::due(&self.waiting(), &self.arrivals, now) {
                Ok(keys) => self.hand_over(&keys),
                Err(next) => next.into_iter().for_each(&mut at),
            }
        }
        if !self.is_cancelling && !self.doomed.is_empty() {
            match self.cancel_after {
                Some(time) if time > now => at(time),
                _ if self.doomed.has_due(now) => self.cancel(now),
                _ => at(now + Duration::from_secs(5)),
            }
        }
        if !self.is_asking
            && let Some(every) = self.every(now)
        {
            let next = self.asked.map_or(now, |(asked, _)| asked + every);
            if next <= now { self.ask(now) } else { at(next) }
        }
        if !self.is_looking {
            let looked_for = self.looked_for();
            if !looked_for.is_empty() {
                let next = self.looked.map_or(now, |(looked, took)| looked + LOOK.max(took * 20));
                if next <= now { self.look(looked_for, now) } else { at(next) }
            }
        }
        self.closing.into_iter().for_each(&mut at);
        self.settling.iter().for_each(|(until, _)| at(*until));
        wake
    }

    fn waiting(&self) -> Vec<Waiting> {
        let waiting = |(key, job): (&u64, &Job)| match &job.stage {
            Stage::New { arrived, not_before } => Some(Waiting {
                key: *key,
                needs: job.order.needs.clone(),
                group: job.order.group.clone(),
                arrived: *arrived,
                not_before: *not_before,
            }),
            _ => None,
        };
        self.jobs.iter().filter_map(waiting).collect()
    }

    fn hand_over(&mut self, keys: &[u64]) {
        let mut jobs = Vec::with_capacity(keys.len());
        let mut head = None;
        for key in keys {
            let Some(job) = self.jobs.get_mut(key) else { continue };
            job.stage = Stage::HandingOver;
            head.get_or_insert_with(|| job.order.clone());
            jobs.push((*key, job.order.folder.clone()));
        }
        let Some(head) = head else { return };
        let name =
            head.group.as_ref().filter(|_| jobs.len() > 1).map_or(head.name, |group| group.name.clone());
        let at_once = head.group.map(|group| group.at_once);
        let batch = Batch { name: shown(&name), needs: head.needs, at_once, jobs };
        let sender = self.sender.clone();
        self.is_handing_over = true;
        self.tasks.spawn(async move { Event::HandedOver(sender.hand_over(batch).await) });
    }

    /// How often the queue is to be asked now; `None` if there is nothing to learn from it.
    fn every(&self, now: Instant) -> Option<Duration> {
        let mut is_wanted = !self.doomed.is_empty();
        let mut is_moving = is_wanted;
        for job in self.jobs.values() {
            match &job.stage {
                Stage::Unsure { .. } => (is_wanted, is_moving) = (true, true),
                Stage::Followed(followed) => {
                    is_wanted = true;
                    is_moving |= followed.is_moving(now);
                }
                _ => {}
            }
        }
        let took = self.asked.map_or(Duration::ZERO, |(_, took)| took);
        let base = if is_moving { self.timing.quick.min(self.timing.poll) } else { self.timing.poll };
        let every = match self.away {
            Some((_, times)) => (base * 2_u32.pow(times.min(6))).min(Duration::from_mins(1)),
            // A tenth of the controller's time at most, if it is us that it is busy with.
            None => base.max(took * 10),
        };
        (is_wanted || self.away.is_some()).then_some(every)
    }

    /// Jobs whose results are looked for, and whether their folders are to be listed for that.
    fn looked_for(&self) -> Vec<(u64, PathBuf, bool)> {
        let looked_for = |(key, job): (&u64, &Job)| {
            let is_over = match &job.stage {
                Stage::Followed(followed) => followed.over.is_some(),
                Stage::Accounting(_) => true,
                Stage::Unsure { .. } => false,
                _ => return None,
            };
            Some((*key, job.order.folder.clone(), is_over))
        };
        self.jobs.iter().filter_map(looked_for).collect()
    }
}

/// Letters, digits and `-`, as the cluster shows names.
fn shown(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .take(60)
        .collect();
    if kept.is_empty() { "researchgym".to_owned() } else { kept }
}

/// Whether a refusal is about the settings, not about what the cluster can do at the moment.
pub(super) fn is_for_good(words: &str) -> bool {
    let lower = words.to_lowercase();
    ["invalid", "unrecognized option", "unknown", "not permitted", "requires an argument"]
        .iter()
        .any(|known| lower.contains(known))
}
