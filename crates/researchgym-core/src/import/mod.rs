//! Trajectories of other systems, read into our own forms. Pure: bytes in, trajectories and records out.

pub mod atif;
pub mod ideas;
pub mod inspect;
pub mod json;
pub mod mlgym;
pub mod openevolve;
pub mod steps;
mod text;
pub mod time;
