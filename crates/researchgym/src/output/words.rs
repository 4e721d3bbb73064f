//! Numbers, durations and columns as people read them.

use researchgym_core::observation::ExecEnding;
use researchgym_core::score::Metrics;
use researchgym_core::spec::Limits;

/// Seconds as `850 ms`, `12.3 s`, `4 min 5 s` or `2 h 3 min`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds if seconds < 3600.0 => format!("{} min {} s", seconds as u64 / 60, seconds as u64 % 60),
        seconds => format!("{} h {} min", seconds as u64 / 3600, seconds as u64 % 3600 / 60),
    }
}

/// A metric's value with enough digits to compare.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && !(1e-3..1e7).contains(&size) => format!("{value:.4e}"),
        size if size >= 1000.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// US dollars: cents, and more digits where cents would say nothing.
pub(crate) fn money(usd: f64) -> String {
    match usd {
        usd if usd == 0.0 || usd >= 0.01 => format!("{usd:.2} USD"),
        usd if usd >= 1e-4 => format!("{usd:.4} USD"),
        usd => format!("{usd:.6} USD"),
    }
}

/// The same as `$12.35`.
pub(crate) fn dollars(usd: f64) -> String {
    format!("${}", money(usd).trim_end_matches(" USD"))
}

/// All limits of a run in one line.
pub(crate) fn limits(limits: &Limits) -> String {
    let or_unlimited =
        |words: Option<String>, what: &str| words.unwrap_or_else(|| format!("unlimited {what}"));
    [
        or_unlimited(
            limits.working_ms.map(|time| format!("{} of work", duration(time as f64 / 1e3))),
            "time",
        ),
        or_unlimited(limits.steps.map(|steps| counted(steps, "step")), "steps"),
        or_unlimited(limits.budget.map(|budget| money(budget.as_usd())), "money"),
        or_unlimited(limits.tokens.map(|tokens| counted(tokens, "token")), "tokens"),
    ]
    .join(", ")
}

/// A number of bytes, short.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.0} GB", bytes as f64 / 1e9),
    }
}

/// `1 step`, `2 steps`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How a command ended.
pub(crate) fn ended(ending: ExecEnding, exit_code: Option<i32>) -> String {
    match (ending, exit_code) {
        (ExecEnding::Exited, Some(0)) => "ok".to_owned(),
        (ExecEnding::Exited, Some(code)) => format!("status {code}"),
        (ExecEnding::TimedOut, _) => "killed: its time was over".to_owned(),
        (ExecEnding::ShellEnded, _) => "the shell ended; a new one follows".to_owned(),
        (ExecEnding::Stopped | ExecEnding::Exited, _) => "stopped".to_owned(),
    }
}

/// All metrics in one line.
pub(crate) fn metrics(metrics: &Metrics) -> String {
    let parts: Vec<String> =
        metrics.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
    parts.join(", ")
}

/// The first line of a text, cut to `width` characters.
pub(crate) fn first_line(text: &str, width: usize) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
    let more = text.trim().lines().count() > 1;
    let clean: String = printable(line).chars().take(width).collect();
    if more || line.chars().count() > width { format!("{clean} ...") } else { clean }
}

/// Text that an agent wrote must not steer the reader's terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            let steers = character.is_control() && character != '\n' && character != '\t';
            if steers || reorders(character) { '\u{fffd}' } else { character }
        })
        .collect()
}

/// Marks that make the text around them read in another order or in other lines than it is written.
fn reorders(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text on one line: what somebody else wrote must not make lines of its own.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Rows in aligned columns, without a trailing blank.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_no_lines_and_columns_of_their_own() {
        let rows = [["run", "task"], ["a", "b\nffffffff  forged\t1"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), ["run  task", "a    b ffffffff  forged 1"]);
    }

    #[test]
    fn durations_and_numbers_read_well() {
        assert_eq!(
            [0.85, 12.34, 245.0, 7380.0].map(duration),
            ["850 ms", "12.3 s", "4 min 5 s", "2 h 3 min"]
        );
        assert_eq!(
            [1.0227, -0.248, 30340.1119, 0.0, -3e13].map(number),
            ["1.0227", "-0.2480", "30340.11", "0.0000", "-3.0000e13"]
        );
    }

    #[test]
    fn small_sums_and_limits_read_well() {
        use researchgym_core::spec::MicroUsd;
        assert_eq!(
            [0.0, 12.345, 0.01, 0.00056, 0.000002].map(money),
            ["0.00 USD", "12.35 USD", "0.01 USD", "0.0006 USD", "0.000002 USD"]
        );
        assert_eq!([10.0, 0.00056].map(dollars), ["$10.00", "$0.0006"]);
        let some = Limits {
            working_ms: Some(5_400_000),
            steps: Some(1),
            budget: Some(MicroUsd(15_000_000)),
            tokens: Some(2000),
        };
        assert_eq!(limits(&some), "1 h 30 min of work, 1 step, 15.00 USD, 2000 tokens");
        let none = Limits { working_ms: None, steps: None, budget: None, tokens: None };
        assert_eq!(limits(&none), "unlimited time, unlimited steps, unlimited money, unlimited tokens");
    }

    #[test]
    fn escapes_of_an_agent_do_not_reach_the_terminal() {
        assert_eq!(first_line("\u{1b}[31mred\nmore", 40), "\u{fffd}[31mred ...");
    }
}
