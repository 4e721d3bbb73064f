//! The rules of ResearchGym: what a task, a run, an event and a score are, and what follows from them.
//!
//! Pure: no files, network, clock, environment or threads. Time, randomness and text come in as arguments
//! (enforced by this crate's `clippy.toml`). The effects live in `researchgym-engine`.

pub mod action;
pub mod budget;
pub mod chain;
pub mod digest;
pub mod edit;
pub mod event;
pub mod executor;
pub mod failure;
pub mod gpu;
pub mod grading;
pub mod image;
pub mod import;
pub mod inspect;
pub mod integrity;
pub mod isolation;
pub mod keys;
pub mod ledger;
pub mod manifest;
pub mod model;
pub mod nearest;
pub mod network;
pub mod observation;
pub mod patch;
pub mod record;
pub mod result;
pub mod score;
pub mod script;
pub mod search;
pub mod spec;
pub mod state;
pub mod statistics;
pub mod task;
pub mod web;
pub mod wire;
