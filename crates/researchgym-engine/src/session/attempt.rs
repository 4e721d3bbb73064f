//! Validation and submission: freeze, take the artefacts, grade them beside the sandbox, thaw.

use std::path::Path;
use std::time::{Duration, Instant};

use researchgym_core::event::{Ending, Event};
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::integrity::suspicious_files;
use researchgym_core::observation::Observation;
use researchgym_core::score::{AttemptKind, Finding, Score, Severity, Split};
use researchgym_core::spec::AgentSpec;
use researchgym_core::task::ValidateOn;

use super::network::record;
use super::requests::until_true;
use super::{SNAPSHOT_EVERY, Session, Stop};
use crate::grading::{self, Grading};
use crate::runner::unlock;
use crate::snapshot::{Caps, Manifest, SnapshotError, check_out, hard_linked};
use crate::store::Blobs;

/// Caps of a whole-workspace snapshot; what they leave out is named in the event.
pub(crate) const WORKSPACE_CAPS: Caps = Caps { max_bytes: 512 << 20, max_files: 20_000 };

/// How long a validation waits after a hundred of them were refused.
const FLOOD_WAIT: Duration = Duration::from_secs(1);

/// The finding that a stopped process went on.
const MOVED: &str = "ran_while_stopped";

impl Session {
    pub(super) async fn validate(&mut self) -> Result<Observation, Stop> {
        if self.recorder.state.signs.is_flooded() {
            // What is refused costs nothing but time. So that no loop fills log and disk with it, it costs more of that.
            let mut cancelled = self.cancelled.clone();
            tokio::select! {
                () = tokio::time::sleep(FLOOD_WAIT) => {}
                true = until_true(&mut cancelled) => return Err(Stop::Ended(Ending::Cancelled)),
            }
        }
        let allowed = self.recorder.state.started.task.grader.validations;
        if self.recorder.state.validations() >= allowed {
            let reason = format!("all {allowed} validations of this run are used; submit");
            return Ok(Observation::Refused { reason });
        }
        self.while_frozen(AttemptKind::Validate).await
    }

    pub(super) async fn submit(&mut self) -> Result<Observation, Stop> {
        // The agent has no tool for it then; this holds for the programs that it runs.
        if matches!(&self.recorder.state.started.spec.agent, AgentSpec::Basic(basic) if !basic.may_end) {
            let reason = "this run was started with --no-submit: it ends at a limit, and what is in place then is graded";
            return Ok(Observation::Refused { reason: reason.into() });
        }
        let observation = self.while_frozen(AttemptKind::Submit).await?;
        self.submitted = true;
        Ok(observation)
    }

    /// At a limit, or on giving up, what is there is graded once. A run that is cancelled meanwhile ends as cancelled.
    pub(super) async fn grade_at_end(&mut self, ending: Ending) -> Result<Ending, Failure> {
        let state = &self.recorder.state;
        // A program that died between this grading and its ending: nothing was done since.
        let is_graded = state
            .attempts
            .last()
            .is_some_and(|attempt| attempt.kind == AttemptKind::Auto && attempt.seq > state.acted_at);
        if !ending.is_graded() || is_graded {
            return Ok(ending);
        }
        if matches!(state.started.spec.agent, AgentSpec::Basic(_)) && state.answers == 0 {
            // The agent does nothing but what its model says: the starter is not its work.
            return match state.is_unanswered() {
                true => Err(Failure::new(
                    Boundary::Model,
                    format!(
                        "the model answered none of {} questions until the run's limit",
                        state.ledger.calls()
                    ),
                )
                .hinted("when the provider answers again, resume the run with a higher total")),
                false => Ok(ending),
            };
        }
        match self.while_frozen(AttemptKind::Auto).await {
            Ok(_) => Ok(ending),
            Err(Stop::Failed(failure)) => Err(failure),
            Err(Stop::Ended(other)) => Ok(other),
        }
    }

    /// Nothing of the agent moves while its artefacts are taken and graded; the time is not its own. Unless there was
    /// nothing to grade, or something moved after all: else both would be ways to get more time.
    async fn while_frozen(&mut self, kind: AttemptKind) -> Result<Observation, Stop> {
        let began = Instant::now();
        self.sandbox.freeze().await?;
        let cpu = self.sandbox.cpu_time().await?;
        let mut cancelled = self.cancelled.clone();
        let observation = tokio::select! {
            biased;
            observation = self.attempt(kind, began, cpu) => observation.map_err(Stop::Failed),
            true = until_true(&mut cancelled) => Err(Stop::Ended(Ending::Cancelled)),
        };
        let thawed = self.sandbox.thaw().await;
        let is_free = match &observation {
            Ok(Observation::Graded { score, .. }) => score.findings.iter().all(|found| found.kind != MOVED),
            Ok(Observation::Refused { .. }) => false,
            _ => true,
        };
        if is_free {
            self.clock.leave_out(began.elapsed());
        }
        let observation = observation?;
        thawed?;
        Ok(observation)
    }

    /// A stopped process can start itself again: by a timer whose signal is SIGCONT, say. Its processor time tells.
    async fn movement(&self, began: Instant, before: Duration) -> Result<Option<Finding>, Failure> {
        let used = self.sandbox.cpu_time().await?.saturating_sub(before);
        let tolerated = Duration::from_millis(50) + began.elapsed() / 50;
        Ok((used > tolerated).then(|| Finding {
            kind: MOVED.into(),
            severity: Severity::Critical,
            events: Vec::new(),
            evidence: format!(
                "the agent's processes were stopped for grading and used {:.2} s of processor time meanwhile",
                used.as_secs_f64()
            ),
        }))
    }

    async fn attempt(
        &mut self,
        kind: AttemptKind,
        began: Instant,
        cpu: Duration,
    ) -> Result<Observation, Failure> {
        let workspace = self.recorder.folder.workspace();
        unlock(&workspace)?;
        let task = self.recorder.state.started.task.clone();
        let caps = Caps { max_bytes: task.submission.max_bytes, max_files: task.submission.max_files };
        let taken = tokio::task::block_in_place(|| {
            self.snapshotter.take_paths(&workspace, &task.submission.artefacts, caps, &self.recorder.blobs)
        });
        let (submission, manifest) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                let Some(reason) = error.agent_reason() else { return Err(error.into()) };
                if kind == AttemptKind::Validate {
                    // It can be asked for again and again: nothing is recorded for it.
                    return Ok(Observation::Refused { reason });
                }
                let mut findings: Vec<Finding> = error.finding().into_iter().collect();
                let everything = self.record_workspace()?;
                findings.extend(self.protected_findings(&workspace)?);
                findings.extend(suspicious_files(&everything, &task.submission.artefacts));
                return self.refuse(kind, Score { findings, ..Score::invalid(reason) });
            }
        };
        let everything = self.record_workspace()?;
        let linked = hard_linked(&workspace, manifest.files.keys())?;
        let number = self.recorder.state.attempts.len() as u64 + 1;
        let mut score = self.score(kind, number, &manifest).await?;
        score.findings.extend(self.protected_findings(&workspace)?);
        score.findings.extend(suspicious_files(&everything, &task.submission.artefacts));
        score.findings.extend(links_finding(&linked));
        score.findings.extend(self.movement(began, cpu).await?);
        self.record(kind, score, submission, began)
    }

    async fn score(&mut self, kind: AttemptKind, number: u64, manifest: &Manifest) -> Result<Score, Failure> {
        let folder = self.recorder.folder.submission(number);
        tokio::task::block_in_place(|| lay_out(manifest, &self.recorder.blobs, &folder))?;
        let scratch = self.workbench.scratch_folder()?;
        let started = &self.recorder.state.started;
        let index = self.recorder.state.validations();
        let mut requests = Vec::new();
        let score = grading::grade(
            &self.workbench.sandboxes,
            &Grading {
                name: format!("{}-{number}", started.run_id),
                task: &started.task,
                task_folder: Path::new(&started.spec.task_dir),
                materials: &self.workbench.materials,
                library: &self.workbench.library,
                submission: &folder,
                scratch: scratch.path(),
                kind,
                split: split(kind, started.task.grader.validate_on),
                keys: started.grading_secret.attempt(kind, index),
                variant: &started.spec.variant,
                names: &self.workbench.names,
            },
            &mut requests,
        )
        .await;
        record(requests, &mut self.recorder)?;
        score
    }

    /// What cannot be graded is an invalid submission. Where a run ends without a submission, there is an attempt only if
    /// something speaks against it.
    fn refuse(&mut self, kind: AttemptKind, score: Score) -> Result<Observation, Failure> {
        if kind == AttemptKind::Auto && score.findings.is_empty() {
            return Ok(Observation::Ended);
        }
        let nothing =
            self.recorder.blobs.put(&serde_json::to_vec(&Manifest::default()).unwrap_or_default())?;
        self.record(kind, score, nothing, Instant::now())
    }

    fn record(
        &mut self,
        kind: AttemptKind,
        score: Score,
        submission: researchgym_core::digest::Digest,
        began: Instant,
    ) -> Result<Observation, Failure> {
        let attempt = self.recorder.state.attempts.len() as u64 + 1;
        let split = split(kind, self.recorder.state.started.task.grader.validate_on);
        let grading_ms = began.elapsed().as_millis() as u64;
        let scored = Event::Scored { attempt, kind, split, score: score.clone(), submission, grading_ms };
        self.recorder.append_synced(scored)?;
        Ok(Observation::Graded { attempt, score })
    }

    /// Protected files are read-only mounts; where a runtime cannot mount them, this is what notices.
    fn protected_findings(&mut self, workspace: &Path) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for (path, expected) in &self.recorder.state.protected {
            let taken = self.snapshotter.take_paths(
                workspace,
                std::slice::from_ref(path),
                WORKSPACE_CAPS,
                &self.recorder.blobs,
            );
            let found = match taken {
                Ok((_, manifest)) => match manifest.files.get(path) {
                    Some(entry) if entry.sha256 == *expected => continue,
                    _ => format!("the protected file `{path}` was changed"),
                },
                Err(error) => match error.agent_reason() {
                    Some(reason) => format!("a protected file was changed: {reason}"),
                    None => return Err(error.into()),
                },
            };
            findings.push(Finding {
                kind: "protected_file_changed".into(),
                severity: Severity::Critical,
                events: Vec::new(),
                evidence: found,
            });
        }
        Ok(findings)
    }

    pub(super) async fn snapshot_if_due(&mut self) -> Result<(), Failure> {
        if Instant::now() < self.snapshot_due {
            return Ok(());
        }
        self.sandbox.freeze().await?;
        let recorded = self.record_workspace();
        self.sandbox.thaw().await?;
        recorded.map(drop)
    }

    /// Tells what is there, recorded anew or as it was.
    pub(super) fn record_workspace(&mut self) -> Result<Manifest, Failure> {
        self.snapshot_due = Instant::now() + SNAPSHOT_EVERY;
        let workspace = self.recorder.folder.workspace();
        unlock(&workspace)?;
        let (snapshot, manifest) = tokio::task::block_in_place(|| {
            self.snapshotter.take(&workspace, WORKSPACE_CAPS, &self.recorder.blobs)
        })?;
        if self.recorder.state.snapshot == Some(snapshot) {
            return Ok(manifest);
        }
        self.recorder.append(Event::SnapshotTaken {
            snapshot,
            files: manifest.files.len() as u64,
            bytes: manifest.bytes(),
            left_out: manifest.left_out_summary(),
        })?;
        Ok(manifest)
    }
}

/// An artefact with another name can be changed by that name, or be a file that is not the agent's own.
fn links_finding(linked: &[String]) -> Option<Finding> {
    let first = linked.first()?;
    let evidence = match linked.len() {
        1 => format!("the artefact `{first}` has another name (a hard link)"),
        count => format!("{count} files of the artefacts have other names (hard links), such as `{first}`"),
    };
    let kind = "hard_link_in_artefact".into();
    Some(Finding { kind, severity: Severity::Info, events: Vec::new(), evidence })
}

fn split(kind: AttemptKind, validate_on: ValidateOn) -> Split {
    match (kind, validate_on) {
        (AttemptKind::Validate, ValidateOn::Validation | ValidateOn::Fresh) => Split::Validation,
        (AttemptKind::Validate, ValidateOn::Test) | (AttemptKind::Submit | AttemptKind::Auto, _) => {
            Split::Test
        }
    }
}

/// Puts the artefacts where graders and players can read them; a snapshot of artefacts is readable by everyone.
pub(crate) fn lay_out(manifest: &Manifest, blobs: &Blobs, folder: &Path) -> Result<(), SnapshotError> {
    if folder.exists() {
        // What a killed grading left.
        crate::snapshot::clear_folder(folder)?;
    }
    check_out(manifest, blobs, folder, None)
}
