//! Connections whose program has not yet said what it wants: half of a request's head, or a tunnel without a greeting.
//!
//! Each holds one of the connections that a sandbox may have. Where many wait, none may wait for long, so that a program
//! which opens hundreds and says nothing does not keep its own sandbox's other programs out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// More than so many are a crowd.
const CROWD: usize = 64;
/// How long one may wait in a crowd.
const IN_A_CROWD: Duration = Duration::from_secs(1);
/// How often a connection that waits looks at how many do.
const LOOK: Duration = Duration::from_millis(200);

/// Those that wait, of one sandbox.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    waiting: AtomicUsize,
}

/// One that waits, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    began: Instant,
}

impl Crowd {
    /// One more waits from now on.
    pub(super) fn enter(self: &Arc<Crowd>) -> Place {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Place { crowd: self.clone(), began: Instant::now() }
    }
}

impl Place {
    /// Ends when it has waited for too long: `usual`, less in a crowd.
    pub(super) async fn waited_too_long(&self, usual: Duration) {
        self.crowd.patience_ends(self.began, usual).await;
    }

    /// For who gives the place up while the end of its patience is waited for.
    pub(super) fn patience(&self, usual: Duration) -> impl Future<Output = ()> + use<> {
        let (crowd, began) = (self.crowd.clone(), self.began);
        async move { crowd.patience_ends(began, usual).await }
    }
}

impl Crowd {
    async fn patience_ends(&self, began: Instant, usual: Duration) {
        loop {
            let is_crowded = self.waiting.load(Ordering::Relaxed) > CROWD;
            let patience = if is_crowded { usual.min(IN_A_CROWD) } else { usual };
            let Some(left) = patience.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                return;
            };
            sleep(left.min(LOOK)).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
