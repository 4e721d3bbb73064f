//! `cargo fuzz run idea_search`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::idea_search(data);
});
