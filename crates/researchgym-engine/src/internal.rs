//! Hidden subcommands: what this executable does inside sandboxes and beside them.

use std::ffi::OsString;

/// Runs `guest`, `userns` or `sweep` if the first argument (after the program's name) is one of them and returns
/// its exit status. Call it first in `main`, before any thread is started.
pub fn main(arguments: impl Iterator<Item = OsString>) -> Option<i32> {
    let mut arguments = arguments.skip(1);
    match arguments.next()?.to_str()? {
        "guest" => Some(70),
        _ => None,
    }
}
