//! What trials have told of themselves: a few values in a line while they work, and all metrics in a table afterwards.

use std::fmt;

use researchgym_core::record::TrialRecord;
use researchgym_core::search::event::MetricPoint;

use super::sparkline::sparkline;
use super::words::{counted, first_line, number, table};

/// How many metrics a line has.
const IN_A_LINE: usize = 3;
/// How many metrics a table has.
const IN_A_TABLE: usize = 40;
/// How many characters of a metric's name are shown.
const NAME: usize = 40;
const COLUMNS: usize = 32;

/// The newest values of the metrics that a trial told first.
#[derive(Default)]
pub(super) struct Newest {
    points: Vec<MetricPoint>,
}

impl Newest {
    /// Takes newer values in.
    pub(super) fn take(&mut self, points: &[MetricPoint]) {
        for point in points {
            let is_room = self.points.len() < IN_A_LINE;
            match self.points.iter_mut().find(|known| known.name == point.name) {
                Some(known) => *known = point.clone(),
                None if is_room => self.points.push(point.clone()),
                None => {}
            }
        }
    }
}

impl fmt::Display for Newest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = self.points.iter().filter_map(|point| point.step).max();
        let step = step.map(|step| format!("step {step}"));
        let told = |point: &MetricPoint| format!("{} {}", first_line(&point.name, NAME), number(point.value));
        let words: Vec<String> = step.into_iter().chain(self.points.iter().map(told)).collect();
        formatter.write_str(&words.join(", "))
    }
}

/// The metrics of one evaluation.
pub(super) fn trial(trial: &TrialRecord) -> Vec<String> {
    let mut rows =
        vec![["metric", "values", "first", "last", "least", "most", ""].map(str::to_owned).to_vec()];
    let series = trial.series();
    for (name, points) in series.iter().take(IN_A_TABLE) {
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
        let at = |point: &MetricPoint| match point.step {
            Some(step) => format!("{} (step {step})", number(point.value)),
            None => number(point.value),
        };
        rows.push(vec![
            first_line(name, NAME),
            values.len().to_string(),
            at(first),
            at(last),
            number(least),
            number(most),
            sparkline(&values, COLUMNS),
        ]);
    }
    let not_over = if trial.is_whole { "" } else { ", as far as it was told while it worked" };
    let mut lines = vec![
        String::new(),
        format!("what evaluation {} ({}) told of itself{not_over}", trial.evaluation, trial.stage),
    ];
    if rows.len() > 1 {
        lines.extend(table(&rows).into_iter().map(|line| format!("  {}", line.trim_end())));
    }
    if series.len() > IN_A_TABLE {
        lines.push(format!(
            "  ({} more are in --output json)",
            counted((series.len() - IN_A_TABLE) as u64, "metric")
        ));
    }
    let unread = [
        (trial.unread.not_finite, "NaN or infinite"),
        (trial.unread.refused, "of too many metrics, or with a name that is none"),
    ];
    for (count, what) in unread.into_iter().filter(|(count, _)| *count > 0) {
        lines.push(format!("  {} left out: {what}", counted(count, "value")));
    }
    if trial.unread.damaged > 0 {
        lines.push(format!(
            "  {} left out: lines or records that are damaged or too long",
            counted(trial.unread.damaged, "piece")
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use researchgym_core::search::reports::Unread;

    use super::*;

    fn point(name: &str, step: Option<i64>, value: f64) -> MetricPoint {
        MetricPoint { name: name.to_owned(), step, value, at_ms: 0 }
    }

    #[test]
    fn a_line_has_the_newest_values_of_the_first_metrics() {
        let mut newest = Newest::default();
        assert_eq!(newest.to_string(), "");
        newest.take(&[point("loss", Some(1), 2.0), point("lr", None, 0.5)]);
        newest.take(&[point("a", Some(2), 1.0), point("b", Some(2), 1.0), point("loss", Some(2), 1.5)]);
        assert_eq!(newest.to_string(), "step 2, loss 1.5000, lr 0.5000, a 1.0000");
    }

    #[test]
    fn a_trial_is_a_table_with_curves() {
        let mut record = TrialRecord {
            node: 3,
            evaluation: 4,
            stage: "full".to_owned(),
            is_whole: true,
            unread: Unread { not_finite: 1, refused: 2, damaged: 3 },
            points: vec![point("loss", Some(1), 2.0), point("lr", None, 0.5), point("loss", Some(2), 1.5)],
        };
        let expected = [
            "",
            "what evaluation 4 (full) told of itself",
            "  metric  values  first            last             least   most",
            "  loss    2       2.0000 (step 1)  1.5000 (step 2)  1.5000  2.0000  █▁",
            "  lr      1       0.5000           0.5000           0.5000  0.5000",
            "  1 value left out: NaN or infinite",
            "  2 values left out: of too many metrics, or with a name that is none",
            "  3 pieces left out: lines or records that are damaged or too long",
        ];
        assert_eq!(trial(&record), expected);
        record.points.clear();
        record.is_whole = false;
        record.unread = Unread { not_finite: 1, ..Unread::default() };
        let expected = [
            "",
            "what evaluation 4 (full) told of itself, as far as it was told while it worked",
            "  1 value left out: NaN or infinite",
        ];
        assert_eq!(trial(&record), expected);
    }
}
