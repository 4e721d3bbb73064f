//! What is shown and handed on: figures, pages, tables and foreign formats, made from records of runs.
//!
//! Takes what `researchgym-core` describes and gives texts and bytes. It reads no store, knows no clock and prints nothing.

pub mod atif;
mod dialogue;
pub mod inspect;
pub mod story;

pub use self::story::{Call, Story};
