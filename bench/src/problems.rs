//! Gradings until the target on the problems that searches are judged on, without a model and with a fixed seed each.
//!
//! With one candidate at a time a seed decides everything but durations. A problem that misses its target, or needs more than its CPU
//! time, fails the command.

use std::path::PathBuf;
use std::time::Duration;

use researchgym_core::search::{Operator, Repertoire};
use researchgym_engine::catalogue::Catalogue;

use crate::Outcome;
use crate::options::Options;
use crate::place::{self, Place};
use crate::report::{Figure, Report, talk};
use crate::searching::{self, Hands, Ran, Wanted};

/// CPU time of all processes that a problem may need.
const MOST_CPU: Duration = Duration::from_secs(30 * 60);

/// One problem, and how it is solved.
struct Problem {
    task: &'static str,
    variant: &'static str,
    policy: &'static str,
    /// Constants of the policy that are not the published ones.
    set: &'static [(&'static str, &'static str)],
    operators: &'static [(Operator, f64)],
    /// The value that counts as solved.
    target: f64,
    /// What the target is.
    why: &'static str,
    seed: u64,
    /// More candidates are not tried.
    candidates: u64,
    /// Whether it takes less than a minute or two.
    is_quick: bool,
}

const PROBLEMS: [Problem; 5] = [
    Problem {
        task: "function-minimisation",
        variant: "default",
        policy: "hill-climb",
        set: &[],
        operators: &[(Operator::CmaEs, 1.0)],
        target: 1.499,
        why: "the optimum is 1.5; 1.4996 is a value of -1.51868578, where the minimum is -1.51868584",
        seed: 1,
        candidates: 1000,
        is_quick: true,
    },
    Problem {
        task: "cap-set",
        variant: "default",
        policy: "best-first",
        set: &[],
        operators: &[(Operator::Tune, 1.0)],
        target: 112.0,
        why: "the largest possible in dimension 6",
        seed: 1,
        candidates: 3000,
        is_quick: true,
    },
    Problem {
        task: "online-bin-packing",
        variant: "default",
        policy: "hill-climb",
        set: &[],
        operators: &[(Operator::Tune, 1.0)],
        target: 3.0,
        why: "best fit has 3.96 on average, with a standard deviation of 0.06; instances are fresh in each grading",
        seed: 1,
        candidates: 400,
        is_quick: false,
    },
    Problem {
        task: "heilbronn-triangle-11",
        variant: "default",
        policy: "hill-climb",
        set: &[("restart_after", "10"), ("drafts", "4")],
        operators: &[(Operator::Tune, 1.0)],
        target: 0.0364,
        why: "AlphaEvolve has 0.0365",
        seed: 1,
        candidates: 2500,
        is_quick: false,
    },
    Problem {
        task: "circle-packing-26",
        variant: "default",
        policy: "hill-climb",
        set: &[("restart_after", "150")],
        operators: &[(Operator::Tune, 1.0)],
        target: 2.6358,
        why: "AlphaEvolve has 2.635",
        seed: 3,
        candidates: 10000,
        is_quick: false,
    },
];

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let is_quick = options.is_on("quick", false)?;
    let only = options.texts("only");
    let own = place::repository().join("tasks");
    let given = options.text("tasks-dir").map(PathBuf::from);
    let catalogue = Catalogue::new(given.into_iter().chain([own]).collect());
    let known: Vec<&str> = PROBLEMS.iter().map(|problem| problem.task).collect();
    if let Some(unknown) = only.iter().flatten().find(|name| !known.contains(name)) {
        return Err(format!("there is no problem `{unknown}`; known are {}", known.join(", ")).into());
    }
    let is_asked = |problem: &&Problem| {
        (!is_quick || problem.is_quick) && only.as_ref().is_none_or(|only| only.contains(&problem.task))
    };
    let mut missed = Vec::new();
    for problem in PROBLEMS.iter().filter(is_asked) {
        let Problem { task, policy, target, seed, .. } = problem;
        talk(&format!("{task}: {policy} with seed {seed} until {target}"));
        let loaded = catalogue.find(task)?;
        let place = Place::new()?;
        let ran = searching::run(&place, &loaded, &problem.wanted()?, Hands::default()).await?;
        let direction = loaded.task.primary().direction;
        let best = ran.moments.last().map(|moment| moment.1);
        let is_reached = best.is_some_and(|best| direction.gain(best, *target) >= 0.0);
        if !is_reached {
            missed.push(format!("{task}: {target} was not reached"));
        }
        if ran.cpu > MOST_CPU {
            missed.push(format!("{task}: {:.0} s of CPU time", ran.cpu.as_secs_f64()));
        }
        report.write(problem.figure(&loaded.task.primary().name, best, is_reached, &ran));
    }
    match missed.is_empty() {
        true => Ok(()),
        false => Err(missed.join("; ").into()),
    }
}

impl Problem {
    fn wanted(&self) -> Outcome<Wanted> {
        let set: Vec<(String, String)> =
            self.set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Ok(Wanted {
            policy: searching::policy(self.policy)?.with(&set)?,
            operators: Repertoire(self.operators.iter().copied().collect()),
            target: Some(self.target),
            variant: self.variant.to_owned(),
            seed: self.seed,
            ..Wanted::new(self.policy, &[], self.candidates)?
        })
    }

    fn figure(&self, metric: &str, best: Option<f64>, is_reached: bool, ran: &Ran) -> Figure {
        let operators: Vec<&str> = self.operators.iter().map(|(operator, _)| operator.name()).collect();
        Figure::exact(&format!("{} ({})", self.task, self.variant), metric, best)
            .with("target", self.target)
            .with("target_is", self.why)
            .with("reached", is_reached)
            .with("gradings", ran.tree.graded())
            .with("nodes", ran.tree.nodes().len())
            .with("baseline", ran.moments.first().map(|moment| moment.1))
            .with("policy", self.policy)
            .with("operators", operators)
            .with("seed", self.seed)
            .with("wall_s", ran.wall.as_secs_f64())
            .with("cpu_s", ran.cpu.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_there_and_can_be_asked_for() {
        let catalogue = Catalogue::new(vec![place::repository().join("tasks")]);
        for problem in &PROBLEMS {
            let loaded = catalogue.find(problem.task).expect("the task is there");
            loaded.task.with_variant(problem.variant).expect("the variant is there");
            let wanted = problem.wanted().expect("a policy with these constants");
            assert!(!wanted.operators.needs_model(), "{}", problem.task);
        }
    }
}
