//! Runs with a language model, held against the real binary: what is asked, paid for and kept through kills, pauses, forks,
//! bad providers and bad models. No network: scripted models, and a provider of our own on the loopback interface.

#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which use all of it")]
mod support;

mod cluster;
mod conversations;
mod faults;
mod forks;
mod gateway;
mod input;
mod kills;
mod live;
mod moved;
mod pauses;
