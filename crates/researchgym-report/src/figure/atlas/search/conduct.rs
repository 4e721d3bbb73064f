//! What became of candidates: by the operator that made them, and how they failed.

use std::collections::BTreeMap;

use researchgym_core::search::Operator;
use researchgym_core::search::event::{EvaluationFailure, Gate};

use super::super::super::bars::{self, Chart, Measure, Row};
use super::super::super::csv::{Csv, Value};
use super::super::super::{Figure, font};
use super::super::Drawn;
use super::Searches;
use crate::palette::{Ink, PART_COUNT};
use crate::search::contender;

pub(super) fn figures(searches: &Searches<'_>) -> Vec<Drawn> {
    vec![operators(searches), failures(searches)]
}

/// Tried, built, measured, better than the parent, and best of all.
type Counts = [u64; 5];

fn operators(searches: &Searches<'_>) -> Drawn {
    let mut uses: BTreeMap<(String, Operator), Counts> = BTreeMap::new();
    for run in searches.runs() {
        for used in run.search.own_operators().iter().filter(|used| used.operator != Operator::Replicate) {
            let counts = uses.entry((contender(run.record, run.search), used.operator)).or_default();
            let more = [used.tried, used.built, used.measured, used.better, used.records];
            for (count, more) in counts.iter_mut().zip(more) {
                *count += more;
            }
        }
    }
    if uses.is_empty() {
        return Err("what operators came to: no candidate was planned".to_owned());
    }
    let mut csv = Csv::new(&["contender", "operator", "tried", "built", "measured", "better", "best_so_far"]);
    let is_one = searches.names.len() == 1;
    let mut rows = Vec::new();
    for ((name, operator), counts) in &uses {
        let [tried, built, measured, better, records] = *counts;
        csv.line([
            Value::Text(name),
            Value::Text(operator.name()),
            Value::Count(tried),
            Value::Count(built),
            Value::Count(measured),
            Value::Count(better),
            Value::Count(records),
        ]);
        let parts = vec![
            records.min(better),
            better.saturating_sub(records),
            measured.saturating_sub(better),
            built.saturating_sub(measured),
            tried.saturating_sub(built),
        ];
        let name = if is_one { operator.name().to_owned() } else { format!("{name}: {operator}") };
        rows.push(Row { name, counts: parts, of: None });
    }
    let parts = [
        (1, "the best so far"),
        (12, "better than its parent"),
        (4, "measured, not better"),
        (2, "built, without a score"),
        (8, "not built"),
    ];
    let chart = Chart {
        parts: parts.map(|(part, name)| (Ink::Part(part), name.to_owned())).to_vec(),
        rows,
        measure: Measure::Share,
        unit: "candidates".to_owned(),
    };
    Ok(Figure::new(
        "search-operators",
        "What operators came to",
        "Candidates by the operator that made them. Better than its parent: than the first one that it derives from; one without a value is worse than any. The \
         best so far: when it was measured. Replicates, which measure again, are left out.",
        bars::draw(&chart),
        csv.text(),
    ))
}

/// All kinds of failure, in the order in which a candidate meets them.
fn kinds() -> Vec<&'static str> {
    let gates = [
        Gate::NothingToDo,
        Gate::NotImplemented,
        Gate::Surface,
        Gate::Duplicate,
        Gate::NearDuplicate,
        Gate::Leakage,
    ];
    let failures = [
        EvaluationFailure::Build,
        EvaluationFailure::Crash,
        EvaluationFailure::TimeOut,
        EvaluationFailure::OutOfMemory,
        EvaluationFailure::NoArtefact,
        EvaluationFailure::Invalid,
        EvaluationFailure::SuspectedCheat,
    ];
    gates
        .map(Gate::name)
        .into_iter()
        .chain(failures.map(EvaluationFailure::name))
        .chain(["quarantined", "lost"])
        .collect()
}

fn failures(searches: &Searches<'_>) -> Drawn {
    let kinds = kinds();
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut tried: BTreeMap<String, u64> = BTreeMap::new();
    for run in searches.runs() {
        let name = contender(run.record, run.search);
        *tried.entry(name.clone()).or_default() += run.search.own_candidates();
        let own = counts.entry(name).or_insert_with(|| vec![0; kinds.len()]);
        for (count, kind) in own.iter_mut().zip(&kinds) {
            *count += run.search.own_failures(kind);
        }
    }
    if counts.values().flatten().all(|count| *count == 0) {
        return Err("how candidates failed: none did".to_owned());
    }
    let mut csv = Csv::new(&["contender", "kind", "candidates", "of"]);
    for (name, own) in &counts {
        for (kind, count) in kinds.iter().zip(own) {
            let of = tried.get(name).copied().unwrap_or(0);
            csv.line([Value::Text(name), Value::Text(kind), Value::Count(*count), Value::Count(of)]);
        }
    }
    let told = |kind: &str| kind.replace('_', " ");
    let scene = match counts.iter().next().filter(|_| counts.len() == 1) {
        Some((_, own)) => bars::plain(&Chart {
            parts: vec![(Ink::Part(3), "candidates".to_owned())],
            rows: kinds
                .iter()
                .zip(own)
                .filter(|(_, count)| **count > 0)
                .map(|(kind, count)| Row { name: told(kind), counts: vec![*count], of: None })
                .collect(),
            measure: Measure::Count,
            unit: "candidates".to_owned(),
        }),
        None => bars::draw(&Chart {
            parts: kinds
                .iter()
                .enumerate()
                .map(|(number, kind)| (Ink::Part((number % PART_COUNT) as u8), told(kind)))
                .collect(),
            rows: counts
                .iter()
                .map(|(name, own)| Row {
                    name: font::plain(name),
                    counts: own.clone(),
                    of: tried.get(name).copied(),
                })
                .collect(),
            measure: Measure::Count,
            unit: "candidates".to_owned(),
        }),
    };
    Ok(Figure::new(
        "search-failures",
        "How candidates failed",
        "Candidates that came to nothing, by the gate that refused them or by what happened in their evaluation. Bars behind: all candidates of the policy. Lost: the \
         machine failed, and the candidate is not to blame.",
        scene,
        csv.text(),
    ))
}
