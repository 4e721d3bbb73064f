//! Programs inside the sandbox use the session too: `researchgym validate | submit | status`, or the JSON-lines socket.

use std::pin::Pin;
use std::time::Duration;

use researchgym_core::action::{Action, Origin};
use researchgym_core::event::Ending;
use researchgym_core::observation::Observation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::control::{Asked, Desk};
use super::gateway::Counter;
use super::{Session, Stop};
use crate::gateway::Entry;
use crate::network::Proxy;
use crate::sandbox::SessionRequest;

/// One line that a program inside sends; the answer is one line too (see `docs/reference/session.md`).
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Scores the current artefacts.
    Validate {},
    /// Scores the current artefacts and ends the run.
    Submit {},
    /// Says what is left.
    Status {},
}

impl Session {
    /// Waits for `something` while programs inside are served.
    ///
    /// Fails with [`Stop`] if meanwhile the run was cancelled, its working time ran out or a program inside submitted.
    pub(super) async fn attend_until<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::pin!(something);
        let sandbox = self.sandbox.clone();
        let mut cancelled = self.cancelled.clone();
        let mut is_open = true;
        loop {
            // Asked anew each time: gradings that programs inside ask for are not working time.
            let left = self.time_left();
            tokio::select! {
                biased;
                outcome = &mut something => return Ok(outcome),
                () = time_over(left) => return Err(Stop::Ended(Ending::TimeLimit)),
                true = until_true(&mut cancelled) => return Err(Stop::Ended(Ending::Cancelled)),
                request = sandbox.next_request(), if is_open => match request {
                    Some(request) => self.attend(request).await?,
                    None => is_open = false,
                },
                Some(entry) = next_entry(&mut self.counter) => self.on_entry(entry)?,
                Some(asked) = next_control(&mut self.desk) => {
                    match beside(something.as_mut(), self.on_control(asked)).await {
                        (Ok(()), None) => {}
                        // Who cancelled is heard at the next step.
                        (Ok(()) | Err(Stop::Ended(Ending::Cancelled)), Some(outcome)) => return Ok(outcome),
                        (Err(stop), _) => return Err(stop),
                    }
                }
                () = reported(&self.proxy) => self.record_requests()?,
            }
        }
    }

    async fn attend(&mut self, request: SessionRequest) -> Result<(), Stop> {
        let answer = match serde_json::from_str::<Request>(&request.line) {
            Err(error) => {
                refused(format!("not a request: {error}; send {{\"method\": \"validate|submit|status\"}}"))
            }
            Ok(Request::Status {}) => json!({ "ok": true, "result": self.status() }),
            Ok(Request::Validate {}) => outcome(Box::pin(self.act(Origin::Sandbox, Action::Validate)).await?),
            Ok(Request::Submit {}) => outcome(Box::pin(self.act(Origin::Sandbox, Action::Submit)).await?),
        };
        // The program may have gone; that is its own affair.
        let _ = self.sandbox.answer(request.id, &answer.to_string()).await;
        if self.submitted { Err(Stop::Ended(Ending::Submitted)) } else { Ok(()) }
    }

    /// What a program inside may know about its run.
    pub(crate) fn status(&self) -> Value {
        let state = &self.recorder.state;
        let task = &state.started.task;
        let left = |limit: Option<u64>, used: u64| limit.map(|limit| limit.saturating_sub(used));
        let working_ms = self.clock.working_ms();
        let best = state.best().map(|attempt| &attempt.score.metrics);
        json!({
            "task": task.id,
            "variant": state.started.spec.variant,
            "primary": task.primary(),
            "baseline": task.baseline.as_ref().map(|baseline| baseline.shown(&task.primary())),
            "best_score": best,
            "artefacts": task.submission.artefacts,
            "steps": state.steps,
            "steps_left": left(state.limits.steps, state.steps),
            "seconds": working_ms as f64 / 1e3,
            "seconds_left": left(state.limits.working_ms, working_ms).map(|left| left as f64 / 1e3),
            "cost_usd": state.ledger.spent().as_usd(),
            "budget_left_usd": state.ledger.money_left(&state.limits).map(|left| left.as_usd()),
            "tokens": state.ledger.tokens(),
            "tokens_left": state.ledger.tokens_left(&state.limits),
            "validations": state.validations(),
            "validations_left": task.grader.validations.saturating_sub(state.validations()),
        })
    }
}

/// Handles a request of the user while `something` goes on: in a pause, which may be long, the answer of a model is
/// still read, since it is paid for and its provider does not wait.
async fn beside<T, H>(
    mut something: Pin<&mut impl Future<Output = T>>,
    handling: impl Future<Output = H>,
) -> (H, Option<T>) {
    tokio::pin!(handling);
    let mut outcome = None;
    loop {
        tokio::select! {
            biased;
            handled = &mut handling => return (handled, outcome),
            done = &mut something, if outcome.is_none() => outcome = Some(done),
        }
    }
}

/// The next entry of the run's gateway, if it has one.
async fn next_entry(counter: &mut Option<Counter>) -> Option<Entry> {
    match counter {
        Some(counter) => counter.entries.recv().await,
        None => std::future::pending().await,
    }
}

/// When the proxy has something to be recorded.
async fn reported(proxy: &Option<Proxy>) {
    match proxy {
        Some(proxy) => proxy.recorded().await,
        None => std::future::pending().await,
    }
}

/// The next request of the user, if there is a way for one.
async fn next_control(desk: &mut Option<Desk>) -> Option<Asked> {
    match desk {
        Some(desk) => desk.next().await,
        None => std::future::pending().await,
    }
}

/// Never if the time is not limited.
async fn time_over(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// False if nobody can cancel any more.
pub(super) async fn until_true(cancelled: &mut watch::Receiver<bool>) -> bool {
    cancelled.wait_for(|is_cancelled| *is_cancelled).await.is_ok()
}

fn outcome(observation: Observation) -> Value {
    match observation {
        Observation::Graded { attempt, score } => match score.invalid {
            None => json!({ "ok": true, "result": { "attempt": attempt, "metrics": score.metrics } }),
            Some(reason) => refused(reason),
        },
        Observation::Refused { reason } => refused(reason),
        other => json!({ "ok": true, "result": other }),
    }
}

fn refused(reason: String) -> Value {
    json!({ "ok": false, "error": reason })
}
