//! What would be handed over, and whether the cluster would take it: asked, and nothing handed over.

use std::path::Path;
use std::time::Duration;

use researchgym_core::executor::SlurmSpec;
use researchgym_core::failure::Failure;
use serde::Serialize;

use super::super::Needs;
use super::commands::{Commands, Trouble};
use super::desk::is_for_good;
use super::facts::{ClusterReport, Facts, examined};
use super::script::Shape;
use super::submit::refusal;

/// All questions together take no longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What would happen to jobs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsal {
    /// The cluster, as `doctor` shows it.
    #[serde(flatten)]
    pub report: ClusterReport,
    /// The partition that is asked for; absent: the cluster's default one.
    pub partition: Option<String>,
    /// How many jobs each array would have; 1 is a job of its own.
    pub arrays: Vec<usize>,
    /// The options of the first `sbatch`, but for those that name the jobs' folder.
    pub options: Vec<String>,
    /// Why the jobs could not be handed over now, and what to do about it.
    #[serde(skip)]
    pub failure: Option<Failure>,
}

/// Asks whether the commands are there and answer, and whether jobs like these would be taken.
pub async fn rehearse(spec: &SlurmSpec, needs: &Needs, jobs: usize, at_once: Option<usize>) -> Rehearsal {
    by(&Commands::default(), PATIENCE, (spec, needs), jobs, at_once).await
}

pub(super) async fn by(
    commands: &Commands,
    patience: Duration,
    (spec, needs): (&SlurmSpec, &Needs),
    jobs: usize,
    at_once: Option<usize>,
) -> Rehearsal {
    let asked = tokio::time::timeout(patience, ask(commands, spec, needs)).await;
    let (mut report, longest, trouble) = asked.unwrap_or_else(|_| {
        let words = format!("its commands say nothing for {} s", patience.as_secs());
        let report = ClusterReport { installed: true, ..ClusterReport::default() };
        (report, None, Some(Trouble::Away(words)))
    });
    let failure = trouble.as_ref().map(refusal);
    if let Some(failure) = &failure {
        report.problem = Some(failure.message.clone());
    }
    let longest = longest.unwrap_or(jobs).max(1);
    let arrays: Vec<usize> = (0..jobs).step_by(longest).map(|first| longest.min(jobs - first)).collect();
    let shape = shape(needs, arrays.first().copied().unwrap_or(1), at_once);
    let is_told = |option: &String| !option.starts_with("--chdir") && !option.starts_with("--comment");
    let options = shape.options(spec).into_iter().filter(is_told).collect();
    Rehearsal { report, partition: spec.partition.clone(), arrays, options, failure }
}

/// The cluster, how long its arrays may be, and what is in the way.
async fn ask(
    commands: &Commands,
    spec: &SlurmSpec,
    needs: &Needs,
) -> (ClusterReport, Option<usize>, Option<Trouble>) {
    let facts = match Facts::ask(commands).await {
        Ok(facts) => facts,
        Err(trouble) => {
            let installed = !matches!(trouble, Trouble::Missing(_));
            return (ClusterReport { installed, ..ClusterReport::default() }, None, Some(trouble));
        }
    };
    let (report, longest) = (examined(commands).await, Some(facts.longest_array()));
    for (name, options) in
        [("squeue", &["--me", "--noheader", "--format=%i"][..]), ("scancel", &["--version"])]
    {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        if let Err(trouble) = commands.run(name, &options).await {
            return (report, longest, Some(trouble));
        }
    }
    let mut options = shape(needs, 1, None).options(spec);
    options.push("--test-only".to_owned());
    let trouble = match commands.run_with("sbatch", &options, "#!/bin/sh\n").await {
        Ok(_) => None,
        // What is busy or down now is for the queue to wait for.
        Err(Trouble::Refused(words)) if !is_for_good(&words) => None,
        Err(trouble) => Some(trouble),
    };
    (report, longest, trouble)
}

fn shape(needs: &Needs, jobs: usize, at_once: Option<usize>) -> Shape<'_> {
    Shape {
        name: "researchgym",
        mark: "researchgym",
        place: Path::new("/"),
        needs,
        jobs,
        at_once,
        after: None,
    }
}
