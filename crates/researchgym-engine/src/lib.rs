//! The hands.

pub mod guest;
pub mod internal;
pub mod sandbox;
mod sys;
