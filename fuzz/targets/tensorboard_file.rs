//! `cargo fuzz run tensorboard_file`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::tensorboard_file(data);
});
