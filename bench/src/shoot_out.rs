//! All policies on one problem with the same operators, budget and seeds: who comes how far, how fast, at what price.
//!
//! Searches are run one after the other in this process, as `researchgym run .. search` runs them, without a model. What
//! a few seeds differ by is noise until the intervals say otherwise.

mod course;
mod diversity;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use researchgym_core::score::Direction;
use researchgym_core::search::policy::PolicySpec;
use researchgym_core::search::{Operator, Repertoire, Status, Tree};
use researchgym_core::statistics::resample::Bootstrap;
use researchgym_core::statistics::sample::{Interval, median, sorted};
use researchgym_engine::catalogue::{Catalogue, LoadedTask};
use serde_json::{Value, json};

use self::diversity::Diversity;
use crate::Outcome;
use crate::options::Options;
use crate::place::{self, Place};
use crate::report::{Figure, Report, talk};
use crate::searching::{self, Hands, Ran, Wanted};

/// How intervals are drawn: 95 % of the resamples over the seeds.
const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 2000, seed: 1, confidence: 0.95 };

/// One search, as far as it is compared.
struct Entry {
    seed: u64,
    /// The best value whenever it changed, with the gradings until then.
    moments: Vec<(u64, f64)>,
    gradings: u64,
    to_target: Option<u64>,
    fates: BTreeMap<String, u64>,
    diversity: Diversity,
    cost_usd: f64,
    tokens: u64,
    wall_s: f64,
    cpu_s: f64,
}

impl Entry {
    fn best(&self) -> Option<f64> {
        self.moments.last().map(|moment| moment.1)
    }
}

/// All searches of a policy.
struct Contender {
    policy: String,
    entries: Vec<Entry>,
}

pub(crate) async fn measure(options: &Options, report: &Report) -> Outcome<()> {
    let task = task(options)?;
    let variant = options.text("variant").unwrap_or("default");
    task.task.with_variant(variant)?;
    let names = PolicySpec::NAMES.map(|(name, _)| name);
    let policies = options.texts("policies").unwrap_or_else(|| names.to_vec());
    let operators = operators(options.texts("operators").unwrap_or_else(|| vec!["tune"]).as_slice())?;
    let seeds = options.number("seeds", 5)? as u64;
    let target = options.value("target")?;
    let out = options.text("out").map(PathBuf::from);
    let wanted = Wanted {
        operators,
        slots: u32::try_from(options.number("slots", 2)?)?,
        target: None,
        variant: variant.to_owned(),
        ..Wanted::new("best-of-n", &[], options.number("candidates", 100)? as u64)?
    };
    let direction = task.task.primary().direction;
    let mut contenders = Vec::new();
    for policy in policies {
        let mut entries = Vec::new();
        for seed in 1..=seeds {
            talk(&format!("{policy}, seed {seed} of {seeds}"));
            let place = Place::new()?;
            let wanted = Wanted { policy: searching::policy(policy)?, seed, ..wanted.clone() };
            let ran = searching::run(&place, &task, &wanted, Hands::default()).await?;
            entries.push(entry(&task, &ran, seed, target, direction)?);
        }
        let contender = Contender { policy: policy.to_owned(), entries };
        report.write(figure(&contender, &task, target));
        contenders.push(contender);
    }
    let text = table::text(&contenders, &wanted, target);
    talk(&text);
    if let Some(out) = out {
        write(&out, &task, &contenders, &wanted, target, &text)?;
        talk(&format!("written to {}", out.display()));
    }
    Ok(())
}

fn task(options: &Options) -> Outcome<LoadedTask> {
    let name = options.text("task").ok_or("which task? shoot-out TASK")?;
    let own = place::repository().join("tasks");
    let given = options.text("tasks-dir").map(PathBuf::from);
    Ok(Catalogue::new(given.into_iter().chain([own]).collect()).find(name)?)
}

/// Operators with weights: `tune,crossover=0.2`.
fn operators(words: &[&str]) -> Outcome<Repertoire> {
    let mut operators = BTreeMap::new();
    for word in words {
        let (name, weight) = word.split_once('=').unwrap_or((word, "1"));
        let operator: Operator = name.parse().map_err(|error| format!("--operators {word}: {error}"))?;
        if operator.needs_model() {
            return Err(format!("--operators {word}: a shoot-out has no model").into());
        }
        let weight = weight.parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight > 0.0);
        operators.insert(operator, weight.ok_or_else(|| format!("--operators {word}: a weight above 0"))?);
    }
    Ok(Repertoire(operators))
}

fn entry(
    task: &LoadedTask,
    ran: &Ran,
    seed: u64,
    target: Option<f64>,
    direction: Direction,
) -> Outcome<Entry> {
    let reaches = |value: f64| target.is_some_and(|target| direction.gain(value, target) >= 0.0);
    Ok(Entry {
        seed,
        moments: ran.moments.clone(),
        gradings: ran.tree.graded(),
        to_target: ran.moments.iter().find(|moment| reaches(moment.1)).map(|moment| moment.0),
        fates: fates(&ran.tree),
        diversity: diversity::of(task, ran)?,
        cost_usd: ran.cost.as_usd(),
        tokens: ran.tokens,
        wall_s: ran.wall.as_secs_f64(),
        cpu_s: ran.cpu.as_secs_f64(),
    })
}

/// What became of the candidates.
fn fates(tree: &Tree) -> BTreeMap<String, u64> {
    let mut fates = BTreeMap::new();
    for node in tree.nodes().iter().skip(1) {
        let fate = match &node.status {
            Status::Failed { kind, .. } => format!("failed: {}", kind.name()),
            Status::Dropped { gate, .. } => format!("dropped: {}", gate.name()),
            other => other.name().to_owned(),
        };
        *fates.entry(fate).or_default() += 1;
    }
    fates
}

impl Contender {
    fn numbers(&self, of: impl Fn(&Entry) -> Option<f64>) -> Vec<f64> {
        self.entries.iter().filter_map(of).collect()
    }

    /// The median over the seeds.
    fn median(&self, of: impl Fn(&Entry) -> Option<f64>) -> Option<f64> {
        median(&sorted(self.numbers(of).into_iter()))
    }

    /// The median best, and its interval.
    fn best(&self) -> (Option<f64>, Option<Interval>) {
        median_of(&self.numbers(Entry::best))
    }

    /// The median of the gradings until the target, searches that never reached it being beyond all others; how many did.
    fn to_target(&self) -> (Option<f64>, usize) {
        let reached = self.entries.iter().filter(|entry| entry.to_target.is_some()).count();
        let all = self.numbers(|entry| Some(entry.to_target.map_or(f64::INFINITY, |count| count as f64)));
        let mut all = all;
        all.sort_by(f64::total_cmp);
        let middle = match all.len() {
            0 => None,
            odd if odd % 2 == 1 => all.get(odd / 2).copied(),
            even => Some((all[even / 2 - 1] + all[even / 2]) / 2.0),
        };
        (middle.filter(|middle| middle.is_finite()), reached)
    }

    /// What became of the candidates of all searches.
    fn fates(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (fate, count) in self.entries.iter().flat_map(|entry| &entry.fates) {
            *all.entry(fate.clone()).or_default() += count;
        }
        all
    }
}

/// The median, and its interval.
fn median_of(values: &[f64]) -> (Option<f64>, Option<Interval>) {
    let [interval] = BOOTSTRAP.of_sample(values, [median]);
    (median(&sorted(values.iter().copied())), interval)
}

fn figure(contender: &Contender, task: &LoadedTask, target: Option<f64>) -> Figure {
    let (best, interval) = contender.best();
    let (to_target, reached) = contender.to_target();
    let entries: Vec<Value> = contender.entries.iter().map(entry_value).collect();
    Figure::exact(&format!("median best of {}", contender.policy), &task.task.primary().name, best)
        .with("interval", interval.map_or(Value::Null, |interval| json!([interval.low, interval.high])))
        .with("target", target)
        .with("gradings_to_target", to_target)
        .with("reached_target", reached)
        .with("seeds", contender.entries.len())
        .with("fates", json!(contender.fates()))
        .with("distinct_artefacts", contender.median(|entry| Some(entry.diversity.distinct as f64)))
        .with("mean_similarity", contender.median(|entry| entry.diversity.similarity))
        .with("cost_usd", contender.entries.iter().map(|entry| entry.cost_usd).sum::<f64>())
        .with("searches", entries)
}

fn entry_value(entry: &Entry) -> Value {
    json!({
        "seed": entry.seed,
        "best": entry.best(),
        "gradings": entry.gradings,
        "gradings_to_target": entry.to_target,
        "fates": entry.fates,
        "distinct_artefacts": entry.diversity.distinct,
        "mean_similarity": entry.diversity.similarity,
        "cost_usd": entry.cost_usd,
        "tokens": entry.tokens,
        "wall_s": entry.wall_s,
        "cpu_s": entry.cpu_s,
        "moments": entry.moments,
    })
}

/// The table, the searches and the figure, as files.
fn write(
    out: &Path,
    task: &LoadedTask,
    contenders: &[Contender],
    wanted: &Wanted,
    target: Option<f64>,
    text: &str,
) -> Outcome<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join("table.txt"), text)?;
    let lines = contenders.iter().flat_map(|contender| {
        contender.entries.iter().map(|entry| {
            let mut value = entry_value(entry);
            value["policy"] = contender.policy.as_str().into();
            value["target"] = target.into();
            format!("{value}\n")
        })
    });
    fs::write(out.join("searches.jsonl"), lines.collect::<String>())?;
    if let Some(figure) = course::figure(task, contenders, wanted) {
        fs::write(out.join(format!("{}.svg", figure.id)), &figure.svg)?;
        fs::write(out.join(format!("{}.csv", figure.id)), &figure.csv)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(to_target: &[Option<u64>]) -> Contender {
        let entry = |to_target: &Option<u64>| Entry {
            seed: 1,
            moments: vec![(1, 2.0)],
            gradings: 9,
            to_target: *to_target,
            fates: [("measured".to_owned(), 2)].into(),
            diversity: Diversity { distinct: 3, similarity: None },
            cost_usd: 0.0,
            tokens: 0,
            wall_s: 1.0,
            cpu_s: 1.0,
        };
        Contender { policy: "p".into(), entries: to_target.iter().map(entry).collect() }
    }

    #[test]
    fn searches_that_never_reach_the_target_are_beyond_all_others() {
        type Case<'c> = (&'c [Option<u64>], (Option<f64>, usize));
        let cases: [Case<'_>; 5] = [
            (&[Some(3), None, Some(9)], (Some(9.0), 2)),
            (&[None, None, Some(9)], (None, 1)),
            (&[Some(2), Some(4)], (Some(3.0), 2)),
            (&[Some(2), None], (None, 1)),
            (&[], (None, 0)),
        ];
        for (entries, expected) in cases {
            assert_eq!(contender(entries).to_target(), expected, "{entries:?}");
        }
    }

    #[test]
    fn fates_of_all_searches_are_counted() {
        assert_eq!(contender(&[None, None]).fates(), [("measured".to_owned(), 4)].into());
    }

    #[test]
    fn operators_have_weights_and_need_no_model() {
        let read = operators(&["tune", "crossover=0.2"]).expect("operators");
        assert_eq!(read, Repertoire([(Operator::Tune, 1.0), (Operator::Crossover, 0.2)].into()));
        for wrong in ["improve", "tune=0", "tune=x", "nothing"] {
            assert!(operators(&[wrong]).is_err(), "{wrong}");
        }
    }
}
