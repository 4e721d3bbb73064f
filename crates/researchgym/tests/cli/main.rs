//! The contract that scripts rely on, held against the real binary: real tasks, real sandboxes, real run folders.

mod support;

mod actions;
mod agents;
mod audit;
mod basic;
mod codes;
mod damage;
mod disk;
mod docker;
mod endings;
mod gateway;
mod gpus;
mod grading;
mod inspect;
mod kill;
mod limits;
mod models;
mod network;
mod results;
mod signals;
mod usage;
mod web;
mod workspace;
