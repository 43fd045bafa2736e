//! ISO 9660 images.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::fs::iso9660::reader::fuzz_image(bytes);
});
