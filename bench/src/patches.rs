//! Which diffs become the tree that is meant, by our patcher and by others: diffs of many shapes, as models write them.
//!
//! Some were recorded, the others are made from files of the tasks, the same ones each time. Every contender gets the text as it
//! stands, prose and fences included, and a fresh copy of the tree. A tree that differs in one byte is wrong, which is told apart
//! from a refusal; where two places fit or a line that goes is not there, only a refusal is right.

mod case;
mod contender;
mod damage;
mod diff;
mod shapes;
mod source;

use std::collections::BTreeMap;
use std::time::Duration;

use researchgym_core::edit::Tree;
use serde_json::{Map, Value};

use self::case::{Case, Meant, Origin};
use self::contender::{Bench, Contender};
use crate::Outcome;
use crate::options::Options;
use crate::report::{Figure, Report, talk};

/// What came of a diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Right,
    /// A tree that is not meant.
    Wrong,
    /// No tree, and one was meant.
    Refused,
}

impl Verdict {
    fn of(meant: &Meant, made: Option<&Tree>) -> Verdict {
        match (meant, made) {
            (Meant::Tree(tree), Some(made)) if tree == made => Verdict::Right,
            (Meant::Refusal, None) => Verdict::Right,
            (Meant::Tree(_), None) => Verdict::Refused,
            (Meant::Tree(_) | Meant::Refusal, Some(_)) => Verdict::Wrong,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Verdict::Right => "right",
            Verdict::Wrong => "wrong",
            Verdict::Refused => "refused",
        }
    }
}

/// What a contender came to on diffs of one shape, or on all.
#[derive(Clone, Copy, Default)]
struct Tally {
    right: usize,
    wrong: usize,
    refused: usize,
    cpu: Duration,
}

impl Tally {
    fn add(&mut self, verdict: Verdict, cpu: Duration) {
        match verdict {
            Verdict::Right => self.right += 1,
            Verdict::Wrong => self.wrong += 1,
            Verdict::Refused => self.refused += 1,
        }
        self.cpu += cpu;
    }

    fn count(&self) -> usize {
        self.right + self.wrong + self.refused
    }

    fn shown(&self) -> String {
        format!("{} / {} / {}", self.right, self.wrong, self.refused)
    }
}

pub(crate) fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let is_quick = options.is_on("quick", false)?;
    let bench = Bench::new(if is_quick { 1 } else { options.number("repeats", 20)?.max(1) })?;
    let contenders = if is_quick { vec![Contender::Ours] } else { contender::present() };
    let cases = [shapes::generated()?, case::recorded()?].concat();
    let mut tallies: BTreeMap<(&str, Contender), Tally> = BTreeMap::new();
    let mut missed = Vec::new();
    for case in &cases {
        let mut verdicts = Map::new();
        for contender in &contenders {
            let made = bench.apply(*contender, case)?;
            let verdict = Verdict::of(&case.meant, made.tree.as_ref());
            for shape in [case.shape, ALL] {
                tallies.entry((shape, *contender)).or_default().add(verdict, made.cpu);
            }
            verdicts.insert(contender.name().to_owned(), verdict.name().into());
            let is_ours = *contender == Contender::Ours;
            if is_ours && (verdict == Verdict::Wrong || verdict == Verdict::Refused && case.is_promised()) {
                missed.push(format!(
                    "{}: {} {}",
                    case.name,
                    verdict.name(),
                    made.problem.unwrap_or_default()
                ));
            }
        }
        report.write(
            Figure::exact(&case.name, "diff", None)
                .with("shape", case.shape)
                .with("origin", case.origin.name())
                .with("meant", case.meant.name())
                .with("verdicts", Value::Object(verdicts)),
        );
    }
    let mut shapes = Vec::new();
    for case in &cases {
        if !shapes.contains(&case.shape) {
            shapes.push(case.shape);
        }
    }
    let is_of = |case: &&Case, shape: &str| shape == ALL || case.shape == shape;
    talk(&format!(
        "right / wrong / refused\n\n| shape | diffs | {} |\n| --- | --- |{}",
        contenders.iter().map(|contender| contender.name()).collect::<Vec<_>>().join(" | "),
        " --- |".repeat(contenders.len())
    ));
    for shape in shapes.into_iter().chain([ALL]) {
        let count = |origin| cases.iter().filter(|case| is_of(case, shape) && case.origin == origin).count();
        let (recorded, generated) = (count(Origin::Recorded), count(Origin::Generated));
        let mut row = format!("| {shape} | {} |", recorded + generated);
        for contender in &contenders {
            let tally = tallies.get(&(shape, *contender)).copied().unwrap_or_default();
            row.push_str(&format!(" {} |", tally.shown()));
            let cpu = tally.cpu / u32::try_from(tally.count().max(1)).unwrap_or(u32::MAX);
            report.write(
                Figure::number(shape, "diffs", (recorded + generated) as f64)
                    .with("recorded", recorded)
                    .with("generated", generated)
                    .with("contender", contender.name())
                    .with("right", tally.right)
                    .with("wrong", tally.wrong)
                    .with("refused", tally.refused)
                    .with("cpu_us", (cpu.as_secs_f64() * 1e7).round() / 10.0),
            );
        }
        talk(&row);
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("\n").into()) }
}

/// The name under which the figures of all diffs together stand.
const ALL: &str = "all";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_diffs_are_many_and_the_same_each_time() {
        let cases = shapes::generated().expect("the tasks are there");
        let again = shapes::generated().expect("the tasks are there");
        let texts = |cases: &[Case]| cases.iter().map(|case| case.reply.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&cases), texts(&again));
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        assert_eq!(case::recorded().expect("the replies are there").len(), 14);
        let changes = |case: &Case| match &case.meant {
            Meant::Tree(tree) => *tree != case.before,
            Meant::Refusal => true,
        };
        assert!(cases.iter().all(changes));
    }

    #[test]
    fn our_patcher_puts_nothing_into_a_wrong_place() {
        let bench = Bench::new(1).expect("a folder");
        for case in [case::recorded().expect("replies"), shapes::generated().expect("tasks")].concat() {
            let made = bench.apply(Contender::Ours, &case).expect("it runs");
            let verdict = Verdict::of(&case.meant, made.tree.as_ref());
            let expected = if case.is_promised() { Verdict::Right } else { Verdict::Refused };
            assert_eq!(verdict, expected, "{}: {:?}\n{}", case.name, made.problem, case.reply);
        }
    }
}
