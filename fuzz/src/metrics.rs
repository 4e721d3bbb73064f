//! What programs of candidates tell of themselves: lines, and files for TensorBoard.

use researchgym_core::search::reports::{EventFile, Lines, MOST_POINTS, Reading, Reports, Source};

use crate::choice;

/// A cut, and an output. The values do not depend on the cut, and are finite once they are kept.
pub fn printed_metrics(data: &[u8]) -> bool {
    let (cut, bytes) = choice(data);
    let told = |pieces: &[&[u8]]| {
        let (mut lines, mut told) = (Lines::default(), Told::default());
        pieces.iter().for_each(|piece| lines.push(piece, &mut |reading| told.take(reading)));
        lines.finish(&mut |reading| told.take(reading));
        told
    };
    same(&told(&halves(cut, bytes)), told(&[bytes]))
}

/// A cut, and a file of TensorBoard. As above.
pub fn tensorboard_file(data: &[u8]) -> bool {
    let (cut, bytes) = choice(data);
    let told = |pieces: &[&[u8]]| {
        let (mut file, mut told) = (EventFile::default(), Told::default());
        pieces.iter().for_each(|piece| file.push(piece, &mut |reading| told.take(reading)));
        told
    };
    same(&told(&halves(cut, bytes)), told(&[bytes]))
}

#[derive(Default)]
struct Told {
    reports: Reports,
    words: String,
}

impl Told {
    fn take(&mut self, reading: Reading<'_>) {
        // Bounded like what is kept: a name may be long.
        if self.words.len() < 1 << 16 {
            self.words.push_str(&format!("{:?} {:?};", reading.step, reading.value));
        }
        self.reports.add(Source::Printed, reading, 0);
    }
}

fn same(cut: &Told, whole: Told) -> bool {
    assert_eq!(cut.words, whole.words);
    let points = whole.reports.into_points();
    assert!(points.len() <= MOST_POINTS && points.iter().all(|point| point.value.is_finite()));
    !points.is_empty()
}

fn halves(cut: u8, bytes: &[u8]) -> [&[u8]; 2] {
    let (first, second) = bytes.split_at(usize::from(cut).min(bytes.len()));
    [first, second]
}
