//! What an installer is told: `install.toml`, kernel arguments.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bootc_image::installer::config::fuzz_install(bytes);
});
