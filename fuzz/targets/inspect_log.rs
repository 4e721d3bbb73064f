//! `cargo fuzz run inspect_log`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::inspect_log(data);
});
