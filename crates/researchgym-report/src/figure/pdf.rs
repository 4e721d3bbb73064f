//! A drawing as PDF: one page of the drawing's size in light colours, for papers; fonts are embedded as far as they are used.

use std::sync::LazyLock;

use krilla::Document;
use krilla::SerializeSettings;
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, LineJoin, Stroke, StrokeDash};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};

use super::FigureError;
use super::font::{Face, Weight};
use super::scene::{Mark, Outline, Pen, Place, Scene, Shape, TURN, Words};
use crate::palette::Ink;

/// What a circle's quarter has for handles, as a share of its radius.
const HANDLE: f64 = 0.552_284_75;

/// What stands for letters that the font lacks.
const REPLACEMENT: char = '\u{fffd}';

static FONTS: LazyLock<[Option<Font>; 2]> = LazyLock::new(|| {
    [Weight::Regular, Weight::Bold].map(|weight| Font::new(Face::of(weight).bytes.to_vec().into(), 0))
});

/// The bytes of the file.
pub(super) fn file(scene: &Scene, title: &str, caption: &str) -> Result<Vec<u8>, FigureError> {
    let mut document = Document::new_with(SerializeSettings::default());
    let size = PageSettings::from_wh(scene.width as f32, scene.height as f32);
    let mut page = document.start_page_with(size.ok_or(FigureError::Size)?);
    let mut surface = page.surface();
    for mark in &scene.marks {
        match mark {
            Mark::Shape(shape) => draw_shape(&mut surface, shape),
            Mark::Words(words) => draw_words(&mut surface, words)?,
        }
    }
    surface.finish();
    page.finish();
    let facts = Metadata::new().title(title.to_owned()).description(caption.to_owned());
    document.set_metadata(facts.creator("ResearchGym".to_owned()).language("en".to_owned()));
    document.finish().map_err(|error| FigureError::Pdf(format!("{error:?}")))
}

fn paint(ink: Ink) -> rgb::Color {
    let (red, green, blue) = ink.light();
    rgb::Color::new(red, green, blue)
}

fn share(value: f64) -> NormalizedF32 {
    NormalizedF32::new(value.clamp(0.0, 1.0) as f32).unwrap_or(NormalizedF32::ONE)
}

fn stroke(pen: &Pen) -> Stroke {
    let dash = match pen.dash.lengths() {
        [] => None,
        lengths => Some(StrokeDash { array: lengths.iter().map(|one| *one as f32).collect(), offset: 0.0 }),
    };
    Stroke {
        paint: paint(pen.ink).into(),
        width: pen.width as f32,
        line_join: LineJoin::Round,
        dash,
        ..Stroke::default()
    }
}

fn draw_shape(surface: &mut Surface<'_>, shape: &Shape) {
    let Some(path) = path(&shape.outline) else { return };
    let fill = |(ink, opacity): (Ink, f64)| Fill {
        paint: paint(ink).into(),
        opacity: share(opacity),
        ..Fill::default()
    };
    surface.set_fill(shape.fill.map(fill));
    surface.set_stroke(shape.pen.as_ref().map(stroke));
    if shape.fill.is_some() || shape.pen.is_some() {
        surface.draw_path(&path);
    }
}

fn path(outline: &Outline) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let points = match outline {
        Outline::Circle(place, radius) => {
            push_circle(&mut builder, *place, *radius);
            return builder.finish();
        }
        Outline::Open(points) | Outline::Closed(points) => points,
    };
    let (first, rest) = points.split_first()?;
    builder.move_to(first.0 as f32, first.1 as f32);
    for (x, y) in rest {
        builder.line_to(*x as f32, *y as f32);
    }
    if matches!(outline, Outline::Closed(_)) {
        builder.close();
    }
    builder.finish()
}

fn push_circle(builder: &mut PathBuilder, (x, y): Place, radius: f64) {
    let at = |right: f64, down: f64| ((x + radius * right) as f32, (y + radius * down) as f32);
    let start = at(1.0, 0.0);
    builder.move_to(start.0, start.1);
    for (from, to) in [
        ((1.0, 0.0), (0.0, 1.0)),
        ((0.0, 1.0), (-1.0, 0.0)),
        ((-1.0, 0.0), (0.0, -1.0)),
        ((0.0, -1.0), (1.0, 0.0)),
    ] {
        let one = at(from.0 + HANDLE * to.0, from.1 + HANDLE * to.1);
        let two = at(to.0 + HANDLE * from.0, to.1 + HANDLE * from.1);
        let end = at(to.0, to.1);
        builder.cubic_to(one.0, one.1, two.0, two.1, end.0, end.1);
    }
    builder.close();
}

fn draw_words(surface: &mut Surface<'_>, words: &Words) -> Result<(), FigureError> {
    let font = match words.weight {
        Weight::Regular => FONTS[0].clone(),
        Weight::Bold => FONTS[1].clone(),
    };
    let font = font.ok_or(FigureError::Font)?;
    let face = Face::of(words.weight);
    let mut glyphs = Vec::new();
    for (start, letter) in words.text.char_indices() {
        let known = face.glyph(letter);
        let glyph = known.or_else(|| face.glyph(REPLACEMENT)).ok_or(FigureError::Font)?;
        // A stranger is as wide as it was measured.
        let advance = if known.is_some() { glyph.advance } else { 1.0 };
        glyphs.push(KrillaGlyph::new(
            GlyphId::new(glyph.number),
            advance as f32,
            0.0,
            0.0,
            0.0,
            start..start + letter.len_utf8(),
            None,
        ));
    }
    let (x, y) = (words.place.0 as f32, words.place.1 as f32);
    if words.is_turned {
        surface.push_transform(&Transform::from_rotate_at(-TURN as f32, x, y));
    }
    let start = Point::from_xy(words.left() as f32, y);
    if words.is_lit {
        surface.set_fill(None);
        surface.set_stroke(Some(stroke(&Pen::solid(Ink::Ground, 2.0))));
        surface.draw_glyphs(start, &glyphs, font.clone(), &words.text, words.size as f32, false);
    }
    surface.set_stroke(None);
    surface.set_fill(Some(Fill { paint: paint(words.ink).into(), ..Fill::default() }));
    surface.draw_glyphs(start, &glyphs, font, &words.text, words.size as f32, false);
    if words.is_turned {
        surface.pop();
    }
    Ok(())
}
