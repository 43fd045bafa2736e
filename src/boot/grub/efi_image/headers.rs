//! The headers: what makes the image a PE32+ file that firmware starts.
//!
//! | offset | content |
//! |---|---|
//! | 0x00 | the header of DOS programs; at 0x3C the offset of the next |
//! | 0x80 | `PE\0\0`, then the COFF header |
//! | 0x98 | the optional header, 240 bytes |
//! | 0x188 | a header of 40 bytes for each section |
//!
//! Everything is little-endian, and what is not set here is 0.

use std::ops::Range;

use super::{ImageError, PAGE, to_u32, to_u64};
use crate::spec::Arch;

const PE: usize = 0x80;
const COFF: usize = PE + 4;
const OPTIONAL: usize = COFF + 20;
const OPTIONAL_LEN: u16 = 240;
const DIRECTORIES: usize = OPTIONAL + 112;
const SECTIONS: usize = DIRECTORIES + 16 * 8;
const SECTION_LEN: usize = 40;

/// The DOS header: that of a program without code, as every linker writes it.
const DOS: [u16; 13] = [0x5A4D, 0x90, 3, 0, 4, 0, 0xFFFF, 0, 0xB8, 0, 0, 0, 0x40];
/// Executable, without line numbers, symbols and debugging data.
const CHARACTERISTICS: u16 = 0x20E;
const PE32_PLUS: u16 = 0x20B;
const EFI_APPLICATION: u16 = 10;
/// Keeps its memory either writable or executable.
const NX_COMPATIBLE: u16 = 0x100;
const STACK_AND_HEAP: u64 = 0x10000;
const BASE_RELOCATIONS: usize = 5;

const CODE: u32 = 0x20;
const DATA: u32 = 0x40;
const DISCARDABLE: u32 = 0x0200_0000;
const EXECUTE: u32 = 0x2000_0000;
const READ: u32 = 0x4000_0000;
const WRITE: u32 = 0x8000_0000;

/// One section, at the same place in memory and in the file.
#[derive(Debug)]
pub struct Section {
    name: [u8; 8],
    flags: u32,
    range: Range<u64>,
}

/// All that the headers say.
#[derive(Debug)]
pub struct Headers {
    /// The machine.
    pub arch: Arch,
    /// Address of the first instruction.
    pub entry: u64,
    /// Whether the program can do with memory that is not both writable and executable.
    pub no_execute: bool,
    /// `.text` first, `.reloc` last, without gaps.
    pub sections: [Section; 5],
}

impl Section {
    /// Code.
    pub fn text(range: Range<u64>) -> Self {
        Self { name: *b".text\0\0\0", flags: CODE | EXECUTE | READ, range }
    }

    /// What the code reads and writes.
    pub fn data(range: Range<u64>) -> Self {
        Self { name: *b".data\0\0\0", flags: DATA | READ | WRITE, range }
    }

    /// The module area.
    pub fn modules(range: Range<u64>) -> Self {
        Self { name: *b"mods\0\0\0\0", flags: DATA | READ | WRITE, range }
    }

    /// The generations.
    pub fn sbat(range: Range<u64>) -> Self {
        Self { name: *b".sbat\0\0\0", flags: DATA | READ, range }
    }

    /// The base relocations.
    pub fn relocations(range: Range<u64>) -> Self {
        Self { name: *b".reloc\0\0", flags: DATA | DISCARDABLE | READ, range }
    }

    fn start(&self) -> Result<u32, ImageError> {
        to_u32(self.range.start)
    }

    fn len(&self) -> Result<u32, ImageError> {
        to_u32(self.range.end - self.range.start)
    }
}

impl Headers {
    /// Writes the headers to the first page of the image.
    pub fn write(&self, image: &mut [u8]) -> Result<(), ImageError> {
        let image_len = to_u32(to_u64(image.len()))?;
        for (word, value) in image.chunks_exact_mut(2).zip(DOS) {
            word.copy_from_slice(&value.to_le_bytes());
        }
        put(image, 0x3C, &[0x80]);
        put(image, PE, b"PE\0\0");
        self.write_coff(&mut image[COFF..]);
        self.write_optional(&mut image[OPTIONAL..], image_len)?;
        let [.., relocations] = &self.sections;
        let directory = DIRECTORIES + BASE_RELOCATIONS * 8;
        put(image, directory, &relocations.start()?.to_le_bytes());
        put(image, directory + 4, &relocations.len()?.to_le_bytes());
        for (number, section) in self.sections.iter().enumerate() {
            let header = &mut image[SECTIONS + number * SECTION_LEN..];
            put(header, 0, &section.name);
            put(header, 8, &section.len()?.to_le_bytes());
            put(header, 12, &section.start()?.to_le_bytes());
            put(header, 16, &section.len()?.to_le_bytes());
            put(header, 20, &section.start()?.to_le_bytes());
            put(header, 36, &section.flags.to_le_bytes());
        }
        Ok(())
    }

    fn write_coff(&self, header: &mut [u8]) {
        let machine: u16 = match self.arch {
            Arch::X86_64 => 0x8664,
            Arch::Aarch64 => 0xAA64,
        };
        put(header, 0, &machine.to_le_bytes());
        put(header, 2, &[5]);
        put(header, 16, &OPTIONAL_LEN.to_le_bytes());
        put(header, 18, &CHARACTERISTICS.to_le_bytes());
    }

    fn write_optional(&self, header: &mut [u8], image_len: u32) -> Result<(), ImageError> {
        let [text, data, modules, sbat, _] = &self.sections;
        let page = to_u32(PAGE)?.to_le_bytes();
        let data_len = data.len()? + modules.len()? + sbat.len()?;
        put(header, 0, &PE32_PLUS.to_le_bytes());
        put(header, 4, &text.len()?.to_le_bytes());
        put(header, 8, &data_len.to_le_bytes());
        put(header, 16, &to_u32(self.entry)?.to_le_bytes());
        put(header, 20, &text.start()?.to_le_bytes());
        put(header, 32, &page); // of sections in memory
        put(header, 36, &page); // of sections in the file
        put(header, 56, &image_len.to_le_bytes());
        put(header, 60, &page); // length of the headers
        put(header, 68, &EFI_APPLICATION.to_le_bytes());
        put(header, 70, &(if self.no_execute { NX_COMPATIBLE } else { 0 }).to_le_bytes());
        for at in [72, 80, 88, 96] {
            put(header, at, &STACK_AND_HEAP.to_le_bytes());
        }
        put(header, 108, &[16]); // directories
        Ok(())
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}
