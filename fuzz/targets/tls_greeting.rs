//! `cargo fuzz run tls_greeting`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::tls_greeting(data);
});
