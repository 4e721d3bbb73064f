//! Numbers as people read them: few digits, a true minus sign, powers of ten where zeros would have to be counted.

/// A number with so many significant digits.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = exponent_of(value, digits);
    if !(-4..=5).contains(&exponent) {
        return scientific(value, digits);
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    grouped(&format!("{value:.decimals$}"))
}

/// A number with so many decimals, or a power of ten where it would be long.
pub(crate) fn decimals(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() >= 1e6 {
        return scientific(value, 2);
    }
    grouped(&format!("{value:.places$}"))
}

/// A difference: with its sign.
pub(crate) fn signed(value: f64, digits: usize) -> String {
    let text = significant(value, digits);
    if value > 0.0 && text != "0" { format!("+{text}") } else { text }
}

/// How many decimals tell these values apart: three digits of what they usually span.
pub(crate) fn places(values: &[f64]) -> usize {
    let Some((low, high)) = super::scale::usual(values) else { return 3 };
    let span = if high > low { high - low } else { low.abs() };
    if span > 0.0 { (2.0 - span.log10().floor()).clamp(0.0, 6.0) as usize } else { 3 }
}

/// A difference with so many decimals: with its sign.
pub(crate) fn signed_decimals(value: f64, places: usize) -> String {
    let text = decimals(value, places);
    if value > 0.0 && text.chars().any(|digit| ('1'..='9').contains(&digit)) {
        format!("+{text}")
    } else {
        text
    }
}

/// A share in percent.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{}%", decimals(share * 100.0, 0)) } else { "–".to_owned() }
}

/// An amount of money.
pub(crate) fn dollars(amount: f64) -> String {
    match amount {
        amount if !amount.is_finite() => "–".to_owned(),
        0.0 => "$0".to_owned(),
        amount if amount.abs() >= 100.0 => format!("${}", decimals(amount, 0)),
        amount if amount.abs() >= 0.01 => format!("${}", decimals(amount, 2)),
        amount => format!("${}", significant(amount, 1)),
    }
}

/// A span of time.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if !seconds.is_finite() => "–".to_owned(),
        seconds if seconds < 9.95 => format!("{} s", decimals(seconds, 1)),
        seconds if seconds < 119.5 => format!("{} s", decimals(seconds, 0)),
        seconds if seconds < 7170.0 => format!("{} min", decimals(seconds / 60.0, 0)),
        seconds if seconds < 360_000.0 => format!("{} h", decimals(seconds / 3600.0, 1)),
        seconds => format!("{} h", decimals(seconds / 3600.0, 0)),
    }
}

/// The label of a tick, in a row of ticks this far apart.
pub(crate) fn tick(value: f64, step: f64) -> String {
    let value = if value.abs() < step * 1e-9 { 0.0 } else { value };
    if value != 0.0 && (value.abs() >= 1e6 || step.abs() < 1e-4) {
        let digits = (exponent_of(value, 15) - exponent_of(step, 15)).clamp(0, 6) as usize + 1;
        return scientific(value, digits);
    }
    // A step such as 0.25 has more digits than its size tells.
    let places = (0..=6).find(|places| {
        let scaled = step * 10f64.powi(*places);
        (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1.0)
    });
    grouped(&format!("{value:.*}", places.unwrap_or(6) as usize))
}

/// The power of ten of a number after it was rounded to so many digits.
fn exponent_of(value: f64, digits: usize) -> i32 {
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    text.rsplit('e').next().and_then(|exponent| exponent.parse().ok()).unwrap_or(0)
}

fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let raised: String = exponent.chars().map(raised).collect();
    let mantissa =
        if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    match mantissa {
        "1" => format!("10{raised}"),
        "-1" => format!("−10{raised}"),
        mantissa => format!("{}×10{raised}", mantissa.replace('-', "−")),
    }
}

/// A power of ten.
pub(crate) fn power(exponent: i32) -> String {
    match exponent {
        -3..=4 => significant(10f64.powi(exponent), 1),
        exponent => format!("10{}", exponent.to_string().chars().map(raised).collect::<String>()),
    }
}

fn raised(letter: char) -> char {
    match letter {
        '-' => '⁻',
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁴' as u32 + (digit as u32).saturating_sub('4' as u32)).unwrap_or(digit),
    }
}

/// Commas between thousands from 10,000 on, and a true minus.
fn grouped(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) if digits.chars().any(|digit| ('1'..='9').contains(&digit)) => ("−", digits),
        Some(digits) => ("", digits),
        None => ("", text),
    };
    let (whole, rest) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut out = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if whole.len() > 4 && place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (0.8799, "0.880"),
            (-0.248, "−0.248"),
            (33.79, "33.8"),
            (12_345.6, "12,346"),
            (1234.0, "1234"),
            (999_999.0, "10⁶"),
            (-31_167_493_439_488.0, "−3.12×10¹³"),
            (0.000_012, "1.2×10⁻⁵"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value, 3), text);
        }
        assert_eq!(signed(0.5, 2), "+0.50");
        assert_eq!(signed(-0.5, 2), "−0.50");
        assert_eq!(
            [0.0296, -8.5e-5, -0.159].map(|value| signed_decimals(value, 3)),
            ["+0.030", "0.000", "−0.159"]
        );
        assert_eq!(decimals(-0.0001, 2), "0.00");
        assert_eq!(percent(0.256), "26%");
    }

    #[test]
    fn ticks_agree_with_their_step() {
        for (value, step, text) in [
            (0.25, 0.25, "0.25"),
            (0.5, 0.25, "0.50"),
            (20.0, 5.0, "20"),
            (-4e13, 1e13, "−4×10¹³"),
            (1e-17, 0.1, "0.0"),
        ] {
            assert_eq!(tick(value, step), text);
        }
        assert_eq!([-5, -2, 0, 3, 7].map(power), ["10⁻⁵", "0.01", "1", "1000", "10⁷"]);
    }

    #[test]
    fn money_and_time_have_units() {
        for (amount, text) in [(0.0, "$0"), (0.0004, "$0.0004"), (1.5, "$1.50"), (1234.0, "$1234")] {
            assert_eq!(dollars(amount), text);
        }
        for (seconds, text) in [(0.25, "0.2 s"), (65.0, "65 s"), (600.0, "10 min"), (9000.0, "2.5 h")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
