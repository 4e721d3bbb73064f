//! Reports as readers get them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod checks;
mod hostile;
mod published;
mod searches;
