//! Trajectories of other systems, read into our own forms. Pure: text in, trajectory out.

pub mod mlgym;
