//! Crashes and chaos: hundreds of real runs, each with something going wrong at a random moment, each checked afterwards.
//!
//! Processes that the harness started, and what descends from them, are killed and stopped; disks that are filled or
//! write-protected are memory file systems in a mount namespace of their own; clocks that jump are those of a time
//! namespace; the container engine that is killed is one of its own. Nothing else of the machine is touched. Every broken promise is printed with the seed that repeats its plan
//! (`chaos --cycles 1 --seed SEED`); what the machine does meanwhile is not repeated.

mod cycle;
mod engine;
mod family;
mod leftovers;
mod plan;
mod promises;
mod random;
mod script;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use self::cycle::{Machine, Told};
use self::engine::{Address, Engine};
use self::plan::{Agent, Choices, Fault, Plan};
use crate::Outcome;
use crate::options::Options;
use crate::program;
use crate::report::{say, talk};

/// The counts of one kind of fault.
#[derive(Default)]
struct Counts {
    cycles: u64,
    hits: u64,
    undisturbed: u64,
    killed: u64,
    failed: u64,
    violations: u64,
}

/// Runs the cycles; an error if a promise was broken.
pub(crate) fn measure(options: &Options) -> Outcome<()> {
    let is_root = rustix::process::geteuid().is_root();
    let program = match options.text("program") {
        Some(path) => PathBuf::from(path).canonicalize()?,
        None => program::built()?,
    };
    let mut choices = choices(options, is_root)?;
    let engine = engine(&mut choices)?;
    let address = engine.as_ref().map_or_else(Address::given, |engine| engine.address.clone());
    let machine = Machine { program: &program, is_root, engine: engine.as_ref(), address };
    let cycles = options.number("cycles", 100)? as u64;
    let seed = options.number("seed", 1)? as u64;
    let mut counts: BTreeMap<Fault, Counts> = BTreeMap::new();
    let mut undisturbed = HashMap::new();
    let begun = Instant::now();
    let mut violations = 0;
    for seed in seed..seed + cycles {
        let plan = Plan::new(seed, &choices);
        let expected = match undisturbed.get(&plan.task) {
            Some(expected) => *expected,
            None => {
                let expected = reference(&machine, &plan.task)?;
                undisturbed.insert(plan.task.clone(), expected);
                expected
            }
        };
        let began = Instant::now();
        // A harness that cannot go on has not seen a promise kept.
        let told = cycle::run(&machine, &plan, expected).unwrap_or_else(|error| Told {
            violations: vec![format!("the cycle broke off: {error}")],
            ..Told::default()
        });
        say(&line(&plan, &told, began).to_string());
        for violation in &told.violations {
            talk(&format!("VIOLATION (--cycles 1 --seed {seed}, {}): {violation}", plan.faults[0].0.name()));
        }
        violations += told.violations.len();
        counts.entry(plan.faults[0].0).or_default().add(&told);
    }
    for (fault, counts) in &counts {
        say(&counts.line(*fault).to_string());
    }
    let seconds = begun.elapsed().as_secs();
    say(&json!({ "cycles": cycles, "seed": seed, "violations": violations, "seconds": seconds }).to_string());
    if violations > 0 {
        return Err(format!("{violations} promises were broken in {cycles} cycles").into());
    }
    Ok(())
}

fn choices(options: &Options, is_root: bool) -> Outcome<Choices> {
    let list = |key: &str, default: &str| -> Vec<String> {
        options.text(key).unwrap_or(default).split(',').map(str::to_owned).collect()
    };
    let faults = match options.text("faults") {
        None => Fault::ALL.to_vec(),
        Some(names) => names
            .split(',')
            .map(|name| {
                let known = Fault::ALL.into_iter().find(|fault| fault.name() == name);
                known.ok_or_else(|| format!("there is no fault `{name}`"))
            })
            .collect::<Result<_, _>>()?,
    };
    let (faults, left_out): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| is_root || !fault.needs_root());
    for fault in left_out {
        talk(&format!("SKIPPED: {} needs root", fault.name()));
    }
    let runtimes = list("runtimes", "local,host");
    let (faults, left_out): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| runtimes.iter().any(|runtime| fault.suits(runtime)));
    for fault in left_out {
        talk(&format!("SKIPPED: {} is for none of the runtimes {}", fault.name(), runtimes.join(", ")));
    }
    if faults.is_empty() {
        return Err("no fault is left to choose".into());
    }
    let tasks = list("tasks", "prisoners-dilemma,battle-of-sexes,blotto");
    Ok(Choices { tasks, runtimes, faults })
}

/// An engine of our own, if one is to be killed. Where there can be none, that fault is left out.
fn engine(choices: &mut Choices) -> Outcome<Option<Engine>> {
    if !choices.faults.contains(&Fault::KillEngine) {
        return Ok(None);
    }
    match Engine::start() {
        Ok(engine) => Ok(Some(engine)),
        Err(error) => {
            talk(&format!("SKIPPED: {}: {error}", Fault::KillEngine.name()));
            choices.faults.retain(|fault| *fault != Fault::KillEngine);
            if choices.faults.is_empty() { Err("no fault is left to choose".into()) } else { Ok(None) }
        }
    }
}

/// The score of an undisturbed run, which every disturbed one must reach.
fn reference(machine: &Machine<'_>, task: &str) -> Outcome<Option<f64>> {
    let plan = Plan {
        seed: 0,
        task: task.to_owned(),
        agent: Agent::Scripted,
        runtime: "local".to_owned(),
        faults: Vec::new(),
        clocks: Vec::new(),
        is_watched: false,
        is_planted: false,
        is_supervised: false,
    };
    let told = cycle::run(machine, &plan, None)?;
    match told.violations.as_slice() {
        [] => Ok(told.score),
        violations => Err(format!("an undisturbed run of {task}: {violations:?}").into()),
    }
}

fn line(plan: &Plan, told: &Told, began: Instant) -> serde_json::Value {
    let faults: Vec<&str> = plan.faults.iter().map(|(fault, _)| fault.name()).collect();
    json!({
        "seed": plan.seed, "faults": faults, "hits": told.hits, "breaks": told.breaks, "task": plan.task,
        "agent": plan.agent.name(), "runtime": plan.runtime, "score": told.score, "planted": told.is_planted,
        "ms": began.elapsed().as_millis() as u64, "violations": told.violations,
    })
}

impl Counts {
    fn add(&mut self, told: &Told) {
        self.cycles += 1;
        self.hits += u64::from(told.hits > 0);
        let was_killed = told.breaks.iter().any(|how| how == "killed");
        let has_failed = told.breaks.iter().any(|how| how != "killed");
        self.killed += u64::from(was_killed && !has_failed);
        self.failed += u64::from(has_failed);
        self.undisturbed += u64::from(!was_killed && !has_failed);
        self.violations += told.violations.len() as u64;
    }

    fn line(&self, fault: Fault) -> serde_json::Value {
        json!({
            "fault": fault.name(), "cycles": self.cycles, "hits": self.hits, "went_on": self.undisturbed,
            "killed_and_resumed": self.killed, "failed_with_cause_and_resumed": self.failed,
            "violations": self.violations,
        })
    }
}
