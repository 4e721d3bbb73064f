//! Searches over candidates, held against the real binary: sandboxed evaluations, scripted models, kills, limits and bad
//! candidates.

#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which use all of it")]
mod support;

mod candidates;
mod climb;
mod disk;
mod embeddings;
mod forks;
mod hostile;
mod jobs;
mod limits;
mod metrics;
mod models;
mod programs;
mod resumption;
mod shoot_out;
mod show;
mod slots;
