//! ostree commits.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::ostree::fuzz_commit(bytes);
});
