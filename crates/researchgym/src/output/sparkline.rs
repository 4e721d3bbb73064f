//! Values as a row of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values in blocks of eight heights, from the least to the most that there is: of each column the last value. Nothing if all
/// are the same.
pub(super) fn sparkline(values: &[f64], most_columns: usize) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if high.partial_cmp(&low) != Some(std::cmp::Ordering::Greater) {
        return String::new();
    }
    let columns = values.len().min(most_columns);
    let block = |column: usize| {
        let last = ((column + 1) * values.len()).div_ceil(columns) - 1;
        // Halves: their difference is finite.
        let share = (values[last] / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        BLOCKS[((share * 7.0).round() as usize).min(7)]
    };
    (0..columns).map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_blocks_between_the_least_and_the_most() {
        assert_eq!(sparkline(&[0.0, 1.0, 7.0, 3.5], 10), "▁▂█▅");
        assert_eq!(sparkline(&[0.0, 9.0, 1.0, 9.0, 2.0, 0.0], 3), "██▁");
        assert_eq!(sparkline(&[f64::MIN, f64::MAX], 10), "▁█");
        assert_eq!(sparkline(&[1.0, 1.0], 10) + &sparkline(&[], 10), "");
    }
}
