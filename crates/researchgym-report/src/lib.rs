//! What is shown and handed on: figures, pages, tables and foreign formats, made from records of runs.
//!
//! Takes what `researchgym-core` describes and gives texts and bytes. It reads no store, knows no clock and prints nothing.

pub mod conversations;
mod figure;
pub mod leaderboard;
mod page;
mod palette;
pub mod story;
pub mod tables;

pub use self::figure::{Figure, FigureError};
pub use self::page::{PageFacts, Report, ReportError, leaderboard_page, report};
pub use self::story::{Call, Story};
