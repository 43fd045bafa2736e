//! What an image says of its disk's partitions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = bootc_image::config::blueprint::ImageDisk::parse_table(bytes);
});
