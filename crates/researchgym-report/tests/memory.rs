//! How much memory the writing of tables takes: a batch and a row group, however many rows there are.

use std::io;

use peak_alloc::PeakAlloc;
use researchgym_core::record::{Category, StepRecord};
use researchgym_report::tables::{StepRow, Steps, TableFile, TableFormat};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Texts that do not compress well.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    };
    (0..64).map(|_| word()).collect()
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    const STEPS: u64 = 120_000;
    for format in [TableFormat::Parquet, TableFormat::Arrow, TableFormat::Csv] {
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage_as_mb();
        let mut file = TableFile::<Steps, _>::new(format, io::sink()).expect("a file begins");
        for number in 1..=STEPS {
            let step =
                StepRecord::new(number, Category::Bash, "bash", "python train.py").seen(&noise(number));
            file.push(&StepRow { run_id: "0123abcd", step: &step }).expect("a row");
        }
        let (_, rows) = file.finish().expect("a file");
        assert_eq!(rows, STEPS);
        let peak = ALLOCATOR.peak_usage_as_mb() - before;
        // The texts alone are 117 MiB.
        assert!(peak < 80.0, "{format:?} took {peak} MiB");
    }
}
