//! `cargo fuzz run guest_frames`: see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    researchgym_fuzz::guest_frames(data);
});
