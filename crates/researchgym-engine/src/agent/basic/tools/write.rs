//! `write_file`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::files::{TextFile, relative};
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Writes a file of the workspace, making its folders; what was in it before is gone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteFile {
    /// The file, relative to `/workspace`.
    file_path: String,
    /// The whole content, with real line ends.
    content: String,
}

impl Tool for WriteFile {
    const NAME: &'static str = "write_file";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        let file = TextFile { content: self.content, mode: 0o644 };
        Ok(match bench.save(&self.file_path, file).await? {
            Ok(bytes) => Outcome::done(format!("wrote {bytes} bytes to {}", relative(&self.file_path))),
            Err(outcome) => outcome,
        })
    }
}
