//! The build that an installer's medium carries, and by what the installer knows its medium.
#![no_main]

use bootc_image::pipeline::carried::{Carried, Mark};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Mark::parse(bytes);
    let Ok(carried) = Carried::parse(bytes) else { return };
    let _ = carried.request("/container".as_ref());
    if let Ok(json) = carried.to_json() {
        assert_eq!(Carried::parse(&json).expect("what we write"), carried);
    }
});
