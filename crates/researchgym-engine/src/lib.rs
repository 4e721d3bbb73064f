//! The hands.

pub mod internal;
pub mod sandbox;
