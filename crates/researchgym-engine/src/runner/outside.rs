//! What of the network a run's sandbox is let to: its policy, the proxy, and what the result says of them.

use researchgym_core::event::RunStarted;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::isolation::{Reach, Runtime};
use researchgym_core::network::{NetworkPolicy, Phase, Rules};
use researchgym_core::spec::AgentSpec;
use researchgym_core::state::RunState;

use crate::network::{Policy, Proxy};
use crate::workbench::Workbench;

/// What the agent's sandbox of this run may reach.
pub(super) fn policy(state: &RunState) -> NetworkPolicy {
    state.started.spec.agent_network(&state.started.task.network)
}

/// The proxy of the agent's sandbox, if its policy has one.
pub(super) async fn open_proxy(workbench: &Workbench, state: &RunState) -> Result<Option<Proxy>, Failure> {
    let network = &state.started.task.network;
    if !policy(state).has_proxy() {
        return Ok(None);
    }
    let allowed = Policy {
        phase: Phase::Agent,
        rules: rules(&state.started)?,
        traffic: (network.traffic_mib << 20).saturating_sub(state.agent_bytes),
        names: workbench.names.clone(),
    };
    let opened = match state.started.spec.runtime {
        Runtime::Host => Proxy::on_port(allowed).await,
        Runtime::Local | Runtime::Docker => Proxy::on_socket(&workbench.scratch, allowed),
    };
    let lost = |error| Failure::new(Boundary::Store, format!("the run's proxy cannot be opened: {error}"));
    opened.map(Some).map_err(lost)
}

/// What the result says of it.
pub(super) fn reach(state: &RunState) -> Result<Reach, Failure> {
    let started = &state.started;
    Ok(Reach {
        policy: policy(state),
        is_widened: started.spec.network.is_some_and(|asked| asked > started.task.network.agent_at_most()),
        passes_blocked: rules(started)?.passes_blocked(),
    })
}

/// What the reader of the run should know: an agent inside that is to use a model and cannot.
pub(super) fn note(state: &RunState) -> Option<String> {
    let started = &state.started;
    let is_inside = matches!(started.spec.agent, AgentSpec::External { .. });
    (is_inside && started.spec.model.is_some() && !policy(state).has_gateway()).then(|| {
        "the network policy is `none`: the agent, which works inside, cannot reach the model gateway"
            .to_owned()
    })
}

fn rules(started: &RunStarted) -> Result<Rules, Failure> {
    let policy = started.spec.agent_network(&started.task.network);
    Rules::of(policy, &started.task.network).map_err(|what| Failure::new(Boundary::Task, what))
}
