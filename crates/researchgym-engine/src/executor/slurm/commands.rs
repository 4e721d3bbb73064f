//! Slurm's commands, run with an environment of our own making: what ours holds (keys above all) is never seen by them, and
//! so cannot travel with a job.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What the commands may see of our environment: how to find and talk to the cluster, and who we are.
const PASSED: [&str; 8] =
    ["PATH", "HOME", "USER", "LOGNAME", "LD_LIBRARY_PATH", "SLURM_CONF", "TMPDIR", "TZ"];
/// Commands try again by themselves; after this one hangs.
const LONGEST: Duration = Duration::from_secs(90);

/// Where the commands are.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands {
    /// Their folder; else they are looked for on `PATH`.
    pub(super) folder: Option<PathBuf>,
}

/// Why a command did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// It is not installed.
    #[error("`{0}` is not there")]
    Missing(String),
    /// The cluster cannot be asked now.
    #[error("{0}")]
    Away(String),
    /// The cluster takes no more now.
    #[error("{0}")]
    Full(String),
    /// The cluster says no.
    #[error("{0}")]
    Refused(String),
}

impl Commands {
    /// Runs a command and gives what it printed.
    pub(super) async fn run(&self, name: &str, arguments: &[String]) -> Result<String, Trouble> {
        self.run_with(name, arguments, "").await
    }

    /// Runs a command, gives it a text to read, and gives what it printed.
    pub(super) async fn run_with(
        &self,
        name: &str,
        arguments: &[String],
        text: &str,
    ) -> Result<String, Trouble> {
        let program = self.folder.as_ref().map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("LC_ALL", "C").current_dir("/");
        command.envs(PASSED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let finished = async {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // One that reads nothing may have ended.
                let _ = stdin.write_all(text.as_bytes()).await;
            }
            child.wait_with_output().await
        };
        let output = match tokio::time::timeout(LONGEST, finished).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Trouble::Missing(name.to_owned()));
            }
            Ok(Err(error)) => return Err(Trouble::Away(format!("`{name}` cannot be run: {error}"))),
            Err(_) => {
                return Err(Trouble::Away(format!("`{name}` says nothing for {} s", LONGEST.as_secs())));
            }
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let mut words = said(&String::from_utf8_lossy(&output.stderr));
        if words.is_empty() {
            words = said(&String::from_utf8_lossy(&output.stdout));
        }
        if words.is_empty() {
            words = format!("`{name}` ended with {}", output.status);
        }
        Err(understood(words))
    }
}

/// What a command said, without the names of commands in front, in one line.
fn said(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| {
            ["sbatch: ", "squeue: ", "scancel: ", "scontrol: ", "error: "]
                .iter()
                .fold(line.trim(), |line, prefix| line.strip_prefix(prefix).unwrap_or(line))
        })
        .filter(|line| !line.is_empty() && !line.starts_with("Try \""))
        .collect();
    lines.join("; ")
}

/// What kind of trouble it is, by the words of `slurm_errno.c` of Slurm 20.11 to 24.05.
fn understood(words: String) -> Trouble {
    const AWAY: [&str; 16] = [
        "unable to contact",
        "configuration source",
        "resolve_ctls_from_dns_srv",
        "unable to process configuration file",
        "connection refused",
        "connection timed out",
        "connect failure",
        "timed out",
        "zero bytes were transmitted",
        "standby mode",
        "authentication",
        "munge",
        "unexpected message received",
        "communication connection failure",
        "communications connection failure",
        "resource temporarily unavailable",
    ];
    const FULL: [&str; 5] = [
        "maxsubmitjob",
        "submit limit",
        "temporarily unable to accept",
        "job submit limit",
        "maximum number of jobs",
    ];
    let lower = words.to_lowercase();
    if AWAY.iter().any(|known| lower.contains(known)) {
        Trouble::Away(words)
    } else if FULL.iter().any(|known| lower.contains(known)) {
        Trouble::Full(words)
    } else {
        Trouble::Refused(words)
    }
}

/// What to do about a refusal.
pub(super) fn advice(words: &str) -> &'static str {
    let lower = words.to_lowercase();
    let about = |known: &str| lower.contains(known);
    if about("partition") {
        "`sinfo` lists the partitions and what they allow; `partition` in `[slurm]` chooses one"
    } else if about("account") {
        "`sacctmgr show associations user=$USER` lists your accounts; `account` in `[slurm]` chooses one"
    } else if about("qos") {
        "`sacctmgr show qos` lists what there is; `qos` in `[slurm]` chooses one"
    } else if about("gres") || about("generic resource") {
        "`sinfo --format='%P %G'` lists what nodes offer; `gres` in `[slurm]` says what a job asks for"
    } else if about("feature") {
        "`sinfo --format='%P %f'` lists the features; `options` in `[slurm]` holds the constraint"
    } else if about("memory") || about("node configuration") || about("cpu count") {
        "no node has that much: `sinfo --Node --long` lists them; `cpus`, `memory_mib` and `gres` in `[slurm]` say what a job asks for"
    } else if about("time") {
        "`minutes` in `[slurm]` is `--time`; `sinfo` lists the limits of partitions"
    } else {
        "`options` in `[slurm]` are passed to `sbatch` as they are; `researchgym doctor` says what the cluster is like"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_commands_are_understood() {
        let kind = |words: &str| match understood(said(words)) {
            Trouble::Away(_) => "away",
            Trouble::Full(_) => "full",
            Trouble::Refused(_) => "refused",
            Trouble::Missing(_) => "missing",
        };
        let table = [
            (
                "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
                "away",
            ),
            ("squeue: error: slurm_receive_msg: Socket timed out on send/recv operation", "away"),
            ("sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", "away"),
            ("sbatch: error: Munge encode failed: Failed to access \"/run/munge/munge.socket.2\"", "away"),
            ("scontrol: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host", "away"),
            ("scontrol: error: Could not establish a configuration source", "away"),
            ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", "full"),
            (
                "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy",
                "full",
            ),
            (
                "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified",
                "refused",
            ),
            (
                "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
                "refused",
            ),
            ("sbatch: error: Invalid generic resource (gres) specification", "refused"),
            ("sbatch: unrecognized option '--bogus=1'", "refused"),
        ];
        for (words, expected) in table {
            assert_eq!(kind(words), expected, "{words}");
        }
        assert_eq!(
            said(
                "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified\n"
            ),
            "invalid partition specified: nope; Batch job submission failed: Invalid partition name specified"
        );
    }

    #[test]
    fn each_refusal_has_its_advice() {
        let table = [
            ("Invalid partition name specified", "`partition`"),
            ("Invalid account or account/partition combination specified", "`partition`"),
            ("Invalid qos specification", "`qos`"),
            ("Invalid generic resource (gres) specification", "`gres`"),
            ("Invalid feature specification", "`options`"),
            ("Memory specification can not be satisfied", "`memory_mib`"),
            ("Invalid --time specification", "`minutes`"),
            ("unrecognized option '--bogus=1'", "`options`"),
        ];
        for (words, setting) in table {
            assert!(advice(words).contains(setting), "{words}: {}", advice(words));
        }
    }
}
