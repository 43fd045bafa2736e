//! Archives in an initramfs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bootc_image::boot::initramfs::dracut_modules(bytes);
});
