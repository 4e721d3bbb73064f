//! `cargo fuzz run mlgym_record`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::mlgym_record(data);
});
