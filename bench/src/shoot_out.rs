//! All policies on the problems that searches are judged on, by `researchgym shoot-out` as users have it: evaluations to a target,
//! without a model.
//!
//! What has run is kept in the folder that is named, so the same command goes on where it was stopped, and another target costs
//! nothing. One candidate of a search at a time: counts of evaluations depend on the seeds alone, however many searches are under way.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use researchgym_core::statistics::shoot_out::{Contender, ShootOut};
use serde_json::json;

use crate::Outcome;
use crate::options::Options;
use crate::place;
use crate::program::built;
use crate::report::{Figure, Report, talk};

/// One problem, and how much it is worth.
struct Problem {
    task: &'static str,
    /// Candidates of each search: fewer where an evaluation takes longer.
    candidates: u64,
    target: f64,
    /// What the target is.
    why: &'static str,
}

/// What makes candidates.
const OPERATORS: &str = "tune,crossover=0.2";

const PROBLEMS: [Problem; 11] = [
    Problem {
        task: "circle-packing-26",
        candidates: 16,
        target: 2.634,
        why: "the best published before 2025",
    },
    Problem {
        task: "circle-packing-32",
        candidates: 10,
        target: 2.92132,
        why: "99.5 % of the best published before 2025",
    },
    Problem {
        task: "heilbronn-triangle-11",
        candidates: 8,
        target: 0.0324,
        why: "90 % of the best published before 2025",
    },
    Problem {
        task: "min-max-distance-16",
        candidates: 20,
        target: 12.89,
        why: "the best published before 2025",
    },
    Problem { task: "online-bin-packing", candidates: 4, target: 3.98, why: "best fit" },
    Problem { task: "cap-set", candidates: 60, target: 112.0, why: "the largest possible in dimension 6" },
    Problem {
        task: "erdos-minimum-overlap",
        candidates: 10,
        target: 0.3815,
        why: "within 0.15 % of the best published before 2025",
    },
    Problem {
        task: "autocorrelation-2",
        candidates: 12,
        target: 0.88922,
        why: "the best published before 2025",
    },
    Problem {
        task: "autocorrelation-3",
        candidates: 15,
        target: 1.4946,
        why: "within 2.5 % of the best published before 2025",
    },
    Problem {
        task: "sums-differences",
        candidates: 40,
        target: 1.116,
        why: "97.5 % of the best published before 2025",
    },
    Problem { task: "function-minimisation", candidates: 40, target: 1.47, why: "98 % of the optimum, 1.5" },
];

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let program = match options.text("program") {
        Some(program) => PathBuf::from(program),
        None => built()?,
    };
    let out = PathBuf::from(options.text("out").ok_or("where is it to be kept? --out DIR")?);
    let (seeds, parallel) = (options.number("seeds", 5)?, options.number("parallel", 1)?);
    let only = options.texts("only");
    let known: Vec<&str> = PROBLEMS.iter().map(|problem| problem.task).collect();
    if let Some(unknown) = only.iter().flatten().find(|name| !known.contains(name)) {
        return Err(format!("there is no problem `{unknown}`; known are {}", known.join(", ")).into());
    }
    fs::create_dir_all(&out)?;
    let mut found = Vec::new();
    for problem in PROBLEMS.iter().filter(|one| only.as_ref().is_none_or(|only| only.contains(&one.task))) {
        talk(&format!("{}: {} candidates, until {}", problem.task, problem.candidates, problem.target));
        let shoot_out = problem.run(&program, &out, (seeds, parallel))?;
        shoot_out.policies.iter().for_each(|policy| report.write(problem.figure(policy)));
        found.push((problem, shoot_out));
    }
    let text = tables(&found);
    fs::write(out.join("tables.md"), &text)?;
    talk(&text);
    Ok(())
}

impl Problem {
    fn run(&self, program: &Path, out: &Path, (seeds, parallel): (usize, usize)) -> Outcome<ShootOut> {
        let (candidates, target) = (self.candidates.to_string(), self.target.to_string());
        let (seeds, parallel) = (seeds.to_string(), parallel.to_string());
        let words = [
            "shoot-out",
            self.task,
            "--operators",
            OPERATORS,
            "--steps",
            &candidates,
            "--seeds",
            &seeds,
            "--target",
            &target,
            "--parallel",
            &parallel,
            "--output",
            "json",
        ];
        let ran = Command::new(program)
            .args(words)
            .arg("--out")
            .arg(out.join(self.task))
            .env("RESEARCHGYM_RUNS", out.join("runs"))
            .env("RESEARCHGYM_HOME", out.join("home"))
            .env("RESEARCHGYM_TASKS", place::repository().join("tasks"))
            .stderr(Stdio::inherit())
            .output()?;
        match ran.status.success() {
            true => Ok(serde_json::from_slice(&ran.stdout)?),
            false => Err(format!("{}: shoot-out ended with {}", self.task, ran.status).into()),
        }
    }

    fn figure(&self, policy: &Contender) -> Figure {
        Figure::exact(
            &format!("median best of {} on {}", policy.policy, self.task),
            "",
            policy.best.map(|best| best.value),
        )
        .with("candidates", self.candidates)
        .with("operators", OPERATORS)
        .with("target", self.target)
        .with("target_is", self.why)
        .with("to_target", json!(policy.to_target))
        .with("policy", json!(policy))
    }
}

/// What READMEs show: evaluations to the target of each policy, and what the targets are.
fn tables(found: &[(&Problem, ShootOut)]) -> String {
    let mut policies: Vec<&str> =
        found.iter().flat_map(|(_, one)| &one.policies).map(|policy| policy.policy.as_str()).collect();
    policies.sort_unstable();
    policies.dedup();
    let mut text = format!("| problem | candidates | target | {} |\n", policies.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(policies.len() + 3));
    for (problem, shoot_out) in found {
        let _ = write!(
            text,
            "| `{}` | {} | {}: {} |",
            problem.task, problem.candidates, problem.target, problem.why
        );
        for name in &policies {
            let policy = shoot_out.policies.iter().find(|policy| policy.policy == *name);
            let _ = write!(text, " {} |", policy.map_or_else(String::new, told));
        }
        text.push('\n');
    }
    text.push('\n');
    for (problem, shoot_out) in found {
        let best = shoot_out.policies.iter().filter_map(|policy| {
            let best = policy.best?;
            Some(format!("{} {}", policy.policy, best.value))
        });
        let wall: u64 = shoot_out.searches.iter().map(|search| search.wall_ms).sum();
        let cpu: u64 = shoot_out.searches.iter().map(|search| search.program_cpu_ms).sum();
        let apart = shoot_out.pairs.iter().filter(|pair| pair.is_apart).count();
        let _ = writeln!(
            text,
            "{}: {:.0} s of wall time, {:.0} s of CPU in programs, {apart} of {} pairs told apart; median best: {}",
            problem.task,
            wall as f64 / 1e3,
            cpu as f64 / 1e3,
            shoot_out.pairs.len(),
            best.collect::<Vec<String>>().join(", ")
        );
    }
    text
}

/// The median of the evaluations, and how many seeds reached the target.
fn told(policy: &Contender) -> String {
    let Some(to_target) = policy.to_target else { return String::new() };
    let median = to_target.median.map_or_else(|| "–".to_owned(), |median| median.to_string());
    format!("{median} ({}/{})", to_target.reached, policy.searches)
}

#[cfg(test)]
mod tests {
    use researchgym_core::statistics::shoot_out::ToTarget;
    use researchgym_engine::catalogue::Catalogue;

    use super::*;

    #[test]
    fn every_problem_is_there() {
        let catalogue = Catalogue::new(vec![place::repository().join("tasks")]);
        for problem in &PROBLEMS {
            let loaded = catalogue.find(problem.task).expect("the task is there");
            assert!(loaded.task.search.is_some_and(|search| search.genome.is_some()), "{}", problem.task);
        }
    }

    #[test]
    fn searches_that_miss_the_target_are_shown() {
        let policy = |median, reached| Contender {
            policy: "p".to_owned(),
            searches: 5,
            above_baseline: None,
            best: None,
            to_target: Some(ToTarget { median, reached }),
            evaluations: None,
            fates: Default::default(),
            distinct: None,
            similarity: None,
            wall_ms: None,
            program_cpu_ms: None,
            cost: Default::default(),
            tokens: 0,
        };
        assert_eq!(told(&policy(Some(12.5), 4)), "12.5 (4/5)");
        assert_eq!(told(&policy(None, 2)), "– (2/5)");
    }
}
