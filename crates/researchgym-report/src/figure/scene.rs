//! A drawing as data: lines, areas and words at places, in points, before it is SVG or PDF.

use super::font::{self, Weight};
use crate::palette::{Dash, Ink, Marker, Style};

/// A drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) marks: Vec<Mark>,
}

/// A place: to the right, and down.
pub(crate) type Place = (f64, f64);

/// A part of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    Shape(Shape),
    Words(Words),
}

/// An outline that is filled, drawn, or both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) outline: Outline,
    pub(crate) fill: Option<(Ink, f64)>,
    pub(crate) pen: Option<Pen>,
    /// What a page shows when it is pointed at.
    pub(crate) tip: Option<String>,
}

/// Where a shape is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outline {
    Open(Vec<Place>),
    Closed(Vec<Place>),
    Circle(Place, f64),
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pen {
    pub(crate) ink: Ink,
    pub(crate) width: f64,
    pub(crate) dash: Dash,
}

/// Words at a place on their baseline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Words {
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) size: f64,
    pub(crate) weight: Weight,
    pub(crate) ink: Ink,
    pub(crate) anchor: Anchor,
    /// Whether the ground shines around them, so that they can be read over lines.
    pub(crate) is_lit: bool,
    /// Whether they rise to the right around their place, by [`TURN`].
    pub(crate) is_turned: bool,
}

/// By how many degrees turned words rise.
pub(crate) const TURN: f64 = 50.0;

/// Which part of words stands at their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Area {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(crate) fn middle(&self) -> Place {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// The area that both cover.
    pub(crate) fn overlap(&self, other: &Area) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        if width > 0.0 && height > 0.0 { width * height } else { 0.0 }
    }

    /// The area that is this much larger on every side.
    pub(crate) fn grown(&self, by: f64) -> Area {
        Area { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }
}

impl Pen {
    pub(crate) fn solid(ink: Ink, width: f64) -> Pen {
        Pen { ink, width, dash: Dash::Solid }
    }

    /// The line of a contender.
    pub(crate) fn of(style: Style, width: f64) -> Pen {
        Pen { ink: style.ink, width, dash: style.dash }
    }
}

impl Words {
    pub(crate) fn new(place: Place, text: impl Into<String>, size: f64) -> Words {
        let text = font::plain(&text.into());
        Words {
            place,
            text,
            size,
            weight: Weight::Regular,
            ink: Ink::Text,
            anchor: Anchor::Start,
            is_lit: false,
            is_turned: false,
        }
    }

    pub(crate) fn ink(mut self, ink: Ink) -> Words {
        self.ink = ink;
        self
    }

    pub(crate) fn anchor(mut self, anchor: Anchor) -> Words {
        self.anchor = anchor;
        self
    }

    pub(crate) fn bold(mut self) -> Words {
        self.weight = Weight::Bold;
        self
    }

    pub(crate) fn lit(mut self) -> Words {
        self.is_lit = true;
        self
    }

    pub(crate) fn turned(mut self) -> Words {
        self.is_turned = true;
        self
    }

    pub(crate) fn width(&self) -> f64 {
        font::width(&self.text, self.size, self.weight)
    }

    /// Where the first letter begins.
    pub(crate) fn left(&self) -> f64 {
        match self.anchor {
            Anchor::Start => self.place.0,
            Anchor::Middle => self.place.0 - self.width() / 2.0,
            Anchor::End => self.place.0 - self.width(),
        }
    }

    /// What they cover, from the height of capitals to below the baseline.
    pub(crate) fn area(&self) -> Area {
        let left = self.left();
        if self.is_turned {
            let (sine, cosine) = TURN.to_radians().sin_cos();
            let (start, end) = (left - self.place.0, left - self.place.0 + self.width());
            let rise = 0.74 * self.size;
            return Area {
                left: self.place.0 + start * cosine - rise * sine,
                top: self.place.1 - end * sine - rise * cosine,
                right: self.place.0 + end * cosine,
                bottom: self.place.1 - start * sine,
            };
        }
        Area {
            left,
            top: self.place.1 - 0.74 * self.size,
            right: left + self.width(),
            bottom: self.place.1 + 0.22 * self.size,
        }
    }
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Scene {
        Scene { width, height, marks: Vec::new() }
    }

    pub(crate) fn words(&mut self, words: Words) {
        if !words.text.is_empty() {
            self.marks.push(Mark::Words(words));
        }
    }

    pub(crate) fn line(&mut self, points: Vec<Place>, pen: Pen) {
        self.shape(Outline::Open(points), None, Some(pen), None);
    }

    pub(crate) fn area(&mut self, area: Area, ink: Ink, tip: Option<String>) {
        let Area { left, top, right, bottom } = area;
        let corners = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
        self.shape(Outline::Closed(corners), Some((ink, 1.0)), None, tip);
    }

    pub(crate) fn shape(
        &mut self,
        outline: Outline,
        fill: Option<(Ink, f64)>,
        pen: Option<Pen>,
        tip: Option<String>,
    ) {
        self.marks.push(Mark::Shape(Shape { outline, fill, pen, tip }));
    }

    /// The marker of a contender.
    pub(crate) fn marker(&mut self, place: Place, style: Style, radius: f64, tip: Option<String>) {
        let (x, y) = place;
        let diamond = radius * 1.25;
        match style.marker {
            Marker::Disc => {
                let pen = Pen::solid(Ink::Ground, 0.6);
                self.shape(Outline::Circle(place, radius), Some((style.ink, 1.0)), Some(pen), tip);
            }
            Marker::Ring => {
                let pen = Pen::solid(style.ink, radius * 0.5);
                self.shape(Outline::Circle(place, radius * 0.85), Some((Ink::Ground, 1.0)), Some(pen), tip);
            }
            Marker::Diamond => {
                let corners = vec![(x, y - diamond), (x + diamond, y), (x, y + diamond), (x - diamond, y)];
                let pen = Pen::solid(Ink::Ground, 0.6);
                self.shape(Outline::Closed(corners), Some((style.ink, 1.0)), Some(pen), tip);
            }
        }
    }
}

#[cfg(test)]
impl Scene {
    /// All words, for tests of where they are.
    pub(crate) fn all_words(&self) -> impl Iterator<Item = &Words> {
        self.marks.iter().filter_map(|mark| match mark {
            Mark::Words(words) => Some(words),
            Mark::Shape(_) => None,
        })
    }
}
