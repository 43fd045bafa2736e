//! What an installer is told: `install.toml`, kernel arguments.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use bootc_image::config::blueprint::InstallFile;
    let _ = bootc_image::installer::config::from_kargs(bytes);
    let _ = InstallFile::parse("install.toml", bytes);
});
