//! Files of FATs that others made, replaced.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::fs::fat::edit::fuzz_edit(bytes);
});
