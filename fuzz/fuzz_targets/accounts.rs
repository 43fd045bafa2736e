//! Files of the image that are changed when users, groups and units are added.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::customize::fuzz(bytes);
});
