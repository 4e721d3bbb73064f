//! What is said of requests: one report each, given when the last that works on it lets go of it, and the traffic of all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use researchgym_core::network::{NetworkRequested, Phase, Refusal, Tally, Verdict};
use tokio::sync::Notify;

/// The longest method and the longest host that are recorded, in characters.
const LONGEST_WORD: usize = 253;

/// The reports of one proxy.
pub(super) struct Book {
    phase: Phase,
    pages: Mutex<Pages>,
    written: Notify,
    settled: Notify,
    /// Bytes that may still be moved.
    left: AtomicU64,
}

#[derive(Default)]
struct Pages {
    tally: Tally,
    /// To be recorded.
    lines: Vec<NetworkRequested>,
    /// Requests under way.
    open: u64,
}

/// What was asked for.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) url: Option<String>,
}

/// A request under way.
pub(super) struct Report {
    book: Arc<Book>,
    asked: Asked,
    refusal: Mutex<Option<Refusal>>,
    up: AtomicU64,
    down: AtomicU64,
    began: Instant,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the program.
    Up,
    /// To it.
    Down,
}

impl Book {
    pub(super) fn new(phase: Phase, traffic: u64) -> Book {
        let left = AtomicU64::new(traffic);
        let (written, settled) = (Notify::new(), Notify::new());
        Book { phase, pages: Mutex::default(), written, settled, left }
    }

    /// Begins a report.
    pub(super) fn open(self: &Arc<Book>, asked: Asked) -> Arc<Report> {
        self.pages().open += 1;
        Arc::new(Report {
            book: self.clone(),
            asked,
            refusal: Mutex::new(None),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            began: Instant::now(),
        })
    }

    /// Waits until there are lines.
    pub(super) async fn written(&self) {
        loop {
            let written = self.written.notified();
            if !self.pages().lines.is_empty() {
                return;
            }
            written.await;
        }
    }

    pub(super) fn take(&self) -> Vec<NetworkRequested> {
        std::mem::take(&mut self.pages().lines)
    }

    /// Waits until no request is under way.
    pub(super) async fn settled(&self) {
        loop {
            let settled = self.settled.notified();
            if self.pages().open == 0 {
                return;
            }
            settled.await;
        }
    }

    /// All lines, with what was held back.
    pub(super) fn rest(&self) -> Vec<NetworkRequested> {
        let mut pages = self.pages();
        let mut lines = std::mem::take(&mut pages.lines);
        lines.extend(pages.tally.rest());
        lines
    }

    fn close(&self, request: NetworkRequested) {
        let mut pages = self.pages();
        pages.open -= 1;
        let is_settled = pages.open == 0;
        if let Some(line) = pages.tally.take(request) {
            pages.lines.push(line);
            self.written.notify_one();
        }
        drop(pages);
        if is_settled {
            self.settled.notify_one();
        }
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    /// Notes why it is refused or ended; the first reason stands.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
    }

    /// Looks whether anything may still be moved.
    ///
    /// # Errors
    /// Nothing may.
    pub(super) fn may_move(&self) -> Result<(), Refusal> {
        if self.book.left.load(Ordering::Relaxed) == 0 { Err(Refusal::Traffic) } else { Ok(()) }
    }

    /// Counts bytes before they are passed on.
    ///
    /// # Errors
    /// They are more than may still be moved; that is noted, and from then on nothing may.
    pub(super) fn moves(&self, way: Way, bytes: usize) -> Result<(), Refusal> {
        let bytes = bytes as u64;
        let taken = |left: u64| Some(left.saturating_sub(bytes));
        let left = self.book.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken);
        if left.is_ok_and(|left| left < bytes) {
            self.refuse(Refusal::Traffic);
            return Err(Refusal::Traffic);
        }
        let sum = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        sum.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let refusal = *self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        self.book.close(NetworkRequested {
            phase: self.book.phase,
            method: word(&self.asked.method),
            host: word(&self.asked.host),
            port: self.asked.port,
            url: self.asked.url.take(),
            verdict: refusal.map_or(Verdict::Allowed, |reason| Verdict::Refused { reason }),
            bytes_up: self.up.load(Ordering::Relaxed),
            bytes_down: self.down.load(Ordering::Relaxed),
            took_ms: self.began.elapsed().as_millis() as u64,
            times: 1,
        });
    }
}

/// A word of a program's, as the log may have it.
fn word(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(LONGEST_WORD).collect()
}
