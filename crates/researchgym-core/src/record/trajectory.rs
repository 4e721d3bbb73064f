//! What became of each idea of a search, and of each epoch: rows that can be read without this program.
//!
//! An idea is a candidate of a search, whether an idea in words stands behind it or not; neither the baseline nor replicates
//! are. A failed implementation is told apart from a bad idea: the former has no candidate, the latter has a value or a
//! failure of its evaluation.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::score::{Direction, Metrics};
use crate::search::event::Gate;
use crate::search::similarity::Shingles;
use crate::search::{Aggregate, Node, NodeId, Status};

/// What became of an idea.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdeaStatus {
    /// It was executed and has a score.
    Measured,
    /// It was executed and failed by its own fault.
    Failed,
    /// It left an earlier stage of its evaluation below the value to go on.
    Screened,
    /// It has a score that must not be used.
    Quarantined,
    /// No change that could be applied came of it.
    NotImplemented,
    /// Its code was made before.
    Duplicate,
    /// Its code breaks a rule, such as by naming hidden files, and was never run.
    Refused,
    /// It was not worked on: nothing to work on, or nothing left to spend.
    NotTried,
    /// The machine failed whenever it was executed: nothing is known of it.
    Lost,
    /// It is still being made or executed.
    Open,
}

impl IdeaStatus {
    /// Of a node.
    pub fn of(status: &Status) -> IdeaStatus {
        match status {
            Status::Proposed | Status::Built => IdeaStatus::Open,
            Status::Dropped { gate, .. } => match gate {
                Gate::NotImplemented | Gate::Surface => IdeaStatus::NotImplemented,
                Gate::Duplicate | Gate::NearDuplicate => IdeaStatus::Duplicate,
                Gate::Leakage => IdeaStatus::Refused,
                Gate::NothingToDo => IdeaStatus::NotTried,
            },
            Status::Failed { .. } => IdeaStatus::Failed,
            Status::Lost => IdeaStatus::Lost,
            Status::Screened { .. } => IdeaStatus::Screened,
            Status::Measured => IdeaStatus::Measured,
            Status::Quarantined { .. } => IdeaStatus::Quarantined,
        }
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            IdeaStatus::Measured => "measured",
            IdeaStatus::Failed => "failed",
            IdeaStatus::Screened => "screened",
            IdeaStatus::Quarantined => "quarantined",
            IdeaStatus::NotImplemented => "not_implemented",
            IdeaStatus::Duplicate => "duplicate",
            IdeaStatus::Refused => "refused",
            IdeaStatus::NotTried => "not_tried",
            IdeaStatus::Lost => "lost",
            IdeaStatus::Open => "open",
        }
    }

    /// Whether code came of it that could be applied to the base.
    pub fn is_implemented(self) -> bool {
        match self {
            IdeaStatus::Measured
            | IdeaStatus::Failed
            | IdeaStatus::Screened
            | IdeaStatus::Quarantined
            | IdeaStatus::Duplicate
            | IdeaStatus::Refused
            | IdeaStatus::Lost => true,
            IdeaStatus::NotImplemented | IdeaStatus::NotTried | IdeaStatus::Open => false,
        }
    }
}

/// One idea with all that became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdeaRecord {
    /// The run.
    pub run_id: String,
    /// Its task.
    pub task: String,
    /// The epoch, from 0; null where the policy has none.
    pub epoch: Option<u32>,
    /// The idea's number in its epoch, from 0; where there are no epochs, in the run.
    pub idea_id: u32,
    /// The node's number in the run.
    pub node: NodeId,
    /// The idea in words.
    pub idea: Option<String>,
    /// `initial`, `exploit` or `explore`; where there are no epochs, the operator.
    pub kind: String,
    /// Nodes whose ideas and scores were shown to who had it.
    pub shown: Vec<NodeId>,
    /// The node whose code it changes; 0 is the baseline.
    pub code_parent: NodeId,
    /// What it changes in that code, as a unified diff; null if there is no candidate.
    pub diff: Option<String>,
    /// How often the change was tried.
    pub attempts: u32,
    /// What became of it.
    pub status: IdeaStatus,
    /// Whether code came of it that could be applied.
    pub implemented: bool,
    /// Which gate refused it, or how its execution failed.
    pub failure: Option<String>,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// The stage of its evaluation that it reached last; null if it was not executed.
    pub stage: Option<String>,
    /// The name of the primary metric.
    pub metric: String,
    /// Which way it is better.
    pub direction: Direction,
    /// The mean of its measurements, or the value with which it was screened out.
    pub value: Option<f64>,
    /// How many measurements.
    pub n: u64,
    /// Standard error of the mean; null below two measurements.
    pub standard_error: Option<f64>,
    /// All metrics of its first measurement.
    pub metrics: Metrics,
    /// Whether it is better than the baseline; null if it has no value.
    pub better_than_baseline: Option<bool>,
    /// Whether its result came after the next epoch had begun.
    pub late: bool,
    /// What having and implementing it has cost, in US dollars.
    pub cost_usd: f64,
    /// Tokens of that.
    pub tokens: u64,
    /// Model calls for it; where several ideas share one, the first has it.
    pub calls: u64,
    /// The model that had the idea.
    pub idea_model: Option<String>,
    /// The model that wrote the code.
    pub code_model: Option<String>,
    /// Wall time of its executions in milliseconds, without time in a queue.
    pub wall_ms: u64,
    /// Time in a cluster's queue in milliseconds.
    pub queue_ms: u64,
    /// Processor time of its executions in milliseconds.
    pub cpu_ms: u64,
    /// Working time of the run when it was planned, in milliseconds.
    pub planned_ms: u64,
    /// Working time of the run when nothing more was to come of it; null until then.
    pub settled_ms: Option<u64>,
    /// What its last execution printed, head and tail.
    pub log: Option<String>,
}

impl IdeaRecord {
    /// The first line of its words, without the mark before it.
    pub fn title(&self) -> &str {
        let text = self.idea.as_deref().unwrap_or_default().trim();
        let text = text.strip_prefix("[Experiment]").unwrap_or(text);
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no words")
    }

    /// What became of it, in words.
    pub fn outcome(&self) -> String {
        let failure = || self.failure.as_deref().unwrap_or("unknown").replace('_', " ");
        let reason = || self.reason.as_deref().and_then(|reason| reason.lines().next()).unwrap_or("unknown");
        match self.status {
            IdeaStatus::Measured => match self.better_than_baseline {
                Some(true) => "better than the baseline".to_owned(),
                Some(false) => "not better than the baseline".to_owned(),
                None => "measured".to_owned(),
            },
            IdeaStatus::Failed => format!("failed: {}", failure()),
            IdeaStatus::Screened => {
                format!("left out after the stage {}", self.stage.as_deref().unwrap_or("unknown"))
            }
            IdeaStatus::Quarantined => format!("not used: {}", reason()),
            IdeaStatus::NotImplemented => match self.attempts {
                0 => "no idea came".to_owned(),
                1 => "not implemented after one attempt".to_owned(),
                attempts => format!("not implemented after {attempts} attempts"),
            },
            IdeaStatus::Duplicate => format!("the same code as before: {}", reason()),
            IdeaStatus::Refused => format!("refused before it ran: {}", failure()),
            IdeaStatus::NotTried => format!("not tried: {}", reason()),
            IdeaStatus::Lost => "lost: the machine failed".to_owned(),
            IdeaStatus::Open => "under way".to_owned(),
        }
    }
}

/// One epoch in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The run.
    pub run_id: String,
    /// The epoch, from 0; null for all ideas of a policy without epochs.
    pub epoch: Option<u32>,
    /// Ideas that were asked for.
    pub ideas: u64,
    /// Of these, refining what beat the baseline.
    pub exploit: u64,
    /// Their share.
    pub exploit_ratio: f64,
    /// Ideas of which code came that could be applied.
    pub implemented: u64,
    /// Their share of the ideas of which it is known.
    pub completion_rate: Option<f64>,
    /// Ideas with a score.
    pub measured: u64,
    /// Of these, better than the baseline.
    pub better_than_baseline: u64,
    /// How many ideas became what, by status.
    pub statuses: BTreeMap<String, u64>,
    /// The best value.
    pub best: Option<f64>,
    /// The node that has it.
    pub best_node: Option<NodeId>,
    /// The mean of the values.
    pub mean: Option<f64>,
    /// Standard error of that mean; null below two values.
    pub standard_error: Option<f64>,
    /// How much ideas have in common: the mean Jaccard similarity of their texts' runs of five words over all pairs; null
    /// below two texts.
    pub similarity: Option<f64>,
    /// Results that came after the next epoch had begun.
    pub late: u64,
    /// What having and implementing ideas has cost, in US dollars.
    pub cost_usd: f64,
    /// Tokens of that.
    pub tokens: u64,
    /// Wall time of executions in milliseconds.
    pub wall_ms: u64,
    /// Time in a cluster's queue in milliseconds.
    pub queue_ms: u64,
}

/// The kind of a node's idea.
pub fn kind_of(node: &Node) -> String {
    match (node.tag.epoch, node.tag.kind.as_deref()) {
        (Some(0), _) => "initial".to_owned(),
        (Some(_), Some(kind)) => kind.to_owned(),
        _ => node.operator.name().to_owned(),
    }
}

/// The epochs of a run's ideas, which stand in order.
pub fn epochs_of(ideas: &[IdeaRecord]) -> Vec<EpochRecord> {
    let numbers: BTreeSet<Option<u32>> = ideas.iter().map(|idea| idea.epoch).collect();
    let of = |epoch: Option<u32>| ideas.iter().filter(|idea| idea.epoch == epoch).collect::<Vec<_>>();
    numbers.into_iter().map(|epoch| epoch_of(epoch, &of(epoch))).collect()
}

fn epoch_of(epoch: Option<u32>, ideas: &[&IdeaRecord]) -> EpochRecord {
    let count = |is: &dyn Fn(&IdeaRecord) -> bool| ideas.iter().filter(|idea| is(idea)).count() as u64;
    let implemented = count(&|idea| idea.implemented);
    let known = count(&|idea| idea.status != IdeaStatus::Open);
    let exploit = count(&|idea| idea.kind == "exploit");
    let scored = ideas.iter().filter(|idea| idea.status == IdeaStatus::Measured);
    let scored: Vec<(f64, NodeId, Direction)> =
        scored.filter_map(|idea| Some((idea.value?, idea.node, idea.direction))).collect();
    // Of equals the earlier one.
    let best = scored.iter().copied().reduce(
        |best, next| {
            if next.2.gain(next.0, best.0) > 0.0 { next } else { best }
        },
    );
    let aggregate = Aggregate::of(scored.iter().map(|(value, ..)| *value));
    let mut statuses = BTreeMap::new();
    for idea in ideas {
        *statuses.entry(idea.status.name().to_owned()).or_default() += 1;
    }
    EpochRecord {
        run_id: ideas.first().map(|idea| idea.run_id.clone()).unwrap_or_default(),
        epoch,
        ideas: ideas.len() as u64,
        exploit,
        exploit_ratio: exploit as f64 / ideas.len().max(1) as f64,
        implemented,
        completion_rate: (known > 0).then(|| implemented as f64 / known as f64),
        measured: scored.len() as u64,
        better_than_baseline: count(&|idea| idea.better_than_baseline == Some(true)),
        statuses,
        best: best.map(|(value, ..)| value),
        best_node: best.map(|(_, node, _)| node),
        mean: aggregate.map(|aggregate| aggregate.mean),
        standard_error: aggregate.and_then(|aggregate| aggregate.standard_error),
        similarity: similarity(ideas.iter().filter_map(|idea| idea.idea.as_deref())),
        late: count(&|idea| idea.late),
        // Micro-dollars are whole: what is added is rounded to them.
        cost_usd: (ideas.iter().map(|idea| idea.cost_usd * 1e6).sum::<f64>()).round() / 1e6,
        tokens: ideas.iter().map(|idea| idea.tokens).sum(),
        wall_ms: ideas.iter().map(|idea| idea.wall_ms).sum(),
        queue_ms: ideas.iter().map(|idea| idea.queue_ms).sum(),
    }
}

/// The mean similarity of all pairs.
fn similarity<'a>(texts: impl Iterator<Item = &'a str>) -> Option<f64> {
    let shingles: Vec<Shingles> = texts
        .map(|text| Shingles::of(&BTreeMap::from([("idea".to_owned(), text.as_bytes().to_vec())])))
        .collect();
    let pairs = shingles.len() * shingles.len().saturating_sub(1) / 2;
    let sum: f64 = shingles
        .iter()
        .enumerate()
        .flat_map(|(at, one)| shingles[..at].iter().map(|other| one.similarity(other)))
        .sum();
    (pairs > 0).then(|| sum / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idea(node: NodeId, kind: &str, status: IdeaStatus, value: Option<f64>, text: &str) -> IdeaRecord {
        IdeaRecord {
            run_id: "r".into(),
            task: "t".into(),
            epoch: Some(1),
            idea_id: node - 1,
            node,
            idea: Some(text.into()),
            kind: kind.into(),
            shown: Vec::new(),
            code_parent: 0,
            diff: None,
            attempts: 1,
            status,
            implemented: status.is_implemented(),
            failure: None,
            reason: None,
            stage: None,
            metric: "loss".into(),
            direction: Direction::Minimize,
            value,
            n: 1,
            standard_error: None,
            metrics: Metrics::new(),
            better_than_baseline: value.map(|value| value < 2.0),
            late: node == 3,
            cost_usd: 0.1,
            tokens: 10,
            calls: 1,
            idea_model: None,
            code_model: None,
            wall_ms: 5,
            queue_ms: 1,
            cpu_ms: 4,
            planned_ms: 0,
            settled_ms: None,
            log: None,
        }
    }

    #[test]
    fn what_became_of_an_idea_is_said_in_words() {
        let said = |status, value, failure: Option<&str>, attempts| {
            let idea = idea(1, "explore", status, value, "[Experiment] Warm up.\n[Code Changes] x");
            let failure = failure.map(str::to_owned);
            IdeaRecord { failure, attempts, reason: Some("as node 2\nand so on".into()), ..idea }.outcome()
        };
        let cases = [
            (said(IdeaStatus::Measured, Some(1.0), None, 1), "better than the baseline"),
            (said(IdeaStatus::Measured, Some(3.0), None, 1), "not better than the baseline"),
            (said(IdeaStatus::Failed, None, Some("time_out"), 1), "failed: time out"),
            (said(IdeaStatus::NotImplemented, None, None, 3), "not implemented after 3 attempts"),
            (said(IdeaStatus::NotImplemented, None, None, 0), "no idea came"),
            (said(IdeaStatus::Duplicate, None, None, 1), "the same code as before: as node 2"),
            (said(IdeaStatus::Refused, None, Some("leakage"), 1), "refused before it ran: leakage"),
            (said(IdeaStatus::Open, None, None, 0), "under way"),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
        let titled = |text: &str| idea(1, "explore", IdeaStatus::Open, None, text).title().to_owned();
        assert_eq!(titled("[Experiment] Warm up.\n[Code Changes] x"), "Warm up.");
        assert_eq!(titled(""), "no words");
    }

    #[test]
    fn an_epoch_tells_failed_implementations_from_bad_ideas() {
        let ideas = [
            idea(1, "exploit", IdeaStatus::Measured, Some(1.5), "raise the rate to a tenth at once"),
            idea(2, "explore", IdeaStatus::Measured, Some(2.5), "raise the rate to a tenth at once"),
            idea(
                3,
                "explore",
                IdeaStatus::NotImplemented,
                None,
                "something else that nobody has said before",
            ),
            idea(4, "explore", IdeaStatus::Open, None, "another thing that is not like any other"),
        ];
        let expected = EpochRecord {
            run_id: "r".into(),
            epoch: Some(1),
            ideas: 4,
            exploit: 1,
            exploit_ratio: 0.25,
            implemented: 2,
            completion_rate: Some(2.0 / 3.0),
            measured: 2,
            better_than_baseline: 1,
            statuses: [("measured", 2), ("not_implemented", 1), ("open", 1)]
                .map(|(name, count)| (name.to_owned(), count))
                .into(),
            best: Some(1.5),
            best_node: Some(1),
            mean: Some(2.0),
            standard_error: Some(0.5),
            // One of six pairs is the same.
            similarity: Some(1.0 / 6.0),
            late: 1,
            cost_usd: 0.4,
            tokens: 40,
            wall_ms: 20,
            queue_ms: 4,
        };
        assert_eq!(epochs_of(&ideas), [expected]);
    }
}
