//! The worked example of `docs/reference/statistics.md`: the tables there are what comes out.

use researchgym_core::record::RunRecord;
use researchgym_core::score::Direction;
use researchgym_core::statistics::sample::Interval;
use researchgym_core::statistics::{Analysis, Options};

use super::{run, task};

const PAGE: &str = include_str!("../../../../docs/reference/statistics.md");

#[test]
fn the_page_shows_what_comes_out() {
    let analysis = Analysis::of(&runs(), &Options::default());
    let tables = [cells(&analysis), contenders(&analysis), pair(&analysis)];
    for table in tables {
        assert!(PAGE.contains(&table), "docs/reference/statistics.md does not hold\n{table}");
    }
}

/// The runs of the example: each list holds the score of each run, `None` for one that has none.
fn runs() -> Vec<RunRecord> {
    let mut digits = task("digits", Direction::Maximize, Some(0.8));
    digits.noise_floor = 0.01;
    let solver = task("solver", Direction::Minimize, Some(10.0));
    let scores = [
        ("ada", &digits, [Some(0.82), Some(0.9), Some(0.86), None]),
        ("ada", &solver, [Some(8.0), Some(5.0), Some(12.0), Some(9.0)]),
        ("bob", &digits, [Some(0.84), Some(0.85), Some(0.805), Some(0.83)]),
        ("bob", &solver, [Some(10.0), Some(11.0), Some(20.0), Some(9.5)]),
    ];
    let of_cell = |(agent, task, scores): (&str, _, [Option<f64>; 4])| {
        let runs = (1..).zip(scores).map(|(seed, score)| run(agent, task, seed, score.as_slice()));
        runs.collect::<Vec<RunRecord>>()
    };
    scores.into_iter().flat_map(of_cell).collect()
}

fn shown(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

fn between(interval: Option<Interval>) -> String {
    interval.map_or("-".to_owned(), |interval| format!("{:.3} to {:.3}", interval.low, interval.high))
}

fn cells(analysis: &Analysis) -> String {
    let mut table = "| contender | task | scored | best of all | mean | its interval | median | interquartile mean | best@2 | pass@1 | pass@2 |\n\
                     |---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for cell in &analysis.cells {
        let scores = &cell.best;
        let row = [
            cell.contender.clone(),
            cell.task.clone(),
            format!("{} of {}", scores.scored, cell.runs),
            shown(scores.at_k),
            shown(scores.mean.map(|mean| mean.value)),
            between(scores.mean.and_then(|mean| mean.interval)),
            shown(scores.median.map(|median| median.value)),
            shown(scores.interquartile_mean.map(|middle| middle.value)),
            shown(scores.best_at.get(1).map(|at| at.value)),
            shown(scores.pass_at.first().map(|at| at.value)),
            shown(scores.pass_at.get(1).map(|at| at.value)),
        ];
        table += &format!("| {} |\n", row.join(" | "));
    }
    table
}

fn contenders(analysis: &Analysis) -> String {
    let mut table = "| contender | published: digits | solver | area | comparable: digits | solver | area | its interval | mean rank |\n\
                     |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (published, comparable) in analysis.published.best.iter().zip(&analysis.comparable.best) {
        let rank = analysis.ranks.best.mean.iter().find(|row| row.contender == published.contender);
        let taus = |place: usize| [published, comparable].map(|row| format!("{:.3}", row.tasks[place].tau));
        let ([digits, beside_digits], [solver, beside_solver]) = (taus(0), taus(1));
        let row = [
            published.contender.clone(),
            digits,
            solver,
            shown(published.area),
            beside_digits,
            beside_solver,
            shown(comparable.area),
            between(comparable.interval),
            shown(rank.and_then(|row| row.mean_rank)),
        ];
        table += &format!("| {} |\n", row.join(" | "));
    }
    table
}

fn pair(analysis: &Analysis) -> String {
    let mut table =
        "| on | ada is better than bob with probability | p | corrected |\n|---|---|---|---|\n".to_owned();
    for pair in &analysis.pairs.best.tasks {
        let (p, corrected) = (shown(pair.p), shown(pair.corrected_p));
        table += &format!("| {} | {:.3} | {p} | {corrected} |\n", pair.task, pair.improvement);
    }
    for pair in &analysis.pairs.best.across {
        let (p, corrected) = (shown(pair.p), shown(pair.corrected_p));
        table +=
            &format!("| both | {:.3} ({}) | {p} | {corrected} |\n", pair.improvement, between(pair.interval));
    }
    table
}
