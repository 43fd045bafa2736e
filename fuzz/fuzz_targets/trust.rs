//! Keys, policies and signatures.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::trust::parse_anything(bytes);
});
