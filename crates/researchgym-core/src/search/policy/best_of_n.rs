//! `best-of-n`: every candidate is made from the baseline, on its own. The control that tells whether choosing parents
//! adds anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Policy, View};
use crate::search::{Change, Plan, Role, Stream, Tag, Tree};

/// Its constants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BestOfN {}

impl BestOfN {
    pub(super) fn begin(&self) -> impl Policy + 'static {
        Independent
    }
}

struct Independent;

impl Policy for Independent {
    fn observe(&mut self, _: &Tree, _: Change) {}

    fn ask(&self, view: &View<'_>, random: &mut Stream) -> Answer {
        let drafts = (0..view.free).filter_map(|_| {
            let operator = view.operators.pick(Role::Draft, random)?;
            let tag = Tag { kind: Some("draft".to_owned()), ..Tag::default() };
            Some(Plan { tag, ..Plan::new(operator, vec![0]) })
        });
        let plans: Vec<Plan> = drafts.collect();
        Answer { is_over: plans.is_empty(), plans, note: None }
    }
}
