//! Colours: one per contender throughout a report, on light and on dark ground.
//!
//! The hues follow Okabe and Ito, "Color Universal Design" (2008), which people with any common colour vision tell apart; light ones are
//! darkened where lines and texts of them stand on white. Where hues run out, dashes and hollow markers tell contenders apart: never colour alone.

/// What a mark is coloured as; what that is depends on the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Ink {
    /// Words.
    Text,
    /// Words of less weight: ticks, notes.
    Muted,
    /// Axes and reference lines.
    Axis,
    /// Lines to read values by.
    Grid,
    /// Bands behind marks.
    Band,
    /// The ground.
    Ground,
    /// A contender's hue, by its number.
    Hue(u8),
    /// A part of a whole: a cause, a category.
    Part(u8),
    /// Words on a part.
    OnPart(u8),
}

/// Red, green and blue.
pub(crate) type Rgb = (u8, u8, u8);

/// Hues on light and on dark ground.
const HUES: [(u32, u32); HUE_COUNT] = [
    (0x0072b2, 0x4ba3e0),
    (0xd55e00, 0xf58445),
    (0x009e73, 0x2fc49a),
    (0xb5579b, 0xe59ccd),
    (0xcf8a00, 0xf0b340),
    (0x3d9fd8, 0x9bd3f5),
    (0x7d2250, 0xcf6a96),
];

/// How many hues there are before dashes must tell contenders apart.
pub(crate) const HUE_COUNT: usize = 7;

/// Parts on light and on dark ground, and whether dark words stand on them.
const PARTS: [(u32, u32, bool); PART_COUNT] = [
    (0x0072b2, 0x2f86c0, false), // 0 blue
    (0x009e73, 0x1f9f7a, false), // 1 green
    (0xe69f00, 0xd99a14, true),  // 2 orange
    (0xd55e00, 0xcf6420, false), // 3 vermilion
    (0x56b4e9, 0x6bb9e6, true),  // 4 sky
    (0xcc79a7, 0xcb80aa, true),  // 5 purple
    (0xf0e442, 0xe3d84a, true),  // 6 yellow
    (0x7d2250, 0x9a3d6b, false), // 7 wine
    (0x9a9a9a, 0x8b8f94, true),  // 8 grey
    (0x4d4d4d, 0xc9ccd0, false), // 9 dark (light on dark ground)
    (0xd2d2d2, 0x565b61, true),  // 10 pale
    (0x44508f, 0x7280cf, false), // 11 indigo
    (0x8fd6be, 0x8fd6be, true),  // 12 mint
];

/// How many parts there are.
pub(crate) const PART_COUNT: usize = 13;

fn rgb(hex: u32) -> Rgb {
    ((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

impl Ink {
    /// All there are, in a fixed order.
    pub(crate) fn all() -> impl Iterator<Item = Ink> {
        let fixed = [Ink::Text, Ink::Muted, Ink::Axis, Ink::Grid, Ink::Band, Ink::Ground];
        let hues = (0..HUE_COUNT as u8).map(Ink::Hue);
        let parts = (0..PART_COUNT as u8).flat_map(|part| [Ink::Part(part), Ink::OnPart(part)]);
        fixed.into_iter().chain(hues).chain(parts)
    }

    /// The colour on light ground, and on paper.
    pub(crate) fn light(self) -> Rgb {
        rgb(match self {
            Ink::Text => 0x1b1b1b,
            Ink::Muted => 0x5a5f66,
            Ink::Axis => 0x7d838a,
            Ink::Grid => 0xe4e6e8,
            Ink::Band => 0xe9ebee,
            Ink::Ground => 0xffffff,
            Ink::Hue(hue) => HUES[usize::from(hue) % HUE_COUNT].0,
            Ink::Part(part) => PARTS[usize::from(part) % PART_COUNT].0,
            Ink::OnPart(part) if PARTS[usize::from(part) % PART_COUNT].2 => 0x1b1b1b,
            Ink::OnPart(_) => 0xffffff,
        })
    }

    /// The colour on dark ground.
    pub(crate) fn dark(self) -> Rgb {
        rgb(match self {
            Ink::Text => 0xe9ebed,
            Ink::Muted => 0xa9afb6,
            Ink::Axis => 0x868d95,
            Ink::Grid => 0x2d3136,
            Ink::Band => 0x2a2f35,
            Ink::Ground => 0x15181b,
            Ink::Hue(hue) => HUES[usize::from(hue) % HUE_COUNT].1,
            Ink::Part(part) => PARTS[usize::from(part) % PART_COUNT].1,
            Ink::OnPart(9) => 0x15181b,
            Ink::OnPart(10) => 0xe9ebed,
            Ink::OnPart(part) if PARTS[usize::from(part) % PART_COUNT].2 => 0x15181b,
            Ink::OnPart(_) => 0xffffff,
        })
    }

    /// The name that style sheets know it by.
    pub(crate) fn name(self) -> String {
        match self {
            Ink::Text => "text".to_owned(),
            Ink::Muted => "muted".to_owned(),
            Ink::Axis => "axis".to_owned(),
            Ink::Grid => "grid".to_owned(),
            Ink::Band => "band".to_owned(),
            Ink::Ground => "ground".to_owned(),
            Ink::Hue(hue) => format!("hue{}", usize::from(hue) % HUE_COUNT),
            Ink::Part(part) => format!("part{}", usize::from(part) % PART_COUNT),
            Ink::OnPart(part) => format!("on{}", usize::from(part) % PART_COUNT),
        }
    }
}

/// How bright a colour is (Web Content Accessibility Guidelines 2.2, "relative luminance").
fn luminance((red, green, blue): Rgb) -> f64 {
    let part = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
}

/// How well two colours are told apart, from 1 to 21 (the same guidelines, "contrast ratio").
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The ink of words on a part of which so much covers the ground: what is read best on both grounds.
pub(crate) fn on_shaded(part: u8, opacity: f64) -> Ink {
    let mixed = |over: Rgb, under: Rgb| {
        let mix = |over: u8, under: u8| {
            (f64::from(over) * opacity + f64::from(under) * (1.0 - opacity)).round() as u8
        };
        (mix(over.0, under.0), mix(over.1, under.1), mix(over.2, under.2))
    };
    let light = mixed(Ink::Part(part).light(), Ink::Ground.light());
    let dark = mixed(Ink::Part(part).dark(), Ink::Ground.dark());
    let read = |ink: Ink| contrast(ink.light(), light).min(contrast(ink.dark(), dark));
    if read(Ink::OnPart(part)) > read(Ink::Text) { Ink::OnPart(part) } else { Ink::Text }
}

/// How a colour is written in style sheets.
pub(crate) fn css(colour: Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2)
}

/// How a line is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    /// Not at all.
    Solid,
    /// Into dashes.
    Dashed,
    /// Into dots.
    Dotted,
}

impl Dash {
    /// Lengths of strokes and gaps.
    pub(crate) fn lengths(self) -> &'static [f64] {
        match self {
            Dash::Solid => &[],
            Dash::Dashed => &[4.5, 2.0],
            Dash::Dotted => &[1.2, 1.8],
        }
    }
}

/// The form of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// A filled circle.
    Disc,
    /// A circle.
    Ring,
    /// A square that stands on a corner.
    Diamond,
}

/// What tells one contender from all others in every figure of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Its colour.
    pub ink: Ink,
    /// Its line.
    pub dash: Dash,
    /// Its marker.
    pub marker: Marker,
}

impl Style {
    /// The style of the contender with this number.
    pub(crate) fn of(number: usize) -> Style {
        let (dash, marker) = match (number / HUE_COUNT) % 3 {
            0 => (Dash::Solid, Marker::Disc),
            1 => (Dash::Dashed, Marker::Ring),
            _ => (Dash::Dotted, Marker::Diamond),
        };
        Style { ink: Ink::Hue((number % HUE_COUNT) as u8), dash, marker }
    }

    /// The style of the baseline, which is nobody's.
    pub(crate) fn baseline() -> Style {
        Style { ink: Ink::Axis, dash: Dash::Dashed, marker: Marker::Diamond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lines_stand_out_on_both_grounds() {
        for ink in [Ink::Text, Ink::Muted] {
            assert!(contrast(ink.light(), Ink::Ground.light()) >= 4.5, "{ink:?}");
            assert!(contrast(ink.dark(), Ink::Ground.dark()) >= 4.5, "{ink:?}");
        }
        for hue in (0..HUE_COUNT as u8).map(Ink::Hue) {
            let (light, dark) =
                (contrast(hue.light(), Ink::Ground.light()), contrast(hue.dark(), Ink::Ground.dark()));
            assert!(light >= 2.8 && dark >= 3.0, "{hue:?}: {light:.2} on light, {dark:.2} on dark");
        }
        for part in 0..PART_COUNT as u8 {
            let light = contrast(Ink::Part(part).light(), Ink::OnPart(part).light());
            let dark = contrast(Ink::Part(part).dark(), Ink::OnPart(part).dark());
            assert!(light >= 3.0 && dark >= 3.0, "{part}: {light:.2} on light, {dark:.2} on dark");
        }
    }

    #[test]
    fn twenty_one_contenders_differ() {
        let styles: Vec<Style> = (0..3 * HUE_COUNT).map(Style::of).collect();
        for (number, style) in styles.iter().enumerate() {
            assert!(styles[..number].iter().all(|other| other != style), "{number}");
        }
    }
}
