//! `python`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::shell::document;
use super::{Bench, Outcome, Tool};
use crate::session::Stop;

/// Runs Python code in a new process in `/workspace`. Nothing of it lasts but the files it writes; print what you want
/// to see.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Python {
    /// The program.
    code: String,
}

impl Tool for Python {
    const NAME: &'static str = "python";

    async fn run(self, bench: &mut Bench<'_>) -> Result<Outcome, Stop> {
        match bench.timed_script("python", &program(&self.code), None).await? {
            Ok(ran) => {
                Ok(Outcome::done(format!("exit code {}\n{}", ran.code, bench.fitted(&ran.output).await?)))
            }
            Err(outcome) => Ok(outcome),
        }
    }
}

fn program(code: &str) -> String {
    let (operator, document) = document(code);
    format!("command python3 - {operator}\n{document}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_handed_over_as_it_is() {
        let code = "import sys\nprint('''END\nEND\n$HOME `x` \\\\ é''')\nsys.exit(3)";
        let output = std::process::Command::new("bash").args(["-c", &program(code)]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "END\nEND\n$HOME `x` \\ é\n");
        assert_eq!(output.status.code(), Some(3));
    }
}
