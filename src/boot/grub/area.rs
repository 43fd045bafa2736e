//! The module area: how modules, prefix and early configuration are packed into every GRUB image.
//!
//! All numbers are little-endian. The header depends on the platform's word (bootloader.md 2.4, 3.2):
//!
//! | BIOS | UEFI | field |
//! |---|---|---|
//! | 0 u32 | 0 u32 | magic 0x676D696D ("mimg") |
//! | | 4 u32 | padding |
//! | 4 u32 | 8 u64 | offset of the first object, from the start of the area |
//! | 8 u32 | 16 u64 | size of the area with this header |
//!
//! Objects follow each other, each padded with zeros to the word:
//!
//! ```text
//!  0 u32 type   4 u32 size with this header and the padding   8 data
//! ```
//!
//! | type | data |
//! |---|---|
//! | 0 | a module: an ELF file whose section `.modname` has its name |
//! | 2 | early configuration: a text with NUL |
//! | 3 | prefix: a string with NUL |
//!
//! Other types are passed over when read, and never written: distributions number them differently.

use super::bytes::{part, u32_at, u64_at};

const MAGIC: u32 = 0x676D_696D;
const MODULE: u32 = 0;
const CONFIG: u32 = 2;
const PREFIX: u32 = 3;
const OBJECT_HEADER: u32 = 8;

/// The word of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// BIOS: objects are padded to 4 bytes.
    Bits32,
    /// UEFI: objects are padded to 8 bytes.
    Bits64,
}

impl Word {
    fn len(self) -> usize {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }

    fn header_len(self) -> usize {
        match self {
            Self::Bits32 => 12,
            Self::Bits64 => 24,
        }
    }
}

/// Something packed into an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object<'a> {
    /// A module's file.
    Module(&'a [u8]),
    /// Commands that run before anything else.
    Config(&'a str),
    /// Where GRUB looks for its files.
    Prefix(&'a str),
}

/// Packs objects, in their order. `None` when there are more than 4 GiB of them.
pub fn pack(word: Word, objects: &[Object<'_>]) -> Option<Vec<u8>> {
    let mut area = vec![0; word.header_len()];
    for object in objects {
        let (kind, data, end) = match object {
            Object::Module(file) => (MODULE, *file, &[][..]),
            Object::Config(text) => (CONFIG, text.as_bytes(), &[0][..]),
            Object::Prefix(path) => (PREFIX, path.as_bytes(), &[0][..]),
        };
        let size = (8 + data.len() + end.len()).checked_next_multiple_of(word.len())?;
        let next = area.len() + size;
        area.extend(kind.to_le_bytes());
        area.extend(u32::try_from(size).ok()?.to_le_bytes());
        area.extend(data);
        area.extend(end);
        area.resize(next, 0);
    }
    let size = u32::try_from(area.len()).ok()?;
    area[..4].copy_from_slice(&MAGIC.to_le_bytes());
    match word {
        Word::Bits32 => {
            area[4..8].copy_from_slice(&12_u32.to_le_bytes());
            area[8..12].copy_from_slice(&size.to_le_bytes());
        }
        Word::Bits64 => {
            area[8..16].copy_from_slice(&24_u64.to_le_bytes());
            area[16..24].copy_from_slice(&u64::from(size).to_le_bytes());
        }
    }
    Some(area)
}

/// What an object of an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A module's file.
    Module,
    /// Commands that run before anything else: a text with NUL.
    Config,
    /// Where GRUB looks for its files: a string with NUL.
    Prefix,
    /// Something of no interest here.
    Other,
}

/// The objects of an area, with their padding. `None` as an item is a broken object, and the last.
#[derive(Debug, Clone)]
pub struct Objects<'a> {
    rest: &'a [u8],
}

/// Reads an area at the start of these bytes. `None` when it is none or longer than they are.
pub fn read(word: Word, bytes: &[u8]) -> Option<Objects<'_>> {
    if u32_at(bytes, 0)? != MAGIC {
        return None;
    }
    let (start, end) = match word {
        Word::Bits32 => (u32_at(bytes, 4)?.into(), u32_at(bytes, 8)?.into()),
        Word::Bits64 => (u64_at(bytes, 8)?, u64_at(bytes, 16)?),
    };
    Some(Objects { rest: part(bytes, start, Some(end.checked_sub(start)?))? })
}

impl<'a> Objects<'a> {
    fn take(&mut self) -> Option<(Kind, &'a [u8])> {
        let kind = match u32_at(self.rest, 0)? {
            MODULE => Kind::Module,
            CONFIG => Kind::Config,
            PREFIX => Kind::Prefix,
            _ => Kind::Other,
        };
        let len = u32_at(self.rest, 4)?.checked_sub(OBJECT_HEADER)?;
        let data = part(self.rest, OBJECT_HEADER.into(), Some(len.into()))?;
        self.rest = part(self.rest, (len + OBJECT_HEADER).into(), None)?;
        Some((kind, data))
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = Option<(Kind, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let object = self.take();
        if object.is_none() {
            self.rest = &[];
        }
        Some(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_of_bios_is_packed_to_4_bytes() {
        let area = pack(Word::Bits32, &[Object::Module(b"12345"), Object::Prefix("/p")]).unwrap();
        let expected: Vec<u8> = [
            &b"mimg\x0c\0\0\0\x28\0\0\0"[..],
            b"\0\0\0\0\x10\0\0\x0012345\0\0\0",
            b"\x03\0\0\0\x0c\0\0\0/p\0\0",
        ]
        .concat();
        assert_eq!(area, expected);
    }

    #[test]
    fn an_area_of_uefi_is_packed_to_8_bytes() {
        let area = pack(Word::Bits64, &[Object::Config("cmd")]).unwrap();
        let expected: Vec<u8> = [
            &b"mimg\0\0\0\0\x18\0\0\0\0\0\0\0\x28\0\0\0\0\0\0\0"[..],
            b"\x02\0\0\0\x10\0\0\0cmd\0\0\0\0\0",
        ]
        .concat();
        assert_eq!(area, expected);
    }

    #[test]
    fn what_is_packed_can_be_read() {
        for word in [Word::Bits32, Word::Bits64] {
            let objects =
                [Object::Module(b"12345678"), Object::Config("command"), Object::Prefix("/EFI/ab")];
            let area = pack(word, &objects).unwrap();
            let found: Vec<_> = read(word, &area).unwrap().collect();
            let expected = [
                Some((Kind::Module, &b"12345678"[..])),
                Some((Kind::Config, b"command\0")),
                Some((Kind::Prefix, b"/EFI/ab\0")),
            ];
            assert_eq!(found, expected);
            assert!(read(word, &area[..area.len() - 1]).is_none());

            let mut broken = area;
            broken[word.header_len() + 4] = 7;
            assert_eq!(read(word, &broken).unwrap().collect::<Vec<_>>(), [None]);
        }
    }
}
