//! The execution-grounded pipeline from ideas to trajectories, held against the real binary on two small training tasks: real
//! diffs that really change what is measured, by scripted models whose answers lie in `tests/fixtures/pipeline`.
//!
//! `RESEARCHGYM_TEST_EXECUTOR="--executor slurm ..."` has the same searches evaluated elsewhere.

#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which use all of it")]
mod support;

mod digits;
mod few;
mod flags;
mod late;
mod scene;
