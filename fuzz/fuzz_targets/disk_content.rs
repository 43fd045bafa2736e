//! What an installer finds on a disk.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::installer::content::fuzz_content(bytes);
});
