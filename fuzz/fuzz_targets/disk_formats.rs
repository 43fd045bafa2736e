//! Disks in every format.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::inspect::fuzz_disk(bytes);
});
