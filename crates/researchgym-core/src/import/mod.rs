//! Trajectories of other systems, read into our own forms. Pure: bytes in, trajectories and records out.

pub mod mlgym;
mod text;
