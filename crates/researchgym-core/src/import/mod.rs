//! Trajectories of other systems, read into our own forms. Pure: bytes in, trajectories and records out.

pub mod atif;
pub mod ideas;
pub mod inspect;
pub mod json;
pub mod mlgym;
pub mod openevolve;
mod recorded;
pub mod researchgym_seed;
pub mod steps;
mod text;
pub mod time;

pub use self::recorded::recorded;
