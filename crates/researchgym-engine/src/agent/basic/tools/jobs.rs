//! `start_async`, `check_async` and `cancel_async`: shell commands in the background.
//!
//! A job is a folder `async_jobs/job-N` of the workspace: `command.sh`, `log`, `pid` (the number and the start of its
//! process, which leads a session of its own), and `exit` once it ended. Nothing of it is kept elsewhere, so a job whose
//! process is gone without an exit status is lost, as after an interruption. The sandbox kills what runs at its end.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::shell::quoted;
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// So many jobs may run at a time.
const MOST_RUNNING: u32 = 8;
const USUAL_TAIL: u64 = 80;
const MOST_TAIL: u64 = 500;
/// The longest sleep of one check.
const MOST_SLEEP_MINUTES: f64 = 120.0;

/// Whether a job's process lives: it must have begun when the job did, as numbers are given again.
const ALIVE: &str = r#"
began() {
  { read -r fields < "/proc/$1/stat"; } 2>/dev/null || return 1
  set -f; set -- ${fields##*) }; set +f
  case $1 in Z|X) return 1 ;; esac
  printf '%s' "${20}"
}
alive() {
  [ ! -e "$1/exit" ] && { read -r pid begin < "$1/pid"; } 2>/dev/null && [ "$(began "$pid")" = "$begin" ]
}
"#;

/// Starts shell text in the background and returns at once with a job id. Its output goes to a file; look at it with
/// `check_async`. At most 8 jobs run at a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartAsync {
    /// The text, run by a bash of its own with the exported variables of the persistent one.
    cmd: String,
    /// The folder it runs in, relative to `/workspace`, which is the default.
    workdir: Option<String>,
}

impl Tool for StartAsync {
    const NAME: &'static str = "start_async";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let number = *bench.jobs + 1;
        let outcome = bench
            .script_shown(&format!("start_async job-{number}: {}", self.cmd), &self.script(number))
            .await?;
        if !outcome.is_error {
            *bench.jobs = number;
        }
        Ok(outcome)
    }
}

impl StartAsync {
    fn script(&self, number: u64) -> String {
        let workdir = quoted(self.workdir.as_deref().filter(|folder| !folder.is_empty()).unwrap_or("."));
        let command = quoted(&self.cmd);
        format!(
            r#"{ALIVE}
running=0
for folder in async_jobs/*/; do
  if alive "${{folder%/}}"; then running=$((running + 1)); fi
done
if [ "$running" -ge {MOST_RUNNING} ]; then
  echo 'not started: {MOST_RUNNING} jobs are running; wait for one with check_async or stop one with cancel_async' >&2
  exit 1
fi
if [ ! -d {workdir} ]; then printf 'not started: %s is no folder\n' {workdir} >&2; exit 1; fi
job=$PWD/async_jobs/job-{number}
command rm -rf -- "$job" && command mkdir -p -- "$job" && printf '%s\n' {command} >"$job/command.sh" || exit 1
( builtin cd -- {workdir} && exec setsid bash -c 'bash "$1/command.sh"; echo $? >"$1/exit.new"; mv -- "$1/exit.new" "$1/exit"' job "$job" ) </dev/null >"$job/log" 2>&1 &
printf '%s %s\n' "$!" "$(began "$!")" >"$job/pid"
printf 'job-{number} is running as process %s; its output goes to async_jobs/job-{number}/log\n' "$!""#
        )
    }
}

/// Says whether a background job runs or how it ended, and shows the end of its output.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckAsync {
    /// The id that `start_async` gave.
    job_id: String,
    /// Lines of output to show: 80 unless told, at most 500.
    tail_lines: Option<u64>,
    /// Minutes to wait before looking: 0 unless told, at most 120. The time counts as working time.
    sleep_minutes: Option<f64>,
}

impl Tool for CheckAsync {
    const NAME: &'static str = "check_async";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let job = match known(&self.job_id, *bench.jobs) {
            Ok(job) => job,
            Err(problem) => return Ok(Outcome::failed(problem)),
        };
        if self.waits() {
            let minutes = self.sleep_minutes.unwrap_or_default().min(MOST_SLEEP_MINUTES);
            let asked = Duration::from_secs_f64(minutes * 60.0);
            let (limit, used) = (bench.session.limits().working_ms, bench.session.used().working_ms);
            bench.session.think(bounded(asked, limit, used)).await?;
        }
        let tail = self.tail_lines.unwrap_or(USUAL_TAIL).min(MOST_TAIL);
        bench.script_shown(&format!("check_async job-{job}"), &status_script(job, tail)).await
    }
}

impl CheckAsync {
    /// Whether time is to pass.
    pub(super) fn waits(&self) -> bool {
        self.sleep_minutes.is_some_and(|minutes| minutes > 0.0)
    }
}

/// No sleep goes beyond 95 % of the working time, where the model is told to come to an end.
fn bounded(asked: Duration, limit_ms: Option<u64>, used_ms: u64) -> Duration {
    let Some(limit) = limit_ms else { return asked };
    asked.min(Duration::from_millis((limit - limit / 20).saturating_sub(used_ms)))
}

fn status_script(job: u64, tail: u64) -> String {
    format!(
        r#"{ALIVE}
job=async_jobs/job-{job}
if alive "$job"; then status='running'
elif [ -e "$job/cancelled" ]; then status='cancelled'
elif [ -e "$job/exit" ]; then status="ended with exit code $(<"$job/exit")"
else status='lost: its process is gone and left no exit status'; fi
printf 'job-{job}: %s\nthe end of async_jobs/job-{job}/log (%s bytes):\n' "$status" "$(command wc -c < "$job/log")"
command tail -c 65536 < "$job/log" | command tail -n {tail}"#
    )
}

/// Stops a background job with everything it started.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelAsync {
    /// The id that `start_async` gave.
    job_id: String,
}

impl Tool for CancelAsync {
    const NAME: &'static str = "cancel_async";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        match known(&self.job_id, *bench.jobs) {
            Ok(job) => bench.script_shown(&format!("cancel_async job-{job}"), &cancel_script(job)).await,
            Err(problem) => Ok(Outcome::failed(problem)),
        }
    }
}

fn cancel_script(job: u64) -> String {
    format!(
        r#"{ALIVE}
job=async_jobs/job-{job}
if ! alive "$job"; then echo 'job-{job} is not running'; exit 0; fi
: >"$job/cancelled"
kill -TERM -- "-$pid" 2>/dev/null
for ((i = 0; i < 20; i++)); do alive "$job" || break; command sleep 0.05; done
kill -KILL -- "-$pid" 2>/dev/null
echo 'job-{job} is cancelled'"#
    )
}

/// The number of a job that was started.
fn known(job_id: &str, jobs: u64) -> Result<u64, String> {
    let number = job_id.strip_prefix("job-").and_then(|number| number.parse().ok());
    number.filter(|number| (1..=jobs).contains(number)).ok_or_else(|| {
        let ids: Vec<String> = (1..=jobs).map(|number| format!("job-{number}")).collect();
        let known = if ids.is_empty() {
            "no job was started".to_owned()
        } else {
            format!("jobs are {}", ids.join(", "))
        };
        let shown: String = job_id.chars().take(40).collect();
        format!("there is no job `{shown}`; {known}")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn bash(folder: &Path, script: &str) -> String {
        let output = Command::new("bash").args(["-c", script]).current_dir(folder).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(folder: &Path, number: u64, cmd: &str) {
        let told = bash(folder, &StartAsync { cmd: cmd.into(), workdir: None }.script(number));
        assert!(told.starts_with(&format!("job-{number} is running as process ")), "{told}");
    }

    /// Waits for what the job itself writes.
    fn wait_for(path: &Path) {
        let script =
            format!("until [ -e {} ]; do command sleep 0.01; done", quoted(&path.display().to_string()));
        assert!(Command::new("timeout").args(["20", "bash", "-c", &script]).status().unwrap().success());
    }

    #[test]
    fn a_job_ends_with_its_code_and_output() {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), 1, "echo \"it's\" done; echo err >&2\nexit 7");
        wait_for(&folder.path().join("async_jobs/job-1/exit"));
        assert_eq!(
            bash(folder.path(), &status_script(1, 1)),
            "job-1: ended with exit code 7\nthe end of async_jobs/job-1/log (14 bytes):\nerr\n"
        );
    }

    #[test]
    fn a_job_is_cancelled_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), 2, "sleep 600 & echo $! >child; touch ready; sleep 600");
        wait_for(&folder.path().join("ready"));
        assert!(bash(folder.path(), &status_script(2, 5)).starts_with("job-2: running\n"));
        assert_eq!(bash(folder.path(), &cancel_script(2)), "job-2 is cancelled\n");
        assert!(bash(folder.path(), &status_script(2, 5)).starts_with("job-2: cancelled\n"));
        assert_eq!(bash(folder.path(), &cancel_script(2)), "job-2 is not running\n");
        let gone = "until ! kill -0 $(<child) 2>/dev/null || grep -q ' Z ' /proc/$(<child)/stat; do command sleep 0.01; done";
        assert!(
            Command::new("timeout")
                .args(["20", "bash", "-c", gone])
                .current_dir(folder.path())
                .status()
                .unwrap()
                .success()
        );
    }

    #[test]
    fn a_job_without_process_and_exit_status_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        start(folder.path(), 1, "true");
        wait_for(&folder.path().join("async_jobs/job-1/exit"));
        std::fs::remove_file(folder.path().join("async_jobs/job-1/exit")).unwrap();
        // The number of a living process that began at another time.
        std::fs::write(folder.path().join("async_jobs/job-1/pid"), format!("{} 1\n", std::process::id()))
            .unwrap();
        let status = bash(folder.path(), &status_script(1, 5));
        assert!(status.starts_with("job-1: lost: its process is gone and left no exit status\n"), "{status}");
    }

    #[test]
    fn no_more_than_eight_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        (1..=8).for_each(|number| start(folder.path(), number, "sleep 600"));
        let script = StartAsync { cmd: "true".into(), workdir: None }.script(9);
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        (1..=8).for_each(|number| drop(bash(folder.path(), &cancel_script(number))));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            "not started: 8 jobs are running; wait for one with check_async or stop one with cancel_async\n"
        );
    }

    #[test]
    fn unknown_jobs_are_named() {
        assert_eq!(known("job-2", 2), Ok(2));
        assert_eq!(known("job-3", 2), Err("there is no job `job-3`; jobs are job-1, job-2".into()));
        assert_eq!(known("x", 0), Err("there is no job `x`; no job was started".into()));
    }

    #[test]
    fn sleep_leaves_time_to_end() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert_eq!(bounded(minutes(5), None, 0), minutes(5));
        assert_eq!(bounded(minutes(90), Some(6_000_000), 3_000_000), minutes(45));
        assert_eq!(bounded(minutes(90), Some(6_000_000), 5_900_000), minutes(0));
    }
}
