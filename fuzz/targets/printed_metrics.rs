//! `cargo fuzz run printed_metrics`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::printed_metrics(data);
});
