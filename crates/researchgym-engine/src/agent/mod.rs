//! Agents: each drives a session to an ending. A new agent is a new file and a line in [`drive`].

mod basic;
mod external;
mod human;
mod scripted;
mod tuner;

use std::sync::Arc;

use researchgym_core::event::Ending;
use researchgym_core::spec::AgentSpec;

pub(crate) use self::basic::tool_schema;
pub use self::external::{Declaration, DeclarationError};
pub use self::human::Terminal;
pub use self::scripted::actions_as_script;
use crate::executor::Cluster;
use crate::gpu::Gpus;
use crate::search::{self, Evaluator, Places, Ways};
use crate::session::{Session, Stop};

/// What an agent may use beside the session.
#[derive(Default)]
pub struct Surroundings {
    /// Where a person sits, for `human`.
    pub terminal: Option<Box<dyn Terminal>>,
    /// What evaluates the candidates of a search; `None`: this machine.
    pub evaluator: Option<Arc<dyn Evaluator>>,
    /// Where jobs go if the run's executor is a cluster.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// The GPUs of this machine, for the candidates of a search that asks for some.
    pub gpus: Option<Arc<Gpus>>,
    /// The ways to a search's further models.
    pub ways: Ways,
}

/// Lets the agent work until the run is over; says why it is.
pub async fn drive(spec: &AgentSpec, session: &mut Session, surroundings: &mut Surroundings) -> Stop {
    let outcome = match spec {
        AgentSpec::Scripted { script } | AgentSpec::Replay { script, .. } => {
            scripted::drive(session, script).await
        }
        AgentSpec::Human => human::drive(session, surroundings.terminal.as_deref_mut()).await,
        AgentSpec::Basic(basic) => basic::drive(session, basic).await,
        AgentSpec::Tuner { sampler, trials } => tuner::drive(session, *sampler, *trials).await,
        AgentSpec::Search(search) => {
            let Surroundings { evaluator, cluster, gpus, ways, .. } = surroundings;
            let places =
                Places { evaluator: evaluator.clone(), cluster: cluster.clone(), gpus: gpus.clone() };
            search::drive(session, search, places, ways.clone()).await
        }
        AgentSpec::External { declaration, .. } => external::drive(session, declaration).await,
    };
    match outcome {
        Err(stop) => stop,
        Ok(GivesUp) => Stop::Ended(Ending::GaveUp),
    }
}

/// An agent returns this when it has nothing more to do and did not submit.
pub(crate) struct GivesUp;
