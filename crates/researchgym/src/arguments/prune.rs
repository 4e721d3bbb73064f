//! `prune`, with ages and sizes as they are typed.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Filters, Places};

#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// Only runs whose log was not written to for so long, such as 12h, 30d or 8w
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<Duration>,
    /// Oldest first, no more than it takes for the runs folder to be no larger than this, such as 500M or 10G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) keep_size: Option<u64>,
    /// Only runs in this state; may be given several times [default: ended and interrupted]
    #[arg(long, value_enum, value_name = "STATE")]
    pub(crate) state: Vec<PruneState>,
    /// Remove them; without this, only what would go is told
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Where a run stands. A running one is never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PruneState {
    /// It has ended, or was imported.
    Ended,
    /// Nobody works on it and it has not ended: it could be resumed.
    Interrupted,
    /// It cannot be read: no log, a log that was changed or of a newer version.
    Broken,
}

fn age(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 5] =
        [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0), ("w", 604_800.0)];
    let wrong = || "write a number with a unit: s, m, h, d or w, such as 30d".to_owned();
    let seconds = scaled(text, &UNITS).ok_or_else(wrong)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 9] = [
        ("k", 1e3),
        ("K", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
    ];
    let text = text.strip_suffix('B').unwrap_or(text);
    let bytes = if text.parse::<u64>().is_ok() { text.parse().ok() } else { scaled(text, &UNITS) };
    bytes
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "write bytes, or a number with k, M, G or T, such as 10G".to_owned())
}

/// A number from 0 with one of the units.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let at = text.find(|character: char| character.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let number =
        number.trim_end().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)?;
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_have_units() {
        let days = |days: u64| Ok(Duration::from_secs(days * 86_400));
        assert_eq!(
            [age("30d"), age("2w"), age("36h"), age("0s")],
            [days(30), days(14), Ok(Duration::from_secs(129_600)), days(0)]
        );
        for wrong in ["30", "d", "-1d", "30 years", "nand", "1e400d", ""] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        let sizes = [
            ("0", 0),
            ("123", 123),
            ("10G", 10_000_000_000),
            ("1.5M", 1_500_000),
            ("2GiB", 2 << 30),
            ("5kB", 5000),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["G", "-1G", "10X", "1 0G", ""] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
