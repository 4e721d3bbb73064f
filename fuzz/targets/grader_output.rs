//! `cargo fuzz run grader_output`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::grader_output(data);
});
