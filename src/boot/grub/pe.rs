//! Reads PE files: what is built into a GRUB binary for UEFI, its prefix and its modules; and whether a
//! file is signed.
//!
//! The binary is a PE32+ file whose section `mods` is a module area ([`super::area`]). A module is an
//! ELF file whose section `.modname` has its name.
//!
//! The file comes from the image and may be anything: nothing here trusts an offset.

use std::collections::BTreeSet;

use super::area::{self, Kind, Word};
use super::bytes::{part, u16_at, u32_at, u64_at};

/// The most that is read of a binary.
pub const LIMIT_BYTES: u64 = 64 << 20;
/// The headers of all programs that are known are within so many bytes from their start.
pub const HEADERS_BYTES: usize = 64 << 10;

/// Why a file is no GRUB binary.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PeError {
    /// No PE file.
    #[error("no PE file")]
    NotPe,
    /// No `mods` section: another program than GRUB.
    #[error("no section `mods`")]
    NoModules,
    /// The module area ends too early or points outside of itself.
    #[error("its module area is broken")]
    Broken,
}

/// What is built into a GRUB binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrubBinary {
    /// Where it looks for `grub.cfg`: a directory on the partition it was loaded from (`/EFI/debian`).
    pub prefix: Option<String>,
    /// Names of the modules.
    pub modules: BTreeSet<String>,
}

impl GrubBinary {
    /// Reads a binary.
    pub fn parse(file: &[u8]) -> Result<Self, PeError> {
        let area = section(file, b"mods\0\0\0\0")?;
        let mut binary = Self::default();
        for object in area::read(Word::Bits64, area).ok_or(PeError::Broken)? {
            let (kind, data) = object.ok_or(PeError::Broken)?;
            match kind {
                Kind::Module => binary.modules.extend(module_name(data)),
                Kind::Prefix => binary.prefix = Some(until_nul(data)),
                Kind::Config | Kind::Other => {}
            }
        }
        Ok(binary)
    }

    /// The directory of `EFI/` that the prefix names (`debian` of `/EFI/debian`).
    pub fn vendor(&self) -> Option<&str> {
        let below = self.prefix.as_deref()?.trim_start_matches('/');
        let (efi, vendor) = below.split_once('/')?;
        let vendor = vendor.trim_end_matches('/');
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let named = !vendor.is_empty() && vendor.chars().all(safe) && !vendor.starts_with('.');
        (efi.eq_ignore_ascii_case("EFI") && named).then_some(vendor)
    }

    /// Whether a module is built in.
    pub fn has(&self, module: &str) -> bool {
        self.modules.contains(module)
    }
}

/// Whether a PE file has a signature for Secure Boot; whose, and whether it is right, is not looked at.
///
/// Kernels are PE files too: those for x86 with an EFI stub, and `Image` for ARM unless it is
/// compressed, when it has no PE header. The first [`HEADERS_BYTES`] of the file are enough.
pub fn is_signed(file: &[u8]) -> Result<bool, PeError> {
    const COFF_LEN: u64 = 24;
    const CERTIFICATES: usize = 4;
    let header = pe_header(file)?;
    let optional_len = u16_at(header, 20).ok_or(PeError::NotPe)?;
    let optional = part(header, COFF_LEN, Some(optional_len.into())).ok_or(PeError::NotPe)?;
    let directories = match u16_at(optional, 0) {
        Some(0x10B) => 96,
        Some(0x20B) => 112,
        _ => return Err(PeError::NotPe),
    };
    let count = u32_at(optional, directories - 4).ok_or(PeError::NotPe)?;
    if usize::try_from(count).is_ok_and(|count| count <= CERTIFICATES) {
        return Ok(false);
    }
    let len = u32_at(optional, directories + CERTIFICATES * 8 + 4).ok_or(PeError::NotPe)?;
    Ok(len != 0)
}

/// The file from its PE header.
fn pe_header(file: &[u8]) -> Result<&[u8], PeError> {
    file.starts_with(b"MZ")
        .then(|| u32_at(file, 0x3C))
        .flatten()
        .and_then(|offset| part(file, offset.into(), None))
        .filter(|header| header.starts_with(b"PE\0\0"))
        .ok_or(PeError::NotPe)
}

/// The bytes of the section whose eight-byte name is `name`.
fn section<'a>(file: &'a [u8], name: &[u8; 8]) -> Result<&'a [u8], PeError> {
    let header = pe_header(file)?;
    let count = u16_at(header, 6).ok_or(PeError::NotPe)?;
    let optional_len = u16_at(header, 20).ok_or(PeError::NotPe)?;
    let table = part(header, 24 + u64::from(optional_len), None).ok_or(PeError::NotPe)?;
    let mut entries = table.chunks_exact(40).take(count.into());
    let entry = entries.find(|entry| entry.starts_with(name)).ok_or(PeError::NoModules)?;
    let size = u32_at(entry, 16).map(u64::from);
    let offset = u32_at(entry, 20).ok_or(PeError::Broken)?;
    part(file, offset.into(), size).ok_or(PeError::Broken)
}

/// The content of the section `.modname` of a 32- or 64-bit ELF file.
fn module_name(elf: &[u8]) -> Option<String> {
    if !elf.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = *elf.get(4)? == 2;
    let (table, sizes) =
        if wide { (u64_at(elf, 0x28)?, 0x3A) } else { (u32_at(elf, 0x20)?.into(), 0x2E) };
    let entry_len = u64::from(u16_at(elf, sizes)?);
    let (count, names) = (u16_at(elf, sizes + 2)?, u16_at(elf, sizes + 4)?);
    let header = |index: u16| {
        let offset = table.checked_add(u64::from(index) * entry_len)?;
        part(elf, offset, Some(entry_len))
    };
    let content = |header: &[u8]| {
        let (offset, len) = if wide {
            (u64_at(header, 0x18)?, u64_at(header, 0x20)?)
        } else {
            (u32_at(header, 0x10)?.into(), u32_at(header, 0x14)?.into())
        };
        part(elf, offset, Some(len))
    };
    let names = content(header(names)?)?;
    (0..count).find_map(|index| {
        let header = header(index)?;
        let name = part(names, u32_at(header, 0)?.into(), None)?;
        name.starts_with(b".modname\0").then(|| content(header).map(until_nul))?
    })
}

fn until_nul(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Makes binaries for tests.
#[cfg(test)]
pub mod fake {
    /// A GRUB binary with this prefix and these modules.
    pub fn grub(prefix: &str, modules: &[&str]) -> Vec<u8> {
        let mut objects: Vec<u8> = modules.iter().flat_map(|name| object(0, &elf(name))).collect();
        objects.extend(object(3, format!("{prefix}\0").as_bytes()));
        let mut area = 0x676D_696D_u64.to_le_bytes().to_vec();
        area.extend(24_u64.to_le_bytes());
        area.extend(u64::try_from(objects.len() + 24).unwrap().to_le_bytes());
        area.extend(objects);
        pe(b"mods\0\0\0\0", &area)
    }

    /// A PE file with one section.
    pub fn pe(name: &[u8; 8], content: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 0x200];
        file[..2].copy_from_slice(b"MZ");
        file[0x3C] = 0x80;
        file[0x80..0x84].copy_from_slice(b"PE\0\0");
        file[0x86] = 1;
        file[0x94] = 0xF0;
        file[0x98..0x9A].copy_from_slice(&0x20B_u16.to_le_bytes());
        file[0x104] = 16;
        file[0x188..0x190].copy_from_slice(name);
        let len = u32::try_from(content.len()).unwrap();
        file[0x198..0x19C].copy_from_slice(&len.to_le_bytes());
        file[0x19C..0x1A0].copy_from_slice(&0x200_u32.to_le_bytes());
        file.extend(content);
        file
    }

    fn object(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut data = data.to_vec();
        data.resize(data.len().next_multiple_of(8), 0);
        let size = u32::try_from(data.len() + 8).unwrap();
        [&kind.to_le_bytes()[..], &size.to_le_bytes(), &data].concat()
    }

    /// A 64-bit ELF file with the sections `.modname` and `.shstrtab`.
    fn elf(name: &str) -> Vec<u8> {
        let strings = b"\0.modname\0.shstrtab\0";
        let mut file = vec![0; 64];
        file[..5].copy_from_slice(b"\x7fELF\x02");
        let name_at = file.len();
        file.extend(name.as_bytes());
        file.push(0);
        let strings_at = file.len();
        file.extend(strings);
        let table_at = file.len();
        let sections = [(1_u32, name_at, name.len() + 1), (10, strings_at, strings.len())];
        for (name, offset, len) in sections {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[0x18..0x20].copy_from_slice(&u64::try_from(offset).unwrap().to_le_bytes());
            header[0x20..0x28].copy_from_slice(&u64::try_from(len).unwrap().to_le_bytes());
            file.extend(header);
        }
        file[0x28..0x30].copy_from_slice(&u64::try_from(table_at).unwrap().to_le_bytes());
        file[0x3A] = 64;
        file[0x3C] = 2;
        file[0x3E] = 1;
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prefix_and_modules_are_read() {
        let file = fake::grub("/EFI/debian", &["normal", "regexp"]);
        let binary = GrubBinary::parse(&file).unwrap();
        assert_eq!(binary.prefix.as_deref(), Some("/EFI/debian"));
        assert_eq!(binary.vendor(), Some("debian"));
        assert!(binary.has("regexp") && binary.has("normal") && !binary.has("blscfg"));
    }

    #[test]
    fn only_a_plain_directory_is_a_vendor() {
        let cases = [
            ("/EFI/fedora/", Some("fedora")),
            ("EFI/BOOT", Some("BOOT")),
            ("/efi/x", Some("x")),
            ("(hd0)/EFI/x", None),
            ("/EFI", None),
            ("/EFI/", None),
            ("/EFI/a/b", None),
            ("/EFI/..", None),
            ("/boot/grub", None),
        ];
        for (prefix, vendor) in cases {
            let binary = GrubBinary { prefix: Some(prefix.to_owned()), ..GrubBinary::default() };
            assert_eq!(binary.vendor(), vendor, "{prefix}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(GrubBinary::parse(b""), Err(PeError::NotPe));
        assert_eq!(GrubBinary::parse(b"MZ"), Err(PeError::NotPe));
        let shim = fake::pe(b".text\0\0\0", b"code");
        assert_eq!(GrubBinary::parse(&shim), Err(PeError::NoModules));
        let broken = fake::pe(b"mods\0\0\0\0", b"code");
        assert_eq!(GrubBinary::parse(&broken), Err(PeError::Broken));
        let file = fake::grub("/EFI/x", &["a"]);
        let cut = &file[..file.len() - 1];
        assert_eq!(GrubBinary::parse(cut), Err(PeError::Broken));
    }

    /// A PE file with so many directories, the one of certificates of this length.
    fn pe(magic: u16, directories: u32, certificates_len: u32) -> Vec<u8> {
        let mut file = fake::pe(b".text\0\0\0", b"code");
        let table = 0x98 + if magic == 0x10B { 96 } else { 112 };
        file[0x98..0x9A].copy_from_slice(&magic.to_le_bytes());
        file[table - 4..table].copy_from_slice(&directories.to_le_bytes());
        file[table + 36..table + 40].copy_from_slice(&certificates_len.to_le_bytes());
        file
    }

    #[test]
    fn a_signature_is_seen() {
        for magic in [0x10B, 0x20B] {
            assert_eq!(is_signed(&pe(magic, 16, 0)), Ok(false));
            assert_eq!(is_signed(&pe(magic, 16, 1464)), Ok(true));
            assert_eq!(is_signed(&pe(magic, 5, 1464)), Ok(true));
            assert_eq!(is_signed(&pe(magic, 4, 1464)), Ok(false), "the directory is not there");
        }
        assert_eq!(is_signed(b"\x1f\x8b\x08"), Err(PeError::NotPe));
        assert_eq!(is_signed(&pe(0x107, 16, 8)), Err(PeError::NotPe));
        let file = pe(0x20B, 16, 8);
        for len in [0, 2, 0x3C, 0x83, 0x98, 0x100, 0x187] {
            assert_eq!(is_signed(&file[..len]), Err(PeError::NotPe), "{len:#x}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            changes in prop::collection::vec((0..2000_usize, any::<u8>()), 0..8),
            keep in 0..2000_usize,
        ) {
            let mut file = fake::grub("/EFI/debian", &["normal", "regexp"]);
            file.truncate(keep.max(1));
            let len = file.len();
            for (at, byte) in changes {
                file[at % len] = byte;
            }
            let _ = GrubBinary::parse(&file);
            let _ = is_signed(&file);
        }
    }
}
