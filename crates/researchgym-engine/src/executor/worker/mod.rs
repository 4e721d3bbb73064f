//! The job's own side: `researchgym job FOLDER`, started by the cluster on a node. It takes the job, carries the order out and
//! puts the result into its folder. What it prints goes to the job's own log.

pub(crate) mod evaluation;
pub(crate) mod run;

use std::ffi::OsString;
use std::path::PathBuf;

use researchgym_core::failure::{Boundary, Failure};

use super::folder::{JobFolder, Started};
use super::order::{Order, SCHEMA, Work};

/// The job could not be carried out: its folder says why, and the cluster sees a failed job.
const BROKEN: i32 = 70;

/// The job that a word means: the absolute path of a folder.
pub(crate) fn folder(word: OsString) -> Option<JobFolder> {
    let path = PathBuf::from(word);
    (path.is_absolute() && path.is_dir()).then(|| JobFolder::at(path))
}

/// Carries one job out; the exit status for the cluster.
pub(crate) fn main(folder: &JobFolder) -> i32 {
    match work(folder) {
        Ok(()) => 0,
        Err(failure) => {
            // Who cannot write there has no other way to say it.
            let _ = folder.fail(&failure);
            BROKEN
        }
    }
}

fn work(folder: &JobFolder) -> Result<(), Failure> {
    let order = folder.order().map_err(broken)?;
    if order.schema != SCHEMA || order.version != env!("CARGO_PKG_VERSION") {
        return Err(Failure::new(
            Boundary::Executor,
            format!(
                "the order is from version {}, and the program on this node is version {}",
                order.version,
                env!("CARGO_PKG_VERSION")
            ),
        )
        .hinted("let `program` of [slurm] name the same program on the nodes"));
    }
    if !folder.claim(incarnation(), &started()).map_err(broken)? || folder.has_result() {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new().map_err(broken)?;
    let Order { run, home, work, .. } = order;
    let node = home.clone();
    let done = runtime.block_on(async {
        match work {
            Work::Evaluation(order) => evaluation::work(folder, &run, &home, *order).await,
            Work::Run(order) => run::work(folder, &run, &home, *order).await,
        }
    });
    // A job that the cluster ends waits for nothing.
    runtime.shutdown_background();
    // The cluster ends what would remove them after us.
    crate::sandbox::remove_groups(&node);
    done
}

fn broken(error: std::io::Error) -> Failure {
    Failure::new(Boundary::Executor, error.to_string())
}

/// How often the cluster has put the job back into its queue.
fn incarnation() -> u32 {
    std::env::var("SLURM_RESTART_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn started() -> Started {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let id = match (variable("SLURM_ARRAY_JOB_ID"), variable("SLURM_ARRAY_TASK_ID")) {
        (array, index) if !array.is_empty() => format!("{array}_{index}"),
        _ => variable("SLURM_JOB_ID"),
    };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Started { host, pid: std::process::id(), id, time: crate::store::now() }
}
