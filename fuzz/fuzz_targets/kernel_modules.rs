//! Lists of a kernel's modules.
#![no_main]

use bootc_image::boot::kernel_modules::{WANTED, choose};
use bootc_image::files::MemoryFiles;

const LISTS: [&str; 4] = ["dep", "builtin", "softdep", "alias"];

// one list after the other, a NUL between them
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let lists = LISTS.iter().zip(bytes.split(|byte| *byte == 0));
    let files = lists.fold(MemoryFiles::default(), |files, (name, list)| {
        files.with(&format!("m/modules.{name}"), list)
    });
    let _ = choose(&files, "m", WANTED);
});
