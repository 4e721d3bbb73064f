//! Figures: data in, a drawing as SVG and PDF and its data as CSV out.
//!
//! A chart kind lays plain data out as a drawing (`scene`); `svg` and `pdf` write drawings. Nothing here knows statistics but `atlas`, which makes
//! the figures of a report.

mod atlas;
mod bars;
mod branches;
mod cells;
mod csv;
mod curves;
mod font;
mod frame;
#[cfg(test)]
mod gallery;
mod intervals;
mod layers;
pub(crate) mod number;
mod pdf;
mod placing;
mod scale;
mod scatter;
mod scene;
mod shoot_out;
pub(crate) mod svg;

use self::scene::Scene;

pub(crate) use self::atlas::{Atlas, Cast, atlas, metric};
pub(crate) use self::font::plain;
pub use self::shoot_out::figures as shoot_out_figures;

/// A figure: a picture with its words and its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The name of its files, unique in a report: small letters, digits and hyphens.
    pub id: String,
    /// What it shows, in a few words.
    pub title: String,
    /// What is to be seen and how it was made, in sentences.
    pub caption: String,
    /// The picture as a file of its own; it follows the reader's preference for light or dark.
    pub svg: String,
    /// The data, with all digits.
    pub csv: String,
    scene: Scene,
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The drawing has no size.
    #[error("the drawing has no size")]
    Size,
    /// The font in the program cannot be used.
    #[error("the program's font cannot be read")]
    Font,
    /// The file could not be written.
    #[error("pdf: {0}")]
    Pdf(String),
}

impl Figure {
    fn new(id: &str, title: &str, caption: &str, scene: Scene, csv: String) -> Figure {
        let svg = svg::file(&scene, title, caption);
        Figure { id: id.to_owned(), title: title.to_owned(), caption: caption.to_owned(), svg, csv, scene }
    }

    /// The picture as an element of a page that has the style of figures.
    pub(crate) fn inline(&self) -> String {
        svg::inline(&self.scene, &self.title)
    }

    /// The picture as a PDF file of one page, in light colours, with its fonts.
    pub fn pdf(&self) -> Result<Vec<u8>, FigureError> {
        pdf::file(&self.scene, &self.title, &self.caption)
    }
}
