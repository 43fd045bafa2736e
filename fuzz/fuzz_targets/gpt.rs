//! Partition tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::inspect::fuzz_gpt(bytes);
});
