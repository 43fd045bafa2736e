//! Files that name registries and their keys, names of images, lists of signatures, as the first byte
//! says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use bootc_image::registry::{fuzz, parse_attachments};
    let Some((first, rest)) = bytes.split_first() else { return };
    match first % 4 {
        0 => fuzz::registries_conf(rest),
        1 => fuzz::pull_secret(rest),
        2 => fuzz::reference(rest),
        _ => parse_attachments(rest),
    }
});
