//! Several runs of one command.

use std::path::Path;
use std::sync::Arc;

use researchgym_core::event::Ending;
use researchgym_core::failure::Failure;
use researchgym_core::result::RunResult;
use researchgym_engine::runner::{NewRun, Runner};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::running::Running;

/// Several runs' results, in order.
pub(super) struct Many {
    /// As many as were asked for: those that were not begun say so.
    pub(super) results: Vec<RunResult>,
    /// Why some were not begun, unless all were cancelled.
    pub(super) lost: Option<Failure>,
}

/// `count` runs, `parallel` at a time. A failed run does not stop its siblings.
pub(super) async fn many(
    running: &Running,
    runs: &Path,
    count: u64,
    parallel: u64,
    new: impl Fn(u64) -> NewRun,
) -> Many {
    let permits = Arc::new(Semaphore::new(parallel as usize));
    let mut tasks = JoinSet::new();
    let mut results: Vec<Option<RunResult>> = (0..count).map(|_| None).collect();
    let mut lost = None;
    for index in 0..count {
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        if *running.runner.cancelled.borrow() {
            break;
        }
        let open = match running.runner.create(runs, new(index)) {
            Ok(open) => open,
            Err(failure) => {
                lost = Some(failure);
                break;
            }
        };
        let runner = running.runner.clone();
        let mut surroundings = running.surroundings();
        tasks.spawn(async move {
            let result = runner.run(open, &mut surroundings).await;
            drop(permit);
            (index, result)
        });
        while let Some(Ok((index, result))) = tasks.try_join_next() {
            results[index as usize] = Some(result);
        }
    }
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, result)) = joined {
            results[index as usize] = Some(result);
        }
    }
    let ending = if lost.is_some() { Ending::Failed } else { Ending::Cancelled };
    let not_begun = |index| Runner::not_started(new(index), ending, lost.as_ref());
    let results = (0..).zip(results).map(|(index, result)| result.unwrap_or_else(|| not_begun(index)));
    Many { results: results.collect(), lost }
}
