//! The contract that scripts rely on, held against the real binary: real tasks, real sandboxes, real run folders.

mod support;

mod actions;
mod agents;
mod audit;
mod basic;
mod bundles;
mod codes;
mod damage;
mod disk;
mod docker;
mod endings;
mod export;
mod gateway;
mod gpus;
mod grading;
mod import;
mod inspect;
mod kill;
mod limits;
mod listing;
mod models;
mod network;
mod prune;
mod real_gpu;
mod reports;
mod results;
mod signals;
mod stored;
mod usage;
mod web;
mod workspace;
