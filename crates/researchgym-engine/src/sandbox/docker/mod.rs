//! The `docker` runtime: a container of Docker or Podman on this machine whose first process is the guest.
//!
//! The engine makes and removes containers and is asked for nothing else: the guest connects to a socket of ours, which is
//! mounted into its container, and from there on a container is a sandbox like any other. No step passes through the
//! engine. Engines on other machines are refused, because what is mounted must be here.

mod build;
mod container;
mod control;
mod engine;
mod error;
mod gpus;
mod image;
mod isolation;
mod launch;
mod orphans;
mod probe;

pub use error::EngineError;
pub use image::{ImageFacts, ImagePrograms, Images};
pub use orphans::Orphan;

pub(super) use container::Container;
pub(crate) use control::PREFIX as FOLDER_PREFIX;
pub(super) use engine::{Engine, EngineCell};
pub(super) use launch::launch;
pub(super) use orphans::{orphans, remove_all_of, remove_orphans};
pub(super) use probe::probe;
