//! Hidden subcommands: what this executable does inside sandboxes and beside them.

use std::ffi::OsString;

use crate::executor::worker;
use crate::guest;
use crate::network::connect;
use crate::sandbox::{sweeper, user_namespace};

/// Runs `guest` or a helper of the sandboxes if the first argument (after the program's name) names one, and returns its
/// exit status. Call it first in `main`, before any thread is started.
pub fn main(arguments: impl Iterator<Item = OsString>) -> Option<i32> {
    let mut arguments = arguments.skip(1);
    match arguments.next()?.to_str()? {
        "guest" => Some(guest::main(arguments)),
        "userns" => Some(user_namespace::helper()),
        "sweep" => Some(sweeper::main(arguments.next().and_then(|owner| owner.to_str()?.parse().ok()))),
        // Whoever types it by hand is told by the command line that there is no such command.
        "job" => worker::folder(arguments.next()?).map(|folder| worker::main(&folder)),
        "connect" => Some(connect::main(arguments.map(|word| word.to_string_lossy().into_owned()))),
        _ => None,
    }
}
