//! The gateway over real sockets, in front of a provider of the test's own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its own helpers too")]

mod budget;
mod doors;
mod endings;
mod journal;
mod metering;
mod names;
mod patience;
mod provider;
mod refusals;
mod relaying;
mod support;
mod translating;
mod wires;
