//! The table of searches.

use researchgym_core::record::RunRecord;
use researchgym_core::statistics::Analysis;

use super::model::{Entry, Table};
use super::tables::MAX_RUNS;
use crate::figure::number::{dollars, duration, significant};
use crate::search::{contender, shown, task};

/// Searches in lines.
pub(super) fn searches(analysis: &Analysis, records: &[RunRecord]) -> Table {
    let mut table = Table::new(
        "searches-table",
        &[
            "Run",
            "Policy",
            "Task",
            "#Seed",
            "#Candidates",
            "#Measured",
            "#Failed",
            "#Evaluations",
            "#Best",
            "#… after evaluations",
            "#Baseline",
            "#Time",
            "#Cost",
        ],
    )
    .note("Failed: dropped by a gate, failed in an evaluation, lost or quarantined. Behind the best: its standard error, and how often it was measured.");
    let value = |value: f64| Entry::number(value, significant(value, 5));
    for (record, search) in shown(records, analysis).take(MAX_RUNS) {
        let best = search.best.as_ref();
        let how_sure = |n: u64, error: Option<f64>| match error {
            Some(error) => format!("± {}, n = {n}", significant(error, 2)),
            None => format!("n = {n}"),
        };
        let reached = best.and_then(|best| search.moments.iter().find(|moment| moment.node == best.node));
        table.rows.push(vec![
            Entry::words(&record.run_id),
            Entry::words(&contender(record, search)),
            Entry::words(&task(record)),
            Entry::maybe(record.seed, |seed| Entry::number(seed as f64, seed.to_string())),
            Entry::count(search.candidates),
            Entry::count(search.operators.iter().map(|used| used.measured).sum()),
            Entry::count(search.failures.values().sum()),
            Entry::count(search.evaluations),
            Entry::maybe(best, |best| value(best.value).more(how_sure(best.n, best.standard_error))),
            Entry::maybe(reached, |moment| Entry::count(moment.evaluations)),
            Entry::maybe(record.baseline_value().or(search.baseline), value),
            Entry::maybe(record.usage.working_ms, |ms| Entry::number(ms as f64, duration(ms as f64 / 1e3))),
            Entry::maybe(record.usage.cost, |cost| Entry::number(cost.0 as f64, dollars(cost.as_usd()))),
        ]);
    }
    table
}
