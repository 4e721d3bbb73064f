//! The hands of ResearchGym: sandboxes, guest, store, grading, sessions, agents and the runner.
//!
//! Everything with an effect is here; nothing here prints. The binary shows what these modules report.

pub mod agent;
pub mod catalogue;
pub mod check;
pub mod dataset;
pub mod environment;
pub mod gateway;
pub mod gpu;
pub mod grading;
pub mod guest;
pub mod internal;
pub mod materials;
pub mod model;
pub mod progress;
pub mod runner;
pub mod sandbox;
pub mod scratch;
pub mod session;
pub mod snapshot;
pub mod store;
mod sys;
pub mod web;
pub mod workbench;
