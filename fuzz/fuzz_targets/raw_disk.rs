//! Whole disks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::pipeline::inspect::fuzz_raw(bytes);
});
