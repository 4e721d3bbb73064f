//! Grading: a frozen submission, a grader and its players as sibling sandboxes, and the score that comes out.
//!
//! The grader never runs where the agent ran and never holds agent code; players hold agent code and nothing hidden.
//! They are joined by socket pairs that the host makes; the score leaves on a channel that no agent code can reach.

mod channel;
mod sandboxes;
mod support;
mod warm;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use researchgym_core::failure::{Boundary, Failure};
use researchgym_core::grading::{FIRST_PLAYER_DESCRIPTOR, Start, Verdict};
use researchgym_core::keys::AttemptKeys;
use researchgym_core::network::NetworkRequested;
use researchgym_core::observation::ExecEnding;
use researchgym_core::score::{AttemptKind, Finding, Score, Severity, Split};
use researchgym_core::task::{Player, Task};
use rustix::process::Signal;

use self::channel::ChannelError;
pub(crate) use self::support::UNFINISHED;
pub use self::support::library;
pub use self::warm::{WarmGrader, grade_warm, start_warm_grader};
use crate::materials::Materials;
use crate::network::{Names, Proxy};
use crate::sandbox::{Capture, ExecOutcome, Sandbox, SandboxHost, Usage};
use crate::warm::WarmPython;

/// How long a player's guest may take to answer before it counts as living and busy.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// One grading, ready to start.
#[derive(Clone)]
pub struct Grading<'a> {
    /// Names its sandboxes: unique in this process.
    pub name: String,
    /// The task with the variant applied.
    pub task: &'a Task,
    /// The task's folder.
    pub task_folder: &'a Path,
    /// The task's environment and data.
    pub materials: &'a Materials,
    /// The Python support library's folder.
    pub library: &'a Path,
    /// The artefacts, copied out of the workspace.
    pub submission: &'a Path,
    /// A folder for output and scratch, removed by the caller.
    pub scratch: &'a Path,
    /// Why.
    pub kind: AttemptKind,
    /// On what.
    pub split: Split,
    /// The attempt's secret and the players' seed.
    pub keys: AttemptKeys,
    /// The variant's name.
    pub variant: &'a str,
    /// How the names of hosts are resolved, if the grader may use the network.
    pub names: &'a Names,
}

/// Grades one submission. What the grader asked of the network is added to `requests`, whatever comes of it.
///
/// # Errors
/// The sandboxes or the grader failed: infrastructure, never the agent's fault.
pub async fn grade(
    host: &SandboxHost,
    grading: &Grading<'_>,
    requests: &mut Vec<NetworkRequested>,
) -> Result<Score, Failure> {
    let proxy = sandboxes::proxy(grading)?;
    let outcome = until_undisturbed(host, grading, proxy.as_ref()).await;
    if let Some(proxy) = proxy {
        requests.extend(proxy.close().await);
    }
    outcome
}

/// Grades, and once more with the same secret and seed if a player's program was killed for no reason of ours: what
/// happened to it from outside does not happen twice, what it does to itself does.
async fn until_undisturbed(
    host: &SandboxHost,
    grading: &Grading<'_>,
    proxy: Option<&Proxy>,
) -> Result<Score, Failure> {
    let Graded { score, killed } = graded(host, grading, proxy).await?;
    let Some(player) = killed else { return Ok(score) };
    let again = Grading { name: format!("{}-again", grading.name), ..grading.clone() };
    let Graded { mut score, killed } = graded(host, &again, proxy).await?;
    let what = match killed {
        Some(_) => "twice, so that it does so itself",
        None => "and not again when it was graded once more, which this is the score of",
    };
    score.findings.push(Finding {
        kind: "player_killed".into(),
        severity: Severity::Warning,
        events: Vec::new(),
        evidence: format!("the program of `{player}` was killed though it met no limit, {what}"),
    });
    Ok(score)
}

/// What one grading came to.
struct Graded {
    score: Score,
    /// The player of the agent's whose program a signal killed that nobody here had sent, if one was.
    killed: Option<String>,
}

async fn graded(host: &SandboxHost, grading: &Grading<'_>, proxy: Option<&Proxy>) -> Result<Graded, Failure> {
    let joined = channel::open(&grading.task.grader.players).map_err(not_joined)?;
    let grader = Sandbox::start(host, sandboxes::grader(grading, proxy)?, joined.grader);
    let players = grading.task.grader.players.iter().zip(joined.players).map(async |(player, socket)| {
        Sandbox::start(host, sandboxes::player(grading, player)?, vec![socket]).await.map_err(Failure::from)
    });
    let (grader, players) = tokio::join!(grader, join_all(players));
    let grader = grader.map_err(Failure::from);
    let (running, failed): (Vec<_>, Vec<_>) = players.into_iter().partition(Result::is_ok);
    let players: Vec<Sandbox> = running.into_iter().filter_map(Result::ok).collect();
    let failed = failed.into_iter().find_map(Result::err);
    let outcome = match (&grader, failed) {
        (Ok(grader), None) => play(grading, Program::Cold(grader), &players, joined.host).await,
        (Err(failure), _) => Err(failure.clone()),
        (Ok(_), Some(failure)) => Err(failure),
    };
    let (_, usages) = tokio::join!(
        join_all(grader.into_iter().map(Sandbox::stop)),
        join_all(players.into_iter().map(Sandbox::stop)),
    );
    let mut graded = outcome?;
    graded.score.findings.extend(met_limits(&grading.task.grader.players, &usages));
    Ok(graded)
}

fn not_joined(error: std::io::Error) -> Failure {
    Failure::new(Boundary::Sandbox, format!("cannot join grader and players by sockets: {error}"))
}

/// The grader's program, where it is to be started.
enum Program<'a> {
    /// In a sandbox, which holds its end of the sockets.
    Cold(&'a Sandbox),
    /// From a warm Python, with its end of the sockets.
    Warm { python: &'a mut WarmPython, control: Vec<OwnedFd> },
}

impl Program<'_> {
    async fn run(
        self,
        command: &[String],
        timeout: Duration,
        capture: &mut Capture,
    ) -> Result<ExecOutcome, Failure> {
        match self {
            Program::Cold(sandbox) => Ok(sandbox.spawn(command, timeout, capture).await?),
            Program::Warm { python, control } => {
                Ok(python.run(command, timeout, control, capture).await?.ended)
            }
        }
    }
}

/// Limits that the agent's own programs met while they were graded. A reference that meets one is the task's affair.
fn met_limits(players: &[Player], usages: &[Usage]) -> Vec<Finding> {
    let found = players.iter().zip(usages).filter(|(player, _)| player.files.is_none()).flat_map(
        |(player, usage)| {
            let limits = [(usage.out_of_memory, "memory"), (usage.pids_refused, "processes")];
            limits.into_iter().filter(|(times, _)| *times > 0).map(|(_, limit)| Finding {
                kind: "limit_reached".into(),
                severity: Severity::Info,
                events: Vec::new(),
                evidence: format!(
                    "the program of `{}` met the limit on {limit} while it was graded",
                    player.name
                ),
            })
        },
    );
    found.collect()
}

/// Runs the grader and the players' programs until the grader has ended.
async fn play(
    grading: &Grading<'_>,
    grader: Program<'_>,
    players: &[Sandbox],
    host_end: std::os::unix::net::UnixStream,
) -> Result<Graded, Failure> {
    let declared = &grading.task.grader;
    let timeout = Duration::from_secs(declared.timeout_s);
    let mut captures: Vec<Capture> = players.iter().map(|_| Capture::new(grading.scratch)).collect();
    let killed: Mutex<Vec<usize>> = Mutex::default();
    let programs = join_all(players.iter().zip(&declared.players).zip(&mut captures).enumerate().map(
        async |(index, ((sandbox, player), capture))| {
            let ended = sandbox.spawn(&player.command, timeout, capture).await;
            if ended.is_ok_and(|ended| is_killed(&ended)) {
                killed.lock().unwrap_or_else(PoisonError::into_inner).push(index);
            }
        },
    ));
    tokio::pin!(programs);
    let mut capture = Capture::new(grading.scratch);
    let metered: BTreeMap<&str, &Sandbox> =
        declared.players.iter().map(|player| player.name.as_str()).zip(players).collect();
    let verdict = channel::attend(host_end, start(grading), Verdict::new(&grading.task.metrics), &metered);
    let mut programs_ended = false;
    let (outcome, verdict) = {
        let grader = async { tokio::join!(grader.run(&declared.command, timeout, &mut capture), verdict) };
        tokio::pin!(grader);
        // Players may outlive or die before the grader: only the grader's end counts.
        loop {
            tokio::select! {
                ended = &mut grader => break ended,
                _ = &mut programs, if !programs_ended => programs_ended = true,
            }
        }
    };
    let said = complaint(grading, capture);
    let outcome = outcome?;
    let broke = |what: String| {
        Failure::new(Boundary::Grader, format!("task {}: {what}{said}", grading.task.id))
            .hinted("run `researchgym task check` on the task; the grader is part of it")
    };
    match (outcome.exit_code, verdict) {
        (None, _) => Err(broke(format!("the grader took more than {} s", declared.timeout_s))),
        (Some(0), Ok(verdict)) => {
            let score = verdict.finish().map_err(|error| broke(error.to_string()))?;
            if score.invalid.is_some() {
                // How a program has ended is told before the second sign of life, at the latest.
                let signs = async {
                    none_is_lost(players).await?;
                    none_is_lost(players).await
                };
                tokio::pin!(signs);
                loop {
                    tokio::select! {
                        signs = &mut signs => break signs?,
                        _ = &mut programs, if !programs_ended => programs_ended = true,
                    }
                }
            }
            let killed = killed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let killed: Vec<&Player> = killed.into_iter().map(|index| &declared.players[index]).collect();
            if let Some(reference) = killed.iter().find(|player| player.files.is_some()) {
                return Err(broke(format!("the program of `{}` was killed", reference.name)));
            }
            Ok(Graded { score, killed: killed.first().map(|player| player.name.clone()) })
        }
        // It went away without having read what it was to do.
        (Some(0), Err(ChannelError::Io(_))) => {
            Err(broke("the grader ended with status 0 and told no score".to_owned()))
        }
        (Some(0), Err(error)) => Err(broke(error.to_string())),
        (Some(code), Err(error)) => Err(broke(format!("the grader ended with status {code}: {error}"))),
        (Some(code), Ok(_)) => Err(broke(format!("the grader ended with status {code}"))),
    }
}

/// Whether a program was killed from outside, or has done as if: by a signal that nobody here sends to it alone, with no
/// limit met that would explain it. A kernel that is out of memory, and people, kill so.
fn is_killed(ended: &ExecOutcome) -> bool {
    const KILLED: [i32; 2] = [128 + Signal::KILL.as_raw(), 128 + Signal::TERM.as_raw()];
    matches!(ended.ending, ExecEnding::Exited | ExecEnding::ShellEnded)
        && ended.limits.is_empty()
        && ended.exit_code.is_some_and(|code| KILLED.contains(&code))
}

/// A player whose whole sandbox is gone looks to the grader like agent code that ended; but nothing inside can end a
/// sandbox, unless it fills the memory: it was ended from outside, and that is not the agent's.
async fn none_is_lost(players: &[Sandbox]) -> Result<(), Failure> {
    for player in players {
        match tokio::time::timeout(SIGN_OF_LIFE, player.answers()).await {
            Ok(Err(error)) if !player.ran_out_of_memory() => return Err(error.into()),
            Ok(Ok(()) | Err(_)) | Err(_) => {}
        }
    }
    Ok(())
}

fn start(grading: &Grading<'_>) -> Start {
    Start {
        kind: grading.kind,
        split: grading.split,
        secret: grading.keys.secret,
        player_seed: grading.keys.player_seed,
        variant: grading.variant.to_owned(),
        parameters: grading.task.parameters.clone(),
        metrics: grading.task.metrics.iter().map(|metric| metric.name.clone()).collect(),
        artefacts: grading.task.submission.artefacts.clone(),
        players: (FIRST_PLAYER_DESCRIPTOR..)
            .zip(&grading.task.grader.players)
            .map(|(descriptor, player)| (player.name.clone(), descriptor))
            .collect(),
    }
}

/// The last lines that the grader wrote to its standard error, for the failure's message.
fn complaint(grading: &Grading<'_>, capture: Capture) -> String {
    let Ok((_, stderr)) = capture.finish() else { return String::new() };
    let lines: Vec<&str> = stderr.text.trim().lines().rev().take(8).collect();
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    let folder = grading.task_folder.display();
    format!("; it wrote:\n{}\n(grader of {folder})", lines.join("\n"))
}
