//! `cargo fuzz run openevolve_programs`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::openevolve_programs(data);
});
