//! What is shown and handed on: figures, pages, tables and foreign formats, made from records of runs.
//!
//! Takes what `researchgym-core` describes and gives texts and bytes. It reads no store, knows no clock and prints nothing.

mod figure;
mod page;
mod palette;

pub use figure::{Figure, FigureError};
pub use page::{PageFacts, Report, ReportError, report};
