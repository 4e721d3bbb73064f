//! What the policies that grow trees have in common: the marks of their plans, and how a line of candidates begins.

use super::View;
use crate::search::{Node, NodeId, Plan, Role, Status, Stream, Tag};

/// The mark of the first candidate of a line.
pub(super) const DRAFT: &str = "draft";
/// The mark of a better version.
pub(super) const IMPROVE: &str = "improve";
/// The mark of a mended version.
pub(super) const DEBUG: &str = "debug";

/// Whether a node is the first of a line.
pub(super) fn is_draft(node: &Node) -> bool {
    node.tag.kind.as_deref() == Some(DRAFT)
}

/// How a line can begin: by an operator that drafts; without one by what can be made of the baseline. `None`: not at
/// all.
pub(super) fn start(view: &View<'_>) -> Option<Role> {
    if view.operators.has(Role::Draft) {
        return Some(Role::Draft);
    }
    let (role, fits) = match view.tree.get(0).map(|baseline| &baseline.status) {
        Some(Status::Measured) => (Role::Improve, true),
        Some(Status::Failed { .. }) => (Role::Debug, true),
        _ => (Role::Draft, false),
    };
    (fits && view.operators.has(role)).then_some(role)
}

/// A marked plan; `None` if no operator can do it.
pub(super) fn plan(
    view: &View<'_>,
    random: &mut Stream,
    (role, parent): (Role, NodeId),
    kind: &str,
    shown: Vec<NodeId>,
) -> Option<Plan> {
    let operator = view.operators.pick(role, random)?;
    let tag = Tag { kind: Some(kind.to_owned()), ..Tag::default() };
    Some(Plan { shown, tag, ..Plan::new(operator, vec![parent]) })
}

/// The newest settled candidates that derive from a node.
pub(super) fn newest_children(view: &View<'_>, parent: NodeId, most: usize) -> Vec<NodeId> {
    let children = view.tree.get(parent).map(|node| node.children.as_slice()).unwrap_or_default();
    let known = children.iter().rev().filter_map(|child| view.tree.get(*child)).filter(|child| {
        child.is_candidate()
            && child.status.is_settled()
            && child.status != Status::Lost
            && child.artefact.is_some()
    });
    known.take(most).map(|child| child.id).collect()
}

/// The best candidates but for one.
pub(super) fn best_others(view: &View<'_>, but: NodeId, most: usize) -> Vec<NodeId> {
    view.tree.ranked().filter(|id| *id != but).take(most).collect()
}
