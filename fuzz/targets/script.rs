//! `cargo fuzz run script`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::script(data);
});
