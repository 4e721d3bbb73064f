//! A drawing as SVG: light colours as attributes, which every program understands, and dark ones by `prefers-color-scheme`.

use std::fmt::Write as _;

use super::font::{FAMILIES, Weight};
use super::scene::{Anchor, Mark, Outline, Pen, Place, Scene, Shape, TURN, Words};
use crate::palette::{Ink, css};

/// A text as XML and HTML can hold it.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in super::font::plain(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

/// A length with two decimals at most.
pub(crate) fn length(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// The style sheet that turns figures dark, for a page that holds many or for a file of one.
pub(crate) fn dark_style() -> String {
    let mut out = String::from("@media (prefers-color-scheme: dark){");
    for ink in Ink::all() {
        let (name, colour) = (ink.name(), css(ink.dark()));
        let _ = write!(out, ".f-{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}");
    }
    out.push('}');
    out
}

/// A file of its own.
pub(crate) fn file(scene: &Scene, title: &str, caption: &str) -> String {
    let style = format!("<style>{}</style>", dark_style());
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", element(scene, title, caption, &style))
}

/// An element of a page that has [`dark_style`].
pub(crate) fn inline(scene: &Scene, title: &str) -> String {
    element(scene, title, "", "")
}

fn element(scene: &Scene, title: &str, caption: &str, style: &str) -> String {
    let (width, height) = (length(scene.width), length(scene.height));
    let mut out = String::new();
    // A page's own elements need no namespace.
    let namespace = if style.is_empty() { "" } else { " xmlns=\"http://www.w3.org/2000/svg\"" };
    let _ = write!(
        out,
        "<svg{namespace} viewBox=\"0 0 {width} {height}\" width=\"{width}pt\" height=\"{height}pt\" role=\"img\" \
         aria-label=\"{}\" font-family=\"{FAMILIES}\">",
        escaped(title)
    );
    if !caption.is_empty() {
        let _ = write!(out, "<title>{}</title><desc>{}</desc>", escaped(title), escaped(caption));
    }
    out.push_str(style);
    let ground = css(Ink::Ground.light());
    let _ = write!(out, "<path class=\"f-ground\" fill=\"{ground}\" d=\"M0 0H{width}V{height}H0Z\"/>");
    for mark in &scene.marks {
        out.push('\n');
        match mark {
            Mark::Shape(shape) => write_shape(&mut out, shape),
            Mark::Words(words) => write_words(&mut out, words),
        }
    }
    out.push_str("\n</svg>\n");
    out
}

fn write_shape(out: &mut String, shape: &Shape) {
    let mut classes = Vec::new();
    let mut attributes = String::new();
    match shape.fill {
        Some((ink, share)) => {
            classes.push(format!("f-{}", ink.name()));
            let _ = write!(attributes, " fill=\"{}\"", css(ink.light()));
            if share < 1.0 {
                let _ = write!(attributes, " fill-opacity=\"{}\"", length(share));
            }
        }
        None => attributes.push_str(" fill=\"none\""),
    }
    if let Some(pen) = &shape.pen {
        classes.push(format!("s-{}", pen.ink.name()));
        write_pen(&mut attributes, pen);
    }
    let class = classes.join(" ");
    let tag = match &shape.outline {
        Outline::Circle((x, y), radius) => {
            format!(
                "circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"",
                length(*x),
                length(*y),
                length(*radius)
            )
        }
        Outline::Open(points) => format!("path class=\"{class}\" d=\"{}\"", path(points, false)),
        Outline::Closed(points) => format!("path class=\"{class}\" d=\"{}\"", path(points, true)),
    };
    let name = tag.split(' ').next().unwrap_or_default().to_owned();
    match &shape.tip {
        Some(tip) => {
            let _ = write!(out, "<{tag}{attributes}><title>{}</title></{name}>", escaped(tip));
        }
        None => {
            let _ = write!(out, "<{tag}{attributes}/>");
        }
    }
}

fn write_pen(attributes: &mut String, pen: &Pen) {
    let _ = write!(attributes, " stroke=\"{}\" stroke-width=\"{}\"", css(pen.ink.light()), length(pen.width));
    attributes.push_str(" stroke-linejoin=\"round\"");
    if !pen.dash.lengths().is_empty() {
        let lengths: Vec<String> = pen.dash.lengths().iter().map(|one| length(*one)).collect();
        let _ = write!(attributes, " stroke-dasharray=\"{}\"", lengths.join(" "));
    }
}

fn path(points: &[Place], is_closed: bool) -> String {
    let mut out = String::new();
    let mut before: Option<(String, String)> = None;
    for (x, y) in points {
        let (x, y) = (length(*x), length(*y));
        let _ = match &before {
            None => write!(out, "M{x} {y}"),
            Some((last_x, last_y)) if *last_x == x && *last_y == y => Ok(()),
            Some((_, last)) if *last == y => write!(out, "H{x}"),
            Some((last, _)) if *last == x => write!(out, "V{y}"),
            Some(_) => write!(out, "L{x} {y}"),
        };
        before = Some((x, y));
    }
    if is_closed {
        out.push('Z');
    }
    out
}

fn write_words(out: &mut String, words: &Words) {
    let anchor = match words.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = match words.weight {
        Weight::Regular => "",
        Weight::Bold => " font-weight=\"bold\"",
    };
    let (mut class, mut light) = (format!("f-{}", words.ink.name()), String::new());
    if words.is_lit {
        class.push_str(" s-ground");
        light = format!(
            " stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\" paint-order=\"stroke\"",
            css(Ink::Ground.light())
        );
    }
    // The width is told, so that a machine with other fonts keeps words where they are.
    let told = if words.text.chars().count() > 1 {
        format!(" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", length(words.width()))
    } else {
        String::new()
    };
    let turn = if words.is_turned {
        format!(" transform=\"rotate(-{TURN} {} {})\"", length(words.place.0), length(words.place.1))
    } else {
        String::new()
    };
    let _ = write!(
        out,
        "<text class=\"{class}\" x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{anchor}{weight}{light}{told}{turn}>{}</text>",
        length(words.place.0),
        length(words.place.1),
        length(words.size),
        css(words.ink.light()),
        escaped(&words.text)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(escaped("<b a='1'>&\"\u{0}"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot; ");
    }

    #[test]
    fn lengths_are_short() {
        for (value, text) in [(1.0, "1"), (-0.0001, "0"), (2.345, "2.35"), (-7.5, "-7.5")] {
            assert_eq!(length(value), text);
        }
    }

    #[test]
    fn paths_are_short() {
        assert_eq!(
            path(&[(0.0, 0.0), (5.0, 0.0), (5.0, 2.0), (5.0, 2.0), (6.0, 3.0)], true),
            "M0 0H5V2L6 3Z"
        );
    }
}
