//! `cargo fuzz run dotenv`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::dotenv(data);
});
