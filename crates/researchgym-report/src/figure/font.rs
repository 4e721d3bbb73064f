//! The font of figures: Arimo, whose widths are those of Arial, Helvetica and Liberation Sans.
//!
//! Texts are measured with it and PDF files embed it; SVG files name its likes and tell the width of every text, so that what was placed with
//! care stays in its place whatever font a machine has. It has Latin, Greek and Cyrillic; other writings are guessed to be as wide as high,
//! are shown by a viewer's own fonts in SVG, and as a replacement sign in PDF.

use std::collections::HashMap;
use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, GlyphId, MetadataProvider};

static REGULAR: &[u8] = include_bytes!("../../fonts/Arimo-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../fonts/Arimo-Bold.ttf");

static FACES: LazyLock<[Face; 2]> = LazyLock::new(|| [Face::read(REGULAR), Face::read(BOLD)]);

/// The families that an SVG asks for, all of equal widths but the last.
pub(crate) const FAMILIES: &str = "Arimo, Helvetica, Arial, 'Liberation Sans', sans-serif";

/// How heavy a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// One file's letters.
pub(crate) struct Face {
    /// The file.
    pub(crate) bytes: &'static [u8],
    glyphs: HashMap<char, Glyph>,
}

/// What stands for one letter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Glyph {
    /// Its number in the file.
    pub(crate) number: u32,
    /// Its width as a share of the size.
    pub(crate) advance: f64,
}

impl Face {
    /// The face of a weight.
    pub(crate) fn of(weight: Weight) -> &'static Face {
        match weight {
            Weight::Regular => &FACES[0],
            Weight::Bold => &FACES[1],
        }
    }

    fn read(bytes: &'static [u8]) -> Face {
        let font = FontRef::new(bytes).expect("the font in the program was read by a test");
        let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
        let glyph = |(letter, glyph): (u32, GlyphId)| {
            let advance = f64::from(metrics.advance_width(glyph)?);
            Some((char::from_u32(letter)?, Glyph { number: glyph.to_u32(), advance }))
        };
        Face { bytes, glyphs: font.charmap().mappings().filter_map(glyph).collect() }
    }

    /// The glyph of a letter, if the font has it.
    pub(crate) fn glyph(&self, letter: char) -> Option<Glyph> {
        self.glyphs.get(&letter).copied()
    }
}

/// How wide a text is.
pub(crate) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let face = Face::of(weight);
    text.chars().map(|letter| face.glyph(letter).map_or(1.0, |glyph| glyph.advance)).sum::<f64>() * size
}

/// A text that is at most this wide: letters are left out of its middle, so that beginning and end still tell it from its likes.
pub(crate) fn fitted(text: &str, most: f64, size: f64, weight: Weight) -> String {
    if width(text, size, weight) <= most {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let shortened = |kept: usize| -> String {
        let head = kept.div_ceil(2);
        let tail = &letters[letters.len() - (kept - head)..];
        letters[..head].iter().chain(&['…']).chain(tail).collect()
    };
    // More letters are never narrower: the most that fit are found by halving.
    let (mut fits, mut too_many) = (0, letters.len());
    while too_many - fits > 1 {
        let middle = usize::midpoint(fits, too_many);
        if width(&shortened(middle), size, weight) <= most {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    if fits == 0 { "…".to_owned() } else { shortened(fits) }
}

/// A text in lines that are at most this wide where its words allow it.
pub(crate) fn wrapped(text: &str, most: f64, size: f64, weight: Weight) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, weight) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fitted(word, most, size, weight)),
        }
    }
    lines
}

/// A name as it may be shown: no control signs, no signs that turn the direction of writing, nothing that XML cannot hold.
pub(crate) fn plain(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{feff}'
        | '\u{fffe}'
        | '\u{ffff}' => None,
        '\u{2028}' | '\u{2029}' => Some(' '),
        letter if letter.is_control() => Some(' '),
        letter => Some(letter),
    };
    text.chars().filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_helvetica() {
        // Helvetica's widths in thousandths (Adobe font metrics): F 611, i 222, g 556, u 556, r 333, e 556; bold i 278.
        assert!((width("Figure", 1000.0, Weight::Regular) - 2834.0).abs() < 3.0);
        assert!((width("i", 1000.0, Weight::Bold) - 278.0).abs() < 1.0);
        assert_eq!(width("漢", 10.0, Weight::Regular), 10.0);
    }

    #[test]
    fn signs_of_figures_are_in_the_font() {
        for letter in "−×·±…≤≥→←↑↓⁰¹²³⁴⁵⁶⁷⁸⁹⁻τ\u{fffd}".chars() {
            assert!(Face::of(Weight::Regular).glyph(letter).is_some(), "{letter}");
            assert!(Face::of(Weight::Bold).glyph(letter).is_some(), "{letter}");
        }
    }

    #[test]
    fn long_names_keep_their_ends() {
        let name = "metagen-claude-35-sonnet-new-with-tools";
        let short = fitted(name, 100.0, 8.0, Weight::Regular);
        assert!(short.starts_with("metagen") && short.ends_with("tools") && short.contains('…'), "{short}");
        assert!(width(&short, 8.0, Weight::Regular) <= 100.0);
        assert_eq!(fitted(name, 1.0, 8.0, Weight::Regular), "…");
        assert_eq!(fitted("short", 100.0, 8.0, Weight::Regular), "short");
        assert_eq!(wrapped("one two three", 30.0, 8.0, Weight::Regular), ["one two", "three"]);
    }

    #[test]
    fn hostile_names_become_plain() {
        assert_eq!(plain("a\u{202e}b\u{1b}[31mc\nd\u{2028}e\0f\u{ffff}"), "ab [31mc d e f");
    }
}
