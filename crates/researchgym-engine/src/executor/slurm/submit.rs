//! Hands jobs over: intents first, then `sbatch`, then what it answered.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use researchgym_core::executor::SlurmSpec;
use researchgym_core::failure::{Boundary, Failure};

use super::super::Needs;
use super::super::folder::BATCHES;
use super::commands::{Commands, Trouble};
use super::queue::{JobId, MARK};
use super::script::{Folders, Shape, script};
use super::trace::{self, Intent, Submitted};

/// What is the same for all jobs of this process.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// Slurm's commands.
    pub(super) commands: Commands,
    /// What jobs ask for.
    pub(super) spec: Arc<SlurmSpec>,
    /// This program as nodes find it.
    pub(super) program: PathBuf,
    /// Jobs that one array may have.
    pub(super) longest_array: usize,
}

/// Jobs to hand over: equal needs, one group or none.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// What the cluster shows them as.
    pub(super) name: String,
    /// What each needs.
    pub(super) needs: Needs,
    /// How many may work at once.
    pub(super) at_once: Option<usize>,
    /// Keys and folders.
    pub(super) jobs: Vec<(u64, PathBuf)>,
}

/// What became of a job of a batch.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The cluster has it.
    Submitted(JobId, String),
    /// The cluster may have it: it said nothing of use.
    Unsure(Intent, String),
    /// The cluster has it not: it takes no more, or what is before it was not taken.
    Turned(String),
    /// It cannot be handed over.
    Failed(Failure),
}

impl Sender {
    /// Hands a batch over, in as many arrays as it takes.
    pub(super) async fn hand_over(self, batch: Batch) -> Vec<(u64, Outcome)> {
        let mut outcomes = Vec::with_capacity(batch.jobs.len());
        let mut after = None;
        let mut stopped: Option<Outcome> = None;
        for jobs in batch.jobs.chunks(self.longest_array) {
            if let Some(outcome) = &stopped {
                outcomes.extend(jobs.iter().map(|(key, _)| (*key, outcome.clone())));
                continue;
            }
            let handed = self.hand_over_array(&batch, jobs, after).await;
            // Arrays know nothing of each other's limit: one waits for the other.
            let is_limited = batch.at_once.is_some_and(|at_once| at_once < batch.jobs.len());
            match handed.first() {
                Some((_, Outcome::Submitted(id, _))) => after = is_limited.then_some(id.job),
                Some((_, Outcome::Unsure(_, words) | Outcome::Turned(words))) => {
                    stopped = Some(Outcome::Turned(words.clone()));
                }
                Some((_, failed @ Outcome::Failed(_))) => stopped = Some(failed.clone()),
                None => {}
            }
            outcomes.extend(handed);
        }
        outcomes
    }

    async fn hand_over_array(
        &self,
        batch: &Batch,
        jobs: &[(u64, PathBuf)],
        after: Option<u64>,
    ) -> Vec<(u64, Outcome)> {
        let all = |outcome: Outcome| jobs.iter().map(|(key, _)| (*key, outcome.clone())).collect();
        let folders: Vec<PathBuf> = jobs.iter().map(|(_, folder)| folder.clone()).collect();
        let prepared = blocking({
            let program = self.program.clone();
            let folders = folders.clone();
            move || prepare(&program, &folders)
        })
        .await;
        let (intents, text) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return all(Outcome::Failed(unwritable(&folders[0], &error))),
        };
        let shape = Shape {
            name: &batch.name,
            place: intents[0].batch.as_deref().unwrap_or(&folders[0]),
            mark: &intents[0].mark,
            needs: &batch.needs,
            jobs: jobs.len(),
            at_once: batch.at_once,
            after,
        };
        let answer = self.commands.run_with("sbatch", &shape.options(&self.spec), &text).await;
        // A job's number; with several clusters, `12;cluster`.
        let number = answer.and_then(|words| {
            let last = words.lines().last().unwrap_or_default();
            let number = last.split(';').next().unwrap_or_default().trim().parse::<u64>();
            number.map_err(|_| Trouble::Refused(format!("`sbatch` names no job: {}", words.trim())))
        });
        match number {
            Ok(job) => {
                let ids: Vec<JobId> = intents.iter().map(|intent| JobId { job, task: intent.task }).collect();
                let written = blocking({
                    let (ids, folders, intent) = (ids.clone(), folders.clone(), intents[0].clone());
                    move || note(&folders, &ids, &intent)
                })
                .await;
                // The jobs are on their way: the intents lead to them if this process dies.
                drop(written);
                jobs.iter()
                    .zip(ids)
                    .map(|((key, _), id)| (*key, Outcome::Submitted(id, intents[0].mark.clone())))
                    .collect()
            }
            Err(Trouble::Away(words)) => {
                let unsure = |((key, _), intent): (&(u64, PathBuf), &Intent)| {
                    (*key, Outcome::Unsure(intent.clone(), words.clone()))
                };
                jobs.iter().zip(&intents).map(unsure).collect()
            }
            Err(trouble) => {
                // Known not to be there.
                let _ = blocking(move || folders.iter().try_for_each(|folder| trace::forget(folder))).await;
                all(match trouble {
                    Trouble::Full(words) => Outcome::Turned(words),
                    trouble => Outcome::Failed(refusal(&trouble)),
                })
            }
        }
    }
}

/// A job that the cluster refuses for good.
pub(super) fn refusal(trouble: &Trouble) -> Failure {
    let words = trouble.to_string();
    match trouble {
        Trouble::Missing(name) => Failure::new(Boundary::Executor, format!("there is no Slurm here: `{name}` is not found"))
            .hinted("run this on a login node of the cluster, or leave `--executor slurm` out"),
        Trouble::Away(_) | Trouble::Full(_) => Failure::new(Boundary::Executor, format!("Slurm does not answer: {words}"))
            .hinted("`scontrol ping` says whether its controller is up; `SLURM_CONF` names the cluster's settings if they are not in /etc/slurm"),
        Trouble::Refused(_) => Failure::new(Boundary::Executor, format!("Slurm refuses the job: {words}"))
            .hinted(super::commands::advice(&words)),
    }
}

fn unwritable(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Boundary::Store,
        format!("what a job needs cannot be written beside {}: {error}", folder.display()),
    )
}

/// Writes the intents, and for an array the list of folders. Gives the intents and the script.
fn prepare(program: &Path, folders: &[PathBuf]) -> io::Result<(Vec<Intent>, String)> {
    let mark = format!("{MARK}{}", random()?);
    let [folder] = folders else {
        let lines: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        if lines.iter().any(|line| line.contains('\n')) {
            return Err(io::Error::other("a folder's name has more than one line"));
        }
        let batch = folders[0].parent().unwrap_or(Path::new("/")).join(BATCHES).join(&mark);
        std::fs::create_dir_all(&batch)?;
        let list = batch.join("folders");
        std::fs::write(&list, lines.join("\n") + "\n")?;
        let text = script(program, Folders::List(&list));
        // For whoever looks what was handed over: the controller keeps a copy of its own.
        std::fs::write(batch.join("script"), &text)?;
        let mut intents = Vec::with_capacity(folders.len());
        for (task, folder) in (0..).zip(folders) {
            let intent = Intent { mark: mark.clone(), task: Some(task), batch: Some(batch.clone()) };
            trace::intend(folder, &intent)?;
            intents.push(intent);
        }
        return Ok((intents, text));
    };
    let intent = Intent { mark, task: None, batch: None };
    trace::intend(folder, &intent)?;
    Ok((vec![intent], script(program, Folders::One(folder))))
}

/// Writes what was handed over.
pub(super) fn note(folders: &[PathBuf], ids: &[JobId], intent: &Intent) -> io::Result<()> {
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
    folders.iter().zip(ids).try_for_each(|(folder, id)| {
        trace::submitted(
            folder,
            &Submitted { id: id.to_string(), at_ms, mark: intent.mark.clone(), batch: intent.batch.clone() },
        )
    })
}

fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// Runs what waits for disks beside the loop.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
