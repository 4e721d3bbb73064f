//! `cargo fuzz run task_toml`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::task_toml(data);
});
