//! What a search takes over of another one and cannot finish.

use researchgym_core::event::Event;
use researchgym_core::failure::Failure;
use researchgym_core::search::event::{Gate, NodeDropped};
use researchgym_core::search::{NodeId, Operator};

use super::{Search, tree};
use crate::session::Session;

impl Search {
    /// Whether a planned node was to be made by an operator that this search does not have.
    pub(super) fn is_unmakable(&self, session: &Session, id: NodeId) -> bool {
        let Some(operator) = tree(session).get(id).map(|node| node.operator) else { return false };
        let is_ours = matches!(operator, Operator::Baseline | Operator::Replicate);
        !is_ours && !self.spec.operators.0.contains_key(&operator)
    }

    /// Leaves such a node unmade.
    pub(super) fn leave(&mut self, session: &mut Session, id: NodeId) -> Result<(), Failure> {
        let operator = tree(session).get(id).map_or(Operator::Baseline, |node| node.operator);
        let dropped = NodeDropped {
            node: id,
            gate: Gate::NothingToDo,
            reason: format!(
                "the search that this one was forked from planned it, and `{operator}` is no operator of this one"
            ),
            of: None,
            idea: None,
            idea_refused: false,
            model: None,
            attempts: 0,
            spent: Default::default(),
            working_ms: session.working_ms(),
        };
        self.record(session, Event::NodeDropped(Box::new(dropped)))
    }
}
