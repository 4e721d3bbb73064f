//! A plan: what a policy asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NodeId, Operator, Tag};

/// One candidate that is to be made and evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// How.
    pub operator: Operator,
    /// Code parents: the candidate derives from the first one; a crossover takes from the others too. Empty: from the
    /// baseline. `replicate`: the candidate that is measured again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<NodeId>,
    /// Context parents: candidates that the operator is to be shown, most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<NodeId>,
    /// The policy's marks.
    #[serde(default, skip_serializing_if = "Tag::is_empty")]
    pub tag: Tag,
    /// A word to the operator, such as the goal of a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Plan {
    /// A candidate made by `operator` from these parents.
    pub fn new(operator: Operator, parents: Vec<NodeId>) -> Plan {
        Plan { operator, parents, shown: Vec::new(), tag: Tag::default(), hint: None }
    }
}
