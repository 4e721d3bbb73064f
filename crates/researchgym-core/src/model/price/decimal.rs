//! Decimal numbers as text, read without a float in between.

/// Text that is not the number that is asked for. The words go behind "is ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// It is no number.
    #[error("not a decimal number")]
    NotANumber,
    /// It is below zero.
    #[error("negative")]
    Negative,
    /// It has more decimal places than are kept.
    #[error("finer than a millionth of a dollar per million tokens")]
    TooFine,
    /// It is beyond what is kept.
    #[error("too large")]
    TooLarge,
}

/// What to do with decimal places that are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Refuse,
    RoundUp,
}

/// The number times ten to the power of `places`, as a whole number.
///
/// Reads an optional sign, digits with at most one point, and an optional exponent. `_` between digits is skipped, as
/// TOML allows it.
pub(super) fn scaled(text: &str, places: i64, excess: Excess) -> Result<u64, DecimalError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_| DecimalError::NotANumber)?)
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = Vec::new();
    let mut behind_point = 0;
    for (part, is_fraction) in [(whole, false), (fraction, true)] {
        for character in part.chars().filter(|&character| character != '_') {
            let digit = character.to_digit(10).ok_or(DecimalError::NotANumber)?;
            digits.push(u64::from(digit));
            behind_point += i64::from(is_fraction);
        }
    }
    if digits.is_empty() {
        return Err(DecimalError::NotANumber);
    }
    let first = digits.iter().position(|&digit| digit != 0);
    let Some(first) = first else { return Ok(0) };
    if negative {
        return Err(DecimalError::Negative);
    }
    shifted(&digits[first..], places + i64::from(exponent) - behind_point, excess)
}

/// Digits of which the first is not zero, times ten to the power of `shift`.
fn shifted(digits: &[u64], shift: i64, excess: Excess) -> Result<u64, DecimalError> {
    let dropped = usize::try_from(-shift).unwrap_or(0).min(digits.len());
    let (kept, rest) = digits.split_at(digits.len() - dropped);
    let appended = std::iter::repeat_n(0, usize::try_from(shift).unwrap_or(0).min(20));
    let mut value: u64 = 0;
    for digit in kept.iter().copied().chain(appended) {
        value =
            value.checked_mul(10).and_then(|value| value.checked_add(digit)).ok_or(DecimalError::TooLarge)?;
    }
    match (rest.iter().any(|&digit| digit != 0), excess) {
        (false, _) => Ok(value),
        (true, Excess::Refuse) => Err(DecimalError::TooFine),
        (true, Excess::RoundUp) => value.checked_add(1).ok_or(DecimalError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::DecimalError::{Negative, NotANumber, TooFine, TooLarge};
    use super::{DecimalError, Excess, scaled};
    use proptest::prelude::*;

    fn check(text: &str, places: i64, expected: Result<u64, DecimalError>) {
        assert_eq!(scaled(text, places, Excess::Refuse), expected, "{text}");
    }

    #[test]
    fn numbers_are_read_exactly() {
        check("1.25", 6, Ok(1_250_000));
        check("0.1", 6, Ok(100_000));
        check("+0.000001", 6, Ok(1));
        check("75", 6, Ok(75_000_000));
        check("1_000.5", 6, Ok(1_000_500_000));
        check("1.25e-6", 12, Ok(1_250_000));
        check("3E-7", 12, Ok(300_000));
        check("2.5e1", 0, Ok(25));
        check("0", 6, Ok(0));
        check("-0.0", 6, Ok(0));
        check("0e999", 6, Ok(0));
        check(".5", 1, Ok(5));
        check("1.0000000", 6, Ok(1_000_000));
        check("18446744073709551615", 0, Ok(u64::MAX));
    }

    #[test]
    fn other_texts_are_refused() {
        check("0.0000001", 6, Err(TooFine));
        check("1e-40", 6, Err(TooFine));
        check("-1", 6, Err(Negative));
        check("18446744073709551616", 0, Err(TooLarge));
        check("1e40", 6, Err(TooLarge));
        check("1e2147483647", 6, Err(TooLarge));
        for text in ["", ".", "e5", "1e", "1.2.3", "nan", "inf", "0x10", "1,5", "$3", " 1", "1e99999999999"] {
            check(text, 6, Err(NotANumber));
        }
    }

    #[test]
    fn what_is_too_fine_can_be_rounded_up() {
        assert_eq!(scaled("2.9999900000000002e-06", 12, Excess::RoundUp), Ok(2_999_991));
        assert_eq!(scaled("1e-40", 6, Excess::RoundUp), Ok(1));
        assert_eq!(scaled("3.0001999999999996e-07", 12, Excess::RoundUp), Ok(300_020));
    }

    proptest! {
        #[test]
        fn every_micro_amount_survives(micro in any::<u64>()) {
            let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
            prop_assert_eq!(scaled(&text, 6, Excess::Refuse), Ok(micro));
        }

        #[test]
        fn per_token_floats_of_whole_micro_prices_are_exact(micro in 0u64..10_000_000_000) {
            let per_token: f64 = format!("{micro}e-12").parse().unwrap();
            let text = serde_json::Number::from_f64(per_token).unwrap().to_string();
            prop_assert_eq!(scaled(&text, 12, Excess::Refuse), Ok(micro));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9eE._]{0,24}", places in 0i64..13) {
            let _ = scaled(&text, places, Excess::RoundUp);
        }
    }
}
