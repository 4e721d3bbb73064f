//! How much of what was read may wait or be worked on at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// The most bytes of files that are in memory at once. A longer file is alone.
const MAX_IN_FLIGHT: u64 = 192 << 20;

/// Bytes in flight.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    bytes: Mutex<u64>,
    less: Condvar,
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub(super) struct Permit<'b> {
    budget: &'b InFlight,
    bytes: u64,
}

impl InFlight {
    /// Waits until there is room.
    pub(super) fn take(&self, bytes: u64) -> Permit<'_> {
        let mut held = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        while *held > 0 && *held + bytes > MAX_IN_FLIGHT {
            held = self.less.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        *held += bytes;
        Permit { budget: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.budget.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.less.notify_all();
    }
}
