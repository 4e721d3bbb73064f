//! What one cycle does, as its seed says. Pure: the same seed and choices give the same plan.

use std::time::Duration;

use super::random::Random;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillParent,
    /// What the sweeper would have removed stays then, for `doctor --clean`.
    KillParentAndSweeper,
    KillGuest,
    KillBubblewrap,
    KillGrader,
    KillPlayer,
    /// Stopped for a while, then killed.
    StopAndKillParent,
    /// Stopped for a while, then continued.
    StopParent,
    StopAndKillGuest,
    StopGuest,
    FullDisk,
    ReadOnly,
    /// Killed; the next segment's clocks stand days apart.
    ClockJump,
    /// A command that never ends and a daemon that does not listen to signals.
    HungCommand,
    /// The daemon of the container engine, which the harness itself started.
    KillEngine,
}

impl Fault {
    pub(super) const ALL: [Fault; 15] = [
        Fault::KillParent,
        Fault::KillParentAndSweeper,
        Fault::KillGuest,
        Fault::KillBubblewrap,
        Fault::KillGrader,
        Fault::KillPlayer,
        Fault::StopAndKillParent,
        Fault::StopParent,
        Fault::StopAndKillGuest,
        Fault::StopGuest,
        Fault::FullDisk,
        Fault::ReadOnly,
        Fault::ClockJump,
        Fault::HungCommand,
        Fault::KillEngine,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Fault::KillParent => "kill-parent",
            Fault::KillParentAndSweeper => "kill-parent-and-sweeper",
            Fault::KillGuest => "kill-guest",
            Fault::KillBubblewrap => "kill-bubblewrap",
            Fault::KillGrader => "kill-grader",
            Fault::KillPlayer => "kill-player",
            Fault::StopAndKillParent => "stop-and-kill-parent",
            Fault::StopParent => "stop-parent",
            Fault::StopAndKillGuest => "stop-and-kill-guest",
            Fault::StopGuest => "stop-guest",
            Fault::FullDisk => "full-disk",
            Fault::ReadOnly => "read-only",
            Fault::ClockJump => "clock-jump",
            Fault::HungCommand => "hung-command",
            Fault::KillEngine => "kill-engine",
        }
    }

    /// Whether it can be done to runs of that runtime. An engine sees no mounts of ours and knows no clocks but the
    /// machine's.
    pub(super) fn suits(self, runtime: &str) -> bool {
        match self {
            Fault::KillEngine => runtime == "docker",
            Fault::KillBubblewrap | Fault::FullDisk | Fault::ReadOnly | Fault::ClockJump => {
                runtime != "docker"
            }
            Fault::KillParent
            | Fault::KillParentAndSweeper
            | Fault::KillGuest
            | Fault::KillGrader
            | Fault::KillPlayer
            | Fault::StopAndKillParent
            | Fault::StopParent
            | Fault::StopAndKillGuest
            | Fault::StopGuest
            | Fault::HungCommand => true,
        }
    }

    /// Whether it needs a file system that can be mounted, or a time namespace.
    pub(super) fn needs_root(self) -> bool {
        matches!(self, Fault::FullDisk | Fault::ClockJump | Fault::KillEngine)
    }

    /// Whether the run's places are on a small file system of their own, as root. Without, permissions are enough to make
    /// something read-only.
    pub(super) fn needs_disk(self) -> bool {
        matches!(self, Fault::FullDisk | Fault::ReadOnly)
    }
}

/// Who works on the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    /// Commands from a file.
    Scripted,
    /// The same, which ask a scripted model through the gateway.
    Gateway,
    /// The basic agent with a scripted model.
    Basic,
}

impl Agent {
    pub(super) fn name(self) -> &'static str {
        match self {
            Agent::Scripted => "scripted",
            Agent::Gateway => "scripted+gateway",
            Agent::Basic => "basic-agent",
        }
    }
}

/// When a fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// When the log has so many more lines,
    pub(super) lines: usize,
    /// and so long after that.
    pub(super) after: Duration,
}

/// One cycle.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) task: String,
    pub(super) agent: Agent,
    pub(super) runtime: String,
    /// One for each segment, then the run goes on undisturbed.
    pub(super) faults: Vec<(Fault, Moment)>,
    /// Seconds by which the monotonic clocks of each segment are ahead.
    pub(super) clocks: Vec<u64>,
    /// Whether the audit is asked while the run lives.
    pub(super) is_watched: bool,
    /// Whether leftovers are planted afterwards, for the audit to find.
    pub(super) is_planted: bool,
    /// Whether a killed engine is back at once, as with a supervisor, or when the program has ended.
    pub(super) is_supervised: bool,
}

/// What cycles choose from.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) tasks: Vec<String>,
    pub(super) runtimes: Vec<String>,
    pub(super) faults: Vec<Fault>,
}

impl Plan {
    /// The plan of a seed. The fault goes round, so that all come equally often.
    pub(super) fn new(seed: u64, choices: &Choices) -> Plan {
        let mut random = Random::new(seed);
        let fault = choices.faults[(seed % choices.faults.len() as u64) as usize];
        let moment = |random: &mut Random| {
            let lines = random.below(17) as usize;
            // Without a line the run only begins, which takes longer than from line to line.
            let longest = if lines == 0 { 300_000 } else { 30_000 };
            Moment { lines, after: Duration::from_micros(random.below(longest)) }
        };
        let mut faults = vec![(fault, moment(&mut random))];
        if random.once_in(3) {
            let second = random.pick(&[Fault::KillParent, Fault::KillGuest, Fault::StopAndKillParent]);
            faults.push((second, moment(&mut random)));
        }
        let clocks = match fault {
            Fault::ClockJump => (0..3).map(|_| random.below(400 * 86_400)).collect(),
            _ => Vec::new(),
        };
        // Those that do not suit any runtime have been left out.
        let mut runtimes = choices.runtimes.iter().filter(|runtime| fault.suits(runtime));
        let usual = runtimes.next().cloned().unwrap_or_default();
        let others: Vec<&String> = runtimes.collect();
        let runtime = match others.is_empty() || !random.once_in(4) {
            true => usual,
            false => random.pick(&others).clone(),
        };
        let tasks: Vec<&String> = choices.tasks.iter().collect();
        Plan {
            seed,
            task: random.pick(&tasks).clone(),
            agent: random.pick(&[Agent::Scripted, Agent::Scripted, Agent::Gateway, Agent::Basic]),
            runtime,
            faults,
            clocks,
            is_watched: random.once_in(3),
            is_planted: random.once_in(5),
            is_supervised: random.once_in(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_plan_and_all_faults_come() {
        let choices = Choices {
            tasks: vec!["a".into(), "b".into()],
            runtimes: vec!["local".into(), "host".into(), "docker".into()],
            faults: Fault::ALL.to_vec(),
        };
        let plans: Vec<Plan> = (7..7 + 150).map(|seed| Plan::new(seed, &choices)).collect();
        for fault in Fault::ALL {
            let times = plans.iter().filter(|plan| plan.faults[0].0 == fault).count();
            assert_eq!(times, 10, "{}", fault.name());
        }
        let again = Plan::new(plans[3].seed, &choices);
        assert_eq!(format!("{again:?}"), format!("{:?}", plans[3]));
        assert!(plans.iter().all(|plan| plan.faults[0].0.suits(&plan.runtime)));
        for (runtime, expected) in [("local", 80..130), ("host", 8..40), ("docker", 15..50)] {
            let times = plans.iter().filter(|plan| plan.runtime == runtime).count();
            assert!(expected.contains(&times), "{runtime}: {times}");
        }
    }
}
