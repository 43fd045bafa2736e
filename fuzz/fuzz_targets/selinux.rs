//! A policy's file contexts, and paths that get labels by it.
#![no_main]

use bootc_image::files::MemoryFiles;
use bootc_image::labels::{FileType, Labels as _};
use bootc_image::selinux::Policy;

const FILES: [&str; 3] = ["file_contexts", "file_contexts.subs_dist", "file_contexts.local"];

// the files of the policy and then paths, a NUL between them
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut files = MemoryFiles::default()
        .with("usr/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=t\n")
        .with("usr/etc/selinux/t/policy/policy.33", "");
    for (name, part) in FILES.iter().zip(&mut parts) {
        files = files.with(&format!("usr/etc/selinux/t/contexts/files/{name}"), part);
    }
    let Ok(Some(policy)) = Policy::load(&files) else { return };
    for path in parts.filter_map(|path| std::str::from_utf8(path).ok()) {
        let _ = policy.label(path, FileType::Regular);
    }
});
