//! The hands of ResearchGym: sandboxes, guest, store, grading, sessions, agents and the runner.
//!
//! Everything with an effect is here; nothing here prints. The binary shows what these modules report.

pub mod agent;
pub mod audit;
pub mod bundle;
pub mod catalogue;
pub mod check;
pub mod dataset;
mod disk;
pub mod environment;
pub mod executor;
pub mod gateway;
pub mod gpu;
pub mod grading;
pub mod guest;
mod hold;
pub mod import;
pub mod inspection;
pub mod internal;
pub mod materials;
pub mod model;
pub mod network;
pub mod progress;
pub mod prune;
pub mod records;
pub mod runner;
pub mod sandbox;
pub mod scratch;
pub mod search;
pub mod session;
pub mod snapshot;
pub mod store;
mod sys;
pub mod warm;
pub mod web;
pub mod workbench;
