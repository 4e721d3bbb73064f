//! `cargo fuzz run provider_stream`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::provider_stream(data);
});
