//! What the program answers, and what is wrong with it.

use serde::Deserialize;

use crate::search::policy::Answer;
use crate::search::{NodeId, Operator, Plan, Repertoire, Status, Tag, Tree};

/// The longest line that a program may answer.
pub const MOST_LINE_BYTES: usize = 1 << 20;

/// An answer cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is too long.
    #[error("the answer has more than {MOST_LINE_BYTES} bytes")]
    TooLong,
    /// It is not JSON, or not an answer.
    #[error("the answer is not `{{\"type\": \"plans\", \"plans\": [...]}}` on one line: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// There are more plans than slots.
    #[error("the answer has {plans} plans for {free} free slots")]
    TooMany {
        /// Plans.
        plans: usize,
        /// Slots.
        free: usize,
    },
    /// There is nothing to do and nothing to wait for, and yet it is not over.
    #[error(
        "the answer has no plans, nothing is under way, and `over` is not true: the search could never go on"
    )]
    Idle,
    /// A plan cannot be followed.
    #[error("plan {number} of the answer {problem}")]
    Plan {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        problem: PlanProblem,
    },
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanProblem {
    /// This run has no such operator.
    #[error("asks for the operator `{name}`; this run has {}", .operators.join(", "))]
    Operator {
        /// What was asked for.
        name: String,
        /// What there is.
        operators: Vec<&'static str>,
    },
    /// An operator takes another number of parents.
    #[error("gives `{operator}` {parents} parents; it takes {takes}")]
    Parents {
        /// Which operator.
        operator: Operator,
        /// How many there are.
        parents: usize,
        /// How many there may be.
        takes: &'static str,
    },
    /// There is no such node.
    #[error("names node {node}; there are 0 to {last}")]
    NoNode {
        /// What was named.
        node: NodeId,
        /// The last that there is.
        last: NodeId,
    },
    /// A parent has no candidate, or none yet.
    #[error("has node {node} for a parent, which is {status}")]
    Parent {
        /// Which.
        node: NodeId,
        /// Where it stands.
        status: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Plans {
        #[serde(default)]
        plans: Vec<Wish>,
        #[serde(default)]
        note: Option<String>,
        #[serde(default)]
        over: bool,
    },
}

/// A plan whose operator may not exist.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    operator: String,
    #[serde(default)]
    parents: Vec<NodeId>,
    #[serde(default)]
    shown: Vec<NodeId>,
    #[serde(default)]
    tag: Tag,
    #[serde(default)]
    hint: Option<String>,
}

/// Reads the answer to a question about so many free slots.
///
/// # Errors
/// It cannot be followed.
pub fn read_answer(
    line: &[u8],
    tree: &Tree,
    operators: &Repertoire,
    free: usize,
) -> Result<Answer, AnswerError> {
    if line.len() > MOST_LINE_BYTES {
        return Err(AnswerError::TooLong);
    }
    let unreadable = |error: serde_json::Error| AnswerError::Unreadable { reason: error.to_string() };
    let Line::Plans { plans: wishes, note, over } = serde_json::from_slice(line).map_err(unreadable)?;
    if wishes.len() > free {
        return Err(AnswerError::TooMany { plans: wishes.len(), free });
    }
    if wishes.is_empty() && !over && tree.unsettled() == 0 {
        return Err(AnswerError::Idle);
    }
    let plans = wishes.into_iter().enumerate().map(|(position, wish)| {
        plan(wish, tree, operators).map_err(|problem| AnswerError::Plan { number: position + 1, problem })
    });
    Ok(Answer { plans: plans.collect::<Result<_, _>>()?, note, is_over: over })
}

fn plan(wish: Wish, tree: &Tree, operators: &Repertoire) -> Result<Plan, PlanProblem> {
    let has = |operator: &Operator| operators.0.get(operator).is_some_and(|weight| *weight > 0.0);
    let operator = wish.operator.parse().ok().filter(has).ok_or_else(|| {
        let operators = operators.0.keys().filter(|operator| has(operator)).map(|operator| operator.name());
        PlanProblem::Operator { name: wish.operator, operators: operators.collect() }
    })?;
    let parents = wish.parents.len();
    let (takes, fits) = match operator {
        Operator::Crossover => ("two or more", parents >= 2),
        Operator::Replicate => ("one", parents == 1),
        _ => ("one, or none for the baseline", parents <= 1),
    };
    if !fits {
        return Err(PlanProblem::Parents { operator, parents, takes });
    }
    let last = (tree.nodes().len() as NodeId).saturating_sub(1);
    for id in wish.parents.iter().chain(&wish.shown) {
        tree.get(*id).ok_or(PlanProblem::NoNode { node: *id, last })?;
    }
    for node in wish.parents.iter().filter_map(|id| tree.get(*id)) {
        let serves = match &node.status {
            Status::Proposed | Status::Built | Status::Dropped { .. } => false,
            Status::Measured => true,
            Status::Failed { .. } | Status::Lost | Status::Screened { .. } | Status::Quarantined { .. } => {
                operator != Operator::Replicate
            }
        };
        if !serves {
            return Err(PlanProblem::Parent { node: node.id, status: node.status.name() });
        }
    }
    Ok(Plan { operator, parents: wish.parents, shown: wish.shown, tag: wish.tag, hint: wish.hint })
}
