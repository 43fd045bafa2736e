//! Directories of modules for tests: small enough to read, complete enough for an image for BIOS.

use super::bios::fake;
use super::config::NEEDED;
use crate::files::MemoryFiles;

/// Adds a directory for BIOS with all modules that a disk asks for, and those.
pub fn add(files: MemoryFiles, directory: &str, more: &[&str]) -> MemoryFiles {
    let files = files
        .with(&format!("{directory}/boot.img"), fake::boot())
        .with(&format!("{directory}/boot_hybrid.img"), fake::boot_hybrid())
        .with(&format!("{directory}/cdboot.img"), fake::cdboot())
        .with(&format!("{directory}/diskboot.img"), fake::diskboot())
        .with(&format!("{directory}/lzma_decompress.img"), fake::decompressor())
        .with(&format!("{directory}/kernel.img"), fake::kernel(b"code", b"data"))
        .with(&format!("{directory}/moddep.lst"), "normal: terminal\n");
    ["biosdisk", "terminal", "echo"].iter().chain(&NEEDED).chain(more).fold(files, |files, name| {
        files.with(&format!("{directory}/{name}.mod"), format!("module {name}"))
    })
}
