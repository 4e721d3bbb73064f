//! `bash`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Runs shell text in the run's one persistent bash: folder, variables and functions last from call to call. Returns the
/// exit code, standard output and standard error. Standard input is empty. Do not use `exit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bash {
    /// The text.
    cmd: String,
    /// Minutes after which everything that it started is stopped; the task's default unless told.
    timeout_minutes: Option<f64>,
}

impl Tool for Bash {
    const NAME: &'static str = "bash";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let timeout_s = match self.timeout_minutes {
            Some(minutes) if !(minutes > 0.0 && minutes.is_finite()) => {
                return Ok(Outcome::failed("`timeout_minutes` must be above 0"));
            }
            minutes => minutes.map(|minutes| minutes * 60.0),
        };
        let observation = bench.exec(self.cmd, timeout_s).await?;
        bench.shown(observation).await
    }
}
