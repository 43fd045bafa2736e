//! FAT file systems.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::inspect::fuzz_fat(bytes);
});
