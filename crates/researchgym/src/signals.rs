//! Ctrl-C: the first ends the runs cleanly, the second ends the program at once. A closed terminal is a first one.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::output::Printer;

/// Turns true at the first SIGINT, SIGTERM or SIGHUP; a second SIGINT or SIGTERM exits with 130.
///
/// Sandboxes die with this process in both cases.
pub(crate) fn watch(printer: &Printer) -> std::io::Result<watch::Receiver<bool>> {
    watch_saying(printer, "Stopping: the run ends and keeps its log.")
}

/// The same, with words of its own for what the first signal does.
pub(crate) fn watch_saying(
    printer: &Printer,
    what_happens: &'static str,
) -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let printer = printer.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        sender.send_replace(true);
        printer.talk(&format!("{what_happens} Press Ctrl-C again to stop at once."));
        // A terminal that closes may send SIGHUP more than once: by the kernel and by the shell.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        printer.leave();
        leave();
    });
    Ok(receiver)
}

#[expect(
    clippy::exit,
    reason = "a second Ctrl-C must not wait for anything; the log is whole up to the last event"
)]
fn leave() {
    std::process::exit(130);
}
