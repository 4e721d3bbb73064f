//! What is shown and handed on: figures, pages, tables and foreign formats, made from records of runs.
//!
//! Takes what `researchgym-core` describes and gives texts and bytes. It reads no store, knows no clock and prints nothing.

pub mod atif;
pub mod conversations;
mod dialogue;
mod figure;
pub mod inspect;
pub mod leaderboard;
mod page;
mod palette;
#[cfg(test)]
mod peers;
mod search;
mod shoot_out;
pub mod story;
pub mod tables;

pub use self::figure::{Figure, FigureError, shoot_out_figures};
pub use self::page::{Given, PageFacts, Report, ReportError, leaderboard_page, report};
pub use self::search::{SearchTree, pictured};
pub use self::shoot_out::{WORDS as SHOOT_OUT_WORDS, shoot_out_lead, shoot_out_markdown, shoot_out_table};
pub use self::story::{Call, Story};
