//! `cargo fuzz run researchgym_seed`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::researchgym_seed(data);
});
