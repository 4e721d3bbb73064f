//! The contract that scripts rely on, held against the real binary: real tasks, real sandboxes, real run folders.

mod support;

mod actions;
mod agents;
mod basic;
mod basic_tasks;
mod damage;
mod disk;
mod endings;
mod grading;
mod kill;
mod limits;
mod results;
mod signals;
mod usage;
mod web;
mod workspace;
