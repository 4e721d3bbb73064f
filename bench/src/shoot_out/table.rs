//! The table of a shoot-out as text.

use super::Contender;
use crate::searching::Wanted;

/// A line for each policy, columns aligned.
pub(super) fn text(contenders: &[Contender], wanted: &Wanted, target: Option<f64>) -> String {
    let target = target.map_or_else(String::new, |target| format!(" {target}"));
    let head = [
        "policy".to_owned(),
        "median best".to_owned(),
        "95 % interval".to_owned(),
        format!("gradings to target{target}"),
        "gradings".to_owned(),
        "distinct".to_owned(),
        "similarity".to_owned(),
        "CPU s".to_owned(),
        "USD".to_owned(),
        "fates".to_owned(),
    ];
    let mut rows = vec![head.to_vec()];
    rows.extend(contenders.iter().map(row));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = format!(
        "{} candidates, {} at once, operators {}\n",
        wanted.candidates,
        wanted.slots,
        wanted
            .operators
            .0
            .iter()
            .map(|(name, weight)| format!("{name}={weight}"))
            .collect::<Vec<_>>()
            .join(",")
    );
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(contender: &Contender) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    let (best, interval) = contender.best();
    let interval = interval.map(|interval| format!("{} to {}", short(interval.low), short(interval.high)));
    let (to_target, reached) = contender.to_target();
    let fates = contender.fates();
    let fates = fates.iter().map(|(fate, count)| format!("{count} {fate}")).collect::<Vec<_>>().join(", ");
    vec![
        contender.policy.clone(),
        number(best),
        interval.unwrap_or_else(|| "-".to_owned()),
        format!("{} ({reached} of {})", number(to_target), contender.entries.len()),
        number(contender.median(|entry| Some(entry.gradings as f64))),
        number(contender.median(|entry| Some(entry.diversity.distinct as f64))),
        number(contender.median(|entry| entry.diversity.similarity)),
        number(contender.median(|entry| Some(entry.cpu_s))),
        number(Some(contender.entries.iter().map(|entry| entry.cost_usd).sum())),
        fates,
    ]
}

/// Seven digits, without zeros at the end.
fn short(value: f64) -> String {
    let digits = 6 - value.abs().max(1e-6).log10().floor() as i32;
    let text = format!("{value:.*}", digits.clamp(0, 9) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [2.6358300012, 0.0, 112.0, -1.5186941, 12_345_678.0, 0.03640001].map(short);
        assert_eq!(shown, ["2.63583", "0", "112", "-1.518694", "12345678", "0.03640001"]);
    }
}
