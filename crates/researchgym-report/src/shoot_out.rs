//! A shoot-out as a table and as figures.

use std::fmt::Write as _;

use researchgym_core::statistics::sample::Estimate;
use researchgym_core::statistics::shoot_out::{Contender, Setting, ShootOut};

use crate::figure::number::{decimals, dollars, duration, places};
use crate::page::escaped;

/// The table of a shoot-out: its head, and a line for each policy, the best median first.
pub fn shoot_out_table(shoot_out: &ShootOut) -> Vec<Vec<String>> {
    let setting = &shoot_out.setting;
    let digits = digits(shoot_out);
    let mut head = vec!["policy".to_owned(), "median best".to_owned()];
    let has_intervals = shoot_out.policies.iter().any(|policy| interval(policy).is_some());
    if has_intervals {
        head.push(format!("{} % interval", count(shoot_out.resampling.confidence * 100.0)));
    }
    if let Some(target) = setting.target {
        head.extend([format!("evaluations to {target}"), "reached".to_owned()]);
    }
    if setting.baseline.is_some() {
        head.push("above baseline".to_owned());
    }
    head.extend(
        ["evaluations", "distinct", "similarity", "wall", "CPU of programs", "cost", "candidates"]
            .map(str::to_owned),
    );
    let mut rows = vec![head];
    rows.extend(shoot_out.policies.iter().map(|policy| row(policy, setting, has_intervals, digits)));
    rows
}

fn row(policy: &Contender, setting: &Setting, has_intervals: bool, digits: usize) -> Vec<String> {
    let missing = || "–".to_owned();
    let number = |value: Option<f64>| value.map_or_else(missing, count);
    let time = |ms: Option<f64>| ms.map_or_else(missing, |ms| duration(ms / 1e3));
    let mut row =
        vec![policy.policy.clone(), policy.best.map_or_else(missing, |best| decimals(best.value, digits))];
    if has_intervals {
        row.push(interval(policy).map_or_else(missing, |(low, high)| {
            format!("{} to {}", decimals(low, digits), decimals(high, digits))
        }));
    }
    if setting.target.is_some() {
        row.push(number(policy.to_target.and_then(|to_target| to_target.median)));
        let reached = policy.to_target.map_or(0, |to_target| to_target.reached);
        row.push(format!("{reached} of {}", policy.searches));
    }
    if setting.baseline.is_some() {
        row.push(format!("{} of {}", policy.above_baseline.unwrap_or(0), policy.searches));
    }
    row.extend([
        number(policy.evaluations),
        number(policy.distinct),
        policy.similarity.map_or_else(missing, |similarity| decimals(similarity, 2)),
        time(policy.wall_ms),
        time(policy.program_cpu_ms),
        dollars(policy.cost.as_usd()),
        fates(policy),
    ]);
    row
}

/// A median of counts: whole, or a half.
fn count(value: f64) -> String {
    decimals(value, usize::from(value.fract() != 0.0))
}

/// What the numbers of the table are of, in a sentence.
pub fn shoot_out_lead(shoot_out: &ShootOut) -> String {
    let Setting { task, variant, primary, baseline, operators, model, candidates, budget, slots, .. } =
        &shoot_out.setting;
    let variant = if variant == "default" { String::new() } else { format!(" ({variant})") };
    let operators: Vec<String> = operators
        .0
        .iter()
        .map(
            |(operator, weight)| {
                if *weight == 1.0 { operator.to_string() } else { format!("{operator}={weight}") }
            },
        )
        .collect();
    let mut lead = format!(
        "Policies on {task}{variant}: {} {}, baseline {}; operators {}",
        primary.name,
        match primary.direction {
            researchgym_core::score::Direction::Maximize => "(more is better)",
            researchgym_core::score::Direction::Minimize => "(less is better)",
        },
        baseline.map_or_else(|| "unknown".to_owned(), |value| decimals(value, digits(shoot_out))),
        operators.join(", "),
    );
    if let Some(model) = model {
        let _ = write!(lead, ", model {model}");
    }
    if let Some(candidates) = candidates {
        let _ = write!(lead, "; {candidates} candidates a search");
    }
    if let (Some(_), Some(budget)) = (model, budget) {
        let _ = write!(lead, ", {} a search", dollars(budget.as_usd()));
    }
    let _ = write!(lead, ", {slots} at once.");
    lead
}

/// The table with its notes as Markdown.
pub fn shoot_out_markdown(shoot_out: &ShootOut) -> String {
    let mut text = format!("# Shoot-out\n\n{}\n\n", escaped(&shoot_out_lead(shoot_out)));
    for (number, row) in shoot_out_table(shoot_out).iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text.push('\n');
    for note in &shoot_out.notes {
        let _ = writeln!(text, "* {}", escaped(note));
    }
    let _ = writeln!(text, "\nThe runs: tag `{}`. {WORDS}", shoot_out.setting.tag);
    text
}

/// What columns mean.
pub const WORDS: &str = "Evaluations count the baseline's, and to the target those of searches that never reached it as more than any other. Distinct: \
                         candidates with contents of their own. Similarity: of two candidates, 1 is the same text. Medians over the seeds; cost and candidates \
                         are sums.";

fn interval(policy: &Contender) -> Option<(f64, f64)> {
    policy.best.and_then(|Estimate { interval, .. }| interval).map(|interval| (interval.low, interval.high))
}

/// What became of candidates: those that were measured, and then what stopped most.
fn fates(policy: &Contender) -> String {
    let mut fates: Vec<(&String, &u64)> = policy.fates.iter().filter(|(_, count)| **count > 0).collect();
    fates.sort_by_key(|(fate, count)| (fate.as_str() != "measured", std::cmp::Reverse(**count)));
    let told: Vec<String> =
        fates.iter().map(|(fate, count)| format!("{count} {}", fate.replace('_', " "))).collect();
    told.join(", ")
}

/// Decimals by which the values of the table are told apart.
fn digits(shoot_out: &ShootOut) -> usize {
    let mut values: Vec<f64> = shoot_out.searches.iter().filter_map(|search| search.best).collect();
    values.extend(shoot_out.policies.iter().filter_map(|policy| policy.best.map(|best| best.value)));
    let is_whole = values.iter().all(|value| value.fract() == 0.0);
    if is_whole { 0 } else { (places(&values) + 1).min(7) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use researchgym_core::record::Cause;
    use researchgym_core::score::{Direction, Primary};
    use researchgym_core::search::{Operator, Repertoire};
    use researchgym_core::spec::MicroUsd;
    use researchgym_core::statistics::shoot_out::{Diversity, Reached, Resampling, Searched};

    use super::*;
    use crate::shoot_out_figures;

    fn example(seeds: u64) -> ShootOut {
        let setting = Setting {
            task: "climb".to_owned(),
            variant: "hard".to_owned(),
            primary: Primary { name: "score".to_owned(), direction: Direction::Maximize },
            noise_floor: 0.0,
            baseline: Some(1.0),
            operators: Repertoire([(Operator::Tune, 1.0), (Operator::Crossover, 0.2)].into()),
            model: Some("scripted/a".to_owned()),
            candidates: Some(10),
            working_ms: None,
            budget: Some(MicroUsd(500_000)),
            slots: 2,
            target: Some(2.5),
            tag: "shoot-out:0123456789ab".to_owned(),
            asked: 2 * seeds,
        };
        let search = |policy: &str, seed: u64, best: f64| Searched {
            run_id: format!("{policy}-{seed}"),
            policy: policy.to_owned(),
            seed,
            ending: Some(Cause::StepLimit),
            baseline: Some(1.0),
            best: Some(best),
            evaluations: 11,
            to_target: None,
            course: vec![Reached { evaluations: 1, value: 1.0 }, Reached { evaluations: 4, value: best }],
            fates: BTreeMap::from([
                ("measured".to_owned(), 8),
                ("duplicate".to_owned(), 1),
                ("time_limit".to_owned(), 2),
            ]),
            diversity: Diversity { distinct: 8, similarity: Some(0.875) },
            cost: MicroUsd(250_000),
            tokens: 1000,
            wall_ms: 61_000,
            program_cpu_ms: 1500,
        };
        let searches = (1..=seeds)
            .flat_map(|seed| [search("mcts", seed, 2.0 + seed as f64 / 8.0), search("a|b", seed, 3.25)])
            .collect();
        let resampling = Resampling { resamples: 100, seed: 1, confidence: 0.95 };
        ShootOut::of(setting, resampling, &["mcts".to_owned(), "a|b".to_owned()], searches)
    }

    #[test]
    fn a_table_has_a_line_for_each_policy() {
        let rows = shoot_out_table(&example(5));
        let expected = [
            [
                "policy",
                "median best",
                "95 % interval",
                "evaluations to 2.5",
                "reached",
                "above baseline",
                "evaluations",
                "distinct",
                "similarity",
                "wall",
                "CPU of programs",
                "cost",
                "candidates",
            ],
            [
                "a|b",
                "3.250",
                "3.250 to 3.250",
                "4",
                "5 of 5",
                "5 of 5",
                "11",
                "8",
                "0.88",
                "61 s",
                "1.5 s",
                "$1.25",
                "40 measured, 10 time limit, 5 duplicate",
            ],
            [
                "mcts",
                "2.375",
                "2.125 to 2.625",
                "–",
                "2 of 5",
                "5 of 5",
                "11",
                "8",
                "0.88",
                "61 s",
                "1.5 s",
                "$1.25",
                "40 measured, 10 time limit, 5 duplicate",
            ],
        ];
        assert_eq!(rows, expected.map(|row| row.map(str::to_owned).to_vec()));
    }

    #[test]
    fn markdown_has_the_table_and_what_it_does_not_tell() {
        let text = shoot_out_markdown(&example(2));
        let lead = "Policies on climb (hard): score (more is better), baseline 1.000; operators crossover=0.2, tune, model scripted/a; 10 candidates a \
                    search, $0.50 a search, 2 at once.";
        assert!(text.contains(lead), "{text}");
        assert!(text.contains("\n| a\\|b | 3.250 | 4 | 2 of 2 |"), "{text}");
        assert!(text.contains("\n* No two policies can be told apart"), "{text}");
        assert!(text.contains("tag `shoot-out:0123456789ab`"), "{text}");
    }

    #[test]
    fn figures_show_courses_seeds_and_fates() {
        let figures = shoot_out_figures(&example(5));
        let ids: Vec<&str> = figures.iter().map(|figure| figure.id.as_str()).collect();
        assert_eq!(ids, ["shoot-out-course", "shoot-out-bands", "shoot-out-seeds", "shoot-out-fates"]);
        let [course, bands, seeds, fates] = figures.as_slice() else { panic!("four figures") };
        assert!(
            course.csv.starts_with("policy,evaluations,median,low,high\na|b,1,1,1,1\na|b,4,3.25,3.25,3.25\n"),
            "{}",
            course.csv
        );
        assert_eq!(bands.csv, course.csv);
        assert!(
            seeds.csv.contains("\nmcts,2,2.25,\n") && seeds.csv.contains("\nmcts,4,2.5,4\n"),
            "{}",
            seeds.csv
        );
        assert!(fates.csv.contains("\nmcts,time_limit,10\n"), "{}", fates.csv);
        for words in ["mcts", "target", "baseline", "evaluations", "score ↑"] {
            assert!(course.svg.contains(words), "{words}");
        }
        figures.iter().for_each(|figure| assert!(figure.pdf().is_ok(), "{}", figure.id));
        if let Some(folder) = std::env::var_os("RESEARCHGYM_GALLERY").map(std::path::PathBuf::from) {
            for figure in &figures {
                std::fs::write(folder.join(format!("{}.svg", figure.id)), &figure.svg).expect("a folder");
            }
        }
    }

    #[test]
    fn without_values_there_are_no_figures_of_values() {
        let mut shoot_out = example(3);
        for search in &mut shoot_out.searches {
            search.course.clear();
            search.best = None;
        }
        let ShootOut { setting, resampling, searches, .. } = shoot_out;
        let empty = ShootOut::of(setting, resampling, &["mcts".to_owned(), "a|b".to_owned()], searches);
        let ids: Vec<String> = shoot_out_figures(&empty).into_iter().map(|figure| figure.id).collect();
        assert_eq!(ids, ["shoot-out-fates"]);
    }
}
