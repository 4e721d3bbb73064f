//! The terminal under the live line: standard error, moved by plain escapes.
//!
//! A terminal that has been closed is not a failure of the run: what cannot be written is dropped.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressDrawTarget, TermLike};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// Redraws of the live line, per second.
const REDRAWS: u8 = 20;

/// Where the live line is drawn: nowhere if nobody watches.
pub(super) fn target(is_live: bool) -> ProgressDrawTarget {
    match is_live {
        true => ProgressDrawTarget::term_like_with_hz(Box::new(Terminal), REDRAWS),
        false => ProgressDrawTarget::hidden(),
    }
}

#[derive(Debug)]
struct Terminal;

/// Columns and lines.
pub(super) fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

fn put(text: &str) -> io::Result<()> {
    let _ = io::stderr().write_all(text.as_bytes());
    Ok(())
}

fn moved(by: usize, direction: char) -> io::Result<()> {
    if by > 0 { put(&format!("\x1b[{by}{direction}")) } else { Ok(()) }
}

/// What the terminal itself writes: at Ctrl-C it would write `^C` into the last drawn line and move the cursor to the next, so
/// that not all of a drawing could be taken away again.
#[derive(Default)]
pub(super) struct Echo(Mutex<Option<Termios>>);

impl Echo {
    /// Keeps it from writing control characters; nothing is changed where it is not ours to steer.
    pub(super) fn silence(&self) {
        let Some(found) = steered() else { return };
        let mut quiet = found.clone();
        quiet.local_modes.remove(LocalModes::ECHOCTL);
        if tcsetattr(io::stdin(), OptionalActions::Now, &quiet).is_ok() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        }
    }

    /// Makes it as it was.
    pub(super) fn restore(&self) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before
            && steered().is_some()
        {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.restore();
    }
}

/// The settings of the terminal on standard input, if this program is the one in front of it. Who is not would be stopped
/// for trying to change them.
fn steered() -> Option<Termios> {
    let front = tcgetpgrp(io::stdin()).ok()?;
    (front == rustix::process::getpgrp()).then(|| tcgetattr(io::stdin()).ok())?
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        size().0
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, by: usize) -> io::Result<()> {
        moved(by, 'A')
    }

    fn move_cursor_down(&self, by: usize) -> io::Result<()> {
        moved(by, 'B')
    }

    fn move_cursor_right(&self, by: usize) -> io::Result<()> {
        moved(by, 'C')
    }

    fn move_cursor_left(&self, by: usize) -> io::Result<()> {
        moved(by, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        put(text)?;
        put("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        put("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// How this program is called: by its name if the shell finds that, else as it was started (`cargo run` starts it by a
/// path that can be pasted).
pub(super) fn program() -> String {
    let name = "researchgym";
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    match std::env::args().next() {
        Some(word) if !is_found && word.contains('/') && !word.contains(char::is_whitespace) => word,
        _ => name.to_owned(),
    }
}

/// Puts that name into the commands of an advice, which stand after a colon or between backticks.
pub(super) fn with_program(line: &str, program: &str) -> String {
    line.replace(": researchgym ", &format!(": {program} ")).replace("`researchgym ", &format!("`{program} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_are_renamed() {
        assert_eq!(
            with_program(
                "Look closer: researchgym show 1 (or `researchgym list`); researchgym is here",
                "./rg"
            ),
            "Look closer: ./rg show 1 (or `./rg list`); researchgym is here"
        );
    }
}
