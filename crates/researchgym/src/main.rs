//! `researchgym`: runs, scores, compares, searches with and trains AI research agents.
//!
//! This crate is the face: arguments in, settings resolved, one command run, output and exit code out. The work is
//! done in `researchgym-engine`; only `output` writes to the terminal.

mod arguments;
mod commands;
mod error;
mod output;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::output::Printer;

fn main() -> ExitCode {
    if let Some(code) = researchgym_engine::internal::main(std::env::args_os()) {
        return ExitCode::from(u8::try_from(code).unwrap_or(70));
    }
    let words = arguments::normalised(std::env::args_os());
    let wants_json = arguments::wants_json(&words);
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = arguments::error_as_typed(&words, error);
            return output::usage(&error, arguments::is_run(&words), wants_json);
        }
    };
    let printer = Printer::new(arguments.output);
    // Whatever the command: with `--runtime host` an agent is a process of the same user, in this run or in another one.
    if let Err(error) = researchgym_engine::model::keep_private() {
        printer.warn(&format!(
            "other programs of this user can read the keys in this one's environment: {error}"
        ));
    }
    let outcome = commands::dispatch(arguments.command, &printer);
    printer.finish(outcome)
}
