//! Times of day as strangers write them: ISO 8601 with a `T` or a space, with an offset, `Z` or nothing.
//!
//! A time without an offset is taken as UTC: those who write it so mostly mean that, and nothing tells otherwise.

/// A moment: milliseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// Reads `2026-11-25T16:15:32.547145+00:00` and the like.
    pub fn read(text: &str) -> Option<Moment> {
        let text = text.trim();
        if !text.is_ascii() {
            return None;
        }
        let (date, rest) = text.split_at_checked(10)?;
        let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let clock = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, offset_minutes) = offset(clock)?;
        let mut parts = clock.splitn(3, ':');
        let hour: i64 = parts.next()?.parse().ok()?;
        let minute: i64 = parts.next()?.parse().ok()?;
        let second: f64 = parts.next().unwrap_or("0").parse().ok()?;
        if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..61.0).contains(&second) {
            return None;
        }
        let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
        // What is a thousandth in decimals may be a little less in binary.
        Some(Moment(minutes * 60_000 + (second * 1000.0 + 1e-6) as i64))
    }

    /// The moment so many seconds after the beginning of 1970, if it is before the year 10000.
    pub fn of_unix(seconds: f64) -> Option<Moment> {
        (seconds.is_finite() && (0.0..253_402_300_800.0).contains(&seconds))
            .then_some(Moment((seconds * 1000.0) as i64))
    }

    /// So many milliseconds later.
    #[must_use]
    pub fn later(self, milliseconds: u64) -> Moment {
        Moment(self.0.saturating_add_unsigned(milliseconds))
    }

    /// Milliseconds since an earlier one.
    pub fn since(self, earlier: Moment) -> Option<u64> {
        u64::try_from(self.0.checked_sub(earlier.0)?).ok()
    }
}

impl std::fmt::Display for Moment {
    /// RFC 3339 in UTC, with milliseconds.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (day, in_day) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, date) = civil(day);
        let (seconds, thousandths) = (in_day / 1000, in_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            formatter,
            "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z"
        )
    }
}

/// A time in the form of records, if it can be read.
pub fn normal(text: &str) -> Option<String> {
    Moment::read(text).map(|moment| moment.to_string())
}

/// Splits the offset from a clock time, in minutes.
fn offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else { return Some((clock, 0)) };
    let sign = if clock[at..].starts_with('-') { -1 } else { 1 };
    let digits = clock[at + 1..].replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i64>().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse::<i64>().ok()?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some((&clock[..at], sign * (hours * 60 + minutes)))
}

/// Days from 1970 to a date (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date so many days after 1970 (the same source, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_brought_to_one_form() {
        for (text, expected) in [
            ("2026-11-25T16:15:32.547145+00:00", "2026-11-25T16:15:32.547Z"),
            ("2026-11-25T16:15:32Z", "2026-11-25T16:15:32.000Z"),
            ("2024-02-29 23:30:00-01:30", "2024-03-01T01:00:00.000Z"),
            ("2025-01-01T00:10+0100", "2024-12-31T23:10:00.000Z"),
            ("1969-12-31T23:59:59.5", "1969-12-31T23:59:59.500Z"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "yesterday", "2026-11-25", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01Té"]
        {
            assert_eq!(normal(text), None, "{text}");
        }
        assert_eq!(Moment::of_unix(1_700_000_000.25).unwrap().to_string(), "2023-11-14T22:13:20.250Z");
    }

    proptest! {
        #[test]
        fn a_written_moment_is_read_again(milliseconds in 0i64..4_000_000_000_000) {
            prop_assert_eq!(Moment::read(&Moment(milliseconds).to_string()), Some(Moment(milliseconds)));
        }

        #[test]
        fn any_text_is_judged(text in "\\PC{0,30}|[0-9TZ:.+-]{0,30}") {
            let _ = normal(&text);
        }
    }
}
