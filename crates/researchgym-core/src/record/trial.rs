//! What the program of one evaluation told of itself, as a record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::search::NodeId;
use crate::search::event::MetricPoint;
use crate::search::reports::Unread;

/// The metrics of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrialRecord {
    /// Of which node.
    pub node: NodeId,
    /// The evaluation's number.
    pub evaluation: u64,
    /// Which stage.
    pub stage: String,
    /// Whether these are all values that were kept. Of an evaluation that is under way, or was stopped, they are what was told
    /// meanwhile.
    pub is_whole: bool,
    /// What was told and is not among them.
    #[serde(default, skip_serializing_if = "Unread::is_nothing")]
    pub unread: Unread,
    /// The values in the order in which they were seen.
    pub points: Vec<MetricPoint>,
}

impl TrialRecord {
    /// The values of each metric, in the order in which metrics were first told.
    pub fn series(&self) -> Vec<(&str, Vec<&MetricPoint>)> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut series: Vec<(&str, Vec<&MetricPoint>)> = Vec::new();
        for point in &self.points {
            let place = *places.entry(&point.name).or_insert(series.len());
            match series.get_mut(place) {
                Some((_, points)) => points.push(point),
                None => series.push((&point.name, vec![point])),
            }
        }
        series
    }

    /// The same with so many values of each metric at most: its first, its last and some between, evenly.
    pub fn thinned(&self, most: usize) -> TrialRecord {
        let kept = self.series().into_iter().flat_map(|(_, points)| {
            let last = points.len() - 1;
            let shown = most.min(points.len()).max(1);
            let place = move |number: usize| if shown == 1 { last } else { number * last / (shown - 1) };
            (0..shown).map(move |number| points[place(number)].clone()).collect::<Vec<_>>()
        });
        TrialRecord { points: kept.collect(), stage: self.stage.clone(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(values: &[(&str, i32)]) -> TrialRecord {
        let point = |(name, value): &(&str, i32)| MetricPoint {
            name: (*name).to_owned(),
            step: None,
            value: f64::from(*value),
            at_ms: 0,
        };
        TrialRecord {
            node: 1,
            evaluation: 2,
            stage: "full".to_owned(),
            is_whole: true,
            unread: Unread::default(),
            points: values.iter().map(point).collect(),
        }
    }

    #[test]
    fn metrics_come_in_the_order_in_which_they_were_told() {
        let trial = trial(&[("b", 1), ("a", 2), ("b", 3)]);
        let values: Vec<(&str, Vec<f64>)> = trial
            .series()
            .into_iter()
            .map(|(name, points)| (name, points.iter().map(|point| point.value).collect()))
            .collect();
        assert_eq!(values, [("b", vec![1.0, 3.0]), ("a", vec![2.0])]);
    }

    #[test]
    fn thinned_metrics_keep_their_ends() {
        let mut values: Vec<(&str, i32)> = (0..101).map(|value| ("long", value)).collect();
        values.push(("short", 7));
        let whole = trial(&values);
        let expected = trial(&[("long", 0), ("long", 50), ("long", 100), ("short", 7)]);
        assert_eq!(whole.thinned(3), expected);
        assert_eq!(whole.thinned(1), trial(&[("long", 100), ("short", 7)]));
        assert_eq!(whole.thinned(1000), whole);
        assert_eq!(trial(&[]).thinned(3), trial(&[]));
    }
}
