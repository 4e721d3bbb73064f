//! Trajectories of other systems, read into our own forms. Pure: bytes in, runs out.

pub mod atif;
pub mod ideas;
pub mod inspect;
pub mod json;
pub mod mlgym;
pub mod openevolve;
pub mod steps;
pub mod time;
