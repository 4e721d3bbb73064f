//! What is wrong with what was typed, without what the environment adds.
//!
//! A flag whose value comes from a variable counts as given, so that `clap` writes it into the usage line of its error as if it
//! had to be typed.

use std::ffi::OsString;

use clap::{Command, CommandFactory as _, Error};

use super::Arguments;

/// The error that the same words are met with where no variable is set. Help stays as it is: it names the variables.
pub(crate) fn error_as_typed(words: &[OsString], error: Error) -> Error {
    if !error.use_stderr() {
        return error;
    }
    let typed = without_variables(Arguments::command()).try_get_matches_from(words).err();
    // If the words alone are understood, it is a variable that is wrong.
    typed.filter(Error::use_stderr).unwrap_or(error)
}

fn without_variables(command: Command) -> Command {
    command.mut_args(|argument| argument.env(None::<&'static str>)).mut_subcommands(without_variables)
}
