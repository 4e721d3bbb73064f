//! Keeps a program that asks without end from flooding the log: what repeats itself is written as a count.
//!
//! The first requests of a kind are written one by one. Further ones are held back and written as one line whenever they
//! are as many as those written before, so that a million take twenty lines. Requests that differ each time are told
//! apart first by all that they say, then by host and verdict, then by verdict alone. Nothing is lost: what is held back
//! is given by [`Tally::rest`].

use std::collections::BTreeMap;

use super::request::{NetworkRequested, Phase, Verdict};

/// So many like each other are written one by one.
const ONE_BY_ONE: u64 = 10;
/// So many kinds are told apart by all that they say.
const KINDS: usize = 500;
/// So many are told apart by host and verdict.
const HOSTS: usize = 200;

/// What was written and what is held back.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    seen: BTreeMap<Kind, Seen>,
    hosts: usize,
}

/// What requests have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    phase: Phase,
    method: String,
    host: String,
    port: u16,
    url: Option<String>,
    verdict: Verdict,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    written: u64,
    held: Option<NetworkRequested>,
}

impl Tally {
    /// Takes a request; gives the line that is to be written now, if one is.
    pub fn take(&mut self, request: NetworkRequested) -> Option<NetworkRequested> {
        let kind = self.kind(&request);
        let seen = self.seen.entry(kind.clone()).or_default();
        if seen.written < ONE_BY_ONE && seen.held.is_none() && kind.method != "*" {
            seen.written += request.times;
            return Some(request);
        }
        let held = match seen.held.take() {
            None => kind.summed(&request),
            Some(held) => NetworkRequested {
                bytes_up: held.bytes_up.saturating_add(request.bytes_up),
                bytes_down: held.bytes_down.saturating_add(request.bytes_down),
                took_ms: held.took_ms.saturating_add(request.took_ms),
                times: held.times.saturating_add(request.times),
                ..held
            },
        };
        if held.times >= seen.written.max(ONE_BY_ONE) {
            seen.written += held.times;
            return Some(held);
        }
        seen.held = Some(held);
        None
    }

    /// What is held back.
    pub fn rest(&mut self) -> Vec<NetworkRequested> {
        let held = |seen: &mut Seen| {
            let held = seen.held.take()?;
            seen.written += held.times;
            Some(held)
        };
        self.seen.values_mut().filter_map(held).collect()
    }

    fn kind(&mut self, request: &NetworkRequested) -> Kind {
        let NetworkRequested { phase, method, host, port, url, verdict, .. } = request.clone();
        let whole = Kind { phase, method, host, port, url, verdict };
        if self.seen.contains_key(&whole) || self.seen.len() - self.hosts < KINDS {
            return whole;
        }
        let host = Kind { method: "*".to_owned(), url: None, ..whole };
        if self.seen.contains_key(&host) {
            return host;
        }
        if self.hosts < HOSTS {
            self.hosts += 1;
            return host;
        }
        Kind { host: "*".to_owned(), port: 0, ..host }
    }
}

impl Kind {
    fn summed(&self, request: &NetworkRequested) -> NetworkRequested {
        let Kind { phase, method, host, port, url, verdict } = self.clone();
        NetworkRequested { phase, method, host, port, url, verdict, ..request.clone() }
    }
}
