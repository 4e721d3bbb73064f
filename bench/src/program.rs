//! The program as users have it: the release build beside this executable.

use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;
use crate::floor;
use crate::place;
use crate::report::talk;

/// The program, built as users build it.
pub(crate) fn built() -> Outcome<PathBuf> {
    talk("building researchgym");
    floor::timed(&mut cargo_build())?;
    let folder = std::env::current_exe()?;
    let program = folder.with_file_name("researchgym");
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("{} is missing: run this from the release build", program.display()).into())
}

/// What builds it.
pub(crate) fn cargo_build() -> Command {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--locked", "-p", "researchgym"]).current_dir(place::repository());
    command
}
