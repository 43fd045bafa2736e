//! Directories of modules for tests: small enough to read, complete enough for an image for BIOS.

use crate::files::MemoryFiles;

/// Adds a directory for BIOS with all modules that a disk asks for, and those.
pub fn add(files: MemoryFiles, directory: &str, more: &[&str]) -> MemoryFiles {
    let mut diskboot = [0; 512];
    diskboot[0x1F4] = 2;
    diskboot[0x1FE..].copy_from_slice(&[0x20, 0x08]);
    let mut boot = [0; 512];
    boot[..1].copy_from_slice(&[0xEB]);
    boot[0x5A..0x68].copy_from_slice(&[0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0, 0xEB, 5]);
    boot[0x1FE..].copy_from_slice(&[0x55, 0xAA]);
    let mut decompressor = [0; 64];
    decompressor[..5].copy_from_slice(&[0xEA, 0x1C, 0x82, 0, 0]);
    let parts: [(&str, &[u8]); 5] = [
        ("boot.img", &boot),
        ("diskboot.img", &diskboot),
        ("lzma_decompress.img", &decompressor),
        ("kernel.img", &kernel()),
        ("moddep.lst", b"normal: terminal\n"),
    ];
    let needed = [
        "biosdisk",
        "normal",
        "configfile",
        "test",
        "search",
        "search_fs_uuid",
        "part_gpt",
        "ext2",
        "linux",
        "loadenv",
        "echo",
        "terminal",
    ];
    let files = parts
        .iter()
        .fold(files, |files, (name, bytes)| files.with(&format!("{directory}/{name}"), bytes));
    needed.iter().chain(more).fold(files, |files, name| {
        files.with(&format!("{directory}/{name}.mod"), format!("module {name}"))
    })
}

/// An executable of four bytes at 0x9000.
fn kernel() -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 3, 0, 1, 0, 0, 0]);
    let words: [u32; 3] = [0x9000, 0, 56];
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file.extend([0; 4]);
    let halves: [u16; 6] = [52, 0, 0, 40, 2, 0];
    file.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
    file.extend(b"code");
    file.extend([0; 40]);
    let section: [u32; 10] = [0, 1, 6, 0x9000, 52, 4, 0, 0, 1, 0];
    file.extend(section.iter().flat_map(|word| word.to_le_bytes()));
    file
}
