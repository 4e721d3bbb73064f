//! Limits on tokens and money for single stages or epochs of a policy, beside those of the run.
//!
//! What a candidate has cost is known when it is made or dropped; what is being made at that moment comes in late, so a
//! stage can end a little above its limit. The run's own limits are held by its ledger and never exceeded.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Spent;
use super::{Change, Node, Status, Tag, Tree};
use crate::spec::MicroUsd;

/// The limit of one stage; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StageLimit {
    /// Tokens of model calls, prompts and answers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Cost of model calls in millionths of a dollar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<MicroUsd>,
}

/// Limits by the number of a stage as a text, from 1, or of an epoch where a policy has no stages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StageLimits(pub BTreeMap<String, StageLimit>);

impl StageLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the stages of a search have spent: a projection of its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageSpending(BTreeMap<u32, Spent>);

impl StageSpending {
    /// Is told what an event has changed, after the tree has taken it in.
    pub fn observe(&mut self, tree: &Tree, change: Change) {
        let node = match change {
            Change::Built(id) => tree.get(id),
            Change::Settled(id) => tree.get(id).filter(|node| is_dropped(node)),
            Change::Planned(..) | Change::Remeasured(_) => None,
        };
        let Some(node) = node else { return };
        let Some(number) = number(&node.tag) else { return };
        let spent = self.0.entry(number).or_default();
        spent.calls = spent.calls.saturating_add(node.spent.calls);
        spent.tokens = spent.tokens.saturating_add(node.spent.tokens);
        spent.cost = MicroUsd(spent.cost.0.saturating_add(node.spent.cost.0));
    }

    /// What the candidates with this tag's stage or epoch have cost.
    pub fn of(&self, tag: &Tag) -> Spent {
        number(tag).and_then(|number| self.0.get(&number)).copied().unwrap_or_default()
    }

    /// Why no further candidate with this tag may ask a model, if that is so.
    pub fn exhausted(&self, limits: &StageLimits, tag: &Tag) -> Option<String> {
        let limit = limits.0.get(&number(tag)?.to_string())?;
        let spent = self.of(tag);
        let name = match (tag.stage, tag.epoch) {
            (Some(stage), _) => format!("stage {stage}"),
            (None, epoch) => format!("epoch {}", epoch.unwrap_or_default()),
        };
        if let Some(tokens) = limit.tokens.filter(|tokens| spent.tokens >= *tokens) {
            return Some(format!("{name} has used {} of its {tokens} tokens", spent.tokens));
        }
        let cost = limit.micro_usd.filter(|cost| spent.cost >= *cost)?;
        Some(format!("{name} has spent ${} of its ${}", spent.cost.as_usd(), cost.as_usd()))
    }
}

/// A stage's number goes before that of an epoch within it.
fn number(tag: &Tag) -> Option<u32> {
    tag.stage.or(tag.epoch)
}

fn is_dropped(node: &Node) -> bool {
    matches!(node.status, Status::Dropped { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::example::{Candidate, Example};

    fn tag(stage: Option<u32>, epoch: Option<u32>) -> Tag {
        Tag { stage, epoch, ..Tag::default() }
    }

    #[test]
    fn stages_and_epochs_end_at_their_own_limits() {
        let mut example = Example::begin();
        let mut spending = StageSpending::default();
        let limits: StageLimits =
            serde_json::from_str(r#"{"1":{"tokens":25},"2":{"micro_usd":5000}}"#).unwrap();
        let cases = [
            (tag(Some(1), Some(9)), 1000, true, None),
            (tag(Some(1), None), 1000, false, None),
            (tag(None, None), 9000, true, None),
            (tag(Some(3), None), 9000, true, None),
            (tag(Some(1), None), 1000, true, Some("stage 1 has used 30 of its 25 tokens")),
            (tag(None, Some(2)), 4999, false, None),
            (tag(None, Some(2)), 1, true, Some("epoch 2 has spent $0.005 of its $0.005")),
        ];
        for (tag, cost, is_built, expected) in cases {
            let outcome = is_built.then(|| Example::graded(1.0));
            let candidate = Candidate { tag: tag.clone(), cost, outcome, ..Candidate::default() };
            example.make_and(candidate, |tree, change| spending.observe(tree, change));
            assert_eq!(spending.exhausted(&limits, &tag).as_deref(), expected);
        }
        assert_eq!(spending.of(&tag(Some(1), None)), Spent { calls: 3, tokens: 30, cost: MicroUsd(3000) });
    }
}
