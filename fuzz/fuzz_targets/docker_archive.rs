//! What `docker save` writes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::registry::fuzz::docker_archive(bytes);
});
