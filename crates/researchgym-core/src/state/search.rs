//! The part of a run's state that only searches have (steps and working time that nodes bring, and the tree), and what forks
//! took over.

use super::{RunState, StateError};
use crate::budget::Used;
use crate::event::{Event, Line};
use crate::search::{NodeId, Operator, Plan};
use crate::spec::AgentSpec;

/// What a fork took over from the run that it goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// Of a search: so many of its nodes, the first ones, were planned by the other.
    pub nodes: NodeId,
    /// What the history had used.
    pub used: Used,
}

impl RunState {
    /// Notes what a fork took over, when it has taken in the last event of the other run.
    pub(super) fn inherit(&mut self) {
        if self.started.spec.fork.as_ref().is_some_and(|fork| self.events == fork.events + 1) {
            let nodes = self.search.as_ref().map_or(0, |tree| tree.nodes().len() as NodeId);
            self.inherited = Some(Inherited { nodes, used: self.used() });
        }
    }

    /// Whether a node was planned by the search that this one was forked from.
    pub fn inherits(&self, node: NodeId) -> bool {
        self.inherited.is_some_and(|inherited| node < inherited.nodes)
    }

    /// How many measurements the best candidate of a search must have before it counts.
    pub fn measurements_wanted(&self) -> u32 {
        match &self.started.spec.agent {
            AgentSpec::Search(search) => search.measurements,
            _ => 1,
        }
    }

    /// Takes in an event of a search. A planned candidate is a step; another measurement is none.
    pub(super) fn searched(&mut self, line: &Line) -> Result<(), StateError> {
        let wrong = |problem: &str| StateError { seq: line.seq, problem: problem.into() };
        let tree = self.search.as_mut().ok_or_else(|| wrong("a node in a run that is no search"))?;
        tree.apply(&line.event).map_err(|error| wrong(&error.to_string()))?;
        let working_ms = match &line.event {
            Event::Planned(planned) => {
                let is_step =
                    |plan: &&Plan| !matches!(plan.operator, Operator::Baseline | Operator::Replicate);
                self.steps += planned.plans.iter().filter(is_step).count() as u64;
                planned.working_ms
            }
            Event::IdeasHad(had) => had.working_ms,
            Event::NodeBuilt(built) => built.working_ms,
            Event::NodeDropped(dropped) => dropped.working_ms,
            Event::Evaluated(evaluated) => {
                for gpu in &evaluated.gpus {
                    if self.gpus.iter().all(|known| known.uuid != gpu.uuid) {
                        self.gpus.push(gpu.clone());
                    }
                }
                evaluated.working_ms
            }
            _ => 0,
        };
        self.working_ms = self.working_ms.max(working_ms);
        Ok(())
    }
}
