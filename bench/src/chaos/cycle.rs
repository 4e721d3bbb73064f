//! One cycle: a real run, faults at random moments, the run resumed to its end, and every promise checked.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::engine::{Address, Engine};
use super::family::{self, Role};
use super::leftovers::{self, Planted};
use super::plan::{Agent, Fault, Moment, Plan};
use super::world::{Finished, PATIENCE, Working, World, events};
use super::{promises, script};
use crate::Outcome;

/// How long a sweeper may take to remove what a killed process left.
const SWEEPING: Duration = Duration::from_secs(30);
/// How often a run is resumed without a fault before it counts as one that does not go on.
const UNDISTURBED: usize = 3;

/// What came of a cycle.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How the segments ended that did not end with a score: `killed`, or the boundary of the failure.
    pub(super) breaks: Vec<String>,
    /// Whether each fault found what it was aimed at before the run was over.
    pub(super) hits: usize,
    pub(super) score: Option<f64>,
    pub(super) violations: Vec<String>,
    pub(super) is_planted: bool,
}

/// What all cycles happen with.
pub(super) struct Machine<'a> {
    pub(super) program: &'a Path,
    pub(super) is_root: bool,
    /// An engine of the harness's own, if one is to be killed.
    pub(super) engine: Option<&'a Engine>,
    /// The engine that runs in containers use.
    pub(super) address: Address,
}

/// One cycle under way.
struct Cycle<'a> {
    plan: &'a Plan,
    machine: &'a Machine<'a>,
    world: World,
    /// All processes that worked on the run.
    parents: Vec<u32>,
    told: Told,
}

/// Does it. `expected`: the score of an undisturbed run, if its grading repeats it.
pub(super) fn run(machine: &Machine<'_>, plan: &Plan, expected: Option<f64>) -> Outcome<Told> {
    let has_disk = machine.is_root && plan.faults.iter().any(|(fault, _)| fault.needs_disk());
    let engine = (plan.runtime == "docker").then(|| machine.address.clone());
    let world = World::new(machine.program, engine, has_disk)?;
    let mut cycle = Cycle { plan, machine, world, parents: Vec::new(), told: Told::default() };
    if let Some(finished) = cycle.segments()? {
        cycle.check(&finished, expected)?;
    }
    Ok(cycle.told)
}

impl Cycle<'_> {
    fn wrong(&mut self, what: impl Into<String>) {
        self.told.violations.push(what.into());
    }

    /// All segments: one for each fault, then undisturbed ones. The last one's end, if there is one.
    fn segments(&mut self) -> Outcome<Option<Finished>> {
        let first = self.first_words()?;
        for index in 0..self.plan.faults.len() + UNDISTURBED {
            let words = match self.world.run() {
                None => first.clone(),
                // Killed before its first event: it never began.
                Some((run, _)) if events(&run).is_empty() => {
                    std::fs::remove_dir_all(run)?;
                    first.clone()
                }
                Some((_, known)) => {
                    ["run", "--resume"].map(str::to_owned).into_iter().chain([text(&known)]).collect()
                }
            };
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let before = self.world.run().map_or(0, |(run, _)| events(&run).len());
            let working = self.world.start(&words, self.plan.clocks.get(index).copied())?;
            self.parents.push(working.child.id());
            let finished = match self.plan.faults.get(index) {
                Some(&(fault, moment)) => self.disturbed(working, fault, moment, before)?,
                None => working.wait()?,
            };
            self.settle(index, finished.code.is_none())?;
            if self.has_ended(&finished, index) {
                return Ok(Some(finished));
            }
        }
        self.wrong("the run does not come to an end with a score");
        Ok(None)
    }

    fn first_words(&self) -> Outcome<Vec<String>> {
        let hangs = self.plan.faults.iter().any(|(fault, _)| *fault == Fault::HungCommand);
        let agent = self.plan.agent;
        let mut words = vec!["run".to_owned(), self.plan.task.clone()];
        let model = self.world.write("model.jsonl", &script::answers(agent, hangs))?;
        match agent {
            Agent::Basic => words.push("basic-agent".to_owned()),
            Agent::Scripted | Agent::Gateway => {
                let actions = self.world.write("script.jsonl", &script::actions(agent, hangs))?;
                words.extend(["scripted".to_owned(), "--script".to_owned(), actions]);
            }
        }
        if agent != Agent::Scripted {
            words.extend(["--model".to_owned(), format!("scripted/{model}")]);
        }
        let fixed = ["--seed", "1", "--variant", "smoke", "--runtime", self.plan.runtime.as_str()];
        words.extend(fixed.map(str::to_owned));
        words.extend(self.world.image().into_iter().flat_map(|image| ["--image", image]).map(str::to_owned));
        Ok(words)
    }

    /// A segment with a fault in it.
    fn disturbed(
        &mut self,
        mut working: Working,
        fault: Fault,
        moment: Moment,
        before: usize,
    ) -> Outcome<Finished> {
        let has_come = self.wait_for(&mut working, moment, before)?;
        // Before its first line a segment may not have taken the run yet.
        if has_come && self.plan.is_watched && self.lines() > before {
            self.watch(&mut working, before)?;
        }
        let parent = working.child.id();
        let is_hit = has_come && self.strike(&mut working, parent, fault)?;
        self.told.hits += usize::from(is_hit);
        let finished = working.wait()?;
        if is_hit {
            self.mend(fault)?;
        }
        Ok(finished)
    }

    /// The audit knows a live run and all that it holds. A run is let go with the last line of its segment; the process
    /// that worked on it ends a moment later, in containers a longer one.
    fn watch(&mut self, working: &mut Working, before: usize) -> Outcome<()> {
        let left = leftovers::audited(&self.world, &self.parents)?;
        let is_known = leftovers::live(&self.world)? || self.has_ended_since(before);
        // What belonged to a run that has just ended may be on its way out.
        if working.child.try_wait()?.is_none() && (!left.is_empty() || !is_known) {
            self.wrong(format!("the audit of a live run knows it: {is_known}, and calls left: {left:?}"));
        }
        Ok(())
    }

    /// Lines in the run's log so far.
    fn lines(&self) -> usize {
        let log = self.world.run().and_then(|(run, _)| std::fs::read(run.join("events.jsonl")).ok());
        log.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
    }

    fn has_ended_since(&self, before: usize) -> bool {
        let events = self.world.run().map(|(run, _)| events(&run)).unwrap_or_default();
        events.iter().skip(before).any(|event| event["type"] == "run_ended")
    }

    /// Waits until the log has so many more lines, and a while more; false if the program ended before.
    fn wait_for(&self, working: &mut Working, moment: Moment, before: usize) -> Outcome<bool> {
        let has_lines = || (self.lines() >= before + moment.lines).then_some(());
        if self.eventually(working, has_lines)?.is_none() {
            return Ok(false);
        }
        let begun = Instant::now();
        Ok(self.eventually(working, || (begun.elapsed() >= moment.after).then_some(()))?.is_some())
    }

    /// Asks until there is an answer; nothing if the program ended before.
    fn eventually<T>(&self, working: &mut Working, mut ask: impl FnMut() -> Option<T>) -> Outcome<Option<T>> {
        let begun = Instant::now();
        loop {
            if working.child.try_wait()?.is_some() {
                return Ok(None);
            }
            if let Some(answer) = ask() {
                return Ok(Some(answer));
            }
            if begun.elapsed() > PATIENCE {
                return Err("a moment did not come".into());
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Does the fault; whether there was something to do it to.
    fn strike(&self, working: &mut Working, parent: u32, fault: Fault) -> Outcome<bool> {
        // Guests of grader and players are as good as the agent's.
        let one = |role: Role| {
            // A child that has not become another program yet looks like its parent.
            if role == Role::Parent {
                return Some(parent);
            }
            let found = self.find(parent, role);
            (!found.is_empty()).then(|| found[(self.plan.seed as usize / 7) % found.len()])
        };
        let send = |role: Role, signal: Signal| one(role).is_some_and(|pid| self.signal(parent, pid, signal));
        let paused = Duration::from_millis(30 + self.plan.seed % 200);
        Ok(match fault {
            Fault::KillParent | Fault::ClockJump => send(Role::Parent, Signal::KILL),
            Fault::KillParentAndSweeper => {
                let sweeper = send(Role::Sweeper, Signal::KILL);
                send(Role::Parent, Signal::KILL) && sweeper
            }
            Fault::KillGuest => send(Role::Guest, Signal::KILL),
            Fault::KillBubblewrap => send(Role::Bubblewrap, Signal::KILL),
            Fault::KillGrader => self.kill_when_there(working, parent, Role::Grader)?,
            Fault::KillPlayer => self.kill_when_there(working, parent, Role::Player)?,
            Fault::StopAndKillParent | Fault::StopParent | Fault::StopAndKillGuest | Fault::StopGuest => {
                let role = match fault {
                    Fault::StopAndKillParent | Fault::StopParent => Role::Parent,
                    _ => Role::Guest,
                };
                let last = match fault {
                    Fault::StopParent | Fault::StopGuest => Signal::CONT,
                    _ => Signal::KILL,
                };
                let Some(pid) = one(role) else { return Ok(false) };
                let is_stopped = self.signal(parent, pid, Signal::STOP);
                let begun = Instant::now();
                self.eventually(working, || (begun.elapsed() >= paused).then_some(()))?;
                self.signal(parent, pid, last) && is_stopped
            }
            Fault::FullDisk => {
                self.world.fill_disk()?;
                true
            }
            Fault::ReadOnly => match self.world.run() {
                Some((_, known)) => {
                    self.world.write_protect(&known)?;
                    true
                }
                None => false,
            },
            // It is in the script.
            Fault::HungCommand => true,
            Fault::KillEngine => self.kill_engine()?,
        })
    }

    /// A daemon that is back at once ends the containers that it finds.
    fn kill_engine(&self) -> Outcome<bool> {
        let Some(engine) = self.machine.engine else { return Ok(false) };
        let is_hit = engine.kill();
        if is_hit && self.plan.is_supervised {
            engine.again()?;
        }
        Ok(is_hit)
    }

    /// What descends from the parent, or from the first process of one of its containers.
    fn find(&self, parent: u32, role: Role) -> Vec<u32> {
        let inside = self.world.guests();
        std::iter::once(parent).chain(inside).flat_map(|ancestor| family::find(ancestor, role)).collect()
    }

    fn signal(&self, parent: u32, pid: u32, signal: Signal) -> bool {
        family::signal(parent, pid, signal) || family::signal_inside(&self.world.mark(), pid, signal)
    }

    fn kill_when_there(&self, working: &mut Working, parent: u32, role: Role) -> Outcome<bool> {
        let there = || self.find(parent, role).first().copied();
        let found = self.eventually(working, there)?;
        Ok(found.is_some_and(|pid| self.signal(parent, pid, Signal::KILL)))
    }

    fn mend(&self, fault: Fault) -> Outcome<()> {
        match (fault, self.world.run()) {
            (Fault::FullDisk, _) => self.world.free_disk(),
            (Fault::ReadOnly, Some((_, known))) => self.world.unprotect(&known),
            (Fault::KillEngine, _) if !self.plan.is_supervised => {
                self.machine.engine.map_or(Ok(()), Engine::again)
            }
            _ => Ok(()),
        }
    }

    /// Nothing is left of a segment, by our own look and by the audit, once the sweeper has done its work; after a killed
    /// sweeper the audit finds what is left, and cleaning removes it.
    fn settle(&mut self, index: usize, was_killed: bool) -> Outcome<()> {
        let fault = self.plan.faults.get(index).map(|(fault, _)| *fault);
        let may_leave = match fault {
            Some(Fault::KillParentAndSweeper) => was_killed,
            // Where nothing can be removed, sockets stay too.
            Some(Fault::ReadOnly) => true,
            _ => false,
        };
        let begun = Instant::now();
        let mut left = leftovers::look(&self.world, &self.parents);
        while !left.is_empty() && begun.elapsed() < SWEEPING {
            let (paths, others): (Vec<String>, Vec<String>) =
                left.iter().cloned().partition(|what| what.starts_with('/'));
            if may_leave && others.iter().all(|what| what.starts_with("container ")) {
                // No process of ours any more: nobody will remove it. The engine may still be at it.
                self.clean(&paths)?;
            }
            std::thread::park_timeout(Duration::from_millis(2));
            left = leftovers::look(&self.world, &self.parents);
        }
        if !left.is_empty() {
            self.wrong(format!("left behind: {left:?}"));
            return Ok(());
        }
        let audited = leftovers::audited(&self.world, &self.parents)?;
        if !audited.is_empty() {
            self.wrong(format!("the audit finds {audited:?}, the look of our own does not"));
        }
        Ok(())
    }

    fn clean(&mut self, left: &[String]) -> Outcome<()> {
        let audited = leftovers::audited(&self.world, &self.parents)?;
        let is_known = |what: &&String| audited.iter().any(|known| what.starts_with(known.as_str()));
        let unknown: Vec<&String> = left.iter().filter(|what| !is_known(what)).collect();
        if !unknown.is_empty() && !leftovers::look(&self.world, &self.parents).is_empty() {
            self.wrong(format!("the audit does not find {unknown:?}"));
        }
        self.world.finish(&["doctor", "--clean", "--this-home"])?;
        Ok(())
    }

    /// Whether the run is over with a score. If it is not, that must have had the right cause.
    fn has_ended(&mut self, finished: &Finished, index: usize) -> bool {
        let fault = self.plan.faults.get(index).map(|(fault, _)| *fault);
        match (finished.code, finished.object["ending"].as_str()) {
            (Some(0), Some("submitted")) => return true,
            (None, _) => self.told.breaks.push("killed".to_owned()),
            (Some(3), _) => {
                let boundary = finished.object["boundary"].as_str().unwrap_or("before the run").to_owned();
                if !fault.is_some_and(|fault| causes(fault).contains(&boundary.as_str())) {
                    let error = &finished.object["error"];
                    self.wrong(format!("{fault:?} ended the run at the boundary {boundary}: {error}"));
                }
                self.told.breaks.push(boundary);
            }
            // Agent code that was killed from outside is not told apart from agent code that ends itself.
            (Some(1), Some("submitted")) if fault == Some(Fault::KillPlayer) => return true,
            (code, ending) => {
                let said = &finished.complaints;
                self.wrong(format!("{fault:?}: exit code {code:?}, ending {ending:?}: {said}"));
            }
        }
        false
    }

    /// What must hold of a run that has ended.
    fn check(&mut self, finished: &Finished, expected: Option<f64>) -> Outcome<()> {
        let Some((run, known)) = self.world.run() else { return Err("the run's folder is gone".into()) };
        let verified = self.world.finish(&["verify", &text(&known), "--output", "json"])?;
        if verified.code != Some(0) {
            self.wrong(format!("the log does not verify: {}", verified.object["problems"]));
        }
        let has_killed_player = self.plan.faults.iter().any(|(fault, _)| *fault == Fault::KillPlayer);
        let broken = promises::broken(&run, &events(&run), self.plan.agent, has_killed_player);
        self.told.violations.extend(broken);
        self.told.score = score(&finished.object);
        let is_same = expected.is_none() || self.told.score == expected;
        if !is_same && self.plan.agent != Agent::Basic && !has_killed_player {
            self.wrong(format!("the score is {:?}, undisturbed it is {expected:?}", self.told.score));
        }
        let again = self.world.start(&["run", "--resume", &text(&known)], None)?;
        let looked = again.child.id();
        let again = again.wait()?;
        // Its sweeper would remove what is planted now.
        let begun = Instant::now();
        while leftovers::has_sweeper(looked) && begun.elapsed() < SWEEPING {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if (again.code, &again.object["log_head"]) != (finished.code, &finished.object["log_head"]) {
            self.wrong("resuming the run after its end changes it");
        }
        // A planted disk would be in a namespace that is not this process's.
        if self.plan.is_planted && self.world.keepers().is_empty() {
            self.told.is_planted = true;
            let planted = Planted::new(&self.world, self.machine.is_root)?;
            let wrong = planted.check(&self.world)?;
            self.told.violations.extend(wrong);
        }
        Ok(())
    }
}

/// The boundaries at which a fault may end a run.
fn causes(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::KillGuest | Fault::KillBubblewrap | Fault::StopAndKillGuest => &["sandbox", "grader"],
        Fault::KillGrader => &["grader", "sandbox"],
        // Sandboxes for grader and players are made by the engine too.
        Fault::KillEngine => &["sandbox", "grader", "before the run"],
        // A whole sandbox that cannot be made for want of room is the sandbox's.
        Fault::FullDisk | Fault::ReadOnly => &["store", "sandbox", "before the run"],
        Fault::KillPlayer
        | Fault::KillParent
        | Fault::KillParentAndSweeper
        | Fault::StopAndKillParent
        | Fault::StopParent
        | Fault::StopGuest
        | Fault::ClockJump
        | Fault::HungCommand => &[],
    }
}

/// The primary metric of a result.
pub(super) fn score(object: &Value) -> Option<f64> {
    object["score"][object["primary"]["name"].as_str()?].as_f64()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
