//! The cluster layer against commands that are shell scripts, and against a real Slurm where there is one.

mod bench;
mod fake;
mod real;
mod real_failures;
