//! `cargo fuzz run atif_trajectory`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::atif_trajectory(data);
});
