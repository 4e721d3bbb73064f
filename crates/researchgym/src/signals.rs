//! Ctrl-C: the first ends the runs cleanly, the second ends the program at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::output::Printer;

/// Turns true at the first SIGINT, SIGTERM or SIGHUP; a second one exits with 130.
///
/// Sandboxes die with this process in both cases.
pub(crate) fn watch(printer: &Printer) -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let printer = printer.clone();
    tokio::spawn(async move {
        any(&mut interrupt, &mut terminate, &mut hangup).await;
        printer.talk("Stopping: the run ends and keeps its log. Press Ctrl-C again to stop at once.");
        sender.send_replace(true);
        any(&mut interrupt, &mut terminate, &mut hangup).await;
        leave();
    });
    Ok(receiver)
}

async fn any(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

#[expect(
    clippy::exit,
    reason = "a second Ctrl-C must not wait for anything; the log is whole up to the last event"
)]
fn leave() {
    std::process::exit(130);
}
