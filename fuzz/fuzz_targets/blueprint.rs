//! A blueprint: TOML or JSON, as the first byte says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use bootc_image::config::blueprint::Blueprint;
    let Some((first, text)) = bytes.split_first() else { return };
    let name = if first % 2 == 0 { "config.toml" } else { "config.json" };
    let _ = Blueprint::parse(name, text);
});
