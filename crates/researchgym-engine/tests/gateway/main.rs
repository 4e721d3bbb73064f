//! The gateway over real sockets, in front of a provider of the test's own.

mod budget;
mod doors;
mod endings;
mod journal;
mod metering;
mod names;
mod provider;
mod refusals;
mod relaying;
mod support;
mod translating;
mod wires;
